"""The memory and the program of a network for one shape of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.runtime.fusing import fold, fuse
from limner.runtime.layer_kinds import (
    Addition,
    Blur,
    Convolution,
    Curve,
    Enlargement,
    Every,
    Layer,
    LayerList,
    Measurement,
    NotExpressible,
    Pooling,
    Slope,
    Vector,
    names_read,
    names_written,
)
from limner.runtime.products import ROWS, WIDE, aligned, pack_panels
from limner.runtime.program import (
    ADD,
    BLOCK,
    BLUR,
    CURVE,
    ENLARGE,
    LAYER,
    MEASURE,
    PLAIN,
    POOL,
    TABLE,
    run_program,
)
from limner.runtime.tilings import form_of, tiling
from limner.runtime.vectors import LANES
from limner.runtime.winograd import DOWN, FOUR, UP, transform_panels

_MANY = 4  # blocks for each thread, of which one more or less makes no odds
_SLACK = 1 << 12

Weights = dict[tuple[int, int, int], tuple[ndarray, ndarray]]  # by the identity of kernels, channels read, and form


@dataclass(frozen=True)
class Map:
    """Where a map lies.

    Attributes:
        memory: (N, H, W, C) without the zeros round it, all channels.
        channels: how many of them mean anything.
        pad: zeros round it.
        address: of its first pixel.
        is_ragged: whether what lies round it is not zero, but the rest of a transposed convolution.
    """

    memory: Float32[ndarray, "N H W C"]
    channels: int
    pad: int
    is_ragged: bool = False

    @property
    def address(self) -> int:
        """Of the first pixel."""
        return int(self.memory.ctypes.data)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.memory.shape[1]), int(self.memory.shape[2])

    def fields(self, letter: str) -> dict[str, int]:
        """What a program's row tells of it under a letter."""
        n, i, j, _ = self.memory.strides
        return {letter: self.address, f"{letter}_n": n, f"{letter}_i": i, f"{letter}_j": j}


class Plan:
    """A network ready for inputs of one shape.

    Attributes:
        shapes: of the inputs, (N, C, H, W) each.
    """

    def __init__(self, network: LayerList, shapes: Mapping[str, Sequence[int]], threads: int, weights: Weights) -> None:
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        network, self._folded = fold(fuse(network), {name: shape[2:] for name, shape in self.shapes.items()})
        self._count = max(shape[0] for shape in self.shapes.values())
        self._threads, self._weights = threads, weights
        self._outputs, self._vectors = network.outputs, network.vectors
        self._pads = _paddings(network)
        self._maps: dict[str, Map] = {}
        self._whole: dict[str, tuple[tuple[int, ...], ndarray]] = {}  # a map's key for reuse, and all its memory
        self._free: dict[tuple[int, ...], list[ndarray]] = {}
        self._alive: list[ndarray] = []  # what the program knows by address
        self._constants: dict[tuple[float, int], int] = {}
        self._space_size = 2 * TABLE
        for name in network.sources:
            self._add_source(name, network)
        self._program = self._build(network)
        self._space = aligned([threads, -(-self._space_size // WIDE) * WIDE])

    def set(self, name: str, values: Float32[ndarray, "N C H W"]) -> None:
        """Give an input its values."""
        found = self._maps[name]
        steps = 2 if name in self._folded else 1
        parts = [values[:, :, i::steps, j::steps] for i in range(steps) for j in range(steps)]
        for place, part in enumerate(parts):
            channels = slice(place * part.shape[1], (place + 1) * part.shape[1])
            found.memory[..., channels] = part.transpose(0, 2, 3, 1)

    def __call__(self) -> tuple[Float32[ndarray, "N C H W"], ...]:
        """Run the program; return copies of the outputs."""
        run_program(self._program, self._space)
        return tuple(self._result(names) for names in self._outputs)

    def _result(self, names: Sequence[str]) -> Float32[ndarray, "..."]:
        found = []
        for name in names:
            one = self._maps[name]
            values = one.memory[..., : one.channels].transpose(0, 3, 1, 2)
            found.append(values[:, :, 0, 0] if name in self._vectors else values)
        return np.stack(found, axis=1) if len(found) > 1 else found[0].copy()

    def _add_source(self, name: str, network: LayerList) -> None:
        count, channels, *size_hw = self.shapes[name]
        if name in self._folded:
            channels, size_hw = 4 * channels, [length // 2 for length in size_hw]
        is_noise = any(getattr(layer, "noise", None) == name for layer in network.layers)
        # A picture's few channels stay as they are: no kernel but the plain one reads them.
        broad = channels if is_noise or channels < LANES <= max(size_hw) else -(-channels // LANES) * LANES
        self._new_map(name, count, size_hw, channels, broad)

    def _new_map(self, name: str, count: int, size_hw: Sequence[int], channels: int, broad: int = 0) -> Map:
        """Memory with zeros round it, used before where there is some: what is inside is always written anew."""
        pad = self._pads.get(name, 0)
        broad = broad or -(-channels // LANES) * LANES
        shape = (count, size_hw[0] + 2 * pad, size_hw[1] + 2 * pad, broad)
        key = (*shape, pad)
        free = self._free.get(key)
        memory = free.pop() if free else self._new_memory(shape)
        self._whole[name] = key, memory
        inside = memory[:, pad : shape[1] - pad, pad : shape[2] - pad]
        self._maps[name] = Map(inside, channels, pad)
        return self._maps[name]

    def _new_memory(self, shape: Sequence[int]) -> ndarray:
        # A last tile of pixels may read on into what follows.
        size = int(np.prod(shape))
        self._alive.append(aligned([size + _SLACK]))
        return self._alive[-1][:size].reshape(shape)

    def _build(self, network: LayerList) -> ndarray:
        same = {layer.output: layer.source for layer in network.layers if isinstance(layer, Every)}
        last = {same.get(name, name): i for i, layer in enumerate(network.layers) for name in names_read(layer)}
        kept = {*network.sources, *(same.get(name, name) for names in network.outputs for name in names)}
        rows = []
        for index, layer in enumerate(network.layers):
            fields = self._fields(layer)
            if fields:
                rows.append(tuple(fields.get(name, 0) for name in LAYER.names))
            done = {same.get(name, name) for name in (*names_read(layer), *names_written(layer))} - kept
            for name in done:
                if last.get(name, index) == index and name in self._whole and not self._maps[name].is_ragged:
                    key, memory = self._whole.pop(name)
                    self._free.setdefault(key, []).append(memory)
        return np.array(rows, LAYER)

    def _keep(self, array: ndarray) -> int:
        """The address of an array that the program is to find."""
        self._alive.append(np.ascontiguousarray(array, np.float32))
        return int(self._alive[-1].ctypes.data)

    def _filled(self, number: float, broad: int) -> int:
        key = (number, broad)
        if key not in self._constants:
            self._constants[key] = self._keep(np.full(broad, number, np.float32))
        return self._constants[key]

    def _vector(self, field: str, value: Vector, otherwise: float, broad: int) -> dict[str, int]:
        """The fields of numbers for each channel: everybody's, or each sample's own."""
        if isinstance(value, str):
            found = self._maps[value]
            return {field: found.address, f"{field}_n": found.memory.strides[0] if len(found.memory) > 1 else 0}
        if value is None:
            return {field: self._filled(otherwise, broad), f"{field}_n": 0}
        padded = np.full(broad, otherwise, np.float32)
        padded[: len(value)] = value
        return {field: self._keep(padded), f"{field}_n": 0}

    def _slope(self, slope: Slope, broad: int) -> int:
        if isinstance(slope, ndarray):
            return self._vector("slope", slope, 1.0, broad)["slope"]
        return self._filled(float(slope), broad)

    def _row(self, kind: int, x: str, y: Map, **fields: Any) -> dict[str, Any]:
        """The fields that every layer has."""
        source, (height, width) = self._maps[x], y.size_hw
        if kind != PLAIN and source.memory.shape[3] % LANES:
            raise NotExpressible("an input of few channels is read by another layer than a convolution")
        rows, columns = source.size_hw
        sizes = {"count": len(y.memory), "height": height, "width": width, "rows": rows, "columns": columns}
        channels = {"inputs": source.memory.shape[3], "outputs": y.memory.shape[3], "units": len(y.memory) * height}
        return {"kind": kind, **sizes, **channels, **source.fields("x"), **y.fields("y"), **fields}

    def _added(self, name: str | None, y: Map) -> dict[str, int]:
        """The fields of a map to add."""
        if name is None:
            return {}
        found = self._maps[name]
        if found.memory.shape[3] != y.memory.shape[3]:
            raise NotExpressible(f"a map of {found.channels} channels is added to one of {y.channels}")
        return found.fields("r")

    def _noise(self, name: str | None) -> dict[str, int]:
        if name is None:
            return {}
        found = self._maps[name]
        n, i = found.memory.strides[:2]
        return {"noise": found.address, "noise_n": n if len(found.memory) > 1 else 0, "noise_i": i}

    def _finish(self, layer: Any, broad: int) -> dict[str, int]:
        """The fields of a layer's end."""
        return {
            **self._vector("gain", getattr(layer, "gain", None), 1.0, broad),
            **self._vector("bias", layer.bias, 0.0, broad),
            "slope": self._slope(layer.slope, broad),
            **self._noise(getattr(layer, "noise", None)),
        }

    @singledispatchmethod
    def _fields(self, layer: Layer) -> dict[str, Any]:
        """The row of a layer; its results' memory is set aside."""
        raise NotExpressible(f"there is no kernel for {type(layer).__name__}")

    @_fields.register
    def _(self, layer: Addition) -> dict[str, Any]:
        first = self._maps[layer.first]
        y = self._new_map(layer.output, self._count, first.size_hw, first.channels)
        fields = self._row(ADD, layer.first, y, stride=layer.repeat, **self._finish(layer, y.memory.shape[3]))
        return fields | self._added(layer.second, y)

    @_fields.register
    def _(self, layer: Enlargement) -> dict[str, Any]:
        source = self._maps[layer.source]
        before = source.size_hw
        if layer.like is None:
            y = self._new_map(layer.output, self._count, [2 * n for n in before], source.channels)
            return self._row(ENLARGE, layer.source, y, a=0.5, b=0.5, c=-0.25)
        after = self._maps[layer.like].size_hw
        y = self._new_map(layer.output, self._count, after, source.channels)
        ratios = [(n - 1) / (m - 1) if m > 1 else 0.0 for n, m in zip(before, after, strict=True)]
        return self._row(ENLARGE, layer.source, y, a=ratios[0], b=ratios[1])

    @_fields.register
    def _(self, layer: Blur) -> dict[str, Any]:
        source = self._maps[layer.source]
        y = self._new_map(layer.output, self._count, source.size_hw, source.channels)
        fields = self._row(BLUR, layer.source, y, a=layer.outer, b=layer.inner)
        # What the convolution reached begins a pixel before the map.
        fields["x"] -= fields["x_i"] + fields["x_j"]
        fields["units"] //= 2
        return fields | self._finish(layer, y.memory.shape[3])

    @_fields.register
    def _(self, layer: Measurement) -> dict[str, Any]:
        source = self._maps[layer.source]
        y = self._new_map(layer.output, self._count, (1, 1), source.channels)
        broad = y.memory.shape[3]
        fields = self._row(MEASURE, layer.source, y, units=self._count * broad // LANES, d=layer.epsilon)
        if layer.summand is None:
            return fields
        summand = self._new_map(layer.summand, self._count, (1, 1), source.channels)
        weights = {**self._vector("gain", layer.weight, 1.0, broad), **self._vector("bias", layer.bias, 0.0, broad)}
        return fields | summand.fields("r") | weights

    @_fields.register
    def _(self, layer: Pooling) -> dict[str, Any]:
        source = self._maps[layer.source]
        size_hw = [_pooled(n, layer) for n in source.size_hw]
        y = self._new_map(layer.output, self._count, size_hw, source.channels)
        kernel = {"kernel_high": layer.kernel, "kernel_broad": layer.kernel}
        return self._row(POOL, layer.source, y, stride=layer.stride, padding=layer.padding, **kernel)

    @_fields.register
    def _(self, layer: Every) -> dict[str, Any]:
        source = self._maps[layer.source]
        self._maps[layer.output] = replace(source, memory=source.memory[:, :: layer.step, :: layer.step], pad=0)
        return {}

    @_fields.register
    def _(self, layer: Curve) -> dict[str, Any]:
        source = self._maps[layer.source]
        y = self._new_map(layer.output, self._count, source.size_hw, source.channels)
        return self._row(CURVE, layer.source, y, a=layer.a, b=layer.b, c=layer.c)

    @_fields.register
    def _(self, layer: Convolution) -> dict[str, Any]:
        outputs, inputs, *kernel = layer.weight.shape
        source = self._maps[layer.source]
        if inputs != source.channels:
            raise NotExpressible(f"a convolution of {inputs} channels reads a map of {source.channels}")
        if layer.padding and (source.is_ragged or source.pad < layer.padding):
            raise NotExpressible("a convolution reads over the border of a map without zeros round it")
        if layer.transposed:
            size_hw = [2 * n for n in source.size_hw]
        else:
            size_hw = [
                (n + 2 * layer.padding - k) // layer.stride + 1 for n, k in zip(source.size_hw, kernel, strict=True)
            ]
        y = self._new_map(layer.output, self._count, size_hw, outputs)
        if layer.transposed:
            self._maps[layer.output] = y = replace(y, is_ragged=True)
        fields = self._row(PLAIN, layer.source, y, **self._finish(layer, y.memory.shape[3]))
        fields |= self._added(layer.residual, y)
        form = form_of(layer, len(source.memory), source.memory.shape[3], size_hw)
        return self._tiled(layer, form, fields) if form is not None else self._untiled(layer, fields)

    def _tiled(self, layer: Convolution, form: int, fields: dict[str, Any]) -> dict[str, Any]:
        """The row of a convolution by tiles."""
        grid = [fields["rows"] + 1, fields["columns"] + 1] if form == UP else [fields["height"], fields["width"]]
        if form == UP:  # it begins a pixel before the map
            fields["y"] -= fields["y_i"] + fields["y_j"]
        blocks, size = tiling(form, self._count, grid, fields["inputs"] + fields["outputs"], self._threads)
        self._space_size = max(self._space_size, size)
        steps = {"x_step": 2 if form == DOWN else 1, "y_step": 2 if form == UP else 1}
        steps["shift"] = 1 if form == UP else layer.padding
        scale = self._vector("scale", layer.scale, 1.0, fields["inputs"])
        return {**fields, **blocks, **steps, **scale, **self._panels(layer, fields["inputs"], form)}

    def _untiled(self, layer: Convolution, fields: dict[str, Any]) -> dict[str, Any]:
        """The row of a convolution by pixels."""
        high, broad = layer.weight.shape[2:]
        if layer.scale or layer.noise or layer.transposed:
            raise NotExpressible("a convolution with scaled channels, with noise or transposed is of another kind")
        if broad > 1 and fields["x_j"] != 4 * fields["inputs"]:
            raise NotExpressible("a convolution reads one of several joined maps")
        run = -(-broad * fields["inputs"] // LANES)
        sizes = {"kernel_high": high, "kernel_broad": broad, "stride": layer.stride, "padding": layer.padding}
        fields |= {**sizes, "run": run, **self._blocks(layer, fields)}
        self._space_size = max(self._space_size, 2 * TABLE + fields["tiles"] * high * run * LANES)
        if layer.before is not None:
            step = self._finish(layer.before, fields["inputs"])
            fields |= {f"before_{name}": step[name] for name in ("gain", "bias", "slope")}
        if layer.weights is not None:
            own = self._vector("narrow", layer.weights, 0.0, 0)
            return {**fields, **own, "narrow_n": own["narrow_n"] or 1}
        return {**fields, **self._panels(layer, fields["inputs"], None)}

    def _blocks(self, layer: Convolution, fields: dict[str, Any]) -> dict[str, int]:
        """How a convolution's pixels are cut into blocks of nearly one size, and those into shares."""
        pixels, samples = fields["height"] * fields["width"], self._count
        if not fields["gain_n"] and layer.weights is None:
            pixels, samples = pixels * samples, 1
        count = -(-pixels // BLOCK)
        block = -(-pixels // (count * ROWS)) * ROWS
        blocks = samples * -(-pixels // block)
        # Threads that would wait for one another work on the same pixels instead, each with weights of its own.
        is_even = blocks % self._threads == 0 or blocks >= _MANY * self._threads
        shares = 1 if is_even else min(self._threads, max(fields["outputs"] // WIDE, 1))
        return {"tiles": block, "shares": shares, "units": blocks * shares}

    def _panels(self, layer: Convolution, inputs: int, form: int | None) -> dict[str, int]:
        """The fields of weights, worked out once for all shapes of inputs and all layers that share them."""
        key = (id(layer.weight), inputs, -1 if form is None else form)
        if key not in self._weights:
            kernels = layer.weight[:, :, :4, :4] if form == FOUR else layer.weight
            outputs, given, high, broad = kernels.shape
            weight = np.pad(kernels, ((0, -outputs % 8), (0, inputs - given), (0, 0), (0, 0)))
            if form is None:  # a run of numbers is a line of the kernel, and whole eights
                lines = weight.transpose(2, 3, 1, 0).reshape(high, broad * inputs, -1)
                lines = np.pad(lines, ((0, 0), (0, -broad * inputs % LANES), (0, 0)))
                panels = pack_panels(lines.reshape(1, -1, lines.shape[2]))
            else:
                wide, narrow = pack_panels(weight.transpose(2, 3, 1, 0).reshape(high * broad, inputs, -1))
                panels = transform_panels(wide, form), transform_panels(narrow, form)
            self._weights[key] = panels
        wide, narrow = self._weights[key]
        fields = {"wide": wide.ctypes.data, "wide_panels": wide.shape[1]}
        return {**fields, "narrow": narrow.ctypes.data if narrow.size else 0}


def _pooled(length: int, layer: Pooling) -> int:
    """How many windows there are along an axis; the last one begins inside."""
    steps = length + 2 * layer.padding - layer.kernel
    many = (-(-steps // layer.stride) if layer.ceil else steps // layer.stride) + 1
    return many - 1 if layer.ceil and (many - 1) * layer.stride >= length + layer.padding else many


def _paddings(network: LayerList) -> dict[str, int]:
    """How many zeros each map needs round it: what those that read it ask for."""
    pads: dict[str, int] = {}
    for layer in network.layers:
        if isinstance(layer, Convolution):
            wanted = 1 if layer.transposed else layer.padding
            pads[layer.source] = max(pads.get(layer.source, 0), wanted)
            if layer.transposed:
                pads[layer.output] = 2
        elif isinstance(layer, Enlargement):
            pads[layer.source] = max(pads.get(layer.source, 0), 1)
    return pads
