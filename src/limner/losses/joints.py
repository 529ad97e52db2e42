"""Losses of heatmaps: squared error as published, its hardest joints alone, and a cross-entropy over the cells.

Source: leoxiaobin/deep-high-resolution-net.pytorch `lib/core/loss.py`; Chen et al. 2018 (online hard keypoints mining).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limner.checks import InputError, check_shape

Heatmaps = Float[Tensor, "B J h w"]
Weights = Float[Tensor, "B J"]


def joints_mse(heatmaps: Heatmaps, target: Heatmaps, weight: Weights | None = None) -> Float[Tensor, ""]:
    """Return half the mean squared error over joints, samples and cells.

    Args:
        heatmaps: predicted.
        target: wanted.
        weight: of each joint; None for one.

    Raises:
        ShapeError: shapes differ.

    Source: `JointsMSELoss`. Parity: the weight enters squared, and joints of weight 0 count in the divisor.
    """
    return 0.5 * _error(heatmaps, target, weight).square().mean()


def joints_ohkm(
    heatmaps: Heatmaps, target: Heatmaps, weight: Weights | None = None, *, topk: int = 8
) -> Float[Tensor, ""]:
    """Return the squared error of each sample's `topk` worst joints, averaged over them and the samples.

    Raises:
        ShapeError: shapes differ.
        InputError: there are not `topk` joints.

    Source: `JointsOHKMMSELoss`. Difference: a batch of one works without weights too.
    """
    if not 1 <= topk <= heatmaps.shape[1]:
        raise InputError(f"topk must lie between 1 and the {heatmaps.shape[1]} joints, got {topk}")
    per_joint = 0.5 * _error(heatmaps, target, weight).square().mean(dim=(2, 3))
    return per_joint.topk(topk, dim=1).values.sum(dim=1).div(topk).mean()


def joints_cross_entropy(heatmaps: Heatmaps, target: Heatmaps, weight: Weights | None = None) -> Float[Tensor, ""]:
    """Return the cross-entropy between the softmax over each map's cells and the target taken as a distribution.

    It leaves the plateau of empty maps, on which squared error rests for long, within minutes. Its maps are logits:
    their peaks are where the joint is, their values are no scores until a softmax is taken.

    Args:
        heatmaps: predicted, as logits.
        target: wanted, not negative; a map without a peak is left out.
        weight: of each joint; None for one.

    Returns:
        Weighted mean over the joints that have a peak, less the targets' own entropy, so that a perfect map gives 0.

    Raises:
        ShapeError: shapes differ.
    """
    _check(heatmaps, target, weight)
    mass = target.flatten(2).sum(dim=2)  # (B, J)
    share = target.flatten(2) / mass.clamp_min(torch.finfo(target.dtype).tiny)[..., None]
    # In float32 at least: a softmax over thousands of cells loses its tail in bf16.
    log_softmax = torch.log_softmax(heatmaps.flatten(2).to(torch.promote_types(heatmaps.dtype, torch.float32)), dim=2)
    divergence = (torch.xlogy(share, share) - share * log_softmax).sum(dim=2)
    counted = (mass > 0).to(divergence.dtype) * (1 if weight is None else weight)
    return (divergence * counted).sum() / counted.sum().clamp_min(1e-6)


def _error(heatmaps: Heatmaps, target: Heatmaps, weight: Weights | None) -> Heatmaps:
    _check(heatmaps, target, weight)
    error = heatmaps - target
    return error if weight is None else error * weight[..., None, None]


def _check(heatmaps: Heatmaps, target: Heatmaps, weight: Weights | None) -> None:
    check_shape(heatmaps, "heatmaps", ("B", "J", "h", "w"))
    check_shape(target, "target", tuple(heatmaps.shape))
    if weight is not None:
        check_shape(weight, "weight", tuple(heatmaps.shape[:2]))
