"""The classic networks as plain PyTorch modules, from the same tables of the papers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class Apply(nn.Module):
    """A function as a module without weights."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


class Block(nn.Module):
    """What a residual or plain block computes, told by its convolutions and its shortcut."""

    def __init__(self, convolutions: list[nn.Conv2d], shortcut: nn.Module) -> None:
        super().__init__()
        self.count = len(convolutions)
        for k, convolution in enumerate(convolutions, 1):
            self.add_module(f"conv{k}", convolution)
            self.add_module(f"bn{k}", nn.BatchNorm2d(convolution.out_channels))
        self.downsample = shortcut

    def forward(self, x: Any) -> Any:
        y = x
        for k in range(1, self.count + 1):
            y = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(y))
            y = y.relu() if k < self.count else y
        return (y + self.downsample(x)).relu()


def conv(a: int, b: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(a, b, size, stride, padding=size // 2, bias=False)


def projected(a: int, b: int, planes: int, stride: int, deep: bool) -> nn.Module:
    convolutions = [conv(a, planes, 3, stride), conv(planes, b, 3)]
    if deep:
        convolutions = [conv(a, planes, 1), conv(planes, planes, 3, stride), conv(planes, b, 1)]
    if a == b and stride == 1:
        return Block(convolutions, Apply(lambda x: x))
    return Block(convolutions, nn.Sequential(conv(a, b, 1, stride), nn.BatchNorm2d(b)))


def thinned(a: int, b: int, stride: int, residual: bool) -> nn.Module:
    def shortcut(x: Any) -> Any:
        zeros = x.new_zeros(len(x), b - a, -(-x.shape[2] // stride), -(-x.shape[3] // stride))
        return torch.cat([F.avg_pool2d(x, 1, stride), zeros], 1) if residual else 0.0

    return Block([conv(a, b, 3, stride), conv(b, b, 3)], Apply(shortcut))


class Stages(nn.Module):
    """A stem, stages of blocks, the mean of each map and a linear layer."""

    def __init__(
        self, stem: nn.Conv2d, pool: Any, stages: list[nn.Module], outputs: int, classes: int
    ) -> None:
        super().__init__()
        self.conv1, self.bn1, self.pool = stem, nn.BatchNorm2d(stem.out_channels), pool
        for k, stage in enumerate(stages, 1):
            self.add_module(f"layer{k}", stage)
        self.stages, self.fc = len(stages), nn.Linear(outputs, classes)

    def forward(self, x: Any) -> Any:
        x = self.pool(self.bn1(self.conv1(x)).relu())
        for k in range(1, self.stages + 1):
            x = getattr(self, f"layer{k}")(x)
        return self.fc(x.mean((2, 3)))


def resnet(deep: bool, layers: list[int], classes: int, small: bool = False) -> nn.Module:
    stages, a = [], 64
    for planes, blocks in zip((64, 128, 256, 512), layers, strict=True):
        b, stride = planes * (4 if deep else 1), 1 if planes == 64 else 2
        made = [projected(a, b, planes, stride, deep)]
        made += [projected(b, b, planes, 1, deep) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(*made))
        a = b
    if small:
        return Stages(conv(3, 64, 3), lambda x: x, stages, a, classes)
    return Stages(conv(3, 64, 7, 2), lambda x: F.max_pool2d(x, 3, 2, 1), stages, a, classes)


def resnet_cifar(n: int, residual: bool, classes: int) -> nn.Module:
    stages, a = [], 16
    for b in (16, 32, 64):
        made = [thinned(a, b, 1 if b == 16 else 2, residual)]
        made += [thinned(b, b, 1, residual) for _ in range(n - 1)]
        stages.append(nn.Sequential(*made))
        a = b
    return Stages(conv(3, 16, 3), lambda x: x, stages, a, classes)


class Classifier(nn.Module):
    """Convolutions, an average of fixed size, and three dense layers.

    Places in front of the dense layers are numbered as if something dropped there.
    """

    def __init__(
        self, features: list[nn.Module], maps: int, side: int, dense: int, classes: int
    ) -> None:
        super().__init__()
        self.features, self.side = nn.Sequential(*features), side
        first, second = nn.Linear(maps * side * side, dense), nn.Linear(dense, dense)
        last, none = nn.Linear(dense, classes), nn.Identity()
        parts = [first, nn.ReLU(), none, second, nn.ReLU(), none, last]
        if side == 6:  # AlexNet drops before the dense layers, VGG behind them
            parts = [none, first, nn.ReLU(), none, second, nn.ReLU(), last]
        self.classifier = nn.Sequential(*parts)

    def forward(self, x: Any) -> Any:
        x = F.adaptive_avg_pool2d(self.features(x), self.side)
        return self.classifier(x.flatten(1))


def alexnet(towers: int, classes: int, dense: int = 4096) -> nn.Module:
    widths, groups = ((64, 192, 384, 256, 256), 1) if towers == 1 else ((96, 256, 384, 384, 256), 2)
    a, b, c, d, e = widths
    normal = [nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)] if towers == 2 else []
    features = [nn.Conv2d(3, a, 11, 4, 2), nn.ReLU(), *normal, nn.MaxPool2d(3, 2)]
    features += [nn.Conv2d(a, b, 5, 1, 2, groups=groups), nn.ReLU(), *normal, nn.MaxPool2d(3, 2)]
    features += [nn.Conv2d(b, c, 3, 1, 1), nn.ReLU()]
    features += [nn.Conv2d(c, d, 3, 1, 1, groups=groups), nn.ReLU()]
    features += [nn.Conv2d(d, e, 3, 1, 1, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2)]
    return Classifier(features, e, 6, dense, classes)


def vgg(
    convolutions: list[int], batch_norm: bool, classes: int, widths: Any = None, dense: int = 4096
) -> nn.Module:
    features, a = [], 3
    for count, b in zip(convolutions, widths or (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            features += [nn.Conv2d(a, b, 3, 1, 1), *[nn.BatchNorm2d(b)] * batch_norm, nn.ReLU()]
            a = b
        features.append(nn.MaxPool2d(2))
    return Classifier(features, a, 7, dense, classes)


class GoogLeNet(nn.Module):
    """Table 1 of Szegedy et al. (2015), with batch normalisation."""

    def __init__(self, classes: int, heads: bool = True) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = unit(3, 64, 7, 2), unit(64, 64, 1), unit(64, 192, 3)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.fc, self.heads = nn.Linear(1024, classes), heads
        if heads:
            self.aux1, self.aux2 = Head(512, classes), Head(528, classes)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.inception3b(self.inception3a(x)), 3, 2, ceil_mode=True)
        first = self.inception4a(x)
        second = self.inception4d(self.inception4c(self.inception4b(first)))
        x = F.max_pool2d(self.inception4e(second), 2, 2, ceil_mode=True)
        x = self.fc(self.inception5b(self.inception5a(x)).mean((2, 3)))
        if not self.training or not self.heads:
            return x
        return torch.cat([x, self.aux2(second), self.aux1(first)], 1)


class Inception(nn.Module):
    def __init__(self, a: int, b1: int, r3: int, b3: int, r5: int, b5: int, pooled: int) -> None:
        super().__init__()
        self.branch1 = unit(a, b1, 1)
        self.branch2 = nn.Sequential(unit(a, r3, 1), unit(r3, b3, 3))
        self.branch3 = nn.Sequential(unit(a, r5, 1), unit(r5, b5, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(a, pooled, 1))

    def forward(self, x: Any) -> Any:
        return torch.cat([branch(x) for branch in self.children()], 1)


class Head(nn.Module):
    def __init__(self, a: int, classes: int) -> None:
        super().__init__()
        self.conv, self.fc1 = unit(a, 128, 1), nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Any) -> Any:
        x = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)
        return self.fc2(self.fc1(x).relu())


def unit(a: int, b: int, size: int, stride: int = 1) -> nn.Module:
    parts = {"conv": conv(a, b, size, stride), "bn": nn.BatchNorm2d(b, eps=0.001)}
    return nn.Sequential(OrderedDict(parts, act=nn.ReLU()))


TABLE = "012 123 234 345 045 015 0123 1234 2345 0345 0145 0125 0134 1245 0235 012345"


class LeNet1998(nn.Module):
    """The third layer as sixteen convolutions, each of the maps of a column of table 1."""

    def __init__(self) -> None:
        super().__init__()
        sparse = nn.Module()
        sparse.weight, sparse.bias = (
            nn.Parameter(torch.empty(60, 1, 5, 5)),
            nn.Parameter(torch.empty(16)),
        )
        self.features = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), *[nn.Identity()] * 2, sparse)
        dense = [nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)]
        self.classifier = nn.Sequential(nn.Identity(), *dense)

    def forward(self, x: Any) -> Any:
        maps = F.avg_pool2d(self.features[0](x).tanh(), 2)
        sparse, found, at = self.features[3], [], 0
        for k, column in enumerate(TABLE.split()):
            read = maps[:, [int(digit) for digit in column]]
            kernels = sparse.weight[at : at + len(column)].transpose(0, 1)
            found.append(F.conv2d(read, kernels, sparse.bias[k : k + 1]))
            at += len(column)
        return self.classifier(F.avg_pool2d(torch.cat(found, 1).tanh(), 2).flatten(1))


class GPT(nn.Module):
    """GPT-2's architecture in the sizes of ours, told by its `config`."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        width = sizes["width"]
        self.wte = nn.Embedding(sizes["vocabulary"], width)
        self.wpe = nn.Embedding(sizes["context"], width)
        self.h = nn.ModuleList([GPTBlock(width, sizes["heads"]) for _ in range(sizes["layers"])])
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens: Any) -> Any:
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)


class GPTBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        attention = {"c_attn": nn.Linear(width, 3 * width), "c_proj": nn.Linear(width, width)}
        self.attn = nn.ModuleDict(attention)
        self.ln_2 = nn.LayerNorm(width)
        network = {"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)}
        self.mlp = nn.ModuleDict(network)

    def forward(self, x: Any) -> Any:
        parts = self.attn["c_attn"](self.ln_1(x)).chunk(3, -1)
        heads = [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts]
        y = F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2)
        x = x + self.attn["c_proj"](y.flatten(2))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))
