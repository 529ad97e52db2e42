"""Adaptive augmentation: what it does to pictures, and how its probability moves."""

from __future__ import annotations

import math

import pytest
import torch

from limner.checks import InputError
from limner.train.augment import VARIATIONS, augment, next_probability


@pytest.fixture
def pictures() -> torch.Tensor:
    torch.manual_seed(0)
    coarse = torch.rand(6, 3, 4, 4) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=32, mode="bicubic")


def test_nothing_happens_at_probability_nought(pictures: torch.Tensor) -> None:
    assert augment(pictures, 0.0) is pictures


def test_a_flip_is_a_flip_up_to_the_filter(pictures: torch.Tensor) -> None:
    torch.manual_seed(1)
    varied = augment(pictures, 1.0, ("flip",))
    inside = slice(4, -4)
    straight = (varied - pictures)[..., inside, inside].abs().amax(dim=(1, 2, 3))
    mirrored = (varied - pictures.flip(3))[..., inside, inside].abs().amax(dim=(1, 2, 3))
    assert bool(((straight < 0.15) ^ (mirrored < 0.15)).all())
    assert bool((straight < 0.15).any() and (mirrored < 0.15).any())


@pytest.mark.parametrize("name", VARIATIONS)
def test_each_variation_changes_pictures_and_lets_gradients_through(name, pictures: torch.Tensor) -> None:
    torch.manual_seed(2)
    leaf = pictures.clone().requires_grad_()
    varied = augment(leaf, 1.0, (name,))
    assert varied.shape == pictures.shape
    assert float((varied - pictures).detach().abs().max()) > 0.05
    (gradient,) = torch.autograd.grad(varied.square().sum(), leaf)
    assert bool(gradient.isfinite().all()) and float(gradient.abs().max()) > 0


def test_colours_keep_brightness_where_only_their_hue_turns(pictures: torch.Tensor) -> None:
    torch.manual_seed(3)
    varied = augment(pictures, 1.0, ("hue", "saturation"))
    assert torch.allclose(varied.mean(dim=1), pictures.mean(dim=1), atol=1e-5)


def test_strengths_are_those_of_the_paper() -> None:
    torch.manual_seed(4)
    grey = torch.full((4000, 3, 8, 8), 0.25)
    brightness = augment(grey, 1.0, ("brightness",))[:, 0, 0, 0] - 0.25
    contrast = (augment(grey, 1.0, ("contrast",))[:, 0, 0, 0] / 0.25).log2()
    assert float(brightness.std()) == pytest.approx(0.2, rel=0.05)
    assert float(contrast.std()) == pytest.approx(0.5, rel=0.05)


def test_the_probability_is_of_pictures() -> None:
    torch.manual_seed(5)
    grey = torch.full((4000, 3, 8, 8), 0.25)
    changed = (augment(grey, 0.3, ("brightness",)) != grey).flatten(1).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(0.3, abs=0.03)


def test_an_unknown_variation_is_named(pictures: torch.Tensor) -> None:
    with pytest.raises(InputError, match="cutout"):
        augment(pictures, 0.5, ("cutout",))


@pytest.mark.parametrize(("sureness", "wanted"), [(0.9, 0.26), (0.2, 0.24), (0.6, 0.25)])
def test_the_probability_follows_the_sureness(sureness: float, wanted: float) -> None:
    assert next_probability(0.25, sureness, target=0.6, pictures=100, length=1e4) == pytest.approx(wanted)


def test_the_probability_stays_a_probability() -> None:
    assert next_probability(0.999, 1.0, target=0.6, pictures=1000, length=1e3) == 1.0
    assert next_probability(0.001, -1.0, target=0.6, pictures=1000, length=1e3) == 0.0
    assert math.isclose(next_probability(0.5, 0.6, target=0.6, pictures=10, length=1e3), 0.5)
