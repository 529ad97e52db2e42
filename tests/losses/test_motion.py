"""Losses of person painting: zero for equals, hand-made values, gradients only where they belong."""

from __future__ import annotations

import pytest
import torch

from limner.checks import ShapeError
from limner.losses import (
    VGGFeatures,
    discriminator_loss,
    feature_distance,
    lsgan_loss,
    mask_loss,
    mask_smoothness,
    perceptual_loss,
    style_loss,
)


@pytest.fixture
def vgg() -> VGGFeatures:
    torch.manual_seed(0)
    return VGGFeatures(width=2).requires_grad_(False)


def test_equal_pictures_cost_nothing_and_the_wanted_one_gets_no_gradient(vgg) -> None:
    image, wanted = torch.rand(1, 3, 32, 32, requires_grad=True), torch.rand(1, 3, 32, 32, requires_grad=True)
    for loss in (perceptual_loss, style_loss, feature_distance):
        assert loss(vgg, image, image) == 0
        loss(vgg, image, wanted).backward()
        assert wanted.grad is None
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_vgg_takes_torchvisions_file_and_leaves_what_lies_deeper(vgg) -> None:
    deeper = {"features.30.weight": torch.zeros(1), "classifier.0.bias": torch.zeros(1)}
    report = vgg.load_official({**vgg.state_dict(), **deeper})
    assert set(report.ignored) == set(deeper)
    assert sorted(vgg.state_dict(), key=lambda key: int(key.split(".")[1]))[-1].startswith("features.28.")


def test_the_game_by_hand() -> None:
    scores = torch.tensor([1.0, -1.0, 3.0])
    assert lsgan_loss(scores, 1.0) == pytest.approx((0 + 4 + 4) / 3)
    assert discriminator_loss(torch.ones(2), -torch.ones(5)) == 0
    assert discriminator_loss(torch.zeros(2), torch.zeros(5)) == 2


def test_masks_by_hand() -> None:
    mask = torch.tensor([[[[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]]])
    assert mask_smoothness(mask) == pytest.approx(3 / 4 + 1 / 3)
    assert mask_loss(mask, mask, cross_entropy=False) == 0
    assert mask_loss(torch.full((1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2)) == pytest.approx(0.693147, rel=1e-5)


def test_gradients_are_right_in_double_precision() -> None:
    mask = torch.rand(1, 1, 3, 4, dtype=torch.float64) * 0.8 + 0.1
    wanted = (torch.rand(1, 1, 3, 4) > 0.5).double()
    for function in (mask_smoothness, lambda x: lsgan_loss(x, 1.0), lambda x: mask_loss(x, wanted)):
        assert torch.autograd.gradcheck(function, mask.clone().requires_grad_())


def test_no_faces_cost_nothing_and_odd_pairs_are_refused(vgg) -> None:
    assert feature_distance(vgg, torch.zeros(0, 3, 8, 8), torch.zeros(0, 3, 8, 8)) == 0
    with pytest.raises(ShapeError, match="wanted"):
        perceptual_loss(vgg, torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 16, 16))
    with pytest.raises(ShapeError, match="wanted"):
        mask_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))
