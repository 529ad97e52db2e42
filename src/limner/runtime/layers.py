"""A torch module as a list of layers for `limner.runtime.kernels`: convolutions and sums, each with its ReLU."""

from __future__ import annotations

import json
import logging
import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.runtime.cache import mark_used
from limner.runtime.modules import checksum, freeze_module

if TYPE_CHECKING:
    from torch import nn


_logger = logging.getLogger(__name__)

# Parts of torch that a network may be built from here; parts of its own may hold anything made of them.
_KNOWN = ("Conv2d", "BatchNorm2d", "ReLU", "Upsample", "UpsamplingNearest2d", "Identity", "Sequential", "ModuleList")


class NotExpressible(Exception):
    """A module does something that the layers here have no word for."""


@dataclass(frozen=True)
class Convolution:
    """A convolution, what is added to its result, and whether that is cut below zero.

    Attributes:
        output: the name of the result.
        source: the name of the map it works on.
        weight: kernels.
        bias: one number for each kernel.
        stride: the same on both axes.
        padding: the same on all sides.
        residual: the name of a map to add, or None.
        relu: whether to cut below zero, last of all.
    """

    output: str
    source: str
    weight: Float32[ndarray, "O I k l"]
    bias: Float32[ndarray, "O"]
    stride: int
    padding: int
    residual: str | None = None
    relu: bool = False


@dataclass(frozen=True)
class Addition:
    """The sum of two maps.

    Attributes:
        output: the name of the result.
        first: the name of a map of the result's size.
        second: the name of a map whose pixels are repeated.
        scale: how many times, along both axes.
        relu: whether to cut below zero, last of all.
    """

    output: str
    first: str
    second: str
    scale: int = 1
    relu: bool = False


Layer: TypeAlias = Convolution | Addition


@dataclass(frozen=True)
class LayerList:
    """A network as layers in the order of their work.

    Attributes:
        source: the name of the input.
        layers: each uses only what stands before it.
        outputs: the names of the results.
    """

    source: str
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]


def read_layers(module: nn.Module, input_shape: Sequence[int]) -> LayerList:
    """Return the layers of `module`, norms folded into the convolutions before them.

    Raises:
        NotExpressible: it holds anything but plain convolutions, ReLUs, sums and nearest upsampling.
    """
    parts = {type(part).__name__ for part in module.modules() if type(part).__module__.startswith("torch.nn.")}
    if foreign := sorted(parts - set(_KNOWN)):  # told before the seconds that tracing takes
        raise NotExpressible(f"there are no layers for {', '.join(foreign)}")
    try:
        frozen, _ = freeze_module(module, input_shape)
    except (RuntimeError, TypeError, ValueError) as error:
        raise NotExpressible(f"it cannot be traced: {error}") from error
    return _Reader(frozen.graph).read()


def kept_layers(module: nn.Module, input_shape: Sequence[int], folder: Path | None) -> LayerList:
    """Return `read_layers(module)`, from `folder` where they were kept there before; None keeps nothing.

    Raises:
        NotExpressible: as `read_layers`.
    """
    if folder is None:
        return read_layers(module, input_shape)
    kept = folder / f"{type(module).__name__.lower()}-{checksum(module, input_shape)}.npz"
    if kept.exists():
        try:
            mark_used(kept)
            return _load(kept)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            _logger.warning("the kept layers %s are damaged and made anew: %s", kept, error)
    layers = read_layers(module, input_shape)
    _save(layers, kept)
    return layers


def _load(path: Path) -> LayerList:
    kinds = {kind.__name__: kind for kind in (Convolution, Addition)}
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        source, outputs, table = json.loads(str(file["table"]))
        layers = []
        for index, (kind, values) in enumerate(table):
            arrays = {name: file[f"{name}{index}"] for name, value in values.items() if value == "array"}
            layers.append(kinds[kind](**{**values, **arrays}))
    return LayerList(source, tuple(layers), tuple(outputs))


def _save(network: LayerList, path: Path) -> None:
    table: list[tuple[str, dict[str, Any]]] = []
    arrays: dict[str, ndarray] = {}
    for index, layer in enumerate(network.layers):
        values = {field.name: getattr(layer, field.name) for field in fields(layer)}
        arrays |= {f"{name}{index}": value for name, value in values.items() if isinstance(value, ndarray)}
        shown = {name: "array" if isinstance(value, ndarray) else value for name, value in values.items()}
        table.append((type(layer).__name__, shown))
    beside = path.with_name(f".{path.stem}-{os.getpid()}.npz")
    try:
        np.savez(beside, table=np.array(json.dumps((network.source, network.outputs, table))), **arrays)
        os.replace(beside, path)
    except OSError as error:
        _logger.warning("layers cannot be kept in %s: %s", path.parent, error)
    finally:
        beside.unlink(missing_ok=True)


class _Reader:
    """Goes through a frozen graph once, fusing as it goes.

    Operations in place need no care: the tracer gives what they return a name of its own, and uses that from then on.
    """

    def __init__(self, graph: Any) -> None:
        self._nodes = list(graph.nodes())
        self._inputs, self._outputs = list(graph.inputs()), list(graph.outputs())
        self._uses = Counter(value.debugName() for node in self._nodes for value in node.inputs())
        self._uses.update(value.debugName() for value in self._outputs)
        self._made: dict[str, Layer] = {}  # by output; a fused layer moves to the end, after all that it needs
        self._repeated: dict[str, tuple[str, int]] = {}

    def read(self) -> LayerList:
        """Return the layers."""
        source = self._inputs[-1].debugName()
        tuples = {}
        for node in self._nodes:
            kind, inputs = node.kind(), list(node.inputs())
            output = node.output().debugName() if node.outputsSize() == 1 else ""
            if kind == "aten::_convolution":
                self._made[output] = _convolution(output, inputs)
            elif kind in ("aten::relu", "aten::relu_"):
                self._cut(output, inputs[0].debugName())
            elif kind in ("aten::add", "aten::add_") and inputs[2].toIValue() == 1:
                self._add(output, inputs[0].debugName(), inputs[1].debugName())
            elif kind == "aten::upsample_nearest2d":
                self._repeated[output] = inputs[0].debugName(), _scale(inputs)
            elif kind in ("prim::TupleConstruct", "prim::ListConstruct"):
                tuples[output] = [value.debugName() for value in inputs]
            elif kind != "prim::Constant":
                raise NotExpressible(f"there is no layer for {kind}")
        outputs = [name for value in self._outputs for name in tuples.get(value.debugName(), [value.debugName()])]
        if unknown := [name for name in outputs if name not in self._made]:
            raise NotExpressible(f"the results {unknown} come from no layer")
        return LayerList(source, tuple(self._made.values()), tuple(outputs))

    def _only_use(self, name: str, kind: type[Convolution] | type[Addition]) -> Any:
        layer: Any = self._made.get(name)
        if not isinstance(layer, kind) or layer.relu or self._uses[name] != 1:
            return None
        return layer

    def _cut(self, output: str, name: str) -> None:
        layer = self._only_use(name, Convolution) or self._only_use(name, Addition)
        if layer is None:
            raise NotExpressible("a ReLU follows what it cannot be fused with")
        del self._made[name]
        self._made[output] = replace(layer, output=output, relu=True)

    def _add(self, output: str, first: str, second: str) -> None:
        for name, other in ((second, first), (first, second)):
            layer = self._only_use(name, Convolution)
            if layer is not None and layer.residual is None and other not in self._repeated:
                del self._made[name]
                self._made[output] = replace(layer, output=output, residual=other)
                return
        if first in self._repeated:
            first, second = second, first
        if first in self._repeated:
            raise NotExpressible("two upsampled maps are added")
        self._made[output] = Addition(output, first, *self._repeated.get(second, (second, 1)))


def _convolution(output: str, inputs: list[Any]) -> Convolution:
    source, weight, bias, stride, padding, dilation, transposed, _, groups = inputs[:9]
    numbers = [value.toIValue() for value in (stride, padding, dilation, transposed, groups)]
    (s, s2), (p, p2), dilation, transposed, groups = numbers
    if s != s2 or p != p2 or set(dilation) != {1} or transposed or groups != 1:
        raise NotExpressible("a convolution is transposed, dilated, grouped or lopsided")
    kernels, biases = weight.toIValue(), bias.toIValue()
    kernels = np.ascontiguousarray(kernels.detach().numpy(), np.float32)
    numbers = np.zeros(len(kernels), np.float32) if biases is None else biases.detach().numpy().astype(np.float32)
    return Convolution(output, source.debugName(), kernels, numbers, s, p)


def _scale(inputs: list[Any]) -> int:
    factors = inputs[2].toIValue() if len(inputs) > 2 else None
    if inputs[1].toIValue() is not None or not factors or factors[0] != factors[1] or factors[0] % 1:
        raise NotExpressible("an upsampling is not by a whole factor")
    return int(factors[0])
