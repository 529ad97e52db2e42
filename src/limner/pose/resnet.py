"""SimpleBaseline: a ResNet whose last map transposed convolutions bring back to a quarter of the picture.

Source: Xiao et al. 2018, "Simple Baselines for Human Pose Estimation and Tracking";
leoxiaobin/deep-high-resolution-net.pytorch `lib/models/pose_resnet.py`. Parameters stand under the published keys. The
published weights were trained on blue-green-red pictures that are normalised with the statistics of red, green, blue:
see `limner.pose.crop.normalise`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limner.pose.blocks import block_row
from limner.pose.configs import EXPANSION, RESNET_LAYERS, PoseResNetConfig
from limner.pose.hrnet import check_network_input
from limner.weights import LoadReport, load_strictly, read_checkpoint, source_name

# Padding and output padding that make an upsampling of exactly two, for each kernel.
_PADDING = {4: (1, 0), 3: (1, 1), 2: (0, 0)}


class PoseResNet(nn.Module):
    """ResNet trunk, upsampling layers, heatmap head.

    Attributes:
        config: the table that it was built from.
    """

    def __init__(self, config: PoseResNetConfig) -> None:
        super().__init__()
        self.config = config
        kind, counts = RESNET_LAYERS[config.depth]
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for layer, count in enumerate(counts):
            planes = 64 * 2**layer
            self.add_module(f"layer{layer + 1}", block_row(kind, channels, planes, count, 1 if layer == 0 else 2))
            channels = EXPANSION[kind] * planes
        self.deconv_layers = _upsampling(config, channels)
        channels = config.deconv_filters[-1] if config.deconv_filters else channels
        kernel = config.final_kernel
        self.final_layer = nn.Conv2d(channels, config.num_joints, kernel, padding=kernel // 2)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K h w"]:
        """Return raw heatmaps, one a joint, at a quarter of the picture's size with three upsampling layers.

        Args:
            image: picture over 255, less ImageNet's mean, over its standard deviation.

        Raises:
            ShapeError: height or width is no multiple of 32, or there are not three channels.
        """
        check_network_input(image, self.config.size_step)
        x = self.maxpool(torch.relu_(self.bn1(self.conv1(image))))
        for layer in range(1, 5):
            x = self.get_submodule(f"layer{layer}")(x)
        return self.final_layer(self.deconv_layers(x))

    def load_official(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load a published COCO or MPII checkpoint, or one written by the official trainer, or its content; strict.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or lacks or exceeds the network's keys.
        """
        return load_strictly(self, read_checkpoint(weights), source_name(weights))

    def load_imagenet(self, weights: str | Path | Mapping[str, Any]) -> LoadReport:
        """Load the trunk from a ResNet trained on ImageNet; upsampling and last layer keep their values.

        Args:
            weights: such as `resnet50-19c8e357.pth`; its classifier is left out.

        Raises:
            FileProblem: there is no such file.
            WeightsError: the file is damaged, holds code, or is a ResNet of another depth.
        """
        kept = ("deconv_layers.", "final_layer.")
        return load_strictly(self, read_checkpoint(weights), source_name(weights), ignored=("fc.",), kept=kept)


def _upsampling(config: PoseResNetConfig, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for filters, kernel in zip(config.deconv_filters, config.deconv_kernels, strict=True):
        padding, extra = _PADDING[kernel]
        layers.append(nn.ConvTranspose2d(channels, filters, kernel, 2, padding, extra, bias=config.deconv_bias))
        layers += [nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
        channels = filters
    return nn.Sequential(*layers)
