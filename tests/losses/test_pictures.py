"""Losses without a network: the structure term is the score it is named after, weights choose pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.checks import ShapeError
from limner.losses import gradient_loss, structure_loss, structure_map, weighted_l1
from limner.metrics import ssim


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(1, 3, 17, 15) * 2 - 1, torch.rand(1, 3, 17, 15) * 2 - 1


def test_structure_is_the_score() -> None:
    one, other = pair()
    wanted = ssim(*(x[0].permute(1, 2, 0).double().numpy() for x in (one, other)))
    assert float(structure_map(one, other).mean()) == pytest.approx(wanted, abs=1e-5)
    assert float(structure_loss(one, other, torch.ones(1, 1, 17, 15))) == pytest.approx(1 - wanted, abs=1e-5)


@pytest.mark.parametrize("loss", [structure_loss, gradient_loss, weighted_l1])
def test_equal_pictures_cost_nothing_and_others_something(loss) -> None:
    one, other = pair()
    weight = torch.ones(1, 1, 17, 15)
    assert float(loss(one, one, weight)) == pytest.approx(0, abs=1e-6) and float(loss(one, other, weight)) > 0.1
    assert float(loss(one, other, 0 * weight)) == 0


def test_only_weighted_pixels_count() -> None:
    one, other = pair()
    weight = torch.zeros(1, 1, 17, 15)
    weight[..., :4] = 1
    mixed = torch.where(weight.bool(), one, other)
    assert float(weighted_l1(mixed, one, weight)) == 0


def test_gradients_are_right() -> None:
    image = (torch.rand(1, 1, 9, 8, dtype=torch.float64) * 2 - 1).requires_grad_(True)
    wanted = torch.rand(1, 1, 9, 8, dtype=torch.float64)
    weight = torch.ones(1, 1, 9, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: structure_loss(x, wanted, weight), image)


def test_sizes_must_agree() -> None:
    with pytest.raises(ShapeError):
        structure_map(torch.zeros(1, 3, 9, 9), torch.zeros(1, 3, 9, 8))
    assert np.isfinite(float(structure_loss(*(torch.zeros(1, 3, 9, 9) for _ in range(2)), torch.ones(1, 1, 9, 9))))
