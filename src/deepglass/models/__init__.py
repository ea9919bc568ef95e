"""Networks from the history of the field, ready to train."""

from .alexnet import AlexNet, alexnet
from .convnet import ConvNet
from .design import Design, Sizes
from .designs import DESIGNS
from .forecaster import RecurrentForecaster
from .generation import LanguageModel, Reader
from .googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from .gpt import GPT, gpt
from .language import RecurrentLanguageModel
from .lenet import LeNet5, lenet5
from .mlp import MLP
from .neuron import McCullochPitts
from .perceptron import Perceptron, mistake_bound
from .registry import REGISTERED, build, config_of
from .resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from .resnet_cifar import (
    ResNetCIFAR,
    plain20,
    plain32,
    plain44,
    plain56,
    plain110,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
    resnet1202,
)
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from .window import WindowForecaster

__all__ = [
    "DESIGNS",
    "GPT",
    "MLP",
    "REGISTERED",
    "VGG",
    "AlexNet",
    "ConvNet",
    "Design",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "LanguageModel",
    "LeNet5",
    "McCullochPitts",
    "Perceptron",
    "Reader",
    "RecurrentForecaster",
    "RecurrentLanguageModel",
    "ResNet",
    "ResNetCIFAR",
    "Sizes",
    "WindowForecaster",
    "alexnet",
    "build",
    "config_of",
    "googlenet",
    "gpt",
    "lenet5",
    "mistake_bound",
    "plain20",
    "plain32",
    "plain44",
    "plain56",
    "plain110",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "resnet1202",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
