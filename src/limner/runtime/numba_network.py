"""Networks of convolutions run by limner's own kernels: nearly twice as fast as any library on the CPU."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from threading import Lock, Thread

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.runtime.kernels import ADD, LAYER, PLAIN, WINOGRAD, pack_panels, run, transform_weights
from limner.runtime.layers import Addition, Convolution, Layer, LayerList
from limner.runtime.modules import check_batch

# Tiles of a block: its patches and sums should lie in a core's second cache, and be enough to use its weights for.
_TILES_OF_NARROW, _TILES_OF_BROAD, _BROAD = 24, 48, 256
# With fewer tiles, reading Winograd's weights, four times the kernels', costs more than it saves.
_FEWEST_TILES = 8

_Weights = dict[tuple[str, bool], tuple[ndarray, ndarray]]


def can_run() -> bool:
    """Return whether this processor multiplies and adds in one step, without which the kernels would crawl."""
    from llvmlite import binding

    is_x86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
    return bool(binding.get_host_cpu_features().get("fma")) if is_x86 else True


class NumbaNetwork:
    """Convolutions and sums run by `limner.runtime.kernels`.

    Attributes:
        input_shape: the shape of the input array, -1 for any length.
    """

    def __init__(self, network: LayerList, input_shape: Sequence[int], threads: int = 1) -> None:
        self.input_shape = tuple(input_shape)
        self._network = network
        self._threads = max(1, threads)
        self._weights: _Weights = {}
        self._plan: _Plan | None = None
        self._lock = Lock()
        # Compiles the kernels, which takes seconds the first time on a machine, or reads them from numba's cache.
        run(np.zeros(0, LAYER), np.zeros((1, 1), np.float32), 0, 1, np.zeros(1, np.int64))

    def __call__(self, batch: Float32[ndarray, "N C H W"]) -> tuple[Float32[ndarray, "..."], ...]:
        """Run the network on `batch` and return its outputs as arrays of their own.

        Raises:
            InputError: the array is of another shape than the network takes.
        """
        check_batch(batch, self.input_shape)
        if len(batch) == 0:
            return tuple(output[:0] for output in self(np.zeros((1, *batch.shape[1:]), np.float32)))
        with self._lock:
            if self._plan is None or self._plan.shape != batch.shape:
                self._plan = None  # so that its memory is free first
                self._plan = _Plan(self._network, batch.shape, self._threads, self._weights)
            return self._plan(batch)


class _Plan:
    """The memory and the program of a network for one shape of input."""

    def __init__(self, network: LayerList, shape: Sequence[int], threads: int, weights: _Weights) -> None:
        self.shape = tuple(shape)
        self._threads, self._weights = threads, weights
        self._pads = _paddings(network)
        self._maps: dict[str, ndarray] = {}
        self._channels = {network.source: shape[1]}
        self._free: dict[tuple[int, ...], list[ndarray]] = {}
        self._alive: list[ndarray] = []  # what the program knows by address
        self._source, self._outputs = network.source, network.outputs
        self._space_size = 1
        self._maps[network.source] = self._new_map(network.source, shape[2:], shape[1])
        self._program = self._build(network)
        self._space = np.zeros((threads, self._space_size), np.float32)

    def __call__(self, batch: Float32[ndarray, "N C H W"]) -> tuple[Float32[ndarray, "N C H W"], ...]:
        """Run the program; return copies of the outputs."""
        self._inside(self._source)[:] = batch.transpose(0, 2, 3, 1)
        run_program(self._program, self._space)
        return tuple(self._inside(name).transpose(0, 3, 1, 2).copy() for name in self._outputs)

    def _inside(self, name: str) -> ndarray:
        pad, maps = self._pads[name], self._maps[name]
        return maps[:, pad : maps.shape[1] - pad, pad : maps.shape[2] - pad, : self._channels[name]]

    def _new_map(self, name: str, size_hw: Sequence[int], channels: int) -> ndarray:
        """Memory with zeros round it, used before where there is some: what is inside is always written anew."""
        pad = self._pads[name]
        shape = (self.shape[0], size_hw[0] + 2 * pad, size_hw[1] + 2 * pad, channels)
        free = self._free.get((*shape, pad))
        if free:
            return free.pop()
        # A first axis without a picture at its end: the last tile of six pixels may read on into what follows.
        self._alive.append(np.zeros(int(np.prod(shape)) + _SLACK, np.float32))
        return self._alive[-1][:-_SLACK].reshape(shape)

    def _build(self, network: LayerList) -> ndarray:
        last = {name: index for index, layer in enumerate(network.layers) for name in _sources(layer)}
        rows = []
        for index, layer in enumerate(network.layers):
            fields = self._addition(layer) if isinstance(layer, Addition) else self._convolution(layer)
            rows.append(tuple(int(fields.get(name, 0)) for name in LAYER.names))
            for name in set(_sources(layer)):
                if last[name] == index and name not in (network.source, *network.outputs):
                    maps = self._maps[name]
                    self._free.setdefault((*maps.shape, self._pads[name]), []).append(maps)
        return np.array(rows, LAYER)

    def _row(self, layer: Layer, x: str, r: str | None, size_hw: Sequence[int], channels: int) -> dict[str, int]:
        """The fields that tell a layer's maps; the result's memory is set aside."""
        self._channels[layer.output] = channels
        self._maps[layer.output] = self._new_map(layer.output, size_hw, -(-channels // 8) * 8)
        fields = {"count": self.shape[0], "units": self.shape[0] * size_hw[0], "relu": layer.relu}
        for letter, name in (("x", x), ("r", r), ("y", layer.output)):
            if name is not None:
                maps = self._maps[name]
                parts = (maps.ctypes.data, *maps.shape[1:], self._pads[name])
                fields |= dict(zip((letter, *(f"{letter}_{n}" for n in _PARTS)), parts, strict=True))
        return fields

    def _addition(self, layer: Addition) -> dict[str, int]:
        size_hw = self._inside(layer.first).shape[1:3]
        fields = self._row(layer, layer.first, layer.second, size_hw, self._channels[layer.first])
        return {**fields, "kind": ADD, "scale": layer.scale}

    def _convolution(self, layer: Convolution) -> dict[str, int]:
        outputs, _, *kernel = layer.weight.shape
        before = self._inside(layer.source).shape[1:3]
        size_hw = [(n + 2 * layer.padding - k) // layer.stride + 1 for n, k in zip(before, kernel, strict=True)]
        fields = self._row(layer, layer.source, layer.residual, size_hw, outputs)
        tiles = self.shape[0] * -(-size_hw[0] // 4) * -(-size_hw[1] // 4)
        fits = (*kernel, layer.stride, layer.padding) == (3, 3, 1, 1) and min(size_hw) >= 4
        is_winograd = fits and tiles >= _FEWEST_TILES and fields["x_channels"] % 8 == 0
        fields |= self._weight_fields(layer, fields["x_channels"], is_winograd)
        if is_winograd:
            return {**fields, "kind": WINOGRAD, **self._blocks(tiles, fields["x_channels"] + fields["y_channels"])}
        sizes = {"kernel_high": kernel[0], "kernel_broad": kernel[1], "stride": layer.stride, "padding": layer.padding}
        return {**fields, "kind": PLAIN, **sizes}

    def _blocks(self, tiles: int, channels: int) -> dict[str, int]:
        block = tiles_of_block(tiles, channels, self._threads)
        self._space_size = max(self._space_size, 36 * block * channels)
        return {"tiles": block, "units": -(-tiles // block)}

    def _weight_fields(self, layer: Convolution, inputs: int, is_winograd: bool) -> dict[str, int]:
        key = (layer.output, is_winograd)
        if key not in self._weights:
            outputs, given, high, broad = layer.weight.shape
            weight = np.pad(layer.weight, ((0, -outputs % 8), (0, inputs - given), (0, 0), (0, 0)))
            rows = weight.transpose(2, 3, 1, 0).reshape(1, high * broad * inputs, -1)
            self._weights[key] = pack_panels(transform_weights(weight) if is_winograd else rows)
        wide, narrow = self._weights[key]
        bias = np.pad(layer.bias, (0, -len(layer.bias) % 8))
        self._alive.append(bias)
        addresses = {"wide": wide.ctypes.data, "bias": bias.ctypes.data, "wide_panels": wide.shape[1]}
        return {**addresses, "narrow": narrow.ctypes.data if narrow.shape[1] else 0}


def run_program(program: ndarray, space: Float32[ndarray, "P n"]) -> None:
    """Run a program of `LAYER` rows with as many threads as there are rows of scratch memory."""
    meeting, count = np.zeros(1, np.int64), len(space)
    others = [Thread(target=run, args=(program, space, part, count, meeting)) for part in range(1, count)]
    try:
        for other in others:
            other.start()
        run(program, space, 0, count, meeting)
    finally:
        # After an interruption nobody may wait for who never came.
        meeting[0] = np.iinfo(np.int64).max // 2
        for other in others:
            other.join()


def tiles_of_block(tiles: int, channels: int, threads: int) -> int:
    """Return how many tiles go through Winograd's transforms together, of maps with so many channels in and out."""
    block = _TILES_OF_NARROW if channels < _BROAD else _TILES_OF_BROAD
    # Six tiles are multiplied at once, and every thread is to have a block.
    return min(block, -(-tiles // (6 * threads)) * 6)


_PARTS = ("high", "broad", "channels", "pad")
_SLACK = 1 << 12


def _sources(layer: Layer) -> tuple[str, ...]:
    if isinstance(layer, Addition):
        return layer.first, layer.second
    return (layer.source,) if layer.residual is None else (layer.source, layer.residual)


def _paddings(network: LayerList) -> dict[str, int]:
    """How many zeros each map needs round it: one, or what the convolutions that read it ask for."""
    pads = {network.source: 1, **{layer.output: 1 for layer in network.layers}}
    for layer in network.layers:
        if isinstance(layer, Convolution):
            pads[layer.source] = max(pads[layer.source], layer.padding)
    return pads
