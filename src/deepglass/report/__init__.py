"""The report of a run: one page, and the numbers behind any weight."""

from .assemble import write_report
from .batch import explainer_of
from .pictures import png

__all__ = ["explainer_of", "png", "write_report"]
