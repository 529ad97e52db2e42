"""The losses of StyleGAN2 against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from limner.losses import (
    discriminator_logistic,
    generator_nonsaturating,
    path_lengths,
    path_penalty,
    r1_penalty,
)


def test_an_undecided_discriminator_costs_twice_the_log_of_two() -> None:
    nought = torch.zeros(5, 1)
    assert float(discriminator_logistic(nought, nought)) == pytest.approx(2 * math.log(2))
    assert float(generator_nonsaturating(nought)) == pytest.approx(math.log(2))


def test_each_side_wins_where_the_other_loses() -> None:
    high, low = torch.full((3, 1), 8.0), torch.full((3, 1), -8.0)
    assert float(discriminator_logistic(high, low)) < 1e-3 < float(discriminator_logistic(low, high))
    assert float(generator_nonsaturating(high)) < 1e-3 < float(generator_nonsaturating(low))


def test_the_gradient_penalty_of_a_linear_discriminator_is_its_squared_length() -> None:
    weight = torch.randn(3, 4, 4)
    pictures = torch.randn(6, 3, 4, 4, requires_grad=True)
    answers = (pictures * weight).sum(dim=(1, 2, 3)).unsqueeze(1)
    assert float(r1_penalty(answers, pictures)) == pytest.approx(float(weight.square().sum()), rel=1e-5)


def test_the_gradient_penalty_has_a_gradient() -> None:
    scale = torch.tensor(2.0, requires_grad=True)
    pictures = torch.randn(2, 3, 4, 4, requires_grad=True)
    r1_penalty((scale * pictures).sum(dim=(1, 2, 3)).unsqueeze(1), pictures).backward()
    assert float(scale.grad) == pytest.approx(2 * 2.0 * 48)


def test_path_lengths_of_a_linear_generator() -> None:
    wplus = torch.randn(5, 3, 7, requires_grad=True)
    mix = torch.randn(3, 7, 3 * 4 * 4)
    pictures = torch.einsum("brd,rdp->bp", wplus, mix).reshape(5, 3, 4, 4)
    noise = torch.randn(5, 3, 4, 4)
    gradient = torch.einsum("bp,rdp->brd", noise.flatten(1), mix) / 4
    assert torch.allclose(path_lengths(pictures, wplus, noise), gradient.square().sum(2).mean(1).sqrt(), rtol=1e-4)


def test_the_path_penalty_is_nought_at_its_mean() -> None:
    assert float(path_penalty(torch.full((4,), 3.0), torch.tensor(3.0))) == 0.0
    assert float(path_penalty(torch.tensor([1.0, 5.0]), torch.tensor(3.0))) == pytest.approx(4.0)
