"""The data sets that have a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from .sources import cifar, digits, idx, named, planes


@dataclass(frozen=True)
class Named:
    """A data set that `load` knows.

    Attributes:
        kind: "images" or "points", which are datasets; "table", a `Table`; "text", a string.
        about: one line.
        make: what makes it.
        classes: their names, in the order of their numbers, of images and points.
        target: the column to learn, of a table.
    """

    kind: str
    about: str
    make: Callable[..., Any]
    classes: tuple[str, ...] = ()
    target: str = ""


DIGITS, TWO = tuple(map(str, range(10))), ("0", "1")

CATALOG = {
    "digits": Named(
        "images", "1,797 handwritten digits of 8 x 8, part of scikit-learn", digits.load_digits,
        DIGITS,
    ),
    "mnist": Named("images", "70,000 handwritten digits of 28 x 28", idx.load_mnist, DIGITS),
    "fashion-mnist": Named(
        "images", "70,000 pieces of clothing of 28 x 28", idx.load_fashion_mnist, idx.FASHION
    ),
    "cifar10": Named(
        "images", "60,000 photographs of 32 x 32 in colour", cifar.load_cifar10, cifar.CLASSES10
    ),
    "cifar100": Named(
        "images", "60,000 photographs of 32 x 32 in colour", cifar.load_cifar100,
        cifar.CLASSES100,
    ),
    "california-housing": Named(
        "table", "20,640 block groups of 1990 and the value of their houses",
        named.load_california_housing, target="median_house_value",
    ),
    "tiny-shakespeare": Named(
        "text", "plays of Shakespeare, 1.1 million characters", named.load_tiny_shakespeare
    ),
    "names": Named("text", "32,033 first names, one per line", named.load_names),
    "moons": Named("points", "two half circles", planes.make_moons, TWO),
    "circles": Named("points", "a circle within a circle", planes.make_circles, TWO),
    "blobs": Named("points", "three clouds", planes.make_blobs, ("0", "1", "2")),
    "spirals": Named("points", "two arms that wind around each other", planes.make_spirals, TWO),
    "xor": Named("points", "a square in four quarters", planes.make_xor, TWO),
    "checkerboard": Named("points", "a square in 16 fields", planes.make_checkerboard, TWO),
}  # fmt: skip


def load(name: str, **options: Any) -> Any:
    """Return the data set of this name.

    Args:
        name: a key of `CATALOG`.
        options: those of the function behind the name, such as ``train=False`` of
            `load_mnist` or ``samples=500`` of `make_moons`.

    Raises:
        DataError: there is no such name, or its files cannot be had.

    >>> len(load("xor", samples=40))
    40
    """
    if name not in CATALOG:
        raise DataError(f"load: one of {', '.join(CATALOG)}; got {name!r}.")
    return CATALOG[name].make(**options)
