"""Layers that need not be run of their own.

A norm and a cut that only convolutions of one pixel read are done as these read; of convolutions that differ in nothing
but what comes after the products, as where a regressor corrects a row again and again, the products are made once.
A large kernel of stride two on a picture of few channels is a smaller one of stride one on the picture's four quarters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.runtime.layer_kinds import Addition, Convolution, Layer, LayerList, names_read


def fuse(network: LayerList) -> LayerList:
    """Return the same network with fewer layers."""
    return _share_products(_move_steps(network))


def fold(network: LayerList, sizes: Mapping[str, Sequence[int]]) -> tuple[LayerList, frozenset[str]]:
    """Return the network with folded pictures, and the names of these: (C, H, W) become (4 C, H / 2, W / 2).

    The channels of a folded picture are those of its pixels of even line and column, of even line and odd column, of
    odd line and even column, and of the others. Only pictures that one 7x7 convolution reads are folded.

    Args:
        network: as `fuse` returns it.
        sizes: height and width of every source.
    """
    readers = Counter(name for layer in network.layers for name in names_read(layer))
    layers, folded = [], []
    for layer in network.layers:
        if isinstance(layer, Convolution) and _is_foldable(layer, sizes) and readers[layer.source] == 1:
            folded.append(layer.source)
            layer = replace(layer, weight=_folded_kernels(layer.weight), stride=1, padding=2)
        layers.append(layer)
    return replace(network, layers=tuple(layers)), frozenset(folded)


def _is_foldable(layer: Convolution, sizes: Mapping[str, Sequence[int]]) -> bool:
    size = sizes.get(layer.source, ())
    is_stem = layer.weight.shape[1] <= _FEW and layer.weight.shape[2:] == (7, 7)
    is_stem = is_stem and (layer.stride, layer.padding, layer.transposed) == (2, 3, False)
    return is_stem and len(size) == 2 and not any(length % 2 for length in size) and min(size) >= _LEAST


def _folded_kernels(weight: Float32[ndarray, "O C 7 7"]) -> Float32[ndarray, "O D 5 5"]:
    """The kernels for the folded picture, four wide, with zeros after them so that they have a middle."""
    outputs, channels = weight.shape[:2]
    wide = np.pad(weight, ((0, 0), (0, 0), (1, 0), (1, 0))).reshape(outputs, channels, 4, 2, 4, 2)
    four = wide.transpose(0, 3, 5, 1, 2, 4).reshape(outputs, 4 * channels, 4, 4)
    return np.pad(four, ((0, 0), (0, 0), (0, 1), (0, 1)))


_FEW, _LEAST = 4, 64  # channels of a picture; its sides, below which there are too few tiles to be worth it


def _move_steps(network: LayerList) -> LayerList:
    """Do affine steps where the convolutions after them read their maps."""
    readers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        for name in names_read(layer):
            readers.setdefault(name, []).append(layer)
    kept = {*network.vectors, *(name for names in network.outputs for name in names)}
    steps = {
        layer.output: layer
        for layer in network.layers
        if isinstance(layer, Addition)
        and _is_step(layer, network.sources)
        and layer.output not in kept
        and all(_takes_steps(reader) for reader in readers.get(layer.output, []))
    }
    layers = [_after(layer, steps) for layer in network.layers if layer.output not in steps]
    return replace(network, layers=tuple(layers))


def _is_step(layer: Addition, sources: tuple[str, ...]) -> bool:
    """Whether a layer does no more than to multiply, add and cut, with everybody's numbers."""
    own = isinstance(layer.gain, str) or isinstance(layer.bias, str)
    return layer.second is None and not own and layer.first not in sources


def _takes_steps(layer: Layer) -> bool:
    """Whether a layer reads each pixel of its source as it is, none of them beyond the border."""
    if not isinstance(layer, Convolution):
        return False
    is_plain = not (layer.padding or layer.transposed or layer.scale or layer.weights)
    return is_plain and layer.weight.shape[2:] == (1, 1)


def _after(layer: Layer, steps: dict[str, Addition]) -> Layer:
    if not isinstance(layer, Convolution) or layer.source not in steps:
        return layer
    step = steps[layer.source]
    return replace(layer, source=step.first, before=step)


def _share_products(network: LayerList) -> LayerList:
    """Let a convolution take the products of a bare one that comes later."""
    layers: list[Layer] = []
    made = set()
    for index, layer in enumerate(network.layers):
        twin = _bare_twin(layer, network.layers[index + 1 :])
        if isinstance(layer, Convolution) and twin is not None:
            bias = layer.bias - twin.bias
            layers += [twin, Addition(layer.output, twin.output, layer.residual, bias=bias, slope=layer.slope)]
            made.add(twin.output)
        elif layer.output not in made:
            layers.append(layer)
    return replace(network, layers=tuple(layers))


def _bare_twin(layer: Layer, later: Sequence[Layer]) -> Convolution | None:
    """The convolution that multiplies the same and then does no more than to add its bias."""
    if not isinstance(layer, Convolution) or layer.gain or layer.noise:
        return None
    candidates = (one for one in later if isinstance(one, Convolution) and one.source == layer.source)
    return next((one for one in candidates if _is_bare(one) and _multiplies_same(one, layer)), None)


def _is_bare(layer: Convolution) -> bool:
    return layer.residual is None and isinstance(layer.slope, float) and layer.slope == 1.0


def _multiplies_same(one: Convolution, other: Convolution) -> bool:
    names = ("stride", "padding", "transposed", "scale", "gain", "noise", "weights")
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    return same and one.before is other.before and np.array_equal(one.weight, other.weight)
