"""From any picture of one digit to the pixels that a network for digits expects."""

from __future__ import annotations

import numpy as np

from ..errors import DataError

SIDE = 32  # pixels of the bitmap that is divided into 8 x 8 blocks
BODY = 20  # pixels of it that a digit is wide at most
VISIBLE = 16  # brightness by which ink differs from paper at least, of 255


def fit_digit(gray: np.ndarray) -> np.ndarray:
    """Return a picture of one digit in the form of `load_digits`.

    It is treated as those digits were: the ink is told from the paper (dark on light and
    light on dark alike), set upright, cut out, scaled to a height of 32 pixels and a width
    of up to 20, centred in 32 x 32, and each block of 4 x 4 becomes the share of it that is
    ink.

    Args:
        gray: brightness, from 0 to 255.

    Shapes:
        gray: (height, width)
        result: (8, 8), float32, from 0 (paper) to 1 (ink)

    Raises:
        DataError: nothing is drawn: all pixels have about the same brightness.

    Source: Garris et al. (1994), "NIST form-based handprint recognition system", NISTIR
    5469, for the size of 20 x 32 and for removing the slant.
    """
    digit = _cut(_upright(_shrunk(_cut(_ink(gray)))))
    height, width = digit.shape
    wide = min(BODY, max(SIDE // 8, round(SIDE * width / height)))
    left = (SIDE - wide) // 2
    canvas = np.zeros((SIDE, SIDE))
    canvas[:, left : left + wide] = _scaled(digit, SIDE, wide)
    return np.asarray(canvas.reshape(8, 4, 8, 4).mean(axis=(1, 3)), np.float32)


def fit_digit28(gray: np.ndarray) -> np.ndarray:
    """Return a picture of one digit in the form of `load_mnist`.

    As those digits were: the ink is told from the paper, cut out, scaled to fit into 20 x 20
    pixels with its proportions kept, and put into 28 x 28 with its centre of mass in the middle.

    Args:
        gray: brightness, from 0 to 255.

    Shapes:
        gray: (height, width)
        result: (28, 28), uint8, from 0 (paper) to 255 (ink)

    Raises:
        DataError: nothing is drawn: all pixels have about the same brightness.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    digit = _shrunk(_cut(_ink(gray)))
    share = 20 / max(digit.shape)
    digit = _scaled(digit, *[max(1, round(n * share)) for n in digit.shape])
    canvas = np.zeros((28, 28))
    places = []
    for axis, length in enumerate(digit.shape):
        mass = np.average(np.arange(length) + 0.5, weights=digit.sum(axis=1 - axis))
        places.append(int(np.clip(round(14 - mass), 0, 28 - length)))
    top, left = places
    canvas[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return np.asarray((255 * canvas / canvas.max()).round(), np.uint8)


def _ink(gray: np.ndarray) -> np.ndarray:
    """How much ink there is at each pixel, from 0 to 1."""
    if gray.ndim != 2 or gray.size == 0:
        raise DataError(f"fit_digit: one picture as (height, width); got shape {gray.shape}.")
    ink = np.abs(gray.astype(np.float64) - _paper(gray))
    if ink.max() < VISIBLE:
        raise DataError(
            "fit_digit: a digit stands out from its background; all pixels are about "
            f"{gray.mean():.0f} bright, of 255. Is the picture empty?"
        )
    return np.asarray(ink / ink.max())


def _paper(gray: np.ndarray) -> float:
    """The brightness of the background: what most pixels along the border have."""
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    return float(np.median(border))


def _cut(ink: np.ndarray) -> np.ndarray:
    """The smallest part that holds all strong ink."""
    rows, columns = (np.flatnonzero((ink > ink.max() / 2).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _shrunk(ink: np.ndarray) -> np.ndarray:
    """Photographs are reduced to a few hundred pixels, which is plenty for 32."""
    share = min(1.0, 8 * SIDE / max(ink.shape))
    return _scaled(ink, *[max(1, round(n * share)) for n in ink.shape]) if share < 1 else ink


def _upright(ink: np.ndarray) -> np.ndarray:
    """Shift the rows against each other so that columns no longer vary with rows."""
    height, width = ink.shape
    rows, columns = np.mgrid[:height, :width]
    row = np.average(rows, weights=ink)
    column = np.average(columns, weights=ink)
    spread = np.average((rows - row) ** 2, weights=ink)
    together = np.average((rows - row) * (columns - column), weights=ink)
    slant = np.clip(together / spread, -1, 1) if spread else 0.0
    places = np.arange(-height, width + height)
    shifted = [
        np.interp(places + slant * (i - row), np.arange(width), line, left=0, right=0)
        for i, line in enumerate(ink)
    ]
    return np.array(shifted)


def _scaled(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize by linear interpolation; where it shrinks, over as many pixels as fall together."""
    down, across = _weights(picture.shape[0], height), _weights(picture.shape[1], width)
    return np.asarray(down @ picture @ across.T)


def _weights(before: int, after: int) -> np.ndarray:
    """How much each old pixel counts for each new one, shape (after, before)."""
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    reach = max(1.0, before / after)
    weights = np.maximum(0, 1 - np.abs(np.arange(before) - centres[:, None]) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
