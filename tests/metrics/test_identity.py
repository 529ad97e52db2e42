"""Likeness of clothes, and the network of FID."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.checks import InputError, ShapeError, WeightsError
from limner.metrics import Inception, stripe_features, stripe_likeness


def dressed(top: tuple[int, int, int], legs: tuple[int, int, int]) -> np.ndarray:
    image = np.full((60, 30, 3), 200, np.uint8)
    image[6:30, 8:22], image[30:54, 8:22] = top, legs
    return image


MASK = np.zeros((60, 30), bool)
MASK[6:54, 8:22] = True
RED, BLUE = (200, 20, 20), (20, 20, 200)


def test_the_same_clothes_are_alike_and_others_are_not() -> None:
    one = stripe_features(dressed(RED, BLUE), MASK)
    assert np.linalg.norm(one) == pytest.approx(1) and stripe_likeness(one, one) == pytest.approx(1)
    swapped = stripe_features(dressed(BLUE, RED), MASK)
    assert stripe_likeness(one, swapped) < 0.5  # the same colours at other heights


def test_the_place_and_the_background_do_not_matter() -> None:
    image = dressed(RED, BLUE)
    moved, mask = np.roll(image, 5, axis=1), np.roll(MASK, 5, axis=1)
    other = np.where(mask[..., None], moved, 0).astype(np.uint8)
    assert stripe_likeness(stripe_features(image, MASK), stripe_features(other, mask)) == pytest.approx(1)


def test_nobody_has_no_clothes() -> None:
    with pytest.raises(InputError, match="nobody"):
        stripe_features(dressed(RED, BLUE), ~np.ones_like(MASK))
    with pytest.raises(ShapeError):
        stripe_features(dressed(RED, BLUE), MASK[1:])


@pytest.mark.parametrize(("ported", "classes"), [(False, 1000), (True, 1008)])
def test_inception_tells_its_form_by_its_classes(ported: bool, classes: int) -> None:
    network = Inception(ported=ported)
    assert sum(weight.numel() for weight in network.parameters()) == 23_834_568 + (classes - 1000) * 2049
    state = {**network.state_dict(), "AuxLogits.fc.weight": torch.zeros(1)}
    loaded, report = Inception.load(state)
    assert loaded.ported == ported and report.ignored == ("AuxLogits.fc.weight",)
    with torch.inference_mode():
        features, logits = loaded(torch.zeros(2, 3, 40, 30))
    assert features.shape == (2, 2048) and logits.shape == (2, classes)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsError, match="lacks 471 keys"):
        Inception.load({"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3)})
