"""SphereFace: five features, the classifier dropped, one size of picture."""

from __future__ import annotations

import pytest
import torch

from limner.checks import ShapeError, WeightsError
from limner.motion.face_features import SphereFace


def test_features_halve_and_the_classifier_is_dropped() -> None:
    network = SphereFace(width=4)
    report = network.load_official({**network.state_dict(), "fc6.weight": torch.zeros(3, 32)})
    assert report.ignored == ("fc6.weight",)
    shapes = [tuple(feature.shape[1:]) for feature in network(torch.zeros(1, 3, 112, 96))]
    assert shapes == [(4, 56, 48), (8, 28, 24), (16, 14, 12), (32, 7, 6), (32,)]


def test_other_sizes_and_missing_keys_are_refused() -> None:
    network = SphereFace(width=4)
    with pytest.raises(ShapeError, match="face"):
        network(torch.zeros(1, 3, 96, 112))
    state = dict(network.state_dict())
    del state["relu3_9.weight"]
    with pytest.raises(WeightsError, match=r"relu3_9\.weight"):
        network.load_official(state)
