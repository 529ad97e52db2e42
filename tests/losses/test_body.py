"""Losses of bodies and of their adversary: divisors, absent labels, gradients."""

from __future__ import annotations

import pytest
import torch

from limner.checks import ShapeError
from limner.losses import (
    BODY_WEIGHTS,
    adversary_fake_loss,
    adversary_real_loss,
    align_by_hips,
    joints_3d_loss,
    keypoints_l1_loss,
    parameters_loss,
)


def labels(count: int = 3) -> torch.Tensor:
    return torch.cat([torch.randn(count, 19, 2), torch.ones(count, 19, 1)], 2)


def test_keypoints_count_by_their_weight_over_the_batch() -> None:
    predicted, wanted = torch.zeros(2, 19, 2), torch.zeros(2, 19, 3)
    wanted[0, 3] = torch.tensor([0.5, -0.1, 1])
    wanted[1, 4] = torch.tensor([0.2, 0.2, 1])
    assert keypoints_l1_loss(predicted, wanted).item() == pytest.approx((0.6 + 0.4) / 4)
    wanted[1, 4, 2] = 0.5
    assert keypoints_l1_loss(predicted, wanted).item() == pytest.approx((0.6 + 0.2) / 3)


def test_absent_labels_cost_nothing_and_may_be_nan() -> None:
    wanted = labels()
    wanted[1, :, 2] = 0
    wanted[1, :, :2] = torch.nan
    predicted = torch.randn(3, 19, 2, requires_grad=True)
    loss = keypoints_l1_loss(predicted, wanted)
    loss.backward()
    assert loss.isfinite() and predicted.grad.isfinite().all() and (predicted.grad[1] == 0).all()


@pytest.mark.parametrize("count", [0, 2])
def test_nothing_labelled_is_zero_with_a_gradient(count) -> None:
    wanted = labels(count)
    wanted[..., 2] = 0
    predicted = torch.randn(count, 19, 2, requires_grad=True)
    loss = keypoints_l1_loss(predicted, wanted)
    loss.backward()
    assert loss.item() == 0 and (predicted.grad == 0).all()
    assert parameters_loss(torch.ones(count, 5), torch.zeros(count, 5), torch.zeros(count)).item() == 0


def test_parameters_count_rows_with_labels_only() -> None:
    predicted, wanted = torch.full((3, 4), 2.0), torch.zeros(3, 4)
    assert parameters_loss(predicted, wanted, torch.tensor([1.0, 0, 1])).item() == pytest.approx(0.5 * 4)
    wanted[1] = torch.nan
    assert parameters_loss(predicted, wanted, torch.tensor([1.0, 0, 0])).item() == pytest.approx(0.5 * 4)


def test_joints_do_not_see_where_the_body_stands() -> None:
    joints = torch.randn(2, 14, 3)
    moved = torch.cat([joints + torch.tensor([3.0, -1, 2]), torch.full((2, 5, 3), torch.nan)], 1)
    assert joints_3d_loss(moved, joints, torch.ones(2)).item() == pytest.approx(0, abs=1e-10)
    torch.testing.assert_close(align_by_hips(moved[:, :14]), align_by_hips(joints))


def test_gradients_are_right() -> None:
    predicted = torch.randn(2, 19, 3, dtype=torch.float64, requires_grad=True)
    wanted, weight = torch.randn(2, 14, 3, dtype=torch.float64), torch.tensor([1.0, 0.5], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: joints_3d_loss(x, wanted, weight), predicted)
    judged = torch.randn(3, 25, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(adversary_real_loss, judged)
    assert torch.autograd.gradcheck(adversary_fake_loss, judged)


def test_adversary_sums_over_outputs_and_averages_over_people() -> None:
    assert adversary_real_loss(torch.zeros(4, 25)).item() == 25 == adversary_fake_loss(torch.ones(7, 25)).item()
    assert adversary_real_loss(torch.ones(4, 25)).item() == 0 == adversary_fake_loss(torch.zeros(2, 25)).item()


def test_published_factors() -> None:
    assert BODY_WEIGHTS["hmr"].keypoints == 60 == BODY_WEIGHTS["pytorch-hmr"].keypoints
    assert (BODY_WEIGHTS["pytorch-hmr"].joints, BODY_WEIGHTS["pytorch-hmr"].pose) == (600, 1200)


@pytest.mark.parametrize(
    "call",
    [
        lambda: keypoints_l1_loss(torch.zeros(2, 14, 2), torch.zeros(2, 19, 3)),
        lambda: joints_3d_loss(torch.zeros(2, 14, 2), torch.zeros(2, 14, 3), torch.ones(2)),
        lambda: parameters_loss(torch.zeros(2, 4), torch.zeros(2, 4), torch.ones(3)),
        lambda: adversary_real_loss(torch.zeros(25)),
    ],
)
def test_wrong_shapes_are_refused(call) -> None:
    with pytest.raises(ShapeError):
        call()
