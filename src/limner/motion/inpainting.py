"""A network that fills holes: gated convolutions in two stages, with attention in the second.

Source: Yu et al. 2019, "Free-Form Image Inpainting with Gated Convolution"; svip-lab/impersonator
`networks/inpaintor.py`, whose checkpoint keys the parameters bear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.checks import ShapeError, check_shape
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

HOLE_COLOUR = 1.0
"""White: what the published weights saw in holes."""
_LEAK = 0.2
_STEP = 4  # two halvings


@dataclass(frozen=True)
class Filled:
    """What the two stages gave, each whole, in [-1, 1]; `composite` keeps the picture where it is known."""

    coarse: Float[Tensor, "B 3 H W"]
    refined: Float[Tensor, "B 3 H W"]
    composite: Float[Tensor, "B 3 H W"]


class GatedConv(nn.Module):
    """A convolution whose output another one opens or shuts, then a batch norm."""

    def __init__(
        self, source: int, target: int, kernel: int = 3, stride: int = 1, *, dilation: int = 1, activate: bool = True
    ) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv2d = nn.Conv2d(source, target, kernel, stride, padding, dilation)
        self.mask_conv2d = nn.Conv2d(source, target, kernel, stride, padding, dilation)
        self.batch_norm2d = nn.BatchNorm2d(target)
        self.activate = activate

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return norm(activation(conv(x)) * sigmoid(gate(x)))."""
        features = self.conv2d(x)
        if self.activate:
            features = functional.leaky_relu(features, _LEAK)
        return self.batch_norm2d(features * torch.sigmoid(self.mask_conv2d(x)))


class GatedDoubling(nn.Module):
    """Repeat every pixel to twice the size, then a gated convolution."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.conv2d = GatedConv(source, target)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D 2*H 2*W"]:
        """Return the doubled map."""
        return self.conv2d(functional.interpolate(x, scale_factor=2, mode="nearest"))


class SelfAttention(nn.Module):
    """Each position gathers from all others by likeness; cost grows with the square of their number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(width, width // 8, 1)
        self.key_conv = nn.Conv2d(width, width // 8, 1)
        self.value_conv = nn.Conv2d(width, width, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return gamma * gathered + x. Parity: likenesses are not scaled by the width."""
        query, key, value = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # (B, N, N), from position, to position
        gathered = (value @ weights.transpose(1, 2)).reshape(x.shape)
        return self.gamma * gathered + x


def _dilated(width: int) -> list[nn.Module]:
    return [GatedConv(width, width, dilation=dilation) for dilation in (2, 4, 8, 16)]


def _to_picture(width: int) -> list[nn.Module]:
    """From a quarter of the size to the picture."""
    return [
        GatedDoubling(width, width // 2),
        GatedConv(width // 2, width // 2),
        GatedDoubling(width // 2, width // 4),
        GatedConv(width // 4, width // 8),
        GatedConv(width // 8, 3, activate=False),
    ]


class GatedInpainter(nn.Module):
    """The inpainter behind the published systems' backgrounds; its norms want `eval()`."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        wide = 4 * width
        self.coarse_net = nn.Sequential(
            GatedConv(4, width, 5),
            GatedConv(width, 2 * width, 4, 2),
            GatedConv(2 * width, 2 * width),
            GatedConv(2 * width, wide, 4, 2),
            GatedConv(wide, wide),
            GatedConv(wide, wide),
            *_dilated(wide),
            GatedConv(wide, wide),
            GatedConv(wide, wide),
            *_to_picture(wide),
        )
        self.refine_conv_net = nn.Sequential(
            GatedConv(4, width, 5),
            GatedConv(width, width, 4, 2),
            GatedConv(width, 2 * width),
            GatedConv(2 * width, 2 * width, 4, 2),
            GatedConv(2 * width, wide),
            GatedConv(wide, wide),
            GatedConv(wide, wide),
            *_dilated(wide),
        )
        self.refine_attn = SelfAttention(wide)
        self.refine_upsample_net = nn.Sequential(GatedConv(wide, wide), GatedConv(wide, wide), *_to_picture(wide))

    def forward(self, image: Float[Tensor, "B 3 H W"], hole: Float[Tensor, "B 1 H W"]) -> Filled:
        """Fill the holes of `image`.

        Args:
            image: RGB in [-1, 1]; what lies in the holes is not looked at.
            hole: 1 in the holes.

        Returns:
            Both stages; the published jobs use `refined`, `composite` leaves known pixels alone.

        Raises:
            ShapeError: sizes differ, or a side is no multiple of 4.
        """
        self._check(image, hole)
        coarse = self.coarse_net(_with_holes(image, hole, torch.full_like(image, HOLE_COLOUR))).clamp(-1, 1)
        features = self.refine_attn(self.refine_conv_net(_with_holes(image, hole, coarse)))
        refined = self.refine_upsample_net(features).clamp(-1, 1)
        return Filled(coarse, refined, refined * hole + image * (1 - hole))

    def load_official(self, source: str | Path | Mapping[str, Any]) -> LoadReport:
        """Take the weights of the published checkpoint (`deepfillv2/net_epoch_50_id_G.pth`).

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or keys are missing, surplus or of another shape.
        """
        return load_strictly(self, read_checkpoint(source), source_name(source))

    @staticmethod
    def _check(image: Tensor, hole: Tensor) -> None:
        check_shape(image, "image", ("B", 3, "H", "W"))
        check_shape(hole, "hole", (image.shape[0], 1, *image.shape[2:]))
        size_hw = tuple(image.shape[2:])
        if any(side == 0 or side % _STEP for side in size_hw):
            raise ShapeError(
                f"the sides of a picture to fill must be multiples of {_STEP}, got {size_hw}",
                expected=f"multiples of {_STEP}",
                actual=size_hw,
            )


def _with_holes(image: Tensor, hole: Tensor, filling: Tensor) -> Tensor:
    return torch.cat([image * (1 - hole) + filling * hole, hole], dim=1)
