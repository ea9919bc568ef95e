"""PyTorch's answers to the cases of ``oracle_cases``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from oracle_cases import (
    LAYERS,
    LOSSES,
    Answer,
    build,
    cotangent,
    differentiated,
    first,
    layer_inputs,
    layer_state,
    loss_inputs,
    make_optimizer,
    modes,
    problem,
    samples_with_seed,
    start,
    stream,
    train,
)
from torch import Tensor
from torch.nn import functional as F

from deepglass.graph.op import Op
from deepglass.graph.types import TensorType, dtype_of

Call = Callable[..., Tensor]


def _reduced(function: Call) -> Call:
    """torch.sum and torch.amax take an empty tuple for all axes, deepglass for none."""
    return lambda x, dim, keepdim: function(x, dim, keepdim) if dim else x * 1


def _spread(function: Call) -> Call:
    return lambda x, dim, correction, keepdim: function(
        x, dim, correction=correction, keepdim=keepdim
    )


def _cumsum(x: Tensor, dim: int, reverse: bool) -> Tensor:
    return x.flip(dim).cumsum(dim).flip(dim) if reverse else x.cumsum(dim)


def _pad(x: Tensor, widths: Any, value: float) -> Tensor:
    lengths = [
        before + after + n + between * max(n - 1, 0)
        for n, (before, after, between) in zip(x.shape, widths, strict=True)
    ]
    region = tuple(
        slice(before, before + n * (between + 1) if n else before, between + 1)
        for n, (before, _, between) in zip(x.shape, widths, strict=True)
    )
    out = torch.full(lengths, value, dtype=x.dtype)
    out[region] = x
    return out


def _covered(x: Tensor, windows: Any, value: float = 0.0) -> Tensor:
    """The last axes padded or cut to exactly what the windows span."""
    widths = [(w.before, w.span - w.before - w.length) for w in reversed(windows)]
    return F.pad(x, [n for pair in widths for n in pair], value=value)


def _uncovered(x: Tensor, windows: Any) -> Tensor:
    widths = [(-w.before, w.before + w.length - w.span) for w in reversed(windows)]
    return F.pad(x, [n for pair in widths for n in pair])


def _steps(windows: Any) -> dict[str, Any]:
    return {"stride": [w.stride for w in windows], "dilation": [w.dilation for w in windows]}


def _conv(x: Tensor, w: Tensor, windows: Any) -> Tensor:
    function = (F.conv1d, F.conv2d)[len(windows) - 1]
    images, kernels = _covered(x, windows).flatten(1, 2), w.flatten(0, 1)
    y = function(images, kernels, groups=x.shape[1], **_steps(windows))
    return y.unflatten(1, (x.shape[1], w.shape[1]))


def _conv_transpose(g: Tensor, w: Tensor, windows: Any) -> Tensor:
    function = (F.conv_transpose1d, F.conv_transpose2d)[len(windows) - 1]
    y = function(g.flatten(1, 2), w.flatten(0, 1), groups=g.shape[1], **_steps(windows))
    return _uncovered(y, windows).unflatten(1, (g.shape[1], w.shape[2]))


def _conv_weight(x: Tensor, g: Tensor, windows: Any) -> Tensor:
    function = (torch.nn.grad.conv1d_weight, torch.nn.grad.conv2d_weight)[len(windows) - 1]
    groups, out, channels = x.shape[1], g.shape[2], x.shape[2]
    size = (groups * out, channels, *(w.kernel for w in windows))
    images, gradients = _covered(x, windows).flatten(1, 2), g.flatten(1, 2)
    w = function(images, size, gradients, groups=groups, **_steps(windows))
    return w.unflatten(0, (groups, out))


def _pool_code(x: Tensor, windows: Any) -> Tensor:
    function = (F.max_pool1d, F.max_pool2d)[len(windows) - 1]
    kernel, axes = [w.kernel for w in windows], len(windows)
    images = _covered(x, windows, -math.inf)
    single = images.reshape(-1, 1, *images.shape[-axes:])
    _, at = function(single, kernel, return_indices=True, **_steps(windows))
    code = torch.zeros_like(at)
    for axis, w in enumerate(windows):
        inner = math.prod(v.span for v in windows[axis + 1 :])
        place = torch.arange(w.count).reshape(-1, *[1] * (axes - axis - 1)) * w.stride
        code = code * w.kernel + (at // inner % w.span - place) // w.dilation
    return code.reshape(*x.shape[:-axes], *at.shape[-axes:]).to(torch.uint8)


def _elements(code: Tensor, windows: Any) -> Tensor:
    """Where the codes point to, counted through the plane that the windows span."""
    code, at = code.long(), torch.zeros((), dtype=torch.int64)
    for axis, w in enumerate(windows):
        inner = math.prod(v.kernel for v in windows[axis + 1 :])
        place = torch.arange(w.count).reshape(-1, *[1] * (len(windows) - axis - 1)) * w.stride
        at = at * w.span + place + code // inner % w.kernel * w.dilation
    return at.flatten(-len(windows))


def _take(x: Tensor, code: Tensor, windows: Any) -> Tensor:
    plane = _covered(x, windows, -math.inf).flatten(-len(windows))
    return plane.gather(-1, _elements(code, windows)).reshape(code.shape)


def _put(g: Tensor, code: Tensor, windows: Any) -> Tensor:
    axes = len(windows)
    spans = [w.span for w in windows]
    empty = torch.zeros(*code.shape[:-axes], math.prod(spans), dtype=g.dtype)
    plane = empty.scatter_add(-1, _elements(code, windows), g.flatten(-axes))
    return _uncovered(plane.unflatten(-1, spans), windows)


def _unfold(x: Tensor, windows: Any) -> Tensor:
    """F.unfold knows two axes; a signal is an image of height 1."""
    axes = len(windows)
    plane = _covered(x, windows)
    images = plane.reshape(-1, 1, *[1] * (2 - axes), *plane.shape[-axes:])
    columns = F.unfold(images, **_plane(windows))
    taps, places = [w.kernel for w in windows], [w.count for w in windows]
    return columns.reshape(*x.shape[:-axes], *taps, *places)


def _fold(x: Tensor, windows: Any) -> Tensor:
    axes, spans = len(windows), [w.span for w in windows]
    lead = x.shape[: -2 * axes]
    columns = x.reshape(
        math.prod(lead), math.prod(w.kernel for w in windows), math.prod(w.count for w in windows)
    )
    plane = F.fold(columns, [1] * (2 - axes) + spans, **_plane(windows))
    return _uncovered(plane.reshape(*lead, *spans), windows)


def _plane(windows: Any) -> dict[str, Any]:
    settings = {"kernel_size": [w.kernel for w in windows], **_steps(windows)}
    return {name: [1] * (2 - len(windows)) + values for name, values in settings.items()}


def _resample(x: Tensor, dim: int, rule: Any) -> Tensor:
    def forwards(t: Tensor) -> Tensor:
        rows = t.movedim(dim, -1)
        flat = rows.reshape(-1, 1, rows.shape[-1])
        if rule.mode == "area":
            y = F.adaptive_avg_pool1d(flat, rule.count)
        else:
            corners = rule.align_corners if rule.mode == "linear" else None
            y = F.interpolate(flat, rule.count, mode=rule.mode, align_corners=corners)
        return y.reshape(*rows.shape[:-1], rule.count).movedim(-1, dim)

    if not rule.backwards:
        return forwards(x)
    shape = (*x.shape[:dim], rule.length, *x.shape[dim + 1 :])
    zeros = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(forwards(zeros), zeros, x, create_graph=True)[0]


def _standardize(x: Tensor, dims: Any, eps: float) -> Tensor:
    if 1 not in dims:
        return F.batch_norm(x, None, None, training=True, eps=eps)
    return F.layer_norm(x, x.shape[dims[0] :], eps=eps)


def _iota(shape: Any, dim: int | None, dtype: Any) -> Tensor:
    kind = torch.int64 if dtype.name == "uint64" else getattr(torch, dtype.name)
    if dim is None:
        return torch.arange(math.prod(shape), dtype=kind).reshape(shape)
    numbers = torch.arange(shape[dim], dtype=kind)
    return numbers.reshape([-1] + [1] * (len(shape) - dim - 1)).broadcast_to(shape)


def _position(*indices: Tensor, lengths: Any) -> Tensor:
    place = torch.tensor(0)
    for index, n in zip(indices, lengths, strict=True):
        place = place * n + torch.where(index < 0, index.long() + n, index.long())
    return place


def _selected(x: Tensor, index: Tensor, dim: int) -> Tensor:
    return x[(slice(None),) * dim + (index,)]


def _added(x: Tensor, index: Tensor, source: Tensor, dim: int) -> Tensor:
    slices = source.reshape(*x.shape[:dim], index.numel(), *x.shape[dim + 1 :])
    return torch.index_add(x, dim, index.reshape(-1), slices)


def _copied(x: Tensor, index: Tensor, source: Tensor, dim: int) -> Tensor:
    """One slice after another, so that the last one wins, which PyTorch leaves open."""
    out = x.clone()
    slices = source.reshape(*x.shape[:dim], index.numel(), *x.shape[dim + 1 :])
    for k, at in enumerate(index.reshape(-1).tolist()):
        out.select(dim, at).copy_(slices.select(dim, k))
    return out


def _scattered(x: Tensor, index: Tensor, source: Tensor, dim: int) -> Tensor:
    out = x.clone()
    for at in np.ndindex(*index.shape):
        out[(*at[:dim], int(index[at]), *at[dim + 1 :])] = source[at]
    return out


def _class_mask(target: Tensor, classes: int, dim: int, ignore: int | None, name: str) -> Tensor:
    target = target.long()
    counts = torch.ones_like(target, dtype=torch.bool) if ignore is None else target != ignore
    hot = F.one_hot(torch.where(counts, target, 0), classes) * counts[..., None]
    return hot.movedim(-1, dim).bool()


def _cross_entropy(x: Tensor, target: Tensor, dim: int) -> Tensor:
    if torch.isinf(x).any():  # 0 times infinity is not a number there
        return F.cross_entropy(x, target.argmax(dim), reduction="none") * target.sum(dim)
    return F.cross_entropy(x, target, reduction="none")


def _binary_cross_entropy(x: Tensor, target: Tensor) -> Tensor:
    """PyTorch bounds the logarithms in the value, and not in the gradient of the target."""
    loss = F.binary_cross_entropy(x, target.detach(), reduction="none")
    yes, no = (v.detach().log().clamp(min=-100) for v in (x, 1 - x))
    return loss + (target - target.detach()) * (no - yes)


def _attention(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor, keep: Tensor, scale: float, causal: bool
) -> Tensor:
    """PyTorch's, and written out where weights are dropped, which is random there."""
    if causal:
        later = torch.ones(bias.shape[-2:], dtype=torch.bool).triu(1)
        bias = bias.masked_fill(later, -torch.inf)
    if (keep == 1).all():
        return F.scaled_dot_product_attention(q, k, v, bias, scale=scale)
    return (q @ k.mT * scale + bias).softmax(-1) * keep @ v


CALLS: dict[str, Call] = {
    "after": lambda x, *others: x.clone(),
    "alias": lambda x: x.clone(),
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, dims: x.permute(dims),
    "broadcast": lambda x, shape: x.broadcast_to(shape),
    "slice": lambda x, ranges: x[tuple(slice(*r) for r in ranges)],
    "pad": _pad,
    "concat": lambda *xs, dim: torch.cat(xs, dim),
    "one_hot": lambda x, num_classes: F.one_hot(x.long(), num_classes),
    "argsort": lambda x, dim, descending: torch.sort(
        x, stable=True, dim=dim, descending=descending
    )[1],
    "flip": lambda x, dims: torch.flip(x, dims),
    "roll": lambda x, shifts: torch.roll(x, shifts, tuple(range(x.ndim))) if shifts else x * 1,
    "iota": _iota,
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "abs": torch.abs,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "trunc": torch.trunc,
    "round": torch.round,
    "floor_divide": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "remainder": torch.remainder,
    "sign": torch.sign,
    "clamp_min": torch.clamp_min,
    "clamp_max": torch.clamp_max,
    "bitwise_and": torch.bitwise_and,
    "bitwise_or": torch.bitwise_or,
    "bitwise_xor": torch.bitwise_xor,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "log1p": torch.log1p,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "pow": torch.pow,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "eq": torch.eq,
    "ne": torch.ne,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "where": torch.where,
    "cast": lambda x, dtype: x.to(getattr(torch, dtype.name)),
    "gather": lambda x, index, dim: torch.gather(x, dim, index),
    "scatter_add": lambda x, index, source, dim: torch.scatter_add(x, dim, index, source),
    "scatter_max": lambda x, index, source, dim: torch.scatter_reduce(
        x, dim, index, source, "amax"
    ),
    "scatter": _scattered,
    "position": _position,
    "index_select": _selected,
    "index_add": _added,
    "index_copy": _copied,
    "sum": _reduced(torch.sum),
    "amax": _reduced(torch.amax),
    "nanmin": _reduced(lambda x, *over: torch.amin(x.masked_fill(x.isnan(), torch.inf), *over)),
    "nanmax": _reduced(lambda x, *over: torch.amax(x.masked_fill(x.isnan(), -torch.inf), *over)),
    "cumsum": _cumsum,
    "logsumexp": _reduced(torch.logsumexp),
    "logaddexp": torch.logaddexp,
    "norm": lambda x, p, dim, keepdim: torch.linalg.vector_norm(x, p, dim or None, keepdim),
    "var": _spread(torch.var),
    "std": _spread(torch.std),
    "argmax": lambda x, dim, keepdim: torch.argmax(x, dim[0], keepdim),
    "matmul": torch.matmul,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "conv_weight_gradient": _conv_weight,
    "winograd_conv": _conv,
    "winograd_conv_transpose": _conv_transpose,
    "winograd_conv_weight_gradient": _conv_weight,
    "tiles": lambda x, windows: _unfold(x[:, 0], windows).movedim(1, -1),
    "images": lambda x, lengths: x[:, : lengths[0], : lengths[1]].permute(0, 3, 1, 2)[:, None],
    "contract": lambda x, w, equation: torch.einsum(equation, x, w),
    "weighted_sums": lambda x, weights, dim: torch.tensordot(
        x, torch.tensor(weights, dtype=x.dtype), ([dim], [1])
    ).movedim(-1, dim),
    "window_argmax": _pool_code,
    "window_take": _take,
    "window_put": _put,
    "unfold": _unfold,
    "fold": _fold,
    "resample": _resample,
    "shift_right": lambda x, amount: (x >> amount) & ((1 << (64 - amount)) - 1),  # of int64
    "ndtri": torch.special.ndtri,
    "attention": _attention,
    "relu": torch.relu,
    "softmax": torch.softmax,
    "log_softmax": torch.log_softmax,
    "leaky_relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
    "elu": F.elu,
    "gelu": F.gelu,
    "softplus": lambda x: F.softplus(x, threshold=1e9),
    "class_mask": _class_mask,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "standardize": _standardize,
}


def _tensor(a: np.ndarray, requires_grad: bool = False) -> Tensor:
    """Few operations of PyTorch know unsigned numbers; signed ones hold the same values."""
    wide = a.astype(np.int64) if a.dtype.kind == "u" and a.dtype != np.uint8 else a
    return torch.tensor(wide, requires_grad=requires_grad)


def op_answer(op: Op, seed: int = 0) -> Answer:
    """Values and gradients of all samples of an op, in float64."""
    answer: Answer = {}
    for number, sample in enumerate(samples_with_seed(op, seed)):
        active = differentiated(op, sample)
        inputs = [_tensor(a, k in active) for k, a in enumerate(sample.args)]
        y = CALLS[op.name](*inputs, **sample.params)
        types = [TensorType(a.shape, dtype_of(a.dtype)) for a in sample.args]
        dtype = op.infer(*types, **sample.params).dtype.numpy
        answer[f"{number} value"] = y.detach().numpy().astype(dtype)
        if active and y.requires_grad:
            y.backward(torch.tensor(cotangent(op, number, tuple(y.shape))).to(y.dtype))
            for k in active:
                answer[f"{number} gradient {k}"] = _gradient(inputs[k])
    return answer


def _gradient(x: Tensor) -> np.ndarray:
    return (torch.zeros_like(x) if x.grad is None else x.grad).numpy()


def layer_answer(name: str) -> Answer:
    model = build(torch.nn, LAYERS[name][0]).double()
    model.load_state_dict({k: torch.tensor(v) for k, v in layer_state(name).items()})
    answer: Answer = {}
    for training in modes(name):
        model.train(training)
        mode = "training" if training else "evaluation"
        for batch, x in enumerate(layer_inputs(name)):
            model.zero_grad()
            t = torch.tensor(x, requires_grad=x.dtype.kind == "f")
            y = first(model(t))
            y.backward(torch.tensor(stream(name, "cotangent").uniform(-1, 1, tuple(y.shape))))
            answer[f"{mode} {batch} output"] = y.detach().numpy()
            for key, p in [("input", t), *model.named_parameters()][not t.requires_grad :]:
                answer[f"{mode} {batch} gradient {key}"] = _gradient(p).copy()
        for key, b in model.named_buffers():
            answer[f"{mode} {key}"] = b.numpy().copy()
    return answer


def loss_answer(name: str) -> Answer:
    x, target = loss_inputs(name)
    t = torch.tensor(x, requires_grad=True)
    loss = build(torch.nn, LOSSES[name][0], torch.tensor)(t, torch.tensor(target))
    loss.backward(torch.tensor(stream(name, "cotangent").uniform(-1, 1, tuple(loss.shape))))
    return {"value": loss.detach().numpy(), "gradient": _gradient(t)}


def optimizer_answer(name: str) -> Answer:
    a, b = (torch.nn.Parameter(torch.tensor(v)) for v in start())
    optimizer = make_optimizer(torch.optim, name, [a, b])

    def step(paused: bool) -> None:
        optimizer.zero_grad()
        problem(a, b).backward()
        if paused:
            b.grad = None
        optimizer.step()

    return train(name, optimizer, (a, b), step)
