"""Arms that the body hides count a little where the trunk is surely seen, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body.observations import suppose_arms
from limner.body.predictor import HIDDEN_ARMS, BodyPredictor
from limner.pose import SKELETONS
from limner.records import Keypoints

SIZE_HW = (400, 300)
LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = (
    SKELETONS["coco17"].joints.index(name) for name in ("left_elbow", "right_elbow", "left_wrist", "right_wrist")
)


@pytest.fixture
def keypoints() -> Keypoints:
    """Two frames from behind: the arms are guessed, the right wrist not at all, the left one outside the picture."""
    score = np.full((2, 17), 0.9, np.float32)
    score[:, [LEFT_ELBOW, LEFT_WRIST]] = 0.02
    score[:, RIGHT_WRIST] = 0
    xy = np.full((2, 17, 2), 150, np.float32)
    xy[:, LEFT_WRIST] = (150, 410)
    return Keypoints(xy, score, "coco17")


def test_hidden_arms_count_where_they_were_guessed_within_the_picture(keypoints: Keypoints) -> None:
    supposed = suppose_arms(keypoints, SIZE_HW, 0.3).score
    assert supposed[:, LEFT_ELBOW] == pytest.approx(0.3) and supposed[:, RIGHT_ELBOW] == pytest.approx(0.9)
    others = np.arange(17) != LEFT_ELBOW
    np.testing.assert_array_equal(supposed[:, others], keypoints.score[:, others])


def test_hidden_arms_count_for_nothing_without_a_sure_trunk(keypoints: Keypoints) -> None:
    keypoints.score[1, SKELETONS["coco17"].joints.index("left_hip")] = 0.4
    supposed = suppose_arms(keypoints, SIZE_HW, 0.3).score
    assert supposed[0, LEFT_ELBOW] == pytest.approx(0.3) and supposed[1, LEFT_ELBOW] == pytest.approx(0.02)
    assert suppose_arms(keypoints, SIZE_HW, 0.0) is keypoints


def test_bodies_that_are_painted_suppose_arms(keypoints: Keypoints, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []

    def fit(points: Keypoints, *_: object, anchor: float, **__: object) -> None:
        asked.append((anchor, float(points.score[0, LEFT_ELBOW])))

    monkeypatch.setattr("limner.body.predictor.fit_keypoints", fit)
    for predictor in (BodyPredictor.for_painting(), BodyPredictor.load(weights=None)):
        predictor.fit_clip(keypoints, None, size_hw=SIZE_HW, frame_rate=10, valid=np.ones(2, bool))
    assert asked[0] == (0.0, pytest.approx(HIDDEN_ARMS)) and asked[1][1] == pytest.approx(0.02)
