"""Build a pose network from its table, with the published starting values."""

from __future__ import annotations

import torch
from torch import nn

from limner.pose.configs import HRNetConfig, PoseNetworkConfig
from limner.pose.hrnet import HRNet
from limner.pose.resnet import PoseResNet

PUBLISHED_STD = 0.001  # of the weights' normal distribution, `init_weights` of both official networks


def build_network(config: PoseNetworkConfig) -> HRNet | PoseResNet:
    """Return the network of a table, with PyTorch's own starting values, in training mode."""
    return HRNet(config) if isinstance(config, HRNetConfig) else PoseResNet(config)


@torch.no_grad()
def init_published(network: HRNet | PoseResNet, *, generator: torch.Generator | None = None) -> None:
    """Set the starting values of the official trainer: weights normal(0, 0.001), biases 0, norms 1 and 0.

    Load an ImageNet trunk after it, not before. `generator` makes the draw repeatable.

    Source: leoxiaobin/deep-high-resolution-net.pytorch. Difference: a SimpleBaseline without an ImageNet file there
        keeps PyTorch's bias in the last layer; here it is 0 as everywhere else.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.normal_(0, PUBLISHED_STD, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
