"""Changes to samples as they are fetched: small functions that compose.

Each takes one array and returns another. Images have the axes (channels, height, width), bytes
stay bytes, and names and arguments are torchvision's. What is random follows from (seed, epoch,
sample) alone.
"""

from .fixed import Normalize, OneHot, ToFloat
from .painting import ColorJitter, RandomErasing
from .placing import RandomCrop, RandomHorizontalFlip, RandomResizedCrop, RandomRotation
from .transform import Compose, Transform

__all__ = [
    "ColorJitter",
    "Compose",
    "Normalize",
    "OneHot",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "ToFloat",
    "Transform",
]
