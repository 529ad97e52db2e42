"""Layers that need not be run of their own.

A norm and a cut that only convolutions of one pixel read are done as these read; of convolutions that differ in nothing
but what comes after the products, as where a regressor corrects a row again and again, the products are made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from limner.runtime.layer_kinds import Addition, Convolution, Layer, LayerList, names_read


def fuse(network: LayerList) -> LayerList:
    """Return the same network with fewer layers."""
    return _share_products(_move_steps(network))


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
