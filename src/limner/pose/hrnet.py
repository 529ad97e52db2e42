"""HRNet: a network that keeps a fine map from end to end and exchanges it with coarser ones.

Source: Sun et al. 2019, "Deep High-Resolution Representation Learning for Human Pose Estimation";
leoxiaobin/deep-high-resolution-net.pytorch `lib/models/pose_hrnet.py`. Parameters stand under the keys of the published
checkpoints, so importing is a strict load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.checks import ShapeError
from limner.pose.blocks import block_row, conv_norm
from limner.pose.configs import HRNetConfig, StageConfig
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

Features = list[Float[Tensor, "B C H W"]]

STEM_CHANNELS = 64


class HRModule(nn.Module):
    """Parallel branches, then a fusion that gives each branch the sum over all of them.

    With one branch there is nothing to fuse. With `only_finest` the fusion gives out the first branch alone.
    """

    def __init__(self, stage: StageConfig, *, only_finest: bool = False) -> None:
        super().__init__()
        rows = zip(stage.widths, stage.num_channels, stage.num_blocks, strict=True)
        self.branches = nn.ModuleList(block_row(stage.block, width, planes, n) for width, planes, n in rows)
        count = len(stage.widths)
        outputs = range(1 if only_finest else count) if count > 1 else ()
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(stage.widths, source, target) for source in range(count)) for target in outputs
        )

    def forward(self, xs: Features) -> Features:
        """Return the fused branches, finest first."""
        ys = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        return [self._fuse(row, ys) for row in self.fuse_layers] if len(self.fuse_layers) else ys

    @staticmethod
    def _fuse(row: nn.Module, ys: Features) -> Tensor:
        first, *rest = [exchange(y) for exchange, y in zip(row, ys, strict=True)]  # type: ignore[call-overload]
        # The first sum makes a new map: an unexchanged branch is shared by all outputs and must not be written to.
        total = first + rest[0]
        for term in rest[1:]:
            total = total.add_(term)
        return torch.relu_(total)


def _exchange(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Bring branch `source` to the size and width of branch `target`."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], 1, bias=False),
            nn.BatchNorm2d(widths[target]),
            # Parity: `pose_hrnet.py` upsamples by repetition; published weights need it.
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = target - source
    halvings = [conv_norm(widths[source], widths[source], 2) for _ in range(steps - 1)]
    return nn.Sequential(*halvings, conv_norm(widths[source], widths[target], 2, relu=False))


class _Passed(nn.Module):
    """Stands where a branch goes on unchanged; has no keys."""


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Layers that lead from the branches of one stage to those of the next."""
    layers: list[nn.Module] = []
    for branch, width in enumerate(after):
        new = branch - len(before) + 1
        if new <= 0:
            layers.append(_Passed() if before[branch] == width else conv_norm(before[branch], width))
            continue
        halvings = [conv_norm(before[-1], width if step == new - 1 else before[-1], 2) for step in range(new)]
        layers.append(nn.Sequential(*halvings))
    return nn.ModuleList(layers)


def _lead(transition: nn.Module, ys: Features) -> Features:
    """Existing branches feed themselves, new ones the coarsest map."""
    layers = list(transition.children())
    sources = [ys[min(branch, len(ys) - 1)] for branch in range(len(layers))]
    return [y if isinstance(layer, _Passed) else layer(y) for layer, y in zip(layers, sources, strict=True)]


class HRNet(nn.Module):
    """HRNet with a heatmap head.

    Attributes:
        config: the table that it was built from.
    """

    def __init__(self, config: HRNetConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1, self.bn1 = nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM_CHANNELS)
        self.conv2 = nn.Conv2d(STEM_CHANNELS, STEM_CHANNELS, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM_CHANNELS)
        self.layer1 = block_row("BOTTLENECK", STEM_CHANNELS, config.first_planes, config.first_blocks)
        widths: Sequence[int] = (4 * config.first_planes,)
        for number, stage in enumerate(config.stages, start=1):
            self.add_module(f"transition{number}", _transition(widths, stage.widths))
            last = [number == 3 and module == stage.num_modules - 1 for module in range(stage.num_modules)]
            self.add_module(f"stage{number + 1}", nn.Sequential(*(HRModule(stage, only_finest=x) for x in last)))
            widths = stage.widths
        kernel = config.final_kernel
        self.final_layer = nn.Conv2d(widths[0], config.num_joints, kernel, padding=kernel // 2)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K H/4 W/4"]:
        """Return raw heatmaps, one a joint, at a quarter of the picture's size.

        Args:
            image: RGB over 255, less ImageNet's mean, over its standard deviation.

        Raises:
            ShapeError: height or width is no multiple of `config.size_step`, or there are not three channels.
        """
        check_network_input(image, self.config.size_step)
        x = torch.relu_(self.bn1(self.conv1(image)))
        x = torch.relu_(self.bn2(self.conv2(x)))
        ys = [self.layer1(x)]
        for number in (1, 2, 3):
            ys = self.get_submodule(f"stage{number + 1}")(_lead(self.get_submodule(f"transition{number}"), ys))
        return self.final_layer(ys[0])

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load a published COCO or MPII checkpoint, or one written by the official trainer, or its content; strict.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or lacks or exceeds the network's keys.
        """
        return load_strictly(self, read_checkpoint(weights), source_name(weights))

    def load_imagenet(self, weights: str | Path | Mapping[str, Any], layers: Sequence[str] = ("*",)) -> LoadReport:
        """Load the trunk from a published ImageNet checkpoint; the last layer keeps its values.

        Args:
            weights: such as `hrnet_w32-36af842e.pth`. Its classification head is left out, and so are those outputs of
                the last fusion that a pose network lacks.
            layers: which parts, by the first piece of their keys (the YAMLs' PRETRAINED_LAYERS); "*" in front is all.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or fits no trunk of this table.
        """
        last = f"stage4.{self.config.stage4.num_modules - 1}.fuse_layers."
        unused = [f"{last}{branch}." for branch in range(1, len(self.config.stage4.widths))]
        head = ("head.", "incre_modules.", "downsamp_modules.", "final_layer.", "classifier.")
        state = read_checkpoint(weights)
        return load_strictly(
            self, state, source_name(weights), ignored=(*head, *unused), kept=("final_layer.",), layers=layers
        )


def check_network_input(image: Tensor, step: int) -> None:
    """Raise `ShapeError` unless `image` is a batch of RGB pictures whose sides are multiples of `step`."""
    if torch.jit.is_tracing():
        return
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[1] != 3 or shape[2] % step or shape[3] % step or 0 in shape[2:]:
        raise ShapeError(
            f"a pose network takes (B, 3, H, W) with H and W multiples of {step}, got {shape}",
            expected=f"(B, 3, {step} m, {step} n)",
            actual=shape,
        )
