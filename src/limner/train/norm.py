"""Batch norms over the samples of all processes, so that their number does not change what a network learns.

PyTorch's own `SyncBatchNorm` does this on CUDA only; the one here does it anywhere, and is slower.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn


class _Total(torch.autograd.Function):
    """The sum over all processes; every process' loss reaches every process' summand."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _total(value: Tensor) -> Tensor:
    return _Total.apply(value)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`BatchNorm2d` whose statistics in training are those of the samples of all processes."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the normed maps."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = _total(x.new_tensor([x.numel() / x.shape[1]]))
        mean = _total(x.sum(dim=(0, 2, 3))) / count
        # Two passes: the difference of large squares would lose what a small variance has.
        centred = x - mean[:, None, None]
        variance = _total(centred.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach(), count)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)


def sync_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network with batch norms that span processes; its keys stay as they are."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for name, module in list(network.named_modules()):
        if type(module) is nn.BatchNorm2d:
            shared = SharedBatchNorm2d(module.num_features, module.eps, module.momentum)
            shared.load_state_dict(module.state_dict())
            shared.train(module.training)
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, shared)
    return network
