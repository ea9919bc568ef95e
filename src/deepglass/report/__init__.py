"""The report of a run: one page, and the numbers behind any weight."""

from .assemble import write_report
from .batch import explainer_of

__all__ = ["explainer_of", "write_report"]
