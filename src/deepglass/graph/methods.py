"""The base that gives Tensor its operators; `ops.methods` fills it when the package loads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TensorMethods:
    """Operators and methods of Tensor that ops and autodiff provide (see ``methods.pyi``)."""

    __slots__ = ()


def install(methods: Mapping[str, Any]) -> None:
    """Put ``methods`` on Tensor; called once, by the package."""
    for name, method in methods.items():
        setattr(TensorMethods, name, method)
