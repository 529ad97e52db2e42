"""MoCo features: a ResNet-50 trained without labels, which says how alike two pictures are where there are no faces.

Source: He et al. 2020 and Chen et al. 2020 (MoCo v2). Keys as in eladrich/pixel2style2pixel: `model.0` the first
convolution, `model.1` its norm, `model.4` to `model.7` the four groups of a torchvision ResNet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

_COUNTS = (3, 4, 6, 3)
_SIDE = 224
_PLACES = {"conv1.": "0.", "bn1.": "1.", "layer1.": "4.", "layer2.": "5.", "layer3.": "6.", "layer4.": "7."}
_ENCODER = "encoder_q."


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = nn.Sequential()
        if stride != 1 or channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class MocoFeatures(nn.Module):
    """Pictures to vectors of length one; frozen."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, 2, 1))
        channels = 64
        for group, count in enumerate(_COUNTS):
            width, blocks = 64 * 2**group, []
            for index in range(count):
                blocks.append(_Bottleneck(channels, width, 2 if index == 0 and group else 1))
                channels = 4 * width
            layers.append(nn.Sequential(*blocks))
        self.model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.requires_grad_(False)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 2048"]:
        """Return the features of pictures in [-1, 1]."""
        # Parity: nearest neighbour and no ImageNet normalisation, as the published loss is coded.
        return cast(Tensor, F.normalize(self.model(F.interpolate(image, size=_SIDE)), dim=1))

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load MoCo's file (`encoder_q.*`), a torchvision ResNet-50, or this module's keys; strict but for `fc`.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or is another network.
        """
        state = read_checkpoint(weights)
        if any(key.startswith(_ENCODER) for key in state):
            state = {key.removeprefix(_ENCODER): value for key, value in state.items() if key.startswith(_ENCODER)}
        renamed = {_renamed(key): value for key, value in state.items()}
        return load_strictly(self, renamed, source_name(weights), ignored=("fc.",))


def _renamed(key: str) -> str:
    for name, place in _PLACES.items():
        if key.startswith(name):
            return f"model.{place}{key.removeprefix(name)}"
    return key
