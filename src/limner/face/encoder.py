"""Encoders: a picture to styles, over the residual trunk of ArcFace (IR and IR-SE).

Notation (Richardson et al. 2021, figure 2): c1, c2, c3 the trunk's maps of 64, 32 and 16 pixels; p2, p1 what becomes of
c2 and c1 in the pyramid; rows 0-2 of W+ come from c3, 3-6 from p2, the rest from p1.

Sources: Deng et al. 2019 (ArcFace), Hu et al. 2018 (squeeze and excitation), Richardson et al. 2021, section 3.
Parameters stand under the keys of eladrich/pixel2style2pixel.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import InputError, ShapeError, WeightsError
from limner.face.layers import EqualLinear
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

TrunkMode: TypeAlias = Literal["ir", "ir_se"]
"""Whether blocks weigh their channels (squeeze and excitation) or not."""

EncoderName: TypeAlias = Literal[
    "GradualStyleEncoder",
    "BackboneEncoderUsingLastLayerIntoW",
    "BackboneEncoderUsingLastLayerIntoWPlus",
    "BackboneEncoder",
]
"""The published encoders, by the names that checkpoints carry."""

_COUNTS = {18: (2, 2, 2, 2), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3)}
TRUNK_WIDTH = 64  # channels of the first maps in the published trunks; each halving doubles them
_COARSE, _MIDDLE = 3, 7  # first rows that the middle and the fine map give
INPUT_SIDE = 256
_REDUCTION = 16
_SLOPE = 0.01


class SqueezeExcitation(nn.Module):
    """Weighs channels by what the whole map holds; keys `fc1.weight`, `fc2.weight`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, max(1, channels // _REDUCTION), 1, bias=False)
        self.fc2 = nn.Conv2d(max(1, channels // _REDUCTION), channels, 1, bias=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the weighed map."""
        squeezed = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(squeezed))))


class IrBlock(nn.Module):
    """A block of the trunk; the stride is that of its second convolution, and nothing follows the sum."""

    def __init__(self, channels: int, width: int, stride: int, mode: TrunkMode) -> None:
        super().__init__()
        if channels == width:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        layers = [
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, width, 3, 1, 1, bias=False),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
        ]
        self.res_layer = nn.Sequential(*layers, *([SqueezeExcitation(width)] if mode == "ir_se" else []))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the sum of shortcut and residual."""
        return cast(Tensor, self.shortcut_layer(x) + self.res_layer(x))


def input_layer(channels: int, width: int = TRUNK_WIDTH) -> nn.Sequential:
    """Return what stands before the blocks; keys 0 (convolution), 1 (norm), 2 (slopes)."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))


def trunk_blocks(num_layers: int, mode: TrunkMode, width: int = TRUNK_WIDTH) -> nn.Sequential:
    """Return the blocks of a trunk of 50, 100 or 152 layers, or of 18, which is ours for processors.

    Raises:
        InputError: there is no such depth or mode.
    """
    if num_layers not in _COUNTS or mode not in ("ir", "ir_se"):
        raise InputError(
            f"a trunk has 18, 50, 100 or 152 layers and the mode ir or ir_se, got {num_layers} and {mode!r}"
        )
    blocks, channels = [], width
    for level, count in enumerate(_COUNTS[num_layers]):
        for index in range(count):
            blocks.append(IrBlock(channels, width * 2**level, 2 if index == 0 else 1, mode))
            channels = width * 2**level
    return nn.Sequential(*blocks)


class Encoder(nn.Module, ABC):
    """What the encoders share: the trunk, its importers, and the check of what comes in.

    Args:
        num_layers: depth of the trunk.
        mode: kind of its blocks.
        input_channels: channels of the picture; 19 for label maps, 1 for sketches.
        num_rows: rows of W+ that the generator takes.
        style_dim: length of a style.
        width: channels of the trunk's first maps; 64 as published.
    """

    def __init__(
        self,
        num_layers: int = 50,
        mode: TrunkMode = "ir_se",
        *,
        input_channels: int = 3,
        num_rows: int = 18,
        style_dim: int = 512,
        width: int = TRUNK_WIDTH,
    ) -> None:
        super().__init__()
        self.num_rows, self.input_channels, self.width = num_rows, input_channels, width
        self.input_layer = input_layer(input_channels, width)
        self.body = trunk_blocks(num_layers, mode, width)
        ends = torch.tensor(_COUNTS[num_layers]).cumsum(0).tolist()
        self.taps = (ends[1] - 1, ends[2] - 1, ends[3] - 1)
        self._make_head(style_dim)

    @abstractmethod
    def _make_head(self, style_dim: int) -> None:
        """Make what turns the trunk's maps into styles."""

    def features(self, image: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return c1, c2 and c3: maps of a quarter, an eighth and a sixteenth of the picture's side.

        Args:
            image: as the task's transform gives it, sides multiples of 16 up to 256 pixels; 256 as published.

        Raises:
            ShapeError: the picture has other channels or another size.
        """
        self._check(image)
        x, kept = self.input_layer(image), []
        for index, block in enumerate(self.body):
            x = block(x)
            if index in self.taps:
                kept.append(x)
        return kept[0], kept[1], kept[2]

    def _check(self, image: Tensor) -> None:
        sides = tuple(image.shape[2:])
        fits = image.ndim == 4 and image.shape[1] == self.input_channels
        if not fits or any(side % 16 or not 16 <= side <= INPUT_SIDE for side in sides):
            wanted = f"(B, {self.input_channels}, {INPUT_SIDE}, {INPUT_SIDE})"
            raise ShapeError(
                f"an encoder takes pictures of shape {wanted} or of smaller sides in multiples of 16, "
                f"got {tuple(image.shape)}",
                expected=wanted,
                actual=tuple(image.shape),
            )

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load an encoder's own keys, strictly.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or lacks or exceeds the encoder's keys.
        """
        return load_strictly(self, read_checkpoint(weights), source_name(weights))

    def load_ir_se50(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Start the trunk from a face recogniser such as `model_ir_se50.pth`; what lies above keeps its values.

        The recogniser's first layer sees three colours: with other channels that layer keeps its values too.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or has a trunk of another kind.
        """
        kept = [key for key in self.state_dict() if not key.startswith(("input_layer.", "body."))]
        if self.input_channels != 3:
            kept.append("input_layer.")
        state = read_checkpoint(weights)
        return load_strictly(self, state, source_name(weights), ignored=("output_layer.",), kept=tuple(kept))


class StyleHead(nn.Module):
    """A map to one style: convolutions of stride two down to a single pixel; keys `convs.{0,2,..}`, `linear`.

    Difference: they start by He et al. 2015. After PyTorch's own start, up to six layers without norms give styles that
    hardly differ between pictures: by 0.0002 to 0.001 over a random trunk of 18 layers, against 0.03 to 0.04.
    """

    def __init__(self, channels: int, style_dim: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(int(math.log2(side))):
            layers += [nn.Conv2d(channels, style_dim, 3, 2, 1), nn.LeakyReLU(_SLOPE)]
            channels = style_dim
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(style_dim, style_dim)
        for layer in layers[::2]:
            nn.init.kaiming_normal_(cast(Tensor, layer.weight), a=_SLOPE)
            nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Return the style."""
        return cast(Tensor, self.linear(self.convs(x).flatten(1)))


class GradualStyleEncoder(Encoder):
    """The encoder of pixel2style2pixel: a feature pyramid with a small network for each row of W+."""

    def _make_head(self, style_dim: int) -> None:
        width = self.width
        sides = [16 if row < _COARSE else 32 if row < _MIDDLE else 64 for row in range(self.num_rows)]
        self.styles = nn.ModuleList(StyleHead(8 * width, style_dim, side) for side in sides)
        self.latlayer1 = nn.Conv2d(4 * width, 8 * width, 1)
        self.latlayer2 = nn.Conv2d(2 * width, 8 * width, 1)

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B R D"]:
        """Return the styles, before any mean style is added.

        Raises:
            ShapeError: the picture has other channels or another size.
        """
        c1, c2, c3 = self.features(image)
        p2 = _enlarged(c3, c2) + self.latlayer1(c2)
        p1 = _enlarged(p2, c1) + self.latlayer2(c1)
        maps = [c3 if row < _COARSE else p2 if row < _MIDDLE else p1 for row in range(self.num_rows)]
        return torch.stack([head(map_) for head, map_ in zip(self.styles, maps, strict=True)], dim=1)


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    # Parity: corners are aligned here, unlike anywhere else in the system; published weights were trained so.
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


class LastLayerStyleEncoder(Encoder):
    """One style for all rows, from the mean of the last map (the ablation "encoder into W")."""

    def _make_head(self, style_dim: int) -> None:
        self.linear = EqualLinear(8 * self.width, style_dim)

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Return the style.

        Raises:
            ShapeError: the picture has other channels or another size.
        """
        return cast(Tensor, self.linear(self.features(image)[2].mean(dim=(2, 3))))


class LastLayerRowsEncoder(Encoder):
    """All rows of W+ from the last map (the ablation "naive W+")."""

    def _make_head(self, style_dim: int) -> None:
        top = 8 * self.width
        pooled: list[nn.Module] = [nn.BatchNorm2d(top), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(top * 49, 512)]
        self.output_layer_2 = nn.Sequential(*pooled)
        self.linear = EqualLinear(512, style_dim * self.num_rows)

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B R D"]:
        """Return the styles.

        Raises:
            ShapeError: the picture has other channels or another size.
        """
        codes = self.linear(self.output_layer_2(self.features(image)[2]))
        return cast(Tensor, codes.unflatten(1, (self.num_rows, -1)))


class LastMapEncoder(Encoder):
    """All rows of W+ from the last map, each by a network of its own (Alaluf et al. 2021, "ReStyle")."""

    def _make_head(self, style_dim: int) -> None:
        self.styles = nn.ModuleList(StyleHead(8 * self.width, style_dim, 16) for _ in range(self.num_rows))

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B R D"]:
        """Return the styles.

        Raises:
            ShapeError: the picture has other channels or another size.
        """
        last = self.features(image)[2]
        return torch.stack([head(last) for head in self.styles], dim=1)


ENCODERS: dict[str, type[Encoder]] = {
    "GradualStyleEncoder": GradualStyleEncoder,
    "BackboneEncoderUsingLastLayerIntoW": LastLayerStyleEncoder,
    "BackboneEncoderUsingLastLayerIntoWPlus": LastLayerRowsEncoder,
    "BackboneEncoder": LastMapEncoder,
}


def build_encoder(
    name: str = "GradualStyleEncoder",
    *,
    num_layers: int = 50,
    mode: TrunkMode = "ir_se",
    input_channels: int = 3,
    num_rows: int = 18,
    style_dim: int = 512,
    width: int = TRUNK_WIDTH,
) -> Encoder:
    """Return an encoder by the name that checkpoints carry; its depth and widths are the published ones unless given.

    Raises:
        InputError: there is no encoder, depth or mode of that name.
    """
    if name not in ENCODERS:
        raise InputError(f"no encoder named {name!r}: there are {', '.join(ENCODERS)}")
    kind = ENCODERS[name]
    return kind(num_layers, mode, input_channels=input_channels, num_rows=num_rows, style_dim=style_dim, width=width)


def trunk_of(state: Mapping[str, Tensor], prefix: str = "") -> tuple[int, TrunkMode, int]:
    """Read from a state dict's keys and shapes the depth, the kind and the width of its trunk.

    Raises:
        WeightsError: no trunk has so many blocks.
    """
    blocks = {int(key.removeprefix(prefix).split(".")[1]) for key in state if key.startswith(f"{prefix}body.")}
    depth = next((depth for depth, counts in _COUNTS.items() if sum(counts) == len(blocks)), None)
    if depth is None:
        known = [sum(counts) for counts in _COUNTS.values()]
        raise WeightsError(f"the trunk of an encoder has one of {known} blocks, got {len(blocks)}")
    mode: TrunkMode = "ir_se" if f"{prefix}body.0.res_layer.5.fc1.weight" in state else "ir"
    return depth, mode, state[f"{prefix}input_layer.0.weight"].shape[0]
