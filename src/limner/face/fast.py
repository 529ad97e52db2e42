"""The synthesis of StyleGAN2 for use, not for training: arrays out, no gradients, and on a CPU by limner's own kernels.

A style scales the channels that go into a convolution, its demodulation those that come out, so that all samples share
one set of weights; the transposed convolutions and their filter are two layers. On a processor that the kernels do not
know, on a GPU, and for a generator with filters or widths of its own the torch module runs instead; pictures agree
within rounding.
"""

from __future__ import annotations

import math
import os
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from limner.face.layers import StyledConv, ToRGB
from limner.face.ops import BLUR_TAPS, GAIN, SLOPE, make_kernel
from limner.face.stylegan2 import Generator, Noise
from limner.runtime import Blur, Convolution, Enlargement, Layer, LayerList, LayerNetwork, can_run

_OUTER, _INNER = (2 * tap / sum(BLUR_TAPS) for tap in BLUR_TAPS[:2])  # twice: between the samples lie zeros
_LANES = 8  # results of a kernel that a sample brings along


class FastGenerator:
    """A generator ready to paint; what it learns afterwards is not seen.

    Attributes:
        generator: the module that it was made of.
        is_fast: whether limner's kernels run it, not torch.
    """

    def __init__(self, generator: Generator, *, threads: int | None = None) -> None:
        self.generator = generator
        self.is_fast = _fits(generator) and can_run()
        if not self.is_fast:
            return
        convs = [generator.conv1, *generator.convs]
        self._convs = [cast(StyledConv, conv) for conv in convs]
        self._colours = [cast(ToRGB, layer) for layer in (generator.to_rgb1, *generator.to_rgbs)]
        with torch.no_grad():
            self._network = LayerNetwork(self._layers(), threads or os.cpu_count() or 1)
            self._power = [conv.conv.weight[0].square().sum(dim=(2, 3)) for conv in self._convs]
            self._fixed = self._scaled(generator.noise_maps("fixed", 1))

    def __call__(
        self, wplus: Float[Tensor, "B R D"] | Float[ndarray, "B R D"], noise: Noise = "fixed"
    ) -> Float32[ndarray, "B 3 S S"]:
        """Return pictures: RGB, nominally in [-1, 1], not clamped.

        Args:
            wplus: a style for each row; (B, D) is laid over all rows.
            noise: where the noise comes from, as in `Generator`.

        Raises:
            ShapeError: the styles or a map of noise have another shape.
        """
        given = torch.from_numpy(np.asarray(wplus, np.float32)) if isinstance(wplus, ndarray) else wplus.detach()
        styles = given.to(self.generator.input.input)
        with torch.inference_mode():
            if not self.is_fast:
                return self.generator(styles, noise).float().cpu().numpy()
            styles = self.generator.rows([styles])
            if not len(styles):
                return np.zeros((0, 3, self.generator.config.size, self.generator.config.size), np.float32)
            fixed = isinstance(noise, str) and noise == "fixed"
            maps = self._fixed if fixed else self._scaled(self.generator.noise_maps(noise, len(styles)))
            return self._network({**self._vectors(styles), **maps})[0]

    def _layers(self) -> LayerList:
        """The network's layers; `input`, the styles' numbers and noise are its sources."""
        source, colours, layers, names = "input", None, [], ["input"]
        for index, conv in enumerate(self._convs):
            names += [f"scale{index}", f"gain{index}", f"noise{index}"]
            layers += _styled(conv, index, source)
            source = f"map{index}"
            if index % 2:
                continue
            level = index // 2
            names.append(f"weights{level}")
            layers += _coloured(self._colours[level], level, source, colours)
            colours = f"colours{level}"
        return LayerList(tuple(names), tuple(layers), ((str(colours),),))

    def _scaled(self, maps: list[Tensor]) -> dict[str, ndarray]:
        """Noise as it is added: times its strength and the gain."""
        pairs = zip(self._convs, maps, strict=True)
        return {
            f"noise{index}": (map_ * (GAIN * conv.noise.weight)).numpy() for index, (conv, map_) in enumerate(pairs)
        }

    def _vectors(self, styles: Tensor) -> dict[str, ndarray]:
        """What the styles say to each layer: scales, gains, and the weights of the way to colours."""
        found = {"input": self.generator.input(len(styles))}
        for index, (conv, power) in enumerate(zip(self._convs, self._power, strict=True)):
            # Row 0 is the first convolution's; each later one shares its row with the colours before it or comes next.
            scales = conv.conv.modulation(styles[:, index]) * conv.conv.scale
            gains = GAIN * torch.rsqrt(torch.nn.functional.linear(scales.square(), power) + 1e-8)
            found |= {f"scale{index}": scales[:, :, None, None], f"gain{index}": gains[:, :, None, None]}
        for level, layer in enumerate(self._colours):
            scales = layer.conv.modulation(styles[:, 2 * level + 1]) * layer.conv.scale
            own = torch.zeros(len(styles), scales.shape[1], _LANES)
            own[:, :, :3] = layer.conv.weight[0, :, :, 0, 0].T * scales[:, :, None]
            found[f"weights{level}"] = own.reshape(len(styles), -1, 1, 1)
        return {name: tensor.numpy() for name, tensor in found.items()}


def _fits(generator: Generator) -> bool:
    """Whether the kernels know every layer: filters and widths as published, weights on the CPU."""
    known, config = 4 * make_kernel(BLUR_TAPS), generator.config
    taps = [buffer for name, buffer in generator.named_buffers() if name.endswith(".kernel")]
    sides = (2**level for level in range(2, int(math.log2(config.size)) + 1))
    whole = all(config.channels(side) % _LANES == 0 for side in sides)
    plain = generator.input.input.device.type == "cpu" and generator.input.input.dtype == torch.float32
    return plain and whole and all(torch.equal(kernel, known) for kernel in taps)


def _styled(conv: StyledConv, index: int, source: str) -> list[Layer]:
    """A styled convolution, which writes `map<index>`."""
    weight, bias = conv.conv.weight[0].numpy(), (GAIN * conv.activate.bias).numpy()
    end: dict[str, Any] = {"gain": f"gain{index}", "noise": f"noise{index}", "slope": SLOPE}
    name, scale = f"map{index}", f"scale{index}"
    if not conv.conv.upsample:
        return [Convolution(name, source, weight, bias, padding=1, scale=scale, **end)]
    wider = Convolution(f"wide{index}", source, weight, np.zeros_like(bias), stride=2, transposed=True, scale=scale)
    return [wider, Blur(name, f"wide{index}", _OUTER, _INNER, bias, **end)]


def _coloured(layer: ToRGB, level: int, source: str, before: str | None) -> list[Layer]:
    """The way to colours, which writes `colours<level>`, on top of the colours before, enlarged."""
    weight, bias = layer.conv.weight[0].numpy(), layer.bias.flatten().numpy()
    name, own = f"colours{level}", f"weights{level}"
    if before is None:
        return [Convolution(name, source, weight, bias, weights=own)]
    larger = Enlargement(f"larger{level}", before)
    return [larger, Convolution(name, source, weight, bias, residual=larger.output, weights=own)]
