"""Convolution with fewer multiplications: 3 x 3 kernels in tiles of 4 x 4 results.

Along one axis, 4 results of a kernel of 3 taps are the product of two short polynomials. Six
points determine it: evaluate both there, multiply point by point, and interpolate. In two
dimensions 36 multiplications stand for 144, and over the channels they become 36 products of
matrices:

    V = Bᵀ d B       the tiles d of the image, 6 x 6, at the points
    U = G w Gᵀ       the kernels w, 3 x 3, at the points
    Y = Aᵀ (U V) A   the results of the tile, 4 x 4

What the algorithm computes is bilinear, so both gradients have the same form: that for the
images is a convolution with turned kernels, that for the kernels Gᵀ ((Bᵀ d B) (A g Aᵀ)) G.

Numerics: with the points 0, ±3/4, ±3/2 and infinity, an error of 2e-6 to 4e-6 of the largest
    value in float32, where summing directly has 1e-6.

Source: Winograd (1980), Arithmetic Complexity of Computations; Lavin and Gray (2016), Fast
    Algorithms for Convolutional Neural Networks, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.kinds import Composite, Pull
from ..graph.op import Misuse, Op, Sample
from ..graph.tensor import Tensor, apply
from ..graph.types import TensorType
from .after import after
from .contraction import CONTRACT
from .correlation import CONV, CONV_TRANSPOSE, CONV_WEIGHT_GRADIENT
from .movement import permute, reshape
from .samples import cases, real
from .slicing import PAD
from .turning import flip
from .unfolding import FOLD
from .window import Window, Windows, guarded, view_windows

Matrix = tuple[tuple[float, ...], ...]

TILE, KERNEL = 4, 3  # results and taps along an axis
PANEL = 16  # channels side by side: two vectors of AVX2, one of AVX-512
FEW = 4  # tiles of an image
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity; powers of two and three are exact


# Matrices -------------------------------------------------------------------------------


def _matrices() -> tuple[Matrix, Matrix, Matrix]:
    """Return Aᵀ (4 x 6), G (6 x 3) and Bᵀ (6 x 6) of the points."""
    values = np.vander(POINTS, TILE, increasing=True)
    others = [[b for b in POINTS if b != a] for a in POINTS]
    scale = np.array([prod(a - b for b in rest) for a, rest in zip(POINTS, others, strict=True)])
    results = np.zeros((TILE, len(POINTS) + 1))
    results[:, :-1], results[-1, -1] = values.T, 1
    kernels = np.zeros((len(POINTS) + 1, KERNEL))
    kernels[:-1] = np.vander(POINTS, KERNEL, increasing=True) / scale[:, None]
    kernels[-1, -1] = 1
    images = np.zeros((len(POINTS) + 1, len(POINTS) + 1))
    for row, rest in enumerate(others):
        images[row, :-1] = np.poly(rest)[::-1]
    images[-1] = np.poly(POINTS)[::-1]
    return _as_tuples(results), _as_tuples(kernels), _as_tuples(images)


def _as_tuples(matrix: np.ndarray) -> Matrix:
    return tuple(tuple(float(x) for x in row) for row in matrix)


def _turned(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


AT, G, BT = _matrices()


# Weighted sums --------------------------------------------------------------------------


def _sums_type(x: TensorType, weights: Matrix, dim: int) -> TensorType:
    columns = len(weights[0])
    if not 0 <= dim < len(x.shape) or x.shape[dim] != columns or not x.dtype.is_float:
        raise ShapeError(
            f"weighted_sums: the axis has one float for each of the {columns} weights of a sum; "
            f"got {x} and axis {dim}. Choose another axis, or convert with .to()."
        )
    return TensorType((*x.shape[:dim], len(weights), *x.shape[dim + 1 :]), x.dtype)


def _sums_reference(x: np.ndarray, weights: Matrix, dim: int) -> np.ndarray:
    return np.moveaxis(np.tensordot(np.array(weights, x.dtype), x, (1, dim)), 0, dim)


def _sums_rule(b: Any, i: Any, x: Any, types: Any, weights: Matrix, dim: int) -> Any:
    """All sums, of which the index chooses one. Where a backend takes the axis at once, what
    the sums share is found once."""
    at = [[*i[:dim], b.const(k, like=i[dim]), *i[dim + 1 :]] for k in range(len(weights[0]))]
    return b.choose(i[dim], *_times(b, weights, [x(place) for place in at]))


Terms = tuple[tuple[float, int], ...]  # factors, each with the number of an element


@dataclass(frozen=True)
class _Product:
    """How the product of a matrix and a vector is found.

    Opposite points have rows, or columns, that differ in signs only. Of such columns the sum and
    the difference of the two elements is needed, of such rows two sums that both share.

    Attributes:
        columns: neighbours that give way to their sum and difference.
        rows: the terms of each other row, by its number.
        pairs: of two rows the first number, the even terms, the odd terms and their factor.
    """

    columns: tuple[int, ...]
    rows: tuple[tuple[int, Terms], ...]
    pairs: tuple[tuple[int, Terms, Terms, float], ...]


@cache
def _product(matrix: Matrix) -> _Product:
    m = np.array(matrix)
    columns = _pairs(m.T)
    for j in columns:
        same = m[:, j] == m[:, j + 1]
        m[:, j], m[:, j + 1] = np.where(same, m[:, j], 0), np.where(same, 0, m[:, j])
    pairs = []
    for j in _pairs(m):
        same = m[j] == m[j + 1]
        even, odd = np.where(same, m[j], 0), np.where(same, 0, m[j])
        factor = float(odd[np.flatnonzero(odd)[-1]])
        pairs.append((j, _terms(even), _terms(odd / factor), factor))
    paired = {k for j, *_ in pairs for k in (j, j + 1)}
    rows = tuple((k, _terms(row)) for k, row in enumerate(m) if k not in paired)
    return _Product(tuple(columns), rows, tuple(pairs))


def _pairs(rows: np.ndarray) -> list[int]:
    """Rows that differ from the next in the signs of some elements, but not of all."""
    return [
        j
        for j in range(len(rows) - 1)
        if (abs(rows[j]) == abs(rows[j + 1])).all()
        and (rows[j] != rows[j + 1]).any()
        and (rows[j] != -rows[j + 1]).any()
    ]


def _terms(factors: np.ndarray) -> Terms:
    """The terms of a sum of products, those with 1 first, which multiply nothing."""
    terms = [(float(f), k) for k, f in enumerate(factors) if f]
    return tuple(sorted(terms, key=lambda term: term[0] != 1))


def _times(b: Any, matrix: Matrix, x: Sequence[Any]) -> list[Any]:
    """The product of the matrix and a vector."""
    product, x = _product(matrix), list(x)
    for j in product.columns:
        x[j], x[j + 1] = b.add(x[j], x[j + 1]), b.sub(x[j], x[j + 1])
    results: list[Any] = [None] * len(matrix)
    for j, evens, odds, factor in product.pairs:
        even, odd = _sum(b, evens, x), _sum(b, odds, x)
        results[j] = b.fma(odd, b.const(factor, like=odd), even)
        results[j + 1] = b.fma(odd, b.const(-factor, like=odd), even)
    for k, terms in product.rows:
        results[k] = _sum(b, terms, x)
    return results


def _sum(b: Any, terms: Terms, x: Sequence[Any]) -> Any:
    if not terms:
        return b.const(0.0, like=x[0])
    (factor, first), *rest = terms
    total = x[first]
    if factor != 1:
        total = b.mul(total, b.const(factor, like=total))
    for factor, k in rest:
        e = x[k]
        total = b.add(total, e) if factor == 1 else b.fma(e, b.const(factor, like=e), total)
    return total


WEIGHTED_SUMS: Op = Op(
    name="weighted_sums",
    infer=_sums_type,
    reference=_sums_reference,
    kernel=Pull(_sums_rule, reuse=lambda types, weights, dim: 1),
    gradient=(
        lambda g, y, x, weights, dim: apply(WEIGHTED_SUMS, g, weights=_turned(weights), dim=dim),
    ),
    samples=cases(
        (((2, 6, 5, 3),), {"weights": BT, "dim": 1}),
        (((6, 2, 17),), {"weights": AT, "dim": 0}),
        (((3, 5, 3),), {"weights": G, "dim": 2}),
        (((4, 7),), {"weights": ((1.0, -2.0, 0.5, 0.0), (0.0, 0.0, 0.0, 1.0)), "dim": 0}),
        (((0, 6),), {"weights": BT, "dim": 1}),
    ),
    misuses=(
        Misuse((np.ones((2, 5)),), {"weights": BT, "dim": 1}, ShapeError, "the 6 weights of a sum"),
        Misuse((np.ones(6),), {"weights": BT, "dim": 1}, ShapeError, "got float64[6] and axis 1"),
    ),
    doc="""Sums along an axis with constant weights: y[..., r, ...] = sum over k of
    weights[r][k] x[..., k, ...].""",
)


def _on_both_sides(x: Tensor, matrix: Matrix, dims: tuple[int, int]) -> Tensor:
    """M X Mᵀ for all matrices X along two axes."""
    for dim in dims:
        x = apply(WEIGHTED_SUMS, x, weights=matrix, dim=dim)
    return x


# Images and tiles -----------------------------------------------------------------------

# images (batch, 1, channels, h, w) with the channels last in memory: they go into lanes
_CHANNELS_LAST = (0, 1, 3, 4, 2, 2)


def _tiles_type(x: TensorType, windows: Windows) -> TensorType:
    lengths = tuple(w.length for w in windows)
    if len(x.shape) != 5 or x.shape[1] != 1 or x.shape[3:] != lengths:
        raise ShapeError(
            f"tiles: images are (batch, 1, channels, *{lengths}); got {x}. Make the windows for "
            "this shape."
        )
    taps, places = (tuple(getattr(w, k) for w in windows) for k in ("kernel", "count"))
    return TensorType((x.shape[0], *taps, *places, x.shape[2]), x.dtype)


def _tiles_rule(b: Any, i: Any, x: Any, types: Any, windows: Windows) -> Any:
    n, r, s, p, q, channel = i
    found = [w.tap(b, *at) for w, at in zip(windows, ((p, r), (q, s)), strict=True)]
    tests = [t for _, ts in found for t in ts]
    at = [n, b.const(0, like=n), channel, *(a for a, _ in found)]
    return guarded(b, tests, lambda: x(at))


TILES: Op = Op(
    name="tiles",
    infer=_tiles_type,
    reference=lambda x, windows: np.moveaxis(view_windows(x[:, 0], windows), 1, -1),
    kernel=Pull(
        _tiles_rule,
        reuse=lambda types, windows: prod(w.kernel / w.stride for w in windows),
        orders=lambda types, windows: (None, _CHANNELS_LAST),
    ),
    gradient=(
        lambda g, y, x, windows: reshape(
            apply(FOLD, permute(g, 0, 5, 1, 2, 3, 4), windows=windows), x.shape
        ),
    ),
    samples=cases(
        (
            ((2, 1, 3, 5, 9),),
            {"windows": (Window(5, 6, 2, stride=4, before=1), Window(9, 6, 3, stride=4))},
        ),
        (((3, 1, 17, 4, 8),), {"windows": (Window(4, 4, 1, stride=4), Window(8, 4, 2, stride=4))}),
    ),
    misuses=(
        Misuse(
            (np.ones((2, 1, 3, 5, 9)),),
            {"windows": (Window(9, 6, 2, stride=4), Window(5, 6, 2, stride=4))},
            ShapeError,
            "(batch, 1, channels, *(9, 5))",
        ),
        Misuse(
            (np.ones((2, 3, 5)),),
            {"windows": (Window(5, 6, 2, stride=4),) * 2},
            ShapeError,
            "Make the windows for this shape",
        ),
    ),
    doc="Images in overlapping tiles, zero where they leave the image: (batch, rows and columns "
    "of a tile, rows and columns of tiles, channels).",
)


def _images_type(x: TensorType, lengths: tuple[int, int]) -> TensorType:
    if len(x.shape) != 4 or any(a < b for a, b in zip(x.shape[1:3], lengths, strict=True)):
        raise ShapeError(
            f"images: x is (batch, height, width, channels) with at least {lengths} pixels; got "
            f"{x}. Keep fewer pixels."
        )
    return TensorType((x.shape[0], 1, x.shape[3], *lengths), x.dtype)


def _images_gradient(g: Tensor, y: Tensor, x: Tensor, lengths: tuple[int, int]) -> Tensor:
    n, _, channels, h, w = g.shape
    inside = permute(reshape(g, n, channels, h, w), 0, 2, 3, 1)
    ends = [(0, a - b, 0) for a, b in zip(x.shape[1:3], lengths, strict=True)]
    return apply(PAD, inside, widths=((0, 0, 0), *ends, (0, 0, 0)), value=0.0)


IMAGES: Op = Op(
    name="images",
    infer=_images_type,
    reference=lambda x, lengths: x[:, None, : lengths[0], : lengths[1]].transpose(0, 1, 4, 2, 3),
    kernel=Pull(
        lambda b, i, x, types, lengths: x([i[0], i[3], i[4], i[2]]),
        orders=lambda types, lengths: (_CHANNELS_LAST, None),
    ),
    gradient=(_images_gradient,),
    samples=cases(
        (((2, 8, 4, 3),), {"lengths": (7, 4)}),
        (((3, 4, 8, 17),), {"lengths": (4, 5)}),
    ),
    misuses=(
        Misuse((np.ones((2, 8, 4, 3)),), {"lengths": (7, 5)}, ShapeError, "at least (7, 5)"),
        Misuse((np.ones((8, 4, 3)),), {"lengths": (7, 4)}, ShapeError, "Keep fewer pixels"),
    ),
    doc="The first pixels of x, (batch, height, width, channels), as images (batch, 1, channels, "
    "*lengths).",
)


# Convolution and its gradients ----------------------------------------------------------


def _tiles(x: Tensor, windows: Windows, taps: int, before: Sequence[int]) -> Tensor:
    """Images in tiles: (batch, taps, taps, p, q, channels)."""
    tiles = tuple(
        Window(length, taps, -(-w.count // TILE), stride=TILE, before=b)
        for length, w, b in zip(x.shape[3:], windows, before, strict=True)
    )
    return apply(TILES, x, windows=tiles)


def _points_of_images(x: Tensor, windows: Windows) -> Tensor:
    """(batch, points, p, q, channels)"""
    tiles = _tiles(x, windows, TILE + KERNEL - 1, [w.before for w in windows])
    return _flat(_on_both_sides(tiles, BT, (1, 2)), 1)


def _flat(x: Tensor, dim: int) -> Tensor:
    """The points of both axes along one."""
    return reshape(x, *x.shape[:dim], prod(x.shape[dim : dim + 2]), *x.shape[dim + 2 :])


def _square(x: Tensor, dim: int) -> Tensor:
    """The points along an axis for each of the two axes of an image."""
    side = TILE + KERNEL - 1
    return reshape(x, *x.shape[:dim], side, side, *x.shape[dim + 1 :])


def _conv(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    _, out, channels, *_ = w.shape
    panel = _panel(out)
    w = permute(reshape(w, out // panel, panel, channels, KERNEL, KERNEL), 3, 4, 0, 2, 1)
    return _convolved(x, w, windows)


def _conv_transpose(g: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """The convolution with turned kernels, out and in channels exchanged."""
    _, channels, out, *_ = w.shape
    panel = _panel(out)
    w = permute(reshape(w, channels, out // panel, panel, KERNEL, KERNEL), 3, 4, 1, 0, 2)
    back = tuple(Window(v.count, KERNEL, v.length, before=KERNEL - 1 - v.before) for v in windows)
    return _convolved(g, flip(w, (0, 1)), back)


def _panel(channels: int) -> int:
    """So many out channels lie side by side, so that a product reads its kernels in order."""
    return PANEL if channels % PANEL == 0 else channels


def _convolved(x: Tensor, w: Tensor, windows: Windows) -> Tensor:
    """The convolution with kernels (3, 3, panels, in channels, out channels of a panel).

    Where an image has few tiles, each point takes all images at once, and its kernels are read
    from memory once.
    """
    v, u = _points_of_images(x, windows), _flat(_on_both_sides(w, G, (0, 1)), 0)
    n, _, p, q, _ = v.shape
    if p * q < FEW:
        m = _square(apply(CONTRACT, v, u, equation="nxpqc,xdce->xnpqde"), 0)
        m = permute(m, 2, 3, 0, 4, 1, 5, 6)
    else:
        m = _square(apply(CONTRACT, v, u, equation="nxpqc,xdce->nxpqde"), 1)
        m = permute(m, 0, 3, 1, 4, 2, 5, 6)
    y = _on_both_sides(m, AT, (2, 4))
    whole = reshape(y, n, p * TILE, q * TILE, y.shape[5] * y.shape[6])
    return apply(IMAGES, whole, lengths=tuple(w.count for w in windows))


def _weight_gradient(x: Tensor, g: Tensor, windows: Windows) -> Tensor:
    v = _points_of_images(after(x, g), windows)
    h = _flat(_on_both_sides(_tiles(g, windows, TILE, (0, 0)), _turned(AT), (1, 2)), 1)
    u = _square(apply(CONTRACT, v, h, equation="nxpqc,nxpqo->xoc"), 0)
    w = permute(_on_both_sides(u, _turned(G), (0, 1)), 2, 3, 0, 1)
    return reshape(w, 1, *w.shape)


def _suits(w: Window) -> bool:
    return (w.kernel, w.stride, w.dilation) == (KERNEL, 1, 1) and w.before < KERNEL


def _suited(op: Op) -> Callable[..., TensorType]:
    def infer(first: TensorType, second: TensorType, windows: Windows) -> TensorType:
        square = len(windows) == 2 and first.shape[1] == 1
        if not square or not all(_suits(v) for v in windows):
            raise ShapeError(
                f"winograd_{op.name}: one group, windows of 3 x 3 with stride 1, dilation 1 and a "
                f"padding of 2 at most; got {windows} and images {first}. Call {op.name}."
            )
        return op.infer(first, second, windows=windows)

    return infer


# batch, out and in channels, windows
_CASES: tuple[tuple[int, int, int, Windows], ...] = (
    (2, 5, 3, (Window(6, 3, 4), Window(9, 3, 7))),
    (2, 4, 3, (Window(4, 3, 4, before=1), Window(8, 3, 8, before=1))),
    (3, 16, 1, (Window(9, 3, 11, before=2), Window(4, 3, 2))),
    (0, 2, 3, (Window(7, 3, 5), Window(5, 3, 5, before=1))),
)


def _with_fewer_products(op: Op, shapes: str, expand: Callable[..., Tensor]) -> Op:
    """The record of a convolution of 3 x 3 kernels that is computed this way.

    Args:
        shapes: what the inputs are: images "x", weights "w", gradients of the result "g".
    """

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for n, out, channels, windows in _CASES:
            known = {
                "x": (n, 1, channels, *(v.length for v in windows)),
                "w": (1, out, channels, KERNEL, KERNEL),
                "g": (n, 1, out, *(v.count for v in windows)),
            }
            yield Sample(tuple(real(rng, known[s]) for s in shapes), {"windows": windows})

    wide = (Window(5, 5, 1), Window(5, 5, 1))
    return Op(
        name=f"winograd_{op.name}",
        infer=_suited(op),
        reference=op.reference,
        kernel=Composite(expand),
        gradient=op.gradient,
        samples=samples,
        misuses=(
            Misuse(
                (np.ones((2, 1, 3, 5, 5)), np.ones((1, 4, 3, 5, 5))),
                {"windows": wide},
                ShapeError,
                f"Call {op.name}.",
            ),
            Misuse(
                (np.ones((2, 1, 3, 5)), np.ones((1, 4, 3, 3))),
                {"windows": (Window(5, 3, 3),)},
                ShapeError,
                "one group, windows of 3 x 3",
            ),
        ),
        notation=op.notation,
        doc=f"{op.name} of 3 x 3 kernels, stride 1 and one group, with fewer multiplications.",
    )


WINOGRAD = tuple(
    _with_fewer_products(op, shapes, expand)
    for op, shapes, expand in (
        (CONV, "xw", _conv),
        (CONV_TRANSPOSE, "gw", _conv_transpose),
        (CONV_WEIGHT_GRADIENT, "xg", _weight_gradient),
    )
)
