"""Every number behind one weight, and what decides about one image."""

from .explainer import Explainer
from .explanation import Explanation, parse_weight
from .sight import feature_maps, grad_cam, kernels, occlusion, saliency
from .tiles import overlay, tiles
from .update import Line, update_lines

__all__ = [
    "Explainer",
    "Explanation",
    "Line",
    "feature_maps",
    "grad_cam",
    "kernels",
    "occlusion",
    "overlay",
    "parse_weight",
    "saliency",
    "tiles",
    "update_lines",
]
