"""Losses of a predicted body: its joints in the picture and in space, its rotations and its shape.

Notation: rows are people, weights are 0 where a person or a joint has no label; labels of weight 0 may hold anything,
NaN too. Joints come in LSP's order first, whose rows 2 and 3 are the hips. No factors are applied here.
Source: Kanazawa et al. 2018, section 3; akanazawa/hmr `src/ops.py`; MandyMo/pytorch_HMR `src/trainer.py`. The two share
these formulas; they differ in the numbers that a row of parameters holds and in the factors, see `BODY_WEIGHTS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limner.checks import check_shape

__all__ = [
    "BODY_WEIGHTS", "BodyLossWeights", "align_by_hips", "joints_3d_loss", "keypoints_l1_loss", "parameters_loss",
]  # fmt: skip

_NUM_LSP = 14
_HIPS = [2, 3]


@dataclass(frozen=True)
class BodyLossWeights:
    """Factors of the terms.

    Attributes:
        keypoints: joints in the picture.
        joints: joints in space.
        pose: rotations; the original has them in one mean with the shape.
        shape: betas; 0 where they stand with the pose.
        adversarial: the adversary.
    """

    keypoints: float = 60.0
    joints: float = 60.0
    pose: float = 60.0
    shape: float = 0.0
    adversarial: float = 1.0


BODY_WEIGHTS = {"hmr": BodyLossWeights(), "pytorch-hmr": BodyLossWeights(60.0, 600.0, 1200.0, 300.0, 1.0)}
"""The published factors: the original's training script, and pytorch_HMR's defaults."""


def keypoints_l1_loss(predicted: Float[Tensor, "B K 2"], labels: Float[Tensor, "B K 3"]) -> Float[Tensor, ""]:
    """Return the mean distance along an axis of the labelled joints in the picture; 0 where there are none.

    Args:
        predicted: (x, y) over the crop.
        labels: (x, y, weight); a weight of 0.5 counts half in the sum and in the divisor.

    Raises:
        ShapeError: the shapes do not fit.
    """
    check_shape(labels, "labels", ("B", "K", 3))
    check_shape(predicted, "predicted", (*labels.shape[:2], 2))
    weight = labels[..., 2:]
    return _weighted_mean(_gap(predicted, labels[..., :2], weight).abs(), weight)


def align_by_hips(joints: Float[Tensor, "B K 3"]) -> Float[Tensor, "B K 3"]:
    """Return joints, in LSP's order, relative to the middle of the hips."""
    return joints - joints[:, _HIPS].mean(1, keepdim=True)


def joints_3d_loss(
    predicted: Float[Tensor, "B K 3"], labels: Float[Tensor, "B 14 3"], weight: Float[Tensor, "B"]
) -> Float[Tensor, ""]:
    """Return half the mean square of the gaps between joints in space, both relative to the middle of their hips.

    Args:
        predicted: metres; joints after the first 14 are left out.
        labels: metres.
        weight: of each person.

    Raises:
        ShapeError: the shapes do not fit.
    """
    check_shape(labels, "labels", ("B", _NUM_LSP, 3))
    check_shape(predicted, "predicted", (len(labels), "K", 3))
    return parameters_loss(align_by_hips(predicted[:, :_NUM_LSP]).flatten(1), align_by_hips(labels).flatten(1), weight)


def parameters_loss(
    predicted: Float[Tensor, "B P"], labels: Float[Tensor, "B P"], weight: Float[Tensor, "B"]
) -> Float[Tensor, ""]:
    """Return half the mean square of the gaps between parameters, over the people that have labels.

    Args:
        predicted: such as 216 numbers of 24 rotation matrices and 10 betas (the original), or 207 without the root.
        labels: the same numbers.
        weight: of each person.

    Raises:
        ShapeError: the shapes do not fit.
    """
    check_shape(labels, "labels", ("B", "P"))
    check_shape(predicted, "predicted", tuple(labels.shape))
    check_shape(weight, "weight", (len(labels),))
    return 0.5 * _weighted_mean(_gap(predicted, labels, weight[:, None]).square(), weight[:, None])


def _gap(predicted: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    # A label that is not there may be NaN, and 0 x NaN is NaN: both sides of the choice must be finite.
    return predicted - torch.where(weight > 0, labels, predicted.detach())


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    total = (weight * values).sum()
    count = weight.sum() * (values.shape[-1] / weight.shape[-1])
    return total / torch.where(count > 0, count, torch.ones_like(count))
