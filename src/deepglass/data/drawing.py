"""From any picture of one digit to the pixels a digits network expects."""

from __future__ import annotations

import numpy as np

from ..errors import DataError

SIDE = 32  # pixels of the bitmap that is divided into 8 x 8 blocks
BODY = 20  # pixels a digit of usual proportions is wide in it


def fit_digit(gray: np.ndarray) -> np.ndarray:
    """Return a picture of one digit in the form of `load_digits`.

    The steps that made those images, from a picture of any size: the ink is told from the
    paper (dark on light and light on dark alike), cut out, scaled to a height of 32 pixels
    and a width of 20 (slim digits keep their proportions), centred in 32 x 32, and each
    block of 4 x 4 becomes the share of it that is ink.

    Args:
        gray: brightness, from 0 to 255.

    Shapes:
        gray: (height, width)
        result: (8, 8), float32, from 0 (paper) to 1 (ink)

    Raises:
        DataError: nothing is drawn: all pixels have about the same brightness.

    Source: Garris et al. (1994), "NIST form-based handprint recognition system", NISTIR
    5469, for the size of 20 x 32.
    """
    if gray.ndim != 2 or gray.size == 0:
        raise DataError(f"fit_digit: one picture as (height, width); got shape {gray.shape}.")
    ink = np.abs(gray.astype(np.float64) - _paper(gray))
    if ink.max() < 16:
        raise DataError(
            "fit_digit: a digit stands out from its background; all pixels are about "
            f"{gray.mean():.0f} bright (of 255). Is the picture empty?"
        )
    ink /= ink.max()
    rows, columns = ((ink > 0.5).any(axis=a).nonzero()[0] for a in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = cut.shape
    wide = max(4, min(BODY, round(SIDE * width / height)))
    bitmap = np.zeros((SIDE, SIDE))
    left = (SIDE - wide) // 2
    bitmap[:, left : left + wide] = _scaled(cut, SIDE, wide) > 0.5
    return bitmap.reshape(8, 4, 8, 4).mean(axis=(1, 3)).astype(np.float32)


def _paper(gray: np.ndarray) -> float:
    """The brightness of the background: what most pixels along the border have."""
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    return float(np.median(border))


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
