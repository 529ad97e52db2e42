"""The running average of a network's weights, which is steadier than the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import nn

_WARM_STEPS = 10.0  # the average of a young run must not hold on to its starting values


class WeightAverage:
    """An exponential moving average of weights, in a network of its own that is never trained.

    Attributes:
        network: the copy that holds the averages; norms' statistics are the latest.
        decay: share of the old average that a step keeps; (1 + step) / (10 + step) where that is less.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        keep = min(self.decay, (1.0 + step) / (_WARM_STEPS + step))
        for average, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(weight, 1.0 - keep)
        for kept, value in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(value)
