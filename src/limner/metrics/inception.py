"""Inception v3, whose features FID and IS are taken from; weights are the user's own.

Two forms: torchvision's, with which the published motion scores were taken, and the one ported from TensorFlow, by
which FID is defined: its averages leave out the border, its last block takes the largest, and it knows 1008 classes.
Source: Szegedy et al. 2016; Heusel et al. 2017; keys are torchvision's in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

SIDE = 299
_PORTED_CLASSES, _CLASSES = 1008, 1000


class _Conv(nn.Module):
    def __init__(
        self, source: int, target: int, kernel: int | tuple[int, int], stride: int = 1, padding: Any = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(source, target, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(target, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class _Mixed(nn.Module):
    """Branches beside each other; each is named by its convolutions in turn.

    Args:
        convs: every convolution by its key.
        branches: the keys of each branch; a tuple at the end of one parts it in two.
        pool: how the last branch begins: average, halving (the largest alone), or largest.
    """

    branch_pool: nn.Module

    def __init__(self, convs: Mapping[str, _Conv], branches: list[list[Any]], pool: str, *, ported: bool) -> None:
        super().__init__()
        for name, conv in convs.items():
            self.add_module(name, conv)
        self._branches, self._pool, self._ported = branches, pool, ported

    def forward(self, x: Tensor) -> Tensor:
        made = [self._walk(branch, x) for branch in self._branches]
        if self._pool == "halving":
            made.append(functional.max_pool2d(x, 3, 2))
        elif self._pool == "largest":
            made.append(self.branch_pool(functional.max_pool2d(x, 3, 1, 1)))
        else:
            pooled = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=not self._ported)
            made.append(self.branch_pool(pooled))
        return torch.cat(made, dim=1)

    def _walk(self, branch: list[Any], x: Tensor) -> Tensor:
        for name in branch:
            x = (
                torch.cat([getattr(self, half)(x) for half in name], 1)
                if isinstance(name, tuple)
                else getattr(self, name)(x)
            )
        return x


def _mixed_a(source: int, pooled: int, *, ported: bool) -> _Mixed:
    convs = {
        "branch1x1": _Conv(source, 64, 1),
        "branch5x5_1": _Conv(source, 48, 1),
        "branch5x5_2": _Conv(48, 64, 5, padding=2),
        "branch3x3dbl_1": _Conv(source, 64, 1),
        "branch3x3dbl_2": _Conv(64, 96, 3, padding=1),
        "branch3x3dbl_3": _Conv(96, 96, 3, padding=1),
        "branch_pool": _Conv(source, pooled, 1),
    }
    branches: list[list[Any]] = [
        ["branch1x1"],
        ["branch5x5_1", "branch5x5_2"],
        ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
    ]
    return _Mixed(convs, branches, "average", ported=ported)


def _mixed_b(source: int) -> _Mixed:
    convs = {
        "branch3x3": _Conv(source, 384, 3, 2),
        "branch3x3dbl_1": _Conv(source, 64, 1),
        "branch3x3dbl_2": _Conv(64, 96, 3, padding=1),
        "branch3x3dbl_3": _Conv(96, 96, 3, 2),
    }
    return _Mixed(
        convs, [["branch3x3"], ["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]], "halving", ported=False
    )


def _mixed_c(width: int, *, ported: bool) -> _Mixed:
    def across(target: int) -> _Conv:
        return _Conv(width, target, (1, 7), padding=(0, 3))

    def down(target: int) -> _Conv:
        return _Conv(width, target, (7, 1), padding=(3, 0))

    convs = {
        "branch1x1": _Conv(768, 192, 1),
        "branch7x7_1": _Conv(768, width, 1),
        "branch7x7_2": across(width),
        "branch7x7_3": down(192),
        "branch7x7dbl_1": _Conv(768, width, 1),
        "branch7x7dbl_2": down(width),
        "branch7x7dbl_3": across(width),
        "branch7x7dbl_4": down(width),
        "branch7x7dbl_5": across(192),
        "branch_pool": _Conv(768, 192, 1),
    }
    double: list[Any] = [f"branch7x7dbl_{n}" for n in range(1, 6)]
    return _Mixed(
        convs, [["branch1x1"], ["branch7x7_1", "branch7x7_2", "branch7x7_3"], double], "average", ported=ported
    )


def _mixed_d() -> _Mixed:
    convs = {
        "branch3x3_1": _Conv(768, 192, 1),
        "branch3x3_2": _Conv(192, 320, 3, 2),
        "branch7x7x3_1": _Conv(768, 192, 1),
        "branch7x7x3_2": _Conv(192, 192, (1, 7), padding=(0, 3)),
        "branch7x7x3_3": _Conv(192, 192, (7, 1), padding=(3, 0)),
        "branch7x7x3_4": _Conv(192, 192, 3, 2),
    }
    return _Mixed(
        convs, [["branch3x3_1", "branch3x3_2"], [f"branch7x7x3_{n}" for n in range(1, 5)]], "halving", ported=False
    )


def _mixed_e(source: int, pool: str, *, ported: bool) -> _Mixed:
    halves = {"a": ((1, 3), (0, 1)), "b": ((3, 1), (1, 0))}
    convs = {
        "branch1x1": _Conv(source, 320, 1),
        "branch3x3_1": _Conv(source, 384, 1),
        **{f"branch3x3_2{half}": _Conv(384, 384, kernel, 1, pad) for half, (kernel, pad) in halves.items()},
        "branch3x3dbl_1": _Conv(source, 448, 1),
        "branch3x3dbl_2": _Conv(448, 384, 3, padding=1),
        **{f"branch3x3dbl_3{half}": _Conv(384, 384, kernel, 1, pad) for half, (kernel, pad) in halves.items()},
        "branch_pool": _Conv(source, 192, 1),
    }
    branches: list[list[Any]] = [
        ["branch1x1"],
        ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")],
        ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")],
    ]
    return _Mixed(convs, branches, pool, ported=ported)


class Inception(nn.Module):
    """The network.

    Args:
        ported: the form by which FID is defined, instead of torchvision's.
    """

    def __init__(self, *, ported: bool = False) -> None:
        super().__init__()
        self.ported = ported
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3)
        self.Mixed_5b = _mixed_a(192, 32, ported=ported)
        self.Mixed_5c = _mixed_a(256, 64, ported=ported)
        self.Mixed_5d = _mixed_a(288, 64, ported=ported)
        self.Mixed_6a = _mixed_b(288)
        self.Mixed_6b = _mixed_c(128, ported=ported)
        self.Mixed_6c = _mixed_c(160, ported=ported)
        self.Mixed_6d = _mixed_c(160, ported=ported)
        self.Mixed_6e = _mixed_c(192, ported=ported)
        self.Mixed_7a = _mixed_d()
        self.Mixed_7b = _mixed_e(1280, "average", ported=ported)
        self.Mixed_7c = _mixed_e(2048, "largest" if ported else "average", ported=ported)
        self.fc = nn.Linear(2048, _PORTED_CLASSES if ported else _CLASSES)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B 2048"], Float[Tensor, "B classes"]]:
        """Return the pooled features and the class logits of pictures in [-1, 1] of any size."""
        x = functional.interpolate(image, (SIDE, SIDE), mode="bilinear", align_corners=False)
        for name, layer in self.named_children():
            if name == "fc":
                break
            x = layer(x)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = functional.max_pool2d(x, 3, 2)
        features = x.mean(dim=(2, 3))
        return features, self.fc(features)

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any]) -> tuple[Inception, LoadReport]:
        """Load torchvision's weights, or those ported for FID, which are told by their number of classes.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or is of another network.
        """
        state = read_checkpoint(source)
        bias = state.get("fc.bias")
        network = cls(ported=bias is not None and len(bias) == _PORTED_CLASSES)
        report = load_strictly(network, state, source_name(source), ignored=("AuxLogits.",))
        return network.eval().requires_grad_(False), report
