"""Every number behind one weight: its part in the output, its gradient, its next value."""

from .explainer import Explainer
from .explanation import Explanation, parse_weight
from .update import Line, update_lines

__all__ = ["Explainer", "Explanation", "Line", "parse_weight", "update_lines"]
