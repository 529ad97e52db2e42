"""Judges of made pictures: patch by patch, and over the whole picture together with the body's box.

Source: Isola et al. 2017 (patches); Liu et al. 2019; svip-lab/impersonator `networks/discriminator.py`. Parameters
stand under the keys of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from limner.checks import InputError, check_shape
from limner.motion.crops import crop_boxes
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

NormName = Literal["instance", "batch"]
_LEAK = 0.2
_MOST_DOUBLINGS = 3


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Size of a patch discriminator.

    Attributes:
        in_channels: of the picture joined with what it was made for.
        width: channels of the first layer.
        num_halvings: layers of stride two.
        norm: `instance` without weights of its own, or `batch`.
        with_sigmoid: end in probabilities; the published losses take raw scores.
    """

    in_channels: int = 6
    width: int = 64
    num_halvings: int = 4
    norm: NormName = "instance"
    with_sigmoid: bool = False

    def __post_init__(self) -> None:
        if min(self.in_channels, self.width, self.num_halvings) < 1:
            raise InputError(f"a discriminator's sizes must be positive, got {self}")
        if self.norm not in ("instance", "batch"):
            raise InputError(f"norm must be 'instance' or 'batch', got {self.norm!r}")


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches: high where a picture looks real.

    Attributes:
        config: what it was built from.
    """

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        widths = [config.width * 2 ** min(i, _MOST_DOUBLINGS) for i in range(config.num_halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(config.in_channels, widths[0], 4, 2, 1), nn.LeakyReLU(_LEAK, inplace=True)]
        for i, (narrow, wide) in enumerate(pairwise(widths), start=1):
            stride = 2 if i < config.num_halvings else 1
            # A bias before a batch norm, which has one itself, would do nothing.
            conv = nn.Conv2d(narrow, wide, 4, stride, 1, bias=config.norm == "instance")
            norm = nn.InstanceNorm2d(wide) if config.norm == "instance" else nn.BatchNorm2d(wide)
            layers += [conv, norm, nn.LeakyReLU(_LEAK, inplace=True)]
        layers.append(nn.Conv2d(widths[-1], 1, 4, 1, 1))
        if config.with_sigmoid:
            layers.append(nn.Sigmoid())
        self.model = nn.Sequential(*layers)

    def forward(self, picture: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 h w"]:
        """Return a map of scores; 256 px give 14 x 14 with four halvings.

        Raises:
            ShapeError: the channels do not fit.
        """
        check_shape(picture, "picture", ("B", self.config.in_channels, "H", "W"))
        return self.model(picture)

    def load_official(self, source: str | Path | Mapping[str, Any]) -> LoadReport:
        """Take the weights of a published checkpoint (`net_epoch_N_id_D.pth`).

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or keys are missing, surplus or of another shape.
        """
        return load_strictly(self, read_checkpoint(source), source_name(source))


class GlobalLocalDiscriminator(nn.Module):
    """One judge for a whole (background) picture, one for the body's box of another."""

    def __init__(self, *, global_channels: int = 4, local_channels: int = 6, width: int = 64) -> None:
        super().__init__()
        self.global_model = PatchDiscriminator(DiscriminatorConfig(global_channels, width))
        self.local_model = PatchDiscriminator(DiscriminatorConfig(local_channels, width))

    def forward(
        self,
        whole: Float[Tensor, "B Cg H W"],
        person: Float[Tensor, "B Cl H W"],
        boxes: Int64[Tensor, "B 4"],
    ) -> Float[Tensor, "B+B 1 h w"]:
        """Score the whole pictures, then the cropped ones.

        Args:
            whole: a picture joined with its mask.
            person: a picture joined with its condition map.
            boxes: (min_x, max_x, min_y, max_y) px, half open, of the bodies in `person`; cropped, resized to full size.

        Raises:
            ShapeError: channels, sizes or batches do not fit.
        """
        size_hw = (person.shape[2], person.shape[3])
        crops = crop_boxes(person, boxes, size_hw)
        return torch.cat([self.global_model(whole), self.local_model(crops)], dim=0)

    def load_official(self, source: str | Path | Mapping[str, Any]) -> LoadReport:
        """Take the weights of a published checkpoint of the recipe with auxiliary backgrounds.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or keys are missing, surplus or of another shape.
        """
        return load_strictly(self, read_checkpoint(source), source_name(source))
