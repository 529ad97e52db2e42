"""The operations below StyleGAN2: filtering with a change of size, and the leaky ReLU with bias and gain.

Each operation on pictures stands here twice: as published (zeros between the samples, one channel a time), to compare
with, and in a form that a CPU runs several times faster (one depthwise convolution). Both give the same numbers up to
rounding.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", appendix B; the layout of keys is
that of rosinality/stylegan2-pytorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError

SynthesisForm: TypeAlias = Literal["fast", "published"]
"""How a generator computes: modulated activations and depthwise filters, or as published."""

Taps: TypeAlias = Sequence[float] | Sequence[Sequence[float]]

SLOPE, GAIN = 0.2, math.sqrt(2.0)
BLUR_TAPS = (1.0, 3.0, 3.0, 1.0)


def make_kernel(taps: Taps) -> Float[Tensor, "kh kw"]:
    """Return a kernel of sum 1; a row of taps becomes its outer product with itself.

    Raises:
        InputError: there are no taps, or they sum to nought.
    """
    kernel = torch.tensor(taps, dtype=torch.float32)
    if kernel.ndim == 1:
        kernel = torch.outer(kernel, kernel)
    if kernel.ndim != 2 or kernel.numel() == 0 or float(kernel.sum()) == 0.0:
        raise InputError(f"a kernel needs a row or a table of taps whose sum is not nought, got {taps!r}")
    return kernel / kernel.sum()


def upfirdn2d(
    x: Float[Tensor, "B C H W"],
    kernel: Float[Tensor, "kh kw"],
    *,
    up: int = 1,
    down: int = 1,
    pad: tuple[int, int] = (0, 0),
    form: SynthesisForm = "fast",
) -> Float[Tensor, "B C h w"]:
    """Put `up - 1` zeros after each sample, pad, convolve each channel, and keep every `down`-th sample.

    Args:
        x: maps.
        kernel: applied as a true convolution, that is flipped against what `conv2d` does.
        up: factor of the upsampling, at least 1.
        down: factor of the downsampling, at least 1.
        pad: samples before and after, the same on both axes; negative numbers crop.
        form: how it is computed.

    Returns:
        Maps with (H up + pad[0] + pad[1] - kh) // down + 1 rows, columns likewise.

    Raises:
        InputError: a factor is below 1.
    """
    if up < 1 or down < 1:
        raise InputError(f"the factors of a resampling must be at least 1, got up {up} and down {down}")
    kernel = kernel.to(x)
    if form == "published":
        return _upfirdn2d_published(x, kernel, up, down, pad)
    if up == 1:
        return _filter_depthwise(x, kernel, down, pad)
    return _spread_depthwise(x, kernel, up, pad)[:, :, ::down, ::down]


def _upfirdn2d_published(x: Tensor, kernel: Tensor, up: int, down: int, pad: tuple[int, int]) -> Tensor:
    batch, channels, height, width = x.shape
    spread = x.reshape(batch * channels, height, 1, width, 1)
    spread = F.pad(spread, (0, up - 1, 0, 0, 0, up - 1)).reshape(batch * channels, 1, height * up, width * up)
    spread = F.pad(spread, (*pad, *pad))
    filtered = F.conv2d(spread, kernel.flip(0, 1)[None, None])[:, :, ::down, ::down]
    return filtered.reshape(batch, channels, *filtered.shape[2:])


def _filter_depthwise(x: Tensor, kernel: Tensor, down: int, pad: tuple[int, int]) -> Tensor:
    channels = x.shape[1]
    weight = kernel.flip(0, 1).expand(channels, 1, *kernel.shape)
    if pad[0] == pad[1] >= 0:
        return F.conv2d(x, weight, stride=down, padding=pad[0], groups=channels)
    return F.conv2d(F.pad(x, (*pad, *pad)), weight, stride=down, groups=channels)


def _spread_depthwise(x: Tensor, kernel: Tensor, up: int, pad: tuple[int, int]) -> Tensor:
    """Upsample by a transposed convolution, which is the true convolution of the spread samples, and crop to size."""
    channels = x.shape[1]
    weight = kernel.expand(channels, 1, *kernel.shape)
    whole = F.conv_transpose2d(x, weight, stride=up, groups=channels)
    borders: list[int] = []
    for axis in (3, 2):  # F.pad begins at the last axis
        taps, length = kernel.shape[axis - 2], x.shape[axis] * up + sum(pad) - kernel.shape[axis - 2] + 1
        before = pad[0] - (taps - 1)
        borders += [before, length - before - whole.shape[axis]]
    return F.pad(whole, borders)


def fused_leaky_relu(
    x: Float[Tensor, "B C *rest"],
    bias: Float[Tensor, " C"],
    negative_slope: float = SLOPE,
    scale: float = GAIN,
) -> Float[Tensor, "B C *rest"]:
    """Return scale * leaky_relu(x + bias), the bias along axis 1; at exactly nought the slope is `negative_slope`."""
    return F.leaky_relu(x + bias.reshape(1, -1, *[1] * (x.ndim - 2)), negative_slope) * scale


class FusedLeakyReLU(nn.Module):
    """Bias, leaky ReLU and gain; the key is `bias`."""

    def __init__(self, channels: int, negative_slope: float = SLOPE, scale: float = GAIN) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.negative_slope, self.scale = negative_slope, scale

    def forward(self, x: Float[Tensor, "B C *rest"]) -> Float[Tensor, "B C *rest"]:
        """See `fused_leaky_relu`."""
        return fused_leaky_relu(x, self.bias, self.negative_slope, self.scale)


class Resample(nn.Module):
    """A filter with a change of size; its kernel is a buffer, for published files hold it.

    Attributes:
        form: how it is computed.
    """

    kernel: Tensor

    def __init__(self, kernel: Tensor, *, up: int = 1, down: int = 1, pad: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel)
        self.up, self.down, self.pad = up, down, pad
        self.form: SynthesisForm = "fast"

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """See `upfirdn2d`."""
        return upfirdn2d(x, self.kernel, up=self.up, down=self.down, pad=self.pad, form=self.form)


class Blur(Resample):
    """A filter that keeps the size up to its padding; its kernel sums to the square of `upsample_factor`."""

    def __init__(self, kernel: Taps, pad: tuple[int, int], upsample_factor: int = 1) -> None:
        super().__init__(make_kernel(kernel) * upsample_factor**2, pad=pad)


class Upsample(Resample):
    """Makes a map `factor` times larger."""

    def __init__(self, kernel: Taps, factor: int = 2) -> None:
        taps = make_kernel(kernel) * factor**2
        spare = taps.shape[0] - factor
        super().__init__(taps, up=factor, pad=((spare + 1) // 2 + factor - 1, spare // 2))


class Downsample(Resample):
    """Makes a map `factor` times smaller."""

    def __init__(self, kernel: Taps, factor: int = 2) -> None:
        taps = make_kernel(kernel)
        spare = taps.shape[0] - factor
        super().__init__(taps, down=factor, pad=((spare + 1) // 2, spare // 2))


def set_form(network: nn.Module, form: SynthesisForm) -> None:
    """Let every layer of `network` compute in `form`.

    Raises:
        InputError: there is no such form.
    """
    if form not in ("fast", "published"):
        raise InputError(f"the form of a synthesis is fast or published, got {form!r}")
    for module in network.modules():
        if hasattr(module, "form"):
            setattr(module, "form", form)  # noqa: B010 - to the type checker a module's attributes are tensors
