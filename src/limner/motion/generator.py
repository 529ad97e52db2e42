"""The Liquid Warping generator: background, source and transfer streams, joined by warped features.

Three networks of one shape. The source stream reads the photo once; the transfer stream paints the new pose and, at
every level but the first, adds the source's features warped by the flow. Its masks say how much BACKGROUND a pixel
shows. Parameters stand under the keys of the published checkpoints, so importing is a strict load.
Source: Liu et al. 2019, "Liquid Warping GAN", section 3.2; svip-lab/impersonator `networks/generator.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError, ShapeError, check_shape
from limner.motion.attention import SourceMix, SourceSpade
from limner.motion.flow import resize_flow, warp
from limner.types import SourceJoin
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

PUBLISHED_STD = 0.02
"""Deviation of the convolutions' starting values in the published training."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Size of a generator and what its streams read.

    Attributes:
        width: channels of the first level; each halving doubles them.
        num_blocks: residual blocks at the coarsest level.
        num_halvings: levels below the first.
        background_channels: of the background stream's input: a picture times its mask, and the mask.
        source_channels: of the source stream's input: the person and the condition map.
        transfer_channels: of the transfer stream's input: the warped person and the target's condition map; more if
            a person mask or a filled texture comes along.
        align_corners: how features are sampled: True for the published Liquid Warping weights, False for iPERCore's.
        sources: how several photos are joined: "sum" as published, or by attention: "mix" or "spade".
    """

    width: int = 64
    num_blocks: int = 6
    num_halvings: int = 3
    background_channels: int = 4
    source_channels: int = 6
    transfer_channels: int = 6
    align_corners: bool = True
    sources: SourceJoin = "sum"

    def __post_init__(self) -> None:
        if self.sources not in get_args(SourceJoin):
            raise InputError(f"sources must be one of {', '.join(get_args(SourceJoin))}, got {self.sources!r}")
        others = ("align_corners", "sources")
        odd = {name: value for name, value in vars(self).items() if name not in others and value < 1}
        if odd:
            raise InputError(f"a generator's sizes must be positive, got {odd}")


PUBLISHED_GENERATOR = GeneratorConfig()
SLIM_GENERATOR = GeneratorConfig(width=16, num_blocks=3, transfer_channels=10, align_corners=False)
"""For the CPU: the transfer stream also reads a person mask (1) and the filled texture (3)."""


@dataclass(frozen=True)
class SourceFeatures:
    """What a photo says to every frame: the source stream's maps.

    Attributes:
        levels: output of each encoder, finest first.
        blocks: output of each residual block.
    """

    levels: tuple[Float[Tensor, "B C H W"], ...]
    blocks: tuple[Float[Tensor, "B C h w"], ...]


@dataclass(frozen=True)
class Painting:
    """One stream's answer: a picture in [-1, 1] and its mask, 1 where the background shows."""

    colour: Float[Tensor, "B 3 H W"]
    mask: Float[Tensor, "B 1 H W"]

    def over(self, background: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Lay the picture over `background` by the mask."""
        return self.mask * background + (1 - self.mask) * self.colour


@dataclass(frozen=True)
class GeneratorOutput:
    """All that training looks at.

    Attributes:
        background: the filled background, [-1, 1].
        source: the photo painted again.
        transfer: the person in the target's pose.
    """

    background: Float[Tensor, "N 3 H W"]
    source: Painting
    transfer: Painting


def _conv_norm(source: int, target: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(source, target, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.InstanceNorm2d(target, affine=True), nn.ReLU(inplace=True)]


def _doubling(source: int) -> list[nn.Module]:
    """To twice the size and half the channels."""
    conv = nn.ConvTranspose2d(source, source // 2, 3, 2, 1, output_padding=1, bias=False)
    return [conv, nn.InstanceNorm2d(source // 2, affine=True), nn.ReLU(inplace=True)]


class ResidualBlock(nn.Module):
    """Two convolutions with norms, added to the input without a last activation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.main = nn.Sequential(*_conv_norm(width, width, 3), second, nn.InstanceNorm2d(width, affine=True))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return x + f(x)."""
        return x + self.main(x)


class BackgroundNetwork(nn.Module):
    """Fills the hole that the person leaves: halvings, residual blocks, doublings."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        widths = [config.width * 2**level for level in range(config.num_halvings + 1)]
        layers = _conv_norm(config.background_channels, widths[0], 7)
        for narrow, wide in pairwise(widths):
            layers += _conv_norm(narrow, wide, 3, 2)
        layers += [ResidualBlock(widths[-1]) for _ in range(config.num_blocks)]
        for wide in reversed(widths[1:]):
            layers += _doubling(wide)
        layers += [nn.Conv2d(widths[0], 3, 7, padding=3, bias=False), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, masked: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 3 H W"]:
        """Return the whole picture, filled; input is the picture times its mask, joined with the mask."""
        return self.model(masked)


class PersonNetwork(nn.Module):
    """A U-net with residual blocks at its bottom; gives colours and a background mask.

    The generator walks its layers itself, because it adds warped features between them.
    """

    def __init__(self, config: GeneratorConfig, in_channels: int) -> None:
        super().__init__()
        widths = [config.width * 2**level for level in range(config.num_halvings + 1)]
        first = nn.Sequential(*_conv_norm(in_channels, widths[0], 7))
        halvings = (nn.Sequential(*_conv_norm(narrow, 2 * narrow, 3, 2)) for narrow in widths[:-1])
        self.encoders = nn.ModuleList([first, *halvings])
        self.resnets = nn.ModuleList(ResidualBlock(widths[-1]) for _ in range(config.num_blocks))
        coarse_first = widths[:0:-1]
        self.decoders = nn.ModuleList(nn.Sequential(*_doubling(wide)) for wide in coarse_first)
        self.skippers = nn.ModuleList(nn.Sequential(*_conv_norm(wide, wide // 2, 3)) for wide in coarse_first)
        self.img_reg = nn.Sequential(nn.Conv2d(widths[0], 3, 7, padding=3, bias=False), nn.Tanh())
        # Parity: `attetion_reg` is how the published checkpoints spell it.
        self.attetion_reg = nn.Sequential(nn.Conv2d(widths[0], 1, 7, padding=3, bias=False), nn.Sigmoid())

    def encode(self, x: Float[Tensor, "B C H W"]) -> SourceFeatures:
        """Return every map that the other stream may want."""
        levels, blocks = [], []
        for encoder in self.encoders:
            x = encoder(x)
            levels.append(x)
        for block in self.resnets:
            x = block(x)
            blocks.append(x)
        return SourceFeatures(tuple(levels), tuple(blocks))

    def decode(self, bottom: Float[Tensor, "B C h w"], levels: Sequence[Tensor]) -> Painting:
        """Paint from the last block's map and the encoders' maps, finest first."""
        x = bottom
        for decoder, skipper, skip in zip(self.decoders, self.skippers, levels[-2::-1], strict=True):
            x = skipper(torch.cat([skip, decoder(x)], dim=1))
        return Painting(self.img_reg(x), self.attetion_reg(x))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Painting:
        """Paint the input again, on its own."""
        features = self.encode(x)
        return self.decode(features.blocks[-1], features.levels)


@dataclass
class _WarpedSource:
    """One source under one flow; the flow is resized once a size."""

    features: SourceFeatures
    flow: Float[Tensor, "B H W 2"]
    align_corners: bool
    _flows: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def onto(self, target: Tensor, feature: Tensor) -> Tensor:
        """Warp a feature of the source to where the target has it; the two pictures may differ in size."""
        return warp(feature, self._resized(target), align_corners=self.align_corners)

    def reaches(self, target: Tensor) -> Tensor:
        """(B, 1, h, w) where the flow points into the source's picture."""
        return (self._resized(target).abs().amax(dim=3) <= 1)[:, None]

    def _resized(self, target: Tensor) -> Tensor:
        size_hw = (target.shape[2], target.shape[3])
        if size_hw not in self._flows:
            self._flows[size_hw] = resize_flow(self.flow, size_hw)
        return self._flows[size_hw]


class LiquidWarpingGenerator(nn.Module):
    """The three streams.

    For frames: `encode_source` once for a photo, then `transfer` for each pose. For training: `forward`.

    Attributes:
        config: what it was built from.
    """

    def __init__(self, config: GeneratorConfig = PUBLISHED_GENERATOR) -> None:
        super().__init__()
        self.config = config
        self.bg_model = BackgroundNetwork(config)
        self.src_model = PersonNetwork(config, config.source_channels)
        self.tsf_model = PersonNetwork(config, config.transfer_channels)
        if config.sources != "sum":
            attention = SourceMix if config.sources == "mix" else SourceSpade
            widths = [config.width * 2**level for level in range(1, config.num_halvings + 1)]
            self.level_attention = nn.ModuleList(attention(width) for width in widths)
            self.block_attention = nn.ModuleList(attention(widths[-1]) for _ in range(config.num_blocks))

    def forward(
        self,
        background: Float[Tensor, "N Cb H W"],
        source: Float[Tensor, "B Cs H W"],
        transfer: Float[Tensor, "B Ct H W"],
        source_from_target: Float[Tensor, "B H W 2"],
    ) -> GeneratorOutput:
        """Run the three streams.

        Args:
            background: pictures times their masks, joined with the masks; its batch may differ.
            source: the person of the photo, joined with the condition map.
            transfer: that person warped into the target's pose, joined with the target's condition map.
            source_from_target: the flow, [-1, 1] over the source's borders.

        Raises:
            ShapeError: channels or batches do not fit, or a side is no multiple of 2 ** num_halvings.
        """
        self._check(background, "background", self.config.background_channels)
        features = self.encode_source(source)
        return GeneratorOutput(
            self.bg_model(background),
            self.src_model.decode(features.blocks[-1], features.levels),
            self.transfer(transfer, [(features, source_from_target)]),
        )

    def encode_source(self, source: Float[Tensor, "B C H W"]) -> SourceFeatures:
        """Read a photo once for all frames.

        Raises:
            ShapeError: channels do not fit, or a side is no multiple of 2 ** num_halvings.
        """
        self._check(source, "source", self.config.source_channels)
        return self.src_model.encode(source)

    def transfer(
        self,
        transfer: Float[Tensor, "B C H W"],
        sources: Sequence[tuple[SourceFeatures, Float[Tensor, "B H W 2"]]],
    ) -> Painting:
        """Paint one pose from one or more photos.

        Args:
            transfer: the warped person, joined with the target's condition map.
            sources: each photo's features with its flow. Parity: their warps are summed, not averaged, unless the
                generator has attention.

        Raises:
            ShapeError: channels or batches do not fit, or a side is no multiple of 2 ** num_halvings.
        """
        self._check(transfer, "transfer", self.config.transfer_channels)
        warped = [self._warped(features, flow, transfer) for features, flow in sources]
        x, levels = transfer, []
        for level, encoder in enumerate(self.tsf_model.encoders):
            x = encoder(x)
            if level > 0:  # Parity: the finest level goes without the source
                joined = None if self.config.sources == "sum" else self.level_attention[level - 1]
                x = _join(x, [(one, one.features.levels[level]) for one in warped], joined)
            levels.append(x)
        for number, block in enumerate(self.tsf_model.resnets):
            x = block(x)
            joined = None if self.config.sources == "sum" else self.block_attention[number]
            x = _join(x, [(one, one.features.blocks[number]) for one in warped], joined)
        return self.tsf_model.decode(x, levels)

    def load_official(self, source: str | Path | Mapping[str, Any]) -> LoadReport:
        """Take the weights of a published checkpoint (`net_epoch_N_id_G.pth`).

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or keys are missing, surplus or of another shape.
        """
        return load_strictly(self, read_checkpoint(source), source_name(source))

    @torch.no_grad()
    def init_published(self, *, generator: torch.Generator | None = None) -> None:
        """Set the starting values of the published training; norms start at 1 and 0."""
        init_published(self, generator=generator)

    def _warped(self, features: SourceFeatures, flow: Tensor, transfer: Tensor) -> _WarpedSource:
        batch, _, height, width = transfer.shape
        check_shape(flow, "source_from_target", (batch, height, width, 2))
        check_shape(features.levels[0], "the source's features", (batch, self.config.width, "h", "w"))
        return _WarpedSource(features, flow, self.config.align_corners)

    def _check(self, picture: Tensor, name: str, channels: int) -> None:
        check_shape(picture, name, ("B", channels, "H", "W"))
        step, size_hw = 2**self.config.num_halvings, tuple(picture.shape[2:])
        if any(side == 0 or side % step for side in size_hw):
            raise ShapeError(
                f"the sides of {name} must be multiples of {step}, got {size_hw}: pad or resize the picture",
                expected=f"multiples of {step}",
                actual=size_hw,
            )


@torch.no_grad()
def init_published(network: nn.Module, *, generator: torch.Generator | None = None) -> None:
    """Set starting values as published: convolutions normal(0, 0.02), batch norms normal(1, 0.02), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.normal_(0, PUBLISHED_STD, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.normal_(1, PUBLISHED_STD, generator=generator)
        else:
            continue
        if module.bias is not None:
            module.bias.zero_()


def _join(x: Tensor, sources: Sequence[tuple[_WarpedSource, Tensor]], attention: nn.Module | None) -> Tensor:
    """Give features of a pose what the sources have to say there."""
    warped = [one.onto(x, feature) for one, feature in sources]
    if attention is not None:
        return attention(x, warped, [one.reaches(x) for one, _ in sources])
    for term in warped:
        x = x + term
    return x
