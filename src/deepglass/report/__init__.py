"""The report of a run: one page, and the numbers behind any weight."""

from .batch import Recorded, explainer_of, recorded

__all__ = ["Recorded", "explainer_of", "recorded"]
