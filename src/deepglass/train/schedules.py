"""How the learning rate changes: its share as a function of the share of training done."""

from __future__ import annotations

import math


def constant(done: float) -> float:
    """Keep the learning rate.

    >>> constant(0.9)
    1.0
    """
    return 1.0


def cosine(done: float) -> float:
    """Let the learning rate fall from 1 to 0 along half a cosine.

    (1 + cos(π done)) / 2

    Source: Loshchilov and Hutter (2017), "SGDR", equation 5, without restarts.

    >>> cosine(0.0), round(cosine(0.5), 6), cosine(1.0)
    (1.0, 0.5, 0.0)
    """
    return (1 + math.cos(math.pi * done)) / 2
