"""Faster training on the CPU: a network's 3x3 convolutions by limner's own kernels, forwards and backwards.

Winograd's F(4x4, 3x3) makes the result and the gradient of the input, which is a convolution with turned kernels; the
gradient of the kernels stays PyTorch's. Rounding is up to four times that of plain sums in float32, as with Winograd's
convolutions on GPUs.
Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks".
"""

from __future__ import annotations

from functools import cache
from threading import local
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from limner.runtime.layer_network import can_run
from limner.runtime.panels import PLACES, transformed_panels
from limner.runtime.products import NARROW, WIDE
from limner.runtime.program import LAYER, run_tiles
from limner.runtime.tilings import count_tiles, tiling
from limner.runtime.winograd import SAME

# With fewer tiles, or less to do, making Winograd's weights and the layer's row cost more than they save.
_FEWEST_TILES, _LEAST_WORK = 32, 1 << 17


def speed_up_training(network: nn.Module) -> nn.Module:
    """Return the network with its plain 3x3 convolutions replaced by faster ones that share their weights.

    Replaced are those of stride 1 and zero padding 1 without groups or dilation, with channels in multiples of eight.
    Keys and results stay as they are, within rounding; what the kernels cannot do (other devices and types of number,
    small maps) PyTorch does as before. On a processor without fused multiplication nothing is replaced.
    """
    if not can_run():
        return network
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Conv2d and _fits(child):
                setattr(module, name, _FastConv2d.of(child))
    return network


def _fits(layer: nn.Conv2d) -> bool:
    shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups, layer.padding_mode)
    plain = ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")
    return shape == plain and not (layer.in_channels % NARROW or layer.out_channels % NARROW)


class _FastConv2d(nn.Conv2d):
    """A 3x3 convolution that takes the fast way where it can."""

    @classmethod
    def of(cls, layer: nn.Conv2d) -> _FastConv2d:
        fast = cls(layer.in_channels, layer.out_channels, 3, padding=1, bias=False, device="meta")
        fast.weight, fast.bias = layer.weight, layer.bias
        return fast.train(layer.training)

    def forward(self, input: Tensor) -> Tensor:
        is_fast = (
            input.device.type == "cpu"
            and input.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and min(input.shape[2:]) >= 4
            and count_tiles(len(input), input.shape[2:], 4)
            >= max(_FEWEST_TILES, _LEAST_WORK / (self.in_channels * self.out_channels))
        )
        return _Winograd.apply(input, self.weight, self.bias) if is_fast else super().forward(input)


class _Winograd(torch.autograd.Function):
    """A 3x3 convolution of stride 1 and padding 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolved(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            # Itself again, so that a penalty on gradients can be learned through it.
            of_x = _Winograd.apply(gradient, weight.flip(2, 3).transpose(0, 1), None)
        if ctx.needs_input_grad[1]:
            of_weight = conv2d_weight(x, weight.shape, gradient, padding=1)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2, 3))
        return of_x, of_weight, of_bias


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve maps of any layout in memory; the result has its channels together."""
    count, inputs, height, width = x.shape
    outputs, threads = len(weight), torch.get_num_threads()
    result = torch.empty((count, outputs, height, width), memory_format=torch.channels_last)
    blocks, size = tiling(SAME, count, (height, width), inputs + outputs, threads)
    size = -(-size // WIDE) * WIDE
    panels, space = _memory.take(PLACES * outputs * inputs, threads * size)
    framed, (wide, narrow) = _framed(x), transformed_panels(weight.detach(), panels)
    ones = _ones(max(inputs, outputs))
    shift = torch.zeros(outputs) if bias is None else bias.detach().contiguous()
    layer = {
        **{"count": count, "height": height, "width": width, "inputs": inputs, "outputs": outputs, **blocks},
        **{"x_step": 1, "y_step": 1, **_fields("x", framed), **_fields("y", result.permute(0, 2, 3, 1))},
        **{"scale": ones.data_ptr(), "gain": ones.data_ptr(), "slope": ones.data_ptr(), "bias": shift.data_ptr()},
        **{"wide": wide.data_ptr(), "wide_panels": wide.shape[1], "narrow": narrow.data_ptr() if narrow.numel() else 0},
    }
    row = np.array([tuple(layer.get(name, 0) for name in LAYER.names)], LAYER)[0]
    run_tiles(row, space.view(threads, size).numpy())
    return result


class _Memory(local):
    """Memory that each thread uses again, for new memory would cost more than what is written to it."""

    def __init__(self) -> None:
        self._all = torch.empty(0)  # PyTorch's begins with a cache line, as the kernels like it

    def take(self, *sizes: int) -> tuple[Tensor, ...]:
        """Return parts of so many numbers, until the next call; all but the last should fill whole cache lines."""
        if self._all.numel() < sum(sizes):
            self._all = torch.empty(sum(sizes))
        return self._all[: sum(sizes)].split(sizes)


_memory = _Memory()


@cache
def _ones(count: int) -> Tensor:
    return torch.ones(count)


def _fields(letter: str, maps: Float[Tensor, "B H W C"]) -> dict[str, int]:
    """What a program's row tells of maps under a letter."""
    steps = zip("nij", maps.stride()[:3], strict=True)
    return {letter: maps.data_ptr(), **{f"{letter}_{axis}": 4 * step for axis, step in steps}}


def _framed(x: Tensor) -> Float[Tensor, "B H W C"]:
    """The maps with a pixel of zeros round them."""
    count, channels, height, width = x.shape
    framed = torch.empty(count, height + 2, width + 2, channels)
    for edge in (framed[:, 0], framed[:, -1], framed[:, :, 0], framed[:, :, -1]):
        edge.zero_()
    framed[:, 1:-1, 1:-1] = x.detach().permute(0, 2, 3, 1)
    return framed
