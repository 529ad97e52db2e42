"""The StyleGAN2 generator: a mapping from noise to styles, and a synthesis from styles to a picture.

Notation: z a normal vector, w = mapping(z) a style, W+ a row of styles, one for each use. A generator of side 2^n has
2 n - 2 rows: row 0 steers the first convolution, the last row only colours; in between each row with an odd number
steers a colour layer and the convolution after it.

Source: Karras et al. 2020; keys as in rosinality/stylegan2-pytorch, whose files (`g_ema`) load as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError, ShapeError, WeightsError
from limner.face.layers import ConstantInput, EqualLinear, PixelNorm, StyledConv, ToRGB
from limner.face.ops import BLUR_TAPS, SynthesisForm, Taps, set_form
from limner.weights import LoadReport, load_strictly, read_checkpoint, read_content, source_name

Noise: TypeAlias = Literal["fixed", "random"] | torch.Generator | Sequence[Tensor]
"""Where noise comes from: the network's buffers, torch's state, a generator of numbers, or one map a layer."""

FIRST_SIDE = 4
_WIDE = 512  # channels of the maps up to 32 pixels


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generator is built from.

    Attributes:
        size: side of the picture, a power of two from 8.
        style_dim: length of z and of a style.
        mapping_layers: layers of the mapping; 8 in the paper, 2 in the automatic settings of StyleGAN2-ADA.
        channel_multiplier: width of the maps from 64 pixels; 2 in configuration F of the paper, 1 in E.
        mapping_rate: learning rate of the mapping against the rest.
        blur_kernel: taps of the filter at each change of size.
        max_channels: width of the smallest maps; 512 as published.
    """

    size: int
    style_dim: int = 512
    mapping_layers: int = 8
    channel_multiplier: int = 2
    mapping_rate: float = 0.01
    blur_kernel: Taps = BLUR_TAPS
    max_channels: int = _WIDE

    def __post_init__(self) -> None:
        if self.size < 2 * FIRST_SIDE or self.size & (self.size - 1):
            raise InputError(f"the side of a generated picture must be a power of two from 8, got {self.size}")

    @property
    def num_rows(self) -> int:
        """How many styles a picture takes."""
        return 2 * int(math.log2(self.size)) - 2

    def channels(self, side: int) -> int:
        """Return the width of the maps of `side` pixels."""
        wanted = _WIDE if side <= 32 else 16384 // side * self.channel_multiplier
        return min(wanted, self.max_channels)


class Generator(nn.Module):
    """The published generator, under the published keys.

    Attributes:
        config: what it was built from.
    """

    def __init__(self, config: GeneratorConfig, *, form: SynthesisForm = "fast") -> None:
        super().__init__()
        self.config = config
        dim, taps = config.style_dim, config.blur_kernel
        layers = [
            EqualLinear(dim, dim, lr_mul=config.mapping_rate, activate=True) for _ in range(config.mapping_layers)
        ]
        self.style = nn.Sequential(PixelNorm(), *layers)
        channels = config.channels(FIRST_SIDE)
        self.input = ConstantInput(channels)
        self.conv1 = StyledConv(channels, channels, 3, dim, blur_kernel=taps)
        self.to_rgb1 = ToRGB(channels, dim, upsample=False)
        self.convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        for level in range(3, int(math.log2(config.size)) + 1):
            width = config.channels(2**level)
            self.convs.append(StyledConv(channels, width, 3, dim, upsample=True, blur_kernel=taps))
            self.convs.append(StyledConv(width, width, 3, dim, blur_kernel=taps))
            self.to_rgbs.append(ToRGB(width, dim, blur_kernel=taps))
            channels = width
        for index, side in enumerate(self.noise_sides):
            self.noises.register_buffer(f"noise_{index}", torch.randn(1, 1, side, side))
        set_form(self, form)

    @property
    def noise_sides(self) -> tuple[int, ...]:
        """Sides of the noise maps, in the order of the layers."""
        return tuple(2 ** ((index + 5) // 2) for index in range(self.config.num_rows - 1))

    def map_z(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the styles of normal vectors."""
        return cast(Tensor, self.style(z))

    @torch.no_grad()
    def mean_style(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "1 D"]:
        """Return the mean style of `count` normal vectors, in batches that need little memory."""
        total, device = torch.zeros(1, self.config.style_dim), self.input.input.device
        for start in range(0, count, 4096):
            z = torch.randn(min(4096, count - start), self.config.style_dim, generator=generator)
            total += self.map_z(z.to(device)).sum(dim=0, keepdim=True).cpu()
        return (total / count).to(device)

    def rows(
        self,
        styles: Sequence[Float[Tensor, "B ..."]],
        *,
        truncation: float = 1.0,
        truncation_style: Float[Tensor, "1 D"] | None = None,
        mix_from: int | None = None,
    ) -> Float[Tensor, "B R D"]:
        """Spread one style, or two to be mixed, over the rows of W+.

        Args:
            styles: one or two of (B, D), for all rows, or (B, R, D), for each row its own.
            truncation: below 1, how far styles stay from `truncation_style`.
            truncation_style: what they are drawn to; needed for a truncation below 1.
            mix_from: with two styles, the first row that the second steers.

        Raises:
            InputError: there are not one or two styles, or a truncation or a mixing lacks what it needs.
            ShapeError: a style has another shape.
        """
        if len(styles) not in (1, 2):
            raise InputError(f"one or two styles can be laid over the rows, got {len(styles)}")
        spread = [self._spread(style) for style in styles]
        if truncation < 1:
            if truncation_style is None:
                raise InputError("a truncation needs the style that it draws to: give truncation_style")
            spread = [truncation_style + truncation * (style - truncation_style) for style in spread]
        if len(spread) == 1:
            return spread[0]
        if mix_from is None or not 0 < mix_from < self.config.num_rows:
            raise InputError(f"mixing two styles needs mix_from in 1..{self.config.num_rows - 1}, got {mix_from}")
        return torch.cat([spread[0][:, :mix_from], spread[1][:, mix_from:]], dim=1)

    def _spread(self, style: Tensor) -> Tensor:
        rows, dim = self.config.num_rows, self.config.style_dim
        if style.ndim == 2 and style.shape[1] == dim:
            return style[:, None].expand(-1, rows, -1)
        if style.ndim == 3 and style.shape[1:] == (rows, dim):
            return style
        raise ShapeError(
            f"styles must have shape (B, {dim}) or (B, {rows}, {dim}), got {tuple(style.shape)}",
            expected=f"(B, {rows}, {dim})",
            actual=tuple(style.shape),
        )

    def forward(self, wplus: Float[Tensor, "B R D"], noise: Noise = "fixed") -> Float[Tensor, "B 3 S S"]:
        """Return pictures: RGB, nominally in [-1, 1], not clamped.

        Args:
            wplus: a style for each row; (B, D) is laid over all rows.
            noise: where the noise comes from.

        Raises:
            ShapeError: the styles or a map of noise have another shape.
        """
        return self.synthesise(wplus, noise)[0]

    def synthesise(
        self, wplus: Float[Tensor, "B R D"], noise: Noise = "fixed"
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B C S S"]]:
        """Return pictures and the activations after the last convolution."""
        wplus = self._spread(wplus)
        maps = self.noise_maps(noise, wplus.shape[0])
        x = self.conv1(self.input(wplus.shape[0]), wplus[:, 0], maps[0])
        picture = self.to_rgb1(x, wplus[:, 1])
        for block, to_rgb in enumerate(self.to_rgbs):
            first, row = 2 * block, 2 * block + 1
            x = self.convs[first](x, wplus[:, row], maps[first + 1])
            x = self.convs[first + 1](x, wplus[:, row + 1], maps[first + 2])
            picture = to_rgb(x, wplus[:, row + 2], picture)
        return picture, x

    def noise_maps(self, noise: Noise, batch: int) -> list[Float[Tensor, "b 1 s s"]]:
        """Return the maps of noise, one a layer; those of the network's own are one for all samples.

        Raises:
            ShapeError: a map that was given has another side.
        """
        sides, like = self.noise_sides, self.input.input
        if isinstance(noise, str) and noise == "fixed":
            return [self.noises.get_buffer(f"noise_{index}") for index in range(len(sides))]
        if isinstance(noise, str | torch.Generator):
            source = noise if isinstance(noise, torch.Generator) else None
            device = source.device if source is not None else like.device
            shapes = [(batch, 1, side, side) for side in sides]
            return [torch.randn(shape, generator=source, device=device).to(like) for shape in shapes]
        if [map_.shape[-1] for map_ in noise] != list(sides):
            given = [tuple(map_.shape) for map_ in noise]
            raise ShapeError(f"noise needs {len(sides)} maps (B, 1, s, s) with sides {sides}, got {given}")
        return list(noise)

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load a StyleGAN2 file of rosinality's layout; strict but for noise maps and filters, which it may lack.

        Args:
            weights: the file or its content: `g_ema` beside other entries, or the generator's keys alone.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or holds a generator of another size or width.
        """
        state, name = generator_state(weights), source_name(weights)
        size = _size_of(state)
        if size is not None and size != self.config.size:
            raise WeightsError(
                f"{name} holds a generator of {size} pixels, and this one makes {self.config.size}: build one of {size}"
            )
        return load_strictly(self, {**_constants(self, state), **state}, name)


def generator_state(weights: str | Path | Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the generator's keys of a StyleGAN2 file: its `g_ema` entry, or all it has."""
    content = read_content(weights)
    return read_checkpoint(content["g_ema"] if "g_ema" in content else content)


def generator_config(state: Mapping[str, Tensor], source: str = "the state dict") -> GeneratorConfig:
    """Read from the keys and shapes of a state dict what kind of generator it belongs to.

    Raises:
        WeightsError: there is no generator in it.
    """
    size = _size_of(state)
    if size is None or size < 2 * FIRST_SIDE or "input.input" not in state or "style.1.weight" not in state:
        raise WeightsError(
            f"{source} holds no StyleGAN2 generator in rosinality's layout (input.input, style.1.weight)"
        )
    layers = sum(key.startswith("style.") and key.endswith(".weight") for key in state)
    last = state[f"convs.{2 * int(math.log2(size)) - 5}.conv.weight"].shape[1]
    multiplier = max(1, last * size // 16384) if size > 32 else 2
    dim, widest = state["style.1.weight"].shape[1], state["input.input"].shape[1]
    return GeneratorConfig(size, dim, layers, multiplier, max_channels=widest)


def load_generator(weights: str | Path | Mapping[str, Any]) -> tuple[Generator, Tensor | None]:
    """Build the generator that a StyleGAN2 file holds.

    Returns:
        The generator in evaluation mode, and the mean style that the file carries, if it does.

    Raises:
        FileProblem: there is no such file.
        WeightsError: the file is damaged, holds code, or holds no generator.
    """
    content = read_content(weights)
    generator = Generator(generator_config(generator_state(content), source_name(weights)))
    generator.load_official(content)
    return generator.eval(), content.get("latent_avg")


def _size_of(state: Mapping[str, Tensor]) -> int | None:
    blocks = {key.split(".")[1] for key in state if key.startswith("to_rgbs.")}
    return FIRST_SIDE * 2 ** len(blocks) if blocks else None


def _constants(network: Generator, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a file may leave out: fixed noise, which is any noise, and filters, which follow from the configuration."""
    own = network.state_dict()
    return {key: own[key] for key in own if key not in state and (key.startswith("noises.") or key.endswith(".kernel"))}
