"""Checks that hold an op, a function or a layer to what it promises.

    check_op("exp")                          every property of an op's record
    check_gradient(lambda x: x.tanh(), x)    a function's gradient, by differences
    check_module(nn.Linear(3, 2), x)         a layer, alone and compiled

Each returns nothing, or raises `AssertionError` and names what was checked, the sample, the
worst element and both values. The tests of this package are made of these checks.
"""

from .compare import TOLERANCES, Tolerance, assert_close
from .modules import check_module
from .records import PROPERTIES, check_op, samples_of
from .slopes import DIFFERENCE_TOLERANCE, check_gradient, gradcheck

__all__ = [
    "DIFFERENCE_TOLERANCE", "PROPERTIES", "TOLERANCES", "Tolerance", "assert_close",
    "check_gradient", "check_module", "check_op", "gradcheck", "samples_of",
]  # fmt: skip
