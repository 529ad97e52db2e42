"""The StyleGAN2 discriminator: pictures to one number each, larger for those taken for real.

Source: Karras et al. 2020, figure 7 (residual network), Karras et al. 2018 (spread over a group of pictures); keys as
in rosinality/stylegan2-pytorch, whose files (`d`) load as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import WeightsError, check_shape
from limner.face.layers import EPSILON, EqualConv2d, EqualLinear
from limner.face.ops import BLUR_TAPS, Blur, FusedLeakyReLU, SynthesisForm, Taps, set_form
from limner.face.stylegan2 import FIRST_SIDE, GeneratorConfig
from limner.weights import LoadReport, load_strictly, read_checkpoint, read_content, source_name

GROUP = 4


class Discriminator(nn.Module):
    """The residual discriminator of pictures of one size, under the published keys.

    Args:
        config: of the generator that it plays against: size and widths.
        form: how filters are computed.
    """

    def __init__(self, config: GeneratorConfig, *, form: SynthesisForm = "fast") -> None:
        super().__init__()
        self.config = config
        channels = config.channels(config.size)
        self.convs = nn.Sequential(_convolution(3, channels, 1))
        for level in range(int(math.log2(config.size)), int(math.log2(FIRST_SIDE)), -1):
            width = config.channels(2 ** (level - 1))
            self.convs.append(ResidualBlock(channels, width, config.blur_kernel))
            channels = width
        self.final_conv = _convolution(channels + 1, channels, 3)
        self.final_linear = nn.Sequential(
            EqualLinear(channels * FIRST_SIDE**2, channels, activate=True), EqualLinear(channels, 1)
        )
        set_form(self, form)

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 1"]:
        """Return one number a picture.

        Args:
            image: RGB in [-1, 1].

        Raises:
            ShapeError: the pictures have another size.
        """
        check_shape(image, "image", ("B", 3, self.config.size, self.config.size))
        x = self.convs(image)
        x = self.final_conv(torch.cat([x, group_spread(x)], dim=1))
        return cast(Tensor, self.final_linear(x.flatten(1)))

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load the discriminator of a training checkpoint of rosinality's layout (`d`), or its keys alone.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or a discriminator of another size or width.
        """
        content, name = read_content(weights), source_name(weights)
        state = read_checkpoint(content["d"] if "d" in content else content)
        if "final_linear.0.weight" not in state:
            raise WeightsError(f"{name} holds no StyleGAN2 discriminator: it lacks final_linear.0.weight")
        kernels = {key: value for key, value in self.state_dict().items() if key.endswith(".kernel")}
        return load_strictly(self, {**kernels, **state}, name)


class ResidualBlock(nn.Module):
    """Two convolutions to half the size, and a straight way beside them; keys conv1, conv2, skip."""

    def __init__(self, channels: int, width: int, taps: Taps = BLUR_TAPS) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, channels, 3)
        self.conv2 = _halving(channels, width, 3, taps)
        self.skip = _halving(channels, width, 1, taps, activate=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the sum of both ways, scaled to the spread of one."""
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


def group_spread(x: Float[Tensor, "B C H W"], group: int = GROUP) -> Float[Tensor, "B 1 H W"]:
    """Return how much activations differ within groups of pictures, one number a group spread over a map.

    Picture i belongs to the group of i modulo B / group. Difference: a batch that `group` does not divide has groups of
    the largest smaller size that does; the published code fails there.
    """
    batch, _, height, width = x.shape
    size = next(size for size in range(min(group, batch), 0, -1) if batch % size == 0)
    spread = (x.unflatten(0, (size, -1)).var(dim=0, unbiased=False) + EPSILON).sqrt()
    return spread.mean(dim=(1, 2, 3)).repeat(size).reshape(batch, 1, 1, 1).expand(-1, 1, height, width)


def _convolution(channels: int, width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(EqualConv2d(channels, width, kernel, padding=kernel // 2, bias=False), FusedLeakyReLU(width))


def _halving(channels: int, width: int, kernel: int, taps: Taps, *, activate: bool = True) -> nn.Sequential:
    """Filter, then a convolution of stride 2; the filter's padding makes up for the convolution's."""
    spare = len(taps) - 2 + kernel - 1
    layers: list[nn.Module] = [
        Blur(taps, pad=((spare + 1) // 2, spare // 2)),
        EqualConv2d(channels, width, kernel, stride=2, bias=False),
    ]
    return nn.Sequential(*layers, FusedLeakyReLU(width)) if activate else nn.Sequential(*layers)
