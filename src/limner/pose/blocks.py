"""Residual blocks of the pose networks, under the keys of the published checkpoints.

Source: He et al. 2016; leoxiaobin/deep-high-resolution-net.pytorch `lib/models/`. A bottleneck's stride sits on its 3x3
convolution. Every convolution before a norm is without bias.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.pose.configs import EXPANSION, BlockName

Feature = Float[Tensor, "B C H W"]


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size, divided by `stride`."""
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


def conv_norm(inputs: int, outputs: int, stride: int = 1, *, relu: bool = True) -> nn.Sequential:
    """Return a 3x3 convolution, its norm and, if wanted, a ReLU."""
    layers: list[nn.Module] = [conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions round a residual."""

    def __init__(self, inputs: int, planes: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, planes, stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Feature) -> Feature:
        """Return the block's output, after its last ReLU."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu_(y.add_(x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions round a residual; gives out four times its planes."""

    def __init__(self, inputs: int, planes: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        outputs = EXPANSION["BOTTLENECK"] * planes
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes, stride), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = downsample

    def forward(self, x: Feature) -> Feature:
        """Return the block's output, after its last ReLU."""
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = torch.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu_(y.add_(x if self.downsample is None else self.downsample(x)))


def block_row(kind: BlockName, inputs: int, planes: int, count: int, stride: int = 1) -> nn.Sequential:
    """Return `count` blocks; the first takes `inputs` channels and carries the stride."""
    block = BasicBlock if kind == "BASIC" else Bottleneck
    outputs = EXPANSION[kind] * planes
    downsample = None
    if stride != 1 or inputs != outputs:
        downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(block(inputs, planes, stride, downsample), *(block(outputs, planes) for _ in range(1, count)))
