"""A torch module as a list of layers: its traced graph, gone through once, fused as it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from limner.runtime.layer_kinds import (
    Addition,
    Convolution,
    Curve,
    Enlargement,
    Every,
    Layer,
    LayerList,
    Measurement,
    NotExpressible,
    Pooling,
    names_written,
)
from limner.runtime.modules import freeze_module

if TYPE_CHECKING:
    from torch import nn

# Parts of torch that a network may be built from here; parts of its own may hold anything made of them.
_KNOWN = (
    "AdaptiveAvgPool2d", "BatchNorm2d", "Conv2d", "ConvTranspose2d", "Dropout", "Flatten", "Identity", "InstanceNorm2d",
    "LeakyReLU", "Linear", "MaxPool2d", "ModuleDict", "ModuleList", "PReLU", "ReLU", "Sequential", "Sigmoid", "Tanh",
    "Upsample", "UpsamplingNearest2d",
)  # fmt: skip
_SIGMOID, _TANH = (1.0, -1.0, 0.0), (2.0, -2.0, -1.0)


def read_layers(module: nn.Module, input_shape: Sequence[int]) -> LayerList:
    """Return the layers of `module`, norms folded into the convolutions before them.

    Raises:
        NotExpressible: it does something that there is no layer for.
    """
    parts = {type(part).__name__ for part in module.modules() if type(part).__module__.startswith("torch.nn.")}
    if foreign := sorted(parts - set(_KNOWN)):  # told before the seconds that tracing takes
        raise NotExpressible(f"there are no layers for {', '.join(foreign)}")
    try:
        frozen, _ = freeze_module(module, input_shape)
    except (RuntimeError, TypeError, ValueError) as error:
        raise NotExpressible(f"it cannot be traced: {error}") from error
    return _Reader(frozen.graph, input_shape).read()


class _Reader:
    """Goes through a frozen graph once, fusing as it goes.

    Operations in place need no care: the tracer gives what they return a name of its own, and uses that from then on.
    """

    def __init__(self, graph: Any, input_shape: Sequence[int]) -> None:
        self._nodes = list(graph.nodes())
        self._outputs = list(graph.outputs())
        self._source = list(graph.inputs())[-1].debugName()
        self._uses = Counter(value.debugName() for node in self._nodes for value in node.inputs())
        self._uses.update(value.debugName() for value in self._outputs)
        self._made: dict[str, Layer] = {}  # by output; a fused layer moves to the end, after all that it needs
        self._channels = {self._source: input_shape[1]}
        self._repeated: dict[str, tuple[str, int]] = {}
        self._joined: dict[str, tuple[Any, ...]] = {}
        self._steps: dict[str, tuple[str, list[int]]] = {}  # slices: of what, and the steps along the two axes
        self._lists: dict[str, list[Any]] = {}
        self._stacks: dict[str, tuple[str, ...]] = {}
        self._same: dict[str, str] = {}  # another name of a map
        self._vectors: set[str] = {self._source} if len(input_shape) == 2 else set()
        self._sizes: dict[str, str] = {}
        self._spread: dict[str, Any] = {}  # a constant row, laid under every sample

    def read(self) -> LayerList:
        """Return the layers."""
        for node in self._nodes:
            kind = node.kind()
            if kind == "prim::Constant":
                continue
            handler = _HANDLERS.get(kind)
            if handler is None or node.outputsSize() != 1:
                raise NotExpressible(f"there is no layer for {kind}")
            handler(self, node.output().debugName(), list(node.inputs()))
        values = [value for one in self._outputs for value in self._lists.get(one.debugName(), [one])]
        names = [value.debugName() for value in values]
        outputs = tuple(self._stacks.get(name) or (self._map_name(name),) for name in names)
        if unknown := [name for row in outputs for name in row if name not in self._made and name != self._source]:
            raise NotExpressible(f"the results {unknown} come from no layer")
        return LayerList((self._source,), tuple(self._made.values()), outputs, tuple(sorted(self._vectors)))

    def _map(self, value: Any) -> str:
        return self._map_name(value.debugName())

    def _map_name(self, name: str) -> str:
        """The name of a map that a layer made; a slice becomes a layer when it is first asked for."""
        name = self._same.get(name, name)
        if name in self._steps and name not in self._made:
            source, (down, right) = self._steps[name]
            if down != right:
                raise NotExpressible("a slice takes other steps down than to the right")
            self._make(Every(name, source, down), self._channels[source])
        return name

    def _make(self, layer: Layer, channels: int) -> None:
        self._made[layer.output] = layer
        start = layer.first if isinstance(layer, Addition) else layer.source
        if isinstance(layer, Addition | Curve) and start in self._vectors:
            self._vectors.add(layer.output)
        for name in names_written(layer):
            self._channels[name] = channels

    def _only_use(self, name: str, *kinds: type) -> Any:
        """The layer behind a name, if something can still be fused with it."""
        layer: Any = self._made.get(name)
        if not isinstance(layer, kinds) or self._uses[name] != 1 or not _is_plain(getattr(layer, "slope", 1.0)):
            return None
        return layer

    def _renamed(self, layer: Any, output: str, **changes: Any) -> None:
        """Let a layer that something is fused with make another result, after all else."""
        del self._made[layer.output]
        if layer.output in self._vectors:
            self._vectors.add(output)
        self._make(replace(layer, output=output, **changes), self._channels[layer.output])

    def _convolution(self, output: str, inputs: list[Any]) -> None:
        source, weight, bias, *numbers = inputs[:9]
        stride, padding, dilation, transposed, outside, groups = (value.toIValue() for value in numbers)
        kernels = _array(weight)
        if transposed:
            shape = (kernels.shape[2:], stride, padding, outside, dilation, groups)
            if shape != ((3, 3), [2, 2], [1, 1], [1, 1], [1, 1], 1):
                raise NotExpressible("a transposed convolution does more than to double the size")
            kernels, padding = kernels.swapaxes(0, 1), [0, 0]
        (s, s2), (p, p2) = stride, padding
        if s != s2 or p != p2 or set(dilation) != {1} or groups != 1:
            raise NotExpressible("a convolution is dilated, grouped or lopsided")
        self._convolve(output, source, kernels, _bias(bias, kernels), stride=s, padding=p, transposed=transposed)

    def _linear(self, output: str, inputs: list[Any]) -> None:
        kernels = _array(inputs[1])[:, :, None, None]
        self._convolve(output, inputs[0], kernels, _bias(inputs[2], kernels))
        self._vectors.add(output)

    def _convolve(self, output: str, source: Any, kernels: ndarray, bias: ndarray, **options: Any) -> None:
        """Make a convolution; over joined maps it is the sum of one for each."""
        values = self._joined.get(source.debugName(), (source,))
        parts, first = [], 0
        for value in values:
            constant = self._constant(value)
            width = constant.shape[-1] if constant is not None else self._channels[self._map(value)]
            rows = kernels[:, first : first + width]
            first += width
            if constant is None:
                parts.append((self._map(value), np.ascontiguousarray(rows)))
            else:
                bias = bias + rows[:, :, 0, 0] @ _row(constant)
        if options.get("transposed") and len(parts) > 1:
            raise NotExpressible("a transposed convolution reads joined maps")
        before = None
        for index, (name, rows) in enumerate(parts):
            is_last = index == len(parts) - 1
            part = output if is_last else f"{output}.{index}"
            added = bias if is_last else np.zeros_like(bias)
            layer = Convolution(part, name, rows, added, residual=before, **options)
            known = None if is_last else self._same_layer(layer)
            if known is None:
                self._make(layer, len(bias))
            before = known or part

    def _same_layer(self, wanted: Convolution) -> str | None:
        """What a layer before gives that does the same, as when a row is corrected again and again."""
        layers = (layer for layer in self._made.values() if isinstance(layer, Convolution))
        return next((layer.output for layer in layers if _is_same(layer, wanted)), None)

    def _cut(self, output: str, inputs: list[Any], slope: float | ndarray = 0.0) -> None:
        name = self._map(inputs[0])
        layer = self._only_use(inputs[0].debugName(), Convolution, Addition)
        if layer is not None:
            self._renamed(layer, output, slope=slope)
        else:
            self._make(Addition(output, name, slope=slope), self._channels[name])

    def _leak(self, output: str, inputs: list[Any]) -> None:
        self._cut(output, inputs, float(inputs[1].toIValue()))

    def _learned_leak(self, output: str, inputs: list[Any]) -> None:
        slope = _array(inputs[1])
        self._cut(output, inputs, slope if len(slope) > 1 else float(slope[0]))

    def _add(self, output: str, inputs: list[Any]) -> None:
        if inputs[2].toIValue() != 1:
            raise NotExpressible("a sum has a factor")
        for value, other in (inputs[:2], inputs[1::-1]):
            if (number := self._constant(other)) is not None:
                self._add_constant(output, value, number)
                return
            layer = self._only_use(value.debugName(), Convolution, Addition)
            if layer is None or other.debugName() in self._repeated:
                continue
            field = "residual" if isinstance(layer, Convolution) else "second"
            if getattr(layer, field) is None and not getattr(layer, "transposed", False):
                self._renamed(layer, output, **{field: self._map(other)})
                return
        first, second = (value.debugName() for value in inputs[:2])
        if first in self._repeated:
            first, second = second, first
        if first in self._repeated:
            raise NotExpressible("two upsampled maps are added")
        name, times = self._repeated.get(second, (second, 1))
        first = self._map_name(first)
        self._make(Addition(output, first, self._map_name(name), times), self._channels[first])

    def _constant(self, value: Any) -> Any:
        """The number or the rows that a value always has; None where it depends on the input."""
        return self._spread.get(value.debugName(), value.toIValue())

    def _expand(self, output: str, inputs: list[Any]) -> None:
        """A constant row under every sample stays that row: whatever reads it takes it for all of them."""
        row, sizes = inputs[0].toIValue(), self._lists.get(inputs[1].debugName(), [])
        is_batch = len(sizes) == 2 and sizes[0].debugName() in self._sizes
        if row is None or not is_batch or sizes[1].toIValue() not in (-1, row.shape[-1]):
            raise NotExpressible("something else than a constant row is laid under every sample")
        self._spread[output] = row

    def _add_constant(self, output: str, value: Any, number: Any) -> None:
        name = self._map(value)
        broad = self._channels[name]
        row = np.full(broad, number, np.float32) if isinstance(number, int | float) else _row(number)
        if len(row) != broad or name not in self._vectors:
            raise NotExpressible("a constant is added to a map")
        layer = self._only_use(value.debugName(), Convolution)
        if layer is not None:
            self._renamed(layer, output, bias=layer.bias + row)
        else:
            self._make(Addition(output, name, bias=row), broad)

    def _batch_norm(self, output: str, inputs: list[Any]) -> None:
        weight, bias, mean, variance = (_array(value) for value in inputs[1:5])
        gain = weight / np.sqrt(variance.astype(np.float64) + inputs[7].toIValue())
        name = self._map(inputs[0])
        both = {"gain": gain.astype(np.float32), "bias": (bias - mean * gain).astype(np.float32)}
        self._make(Addition(output, name, **both), self._channels[name])

    def _instance_norm(self, output: str, inputs: list[Any]) -> None:
        name = self._map(inputs[0])
        if not inputs[5].toIValue():
            raise NotExpressible("an instance norm uses statistics of its training")
        weight, bias = (None if value.toIValue() is None else _array(value) for value in inputs[1:3])
        gain, summand = f"{output}.gain", f"{output}.bias"
        self._make(Measurement(gain, name, summand, weight, bias, inputs[7].toIValue()), self._channels[name])
        self._make(Addition(output, name, gain=gain, bias=summand), self._channels[name])

    def _multiply(self, output: str, inputs: list[Any]) -> None:
        first, second = (self._map(value) for value in inputs[:2])
        layer = self._made.get(second)
        if not isinstance(layer, Curve | Convolution) or not self._is_one_pixel(second):
            raise NotExpressible("a product is not that of a map and one factor a channel")
        self._make(Addition(output, first, gain=second), self._channels[first])

    def _is_one_pixel(self, name: str) -> bool:
        """Whether a map comes from the mean of another."""
        layer: Any = self._made.get(name)
        while isinstance(layer, Curve | Convolution):
            layer = self._made.get(layer.source)
        return isinstance(layer, Measurement)

    def _pool(self, output: str, inputs: list[Any]) -> None:
        kernel, stride, padding, dilation, ceil = (value.toIValue() for value in inputs[1:6])
        numbers = [row * 2 if len(row) == 1 else row for row in (kernel, stride or kernel, padding, dilation)]
        (k, k2), (s, s2), (p, p2), (d, d2) = numbers
        if (k, s, p) != (k2, s2, p2) or (d, d2) != (1, 1):
            raise NotExpressible("a pooling is lopsided or dilated")
        name = self._map(inputs[0])
        layer = Every(output, name, s) if (k, p) == (1, 0) else Pooling(output, name, k, s, p, bool(ceil))
        self._make(layer, self._channels[name])

    def _mean(self, output: str, inputs: list[Any]) -> None:
        name, axes = self._map(inputs[0]), inputs[1].toIValue()
        if sorted(axis % 4 for axis in axes) != [2, 3]:
            raise NotExpressible("a mean goes over other axes than a map's height and width")
        self._make(Measurement(output, name), self._channels[name])
        if not inputs[2].toIValue():
            self._vectors.add(output)

    def _whole_mean(self, output: str, inputs: list[Any]) -> None:
        if inputs[1].toIValue() != [1, 1]:
            raise NotExpressible("a mean is over parts of a map")
        name = self._map(inputs[0])
        self._make(Measurement(output, name), self._channels[name])

    def _curve(self, output: str, inputs: list[Any], numbers: tuple[float, float, float] = _SIGMOID) -> None:
        name = self._map(inputs[0])
        self._make(Curve(output, name, *numbers), self._channels[name])

    def _tanh(self, output: str, inputs: list[Any]) -> None:
        self._curve(output, inputs, _TANH)

    def _upsample_nearest(self, output: str, inputs: list[Any]) -> None:
        self._repeated[output] = self._map(inputs[0]), _scale(inputs)

    def _upsample_bilinear(self, output: str, inputs: list[Any]) -> None:
        size = [self._sizes.get(value.debugName()) for value in self._lists.get(inputs[1].debugName(), [])]
        if len(set(size)) != 1 or size[0] is None or not inputs[2].toIValue():
            raise NotExpressible("a bilinear upsampling is not to another map's size with aligned corners")
        name = self._map(inputs[0])
        self._make(Enlargement(output, name, size[0]), self._channels[name])

    def _slice(self, output: str, inputs: list[Any]) -> None:
        axis, start, stop, step = (value.toIValue() for value in inputs[1:5])
        name = inputs[0].debugName()
        source, steps = self._steps.get(name, (self._same.get(name, name), [1, 1]))
        is_whole = start in (0, None) and (stop is None or stop >= 1 << 31)
        if not is_whole or (axis not in (2, 3) and step != 1):
            raise NotExpressible("a slice takes more than every so manyth pixel")
        if axis in (2, 3):
            steps = [step if place == axis - 2 else before for place, before in enumerate(steps)]
        if steps == [1, 1]:
            self._same[output] = source
        else:
            self._steps[output] = source, steps

    def _flatten(self, output: str, inputs: list[Any]) -> None:
        if inputs[1].toIValue() != 1:
            raise NotExpressible("a map is flattened from another axis than its channels")
        # Of a map of more pixels the plan finds that its channels do not fit the layer after it.
        self._same[output] = self._map(inputs[0])

    def _size(self, output: str, inputs: list[Any]) -> None:
        self._sizes[output] = self._map(inputs[0])

    def _list(self, output: str, inputs: list[Any]) -> None:
        self._lists[output] = inputs

    def _join(self, output: str, inputs: list[Any]) -> None:
        if inputs[1].toIValue() != 1:
            raise NotExpressible("maps are joined along another axis than their channels")
        self._joined[output] = tuple(self._lists[inputs[0].debugName()])

    def _stack(self, output: str, inputs: list[Any]) -> None:
        names = tuple(self._map(value) for value in self._lists[inputs[0].debugName()])
        if inputs[1].toIValue() != 1 or not set(names) <= self._vectors:
            raise NotExpressible("a stack is not of vectors, one below another")
        self._stacks[output] = names


_HANDLERS = {
    "aten::_convolution": _Reader._convolution,
    "aten::adaptive_avg_pool2d": _Reader._whole_mean,
    "aten::add": _Reader._add,
    "aten::add_": _Reader._add,
    "aten::batch_norm": _Reader._batch_norm,
    "aten::cat": _Reader._join,
    "aten::expand": _Reader._expand,
    "aten::flatten": _Reader._flatten,
    "aten::instance_norm": _Reader._instance_norm,
    "aten::leaky_relu": _Reader._leak,
    "aten::leaky_relu_": _Reader._leak,
    "aten::linear": _Reader._linear,
    "aten::max_pool2d": _Reader._pool,
    "aten::mean": _Reader._mean,
    "aten::mul": _Reader._multiply,
    "aten::prelu": _Reader._learned_leak,
    "aten::relu": _Reader._cut,
    "aten::relu_": _Reader._cut,
    "aten::sigmoid": _Reader._curve,
    "aten::size": _Reader._size,
    "aten::slice": _Reader._slice,
    "aten::stack": _Reader._stack,
    "aten::tanh": _Reader._tanh,
    "aten::upsample_bilinear2d": _Reader._upsample_bilinear,
    "aten::upsample_nearest2d": _Reader._upsample_nearest,
    "prim::ListConstruct": _Reader._list,
    "prim::TupleConstruct": _Reader._list,
}


def _is_same(one: Convolution, other: Convolution) -> bool:
    """Whether two layers give the same."""
    names = [field.name for field in fields(Convolution) if field.name != "output"]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def _is_plain(slope: float | ndarray) -> bool:
    return isinstance(slope, float) and slope == 1.0


def _array(value: Any) -> ndarray:
    tensor = value.toIValue()
    if tensor is None:
        raise NotExpressible("a layer's weights are worked out as it runs")
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)


def _bias(value: Any, kernels: ndarray) -> ndarray:
    return np.zeros(len(kernels), np.float32) if value.toIValue() is None else _array(value)


def _row(constant: Any) -> ndarray:
    """The numbers of a constant that is one row for every sample."""
    rows = constant.detach().numpy().astype(np.float32).reshape(-1, constant.shape[-1])
    if (rows != rows[:1]).any():
        raise NotExpressible("a constant differs from sample to sample")
    return rows[0]


def _scale(inputs: list[Any]) -> int:
    factors = inputs[2].toIValue() if len(inputs) > 2 else None
    if inputs[1].toIValue() is not None or not factors or factors[0] != factors[1] or factors[0] % 1:
        raise NotExpressible("an upsampling is not by a whole factor")
    return int(factors[0])
