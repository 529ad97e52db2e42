"""Losses of heatmaps: values on cases worked out by hand, gradients, and shapes."""

from __future__ import annotations

import pytest
import torch

from limner.checks import InputError, ShapeError
from limner.losses import joints_cross_entropy, joints_mse, joints_ohkm

ALL = (joints_mse, lambda *args: joints_ohkm(*args, topk=2), joints_cross_entropy)


def maps(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(shape, dtype=dtype)


def test_squared_error_is_half_the_mean_and_weights_count_squared() -> None:
    target = torch.zeros(2, 3, 4, 5)
    assert joints_mse(torch.ones(2, 3, 4, 5), target) == 0.5
    weight = torch.tensor([[2.0, 0, 0], [0, 0, 0]])
    assert joints_mse(torch.ones(2, 3, 4, 5), target, weight).item() == pytest.approx(0.5 * 4 / 6)


def test_hardest_joints_are_chosen_for_each_sample() -> None:
    heatmaps = torch.tensor([[1.0, 3, 2], [0, 0, 4]])[..., None, None].expand(2, 3, 2, 2)
    loss = joints_ohkm(heatmaps, torch.zeros(2, 3, 2, 2), topk=2)
    assert loss.item() == pytest.approx(((4.5 + 2) / 2 + (8 + 0) / 2) / 2)


def test_hardest_joints_of_one_sample_without_weights() -> None:
    heatmaps, target = maps(1, 4, 3, 3), maps(1, 4, 3, 3)
    assert joints_ohkm(heatmaps, target, topk=4).item() == pytest.approx(joints_mse(heatmaps, target).item())
    with pytest.raises(InputError, match="between 1 and the 4 joints, got 8"):
        joints_ohkm(heatmaps, target)


def test_cross_entropy_is_zero_at_the_target_and_grows_away_from_it() -> None:
    target = maps(2, 3, 5, 4) + 0.1
    perfect = target.log() + 7
    assert joints_cross_entropy(perfect, target).item() == pytest.approx(0, abs=1e-9)
    assert joints_cross_entropy(perfect + maps(2, 3, 5, 4), target) > 1e-3


def test_cross_entropy_leaves_empty_maps_and_unseen_joints_out() -> None:
    heatmaps, target = maps(2, 3, 5, 4), maps(2, 3, 5, 4)
    target[0, 0], weight = 0, torch.ones(2, 3, dtype=torch.float64)
    weight[1, 2] = 0
    counted = [
        joints_cross_entropy(heatmaps[i, j][None, None], target[i, j][None, None])
        for i, j in ((0, 1), (0, 2), (1, 0), (1, 1))
    ]
    assert joints_cross_entropy(heatmaps, target, weight).item() == pytest.approx(torch.stack(counted).mean().item())
    assert joints_cross_entropy(heatmaps, torch.zeros_like(target)) == 0


def test_cross_entropy_moves_an_empty_map_more_than_squared_error() -> None:
    target = torch.zeros(1, 1, 64, 48)
    target[0, 0, 30, 20] = 1
    slopes = []
    for loss in (joints_mse, joints_cross_entropy):
        heatmaps = torch.zeros(1, 1, 64, 48, requires_grad=True)
        loss(heatmaps, target).backward()
        slopes.append(heatmaps.grad.abs().max().item())
    assert slopes[1] > 1000 * slopes[0]


@pytest.mark.parametrize("loss", ALL)
def test_gradients(loss) -> None:
    target, weight = maps(2, 3, 3, 2), maps(2, 3)
    assert torch.autograd.gradcheck(lambda x: loss(x, target, weight), maps(2, 3, 3, 2).requires_grad_())


@pytest.mark.parametrize("loss", ALL)
def test_half_precision_gives_finite_numbers(loss) -> None:
    heatmaps = maps(2, 3, 8, 6, dtype=torch.bfloat16)
    assert torch.isfinite(loss(heatmaps, maps(2, 3, 8, 6, dtype=torch.float32)))


@pytest.mark.parametrize("loss", ALL)
def test_shapes_that_differ_are_refused(loss) -> None:
    with pytest.raises(ShapeError, match="target"):
        loss(maps(2, 3, 4, 4), maps(2, 3, 4, 5))
    with pytest.raises(ShapeError, match="weight"):
        loss(maps(2, 3, 4, 4), maps(2, 3, 4, 4), maps(2, 3, 1))
