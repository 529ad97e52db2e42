"""Layers that need not be run of their own: a norm and a cut that only convolutions of one pixel read."""

from __future__ import annotations

from dataclasses import replace

from limner.runtime.layer_kinds import Addition, Convolution, Layer, LayerList, names_read


def fuse(network: LayerList) -> LayerList:
    """Return the same network with affine steps done where the convolutions after them read their maps."""
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
