"""Runs: from a configuration to a folder with all that a training leaves, and back."""

from .choose import Plan, kind_of, plan
from .folder import ROOT, RunFolder, all_runs
from .material import Material, open_data
from .run import Run, describe
from .scale import Scale

__all__ = [
    "ROOT",
    "Material",
    "Plan",
    "Run",
    "RunFolder",
    "Scale",
    "all_runs",
    "describe",
    "kind_of",
    "open_data",
    "plan",
]
