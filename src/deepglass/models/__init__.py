"""Networks from the history of the field, ready to train."""

from .mlp import MLP
from .neuron import McCullochPitts
from .perceptron import Perceptron, mistake_bound
from .registry import REGISTERED, build

__all__ = ["MLP", "REGISTERED", "McCullochPitts", "Perceptron", "build", "mistake_bound"]
