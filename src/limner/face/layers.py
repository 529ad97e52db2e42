"""The layers of StyleGAN2: equalised weights, convolutions that a style modulates, noise, and the way to colours.

Notation (Karras et al. 2020, section 2.2): s a style, one number an input channel; w the weights; w' = s w modulated;
w'' = w' / sqrt(sum w'^2) demodulated. Weights are stored with a spread of one and scaled when used.

As published, each sample gets weights of its own. The fast form is the same sum in another order: the style scales the
activations before one shared convolution, the demodulation scales them after it.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limner.face.ops import (
    BLUR_TAPS,
    GAIN,
    SLOPE,
    Blur,
    FusedLeakyReLU,
    SynthesisForm,
    Taps,
    Upsample,
    fused_leaky_relu,
)

EPSILON = 1e-8


class PixelNorm(nn.Module):
    """Scales each vector to a mean square of one."""

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return x / sqrt(mean(x^2) + 1e-8)."""
        return x * torch.rsqrt((x * x).mean(dim=1, keepdim=True) + EPSILON)


class EqualLinear(nn.Module):
    """A linear layer with equalised learning rate; keys `weight` and `bias`.

    Args:
        in_dim: length of the vectors in.
        out_dim: length of the vectors out.
        bias_init: the value that the bias starts with.
        lr_mul: how much slower than the rest the layer learns.
        activate: whether a leaky ReLU with gain follows.
    """

    def __init__(
        self, in_dim: int, out_dim: int, *, bias_init: float = 0.0, lr_mul: float = 1.0, activate: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_dim,), float(bias_init)))
        self.scale, self.lr_mul, self.activate = lr_mul / math.sqrt(in_dim), lr_mul, activate

    def forward(self, x: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        """Return scaled weights times x, plus the scaled bias, activated if asked."""
        bias = self.bias * self.lr_mul
        if self.activate:
            return fused_leaky_relu(F.linear(x, self.weight * self.scale), bias)
        return F.linear(x, self.weight * self.scale, bias)


class EqualConv2d(nn.Module):
    """A convolution with equalised learning rate; its bias is not scaled."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        """Return the convolution."""
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class ModulatedConv2d(nn.Module):
    """A convolution whose weights a style scales; keys `weight` (1 out in k k), `modulation.*`, `blur.kernel`.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel_size: side of the kernel, odd.
        style_dim: length of the style's vector.
        demodulate: whether the scaled weights are brought back to a norm of one.
        upsample: whether the map becomes twice as large.
        downsample: whether it becomes half as large.
        blur_kernel: taps of the filter that goes with a change of size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
        downsample: bool = False,
        blur_kernel: Taps = BLUR_TAPS,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualLinear(style_dim, in_channels, bias_init=1.0)
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.demodulate, self.upsample, self.downsample = demodulate, upsample, downsample
        self.padding = 0 if upsample or downsample else kernel_size // 2
        if upsample:
            spare = len(blur_kernel) - 2 - (kernel_size - 1)
            self.blur = Blur(blur_kernel, ((spare + 1) // 2 + 1, spare // 2 + 1), upsample_factor=2)
        elif downsample:
            spare = len(blur_kernel) - 2 + (kernel_size - 1)
            self.blur = Blur(blur_kernel, ((spare + 1) // 2, spare // 2))
        self.form: SynthesisForm = "fast"

    def forward(self, x: Float[Tensor, "B I H W"], style: Float[Tensor, "B D"]) -> Float[Tensor, "B O h w"]:
        """Return the convolution of each sample under its style."""
        scales = self.modulation(style) * self.scale
        if self.form == "published":
            return self._by_weights(x, scales)
        y = self.shared(x, scales)
        return y * self.demodulation(scales)[:, :, None, None] if self.demodulate else y

    def shared(self, x: Float[Tensor, "B I H W"], scales: Float[Tensor, "B I"]) -> Float[Tensor, "B O h w"]:
        """Return the convolution with activations scaled by the style, before any demodulation."""
        return self._convolve(x * scales[:, :, None, None], self.weight[0], groups=1)

    def demodulation(self, scales: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        """Return one over the norm of each output channel's scaled weights."""
        power = self.weight[0].square().sum(dim=(2, 3))
        return torch.rsqrt(F.linear(scales.square(), power) + EPSILON)

    def _by_weights(self, x: Tensor, scales: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        weight = self.weight * scales[:, None, :, None, None]
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + EPSILON)
        y = self._convolve(x.reshape(1, -1, height, width), weight.flatten(0, 1), groups=batch)
        return y.reshape(batch, -1, *y.shape[2:])

    def _convolve(self, x: Tensor, weight: Tensor, groups: int) -> Tensor:
        if self.upsample:
            swapped = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
            return self.blur(F.conv_transpose2d(x, swapped, stride=2, groups=groups))
        if self.downsample:
            return F.conv2d(self.blur(x), weight, stride=2, groups=groups)
        return F.conv2d(x, weight, padding=self.padding, groups=groups)


class NoiseInjection(nn.Module):
    """Adds noise of one strength for all channels; the key is `weight`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "B C H W"], noise: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "B C H W"]:
        """Return x plus the scaled noise."""
        return x + self.weight * noise


class ConstantInput(nn.Module):
    """The learned map that every picture starts from; the key is `input`."""

    def __init__(self, channels: int, size: int = 4) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, size, size))

    def forward(self, batch: int) -> Float[Tensor, "B C 4 4"]:
        """Return the map, repeated for each sample."""
        return self.input.expand(batch, -1, -1, -1)


class StyledConv(nn.Module):
    """A modulated convolution, noise, bias, activation; keys `conv.*`, `noise.weight`, `activate.bias`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        *,
        upsample: bool = False,
        blur_kernel: Taps = BLUR_TAPS,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(
            in_channels, out_channels, kernel_size, style_dim, upsample=upsample, blur_kernel=blur_kernel
        )
        self.noise = NoiseInjection()
        self.activate = FusedLeakyReLU(out_channels)

    def forward(
        self, x: Float[Tensor, "B I H W"], style: Float[Tensor, "B D"], noise: Float[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "B O h w"]:
        """Return the activations; the bias comes after the noise."""
        if self.conv.form == "published":
            return cast(Tensor, self.activate(self.noise(self.conv(x, style), noise)))
        # The gain is positive, so it can be drawn through the ReLU into the three terms; the rest is done in place.
        scales = self.conv.modulation(style) * self.conv.scale
        y = self.conv.shared(x, scales) * (GAIN * self.conv.demodulation(scales))[:, :, None, None]
        y += noise * (GAIN * self.noise.weight)
        y += (GAIN * self.activate.bias)[:, None, None]
        return F.leaky_relu_(y, SLOPE)


class ToRGB(nn.Module):
    """Colours from a map, added to the colours so far; keys `bias`, `conv.*`, `upsample.kernel`."""

    def __init__(
        self, in_channels: int, style_dim: int, *, upsample: bool = True, blur_kernel: Taps = BLUR_TAPS
    ) -> None:
        super().__init__()
        if upsample:
            self.upsample = Upsample(blur_kernel)
        self.conv = ModulatedConv2d(in_channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        style: Float[Tensor, "B D"],
        skip: Float[Tensor, "B 3 h w"] | None = None,
    ) -> Float[Tensor, "B 3 H W"]:
        """Return the colours, and with `skip`, which is half as large, their sum with it."""
        colours = self._colours(x, style) + self.bias
        return colours if skip is None else colours + self.upsample(skip)

    def _colours(self, x: Tensor, style: Tensor) -> Tensor:
        if self.conv.form == "published":
            return self.conv(x, style)
        # Three rows of weights a sample are far smaller than the map: here the weights are what is scaled.
        scales = self.conv.modulation(style) * self.conv.scale
        weight = self.conv.weight[0, :, :, 0, 0] * scales[:, None, :]
        return torch.bmm(weight, x.flatten(2)).unflatten(2, x.shape[2:])
