"""Faster training on the CPU: a network's 3x3 convolutions by limner's own kernels, forwards and backwards.

Winograd's F(4x4, 3x3) makes the result and the gradient of the input, which is a convolution with turned kernels; the
gradient of the kernels stays PyTorch's. Rounding is up to four times that of plain sums in float32, as with Winograd's
convolutions on GPUs.
Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks".
"""

from __future__ import annotations

from threading import Thread
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from limner.runtime.kernels import LAYER, NARROW, WIDE, WINOGRAD, run, transform_weights
from limner.runtime.layer_network import can_run

# Tiles of a block: its patches and sums should lie in a core's second cache, and be enough to use its weights for.
_TILES_OF_NARROW, _TILES_OF_BROAD, _BROAD = 24, 48, 256
# With fewer tiles, or less to do, making Winograd's weights and the layer's row cost more than they save.
_FEWEST_TILES, _LEAST_WORK = 64, 1 << 18

# G g G^T of a kernel's nine numbers, one after the other: (36, 9).
_TRANSFORM = torch.from_numpy(transform_weights(np.eye(9, dtype=np.float32).reshape(9, 1, 3, 3))[:, 0])


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
            and _count_tiles(input) >= max(_FEWEST_TILES, _LEAST_WORK / (self.in_channels * self.out_channels))
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


def _count_tiles(x: Tensor) -> int:
    return len(x) * -(-x.shape[2] // 4) * -(-x.shape[3] // 4)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve maps of any layout in memory; the result has its channels together."""
    count, inputs, height, width = x.shape
    result = torch.empty((count, len(weight), height, width), memory_format=torch.channels_last)
    framed, (wide, narrow) = _framed(x), _panels(weight.detach())
    shift = torch.zeros(len(weight)) if bias is None else bias.detach().contiguous()
    tiles, threads = _count_tiles(x), torch.get_num_threads()
    block = _tiles_of_block(tiles, inputs + len(weight), threads)
    layer = {
        **{"kind": WINOGRAD, "count": count, "tiles": block, "units": -(-tiles // block), "bias": shift.data_ptr()},
        **{"x": framed.data_ptr(), "x_high": height + 2, "x_broad": width + 2, "x_channels": inputs, "x_pad": 1},
        **{"y": result.data_ptr(), "y_high": height, "y_broad": width, "y_channels": len(weight)},
        **{"wide": wide.data_ptr(), "wide_panels": wide.shape[1], "narrow": narrow.data_ptr() if narrow.numel() else 0},
    }
    program = np.array([tuple(layer.get(name, 0) for name in LAYER.names)], LAYER)
    _run_program(program, np.empty((threads, 36 * block * (inputs + len(weight))), np.float32))
    return result


def _framed(x: Tensor) -> Float[Tensor, "B H W C"]:
    """The maps with a pixel of zeros round them."""
    count, channels, height, width = x.shape
    framed = torch.empty(count, height + 2, width + 2, channels)
    for edge in (framed[:, 0], framed[:, -1], framed[:, :, 0], framed[:, :, -1]):
        edge.zero_()
    framed[:, 1:-1, 1:-1] = x.detach().permute(0, 2, 3, 1)
    return framed


def _panels(weight: Tensor) -> tuple[Float[Tensor, "36 n I 16"], Float[Tensor, "36 m I 8"]]:
    """G g G^T of all kernels in panels of sixteen outputs, and of eight where so many are left."""
    cut = len(weight) // WIDE * WIDE
    return _panels_of(weight[:cut], WIDE), _panels_of(weight[cut:], NARROW)


def _panels_of(weight: Tensor, lanes: int) -> Float[Tensor, "36 n I L"]:
    panels, inputs = len(weight) // lanes, weight.shape[1]
    numbers = weight.reshape(panels, lanes, inputs, 9).permute(3, 0, 2, 1)
    return (_TRANSFORM @ numbers.reshape(9, -1)).view(36, panels, inputs, lanes)


def _run_program(program: ndarray, space: Float32[ndarray, "P n"]) -> None:
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


def _tiles_of_block(tiles: int, channels: int, threads: int) -> int:
    """Return how many tiles go through Winograd's transforms together, of maps with so many channels in and out."""
    block = _TILES_OF_NARROW if channels < _BROAD else _TILES_OF_BROAD
    # Six tiles are multiplied at once, and every thread is to have a block.
    return min(block, -(-tiles // (6 * threads)) * 6)
