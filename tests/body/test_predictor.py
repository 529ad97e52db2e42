"""The door of the fitter: what goes in, what comes out, what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from limner.body import BodyPredictor, fit_keypoints
from limner.checks import InputError, NobodyFound, ShapeError
from limner.pose import SKELETONS
from limner.records import Keypoints

from .fitting_cases import SIZE_HW, facing, projected, seen, standing, waving

NAMES = SKELETONS["blazepose33"].joints


class _Locator:
    """Finds what it is told to find."""

    def __init__(self, found):
        self.found = list(found)

    def locate(self, image, **_):
        return self.found.pop(0)


class _People:
    def __init__(self, keypoints):
        self.keypoints = keypoints

    def __len__(self):
        return len(self.keypoints)

    def __getitem__(self, index):
        return _People(self.keypoints[index])


IMAGE = np.zeros((*SIZE_HW, 3), np.uint8)


def test_predict_fits_the_person_asked_for():
    two = _People(seen(np.concatenate([standing(1, 0.3), standing(1, np.pi)])))
    predictor = BodyPredictor.load("free", locator=_Locator([two]))
    second = predictor.predict(IMAGE, two, person=1)
    assert len(second) == 1 and second.size_hw == SIZE_HW and second.body_model == "free"
    assert facing(second)[0, 2] > 0.9
    everybody = predictor.predict(IMAGE, person=None)
    assert len(everybody) == 2
    np.testing.assert_allclose(everybody.rotvec[1], second.rotvec[0], atol=1e-5)


def test_predict_says_when_nobody_is_there():
    predictor = BodyPredictor.load("free", locator=_Locator([_People(seen(standing(1))[:0])]))
    with pytest.raises(NobodyFound, match="nobody was found in the picture"):
        predictor.predict(IMAGE)
    with pytest.raises(NobodyFound, match="person 3 was asked for"):
        predictor.predict(IMAGE, _People(seen(standing(1))), person=3)


def test_load_refuses_an_unknown_body():
    with pytest.raises(InputError):
        BodyPredictor.load("stick figure")


def test_predict_video_fits_all_frames(monkeypatch):
    kp = seen(waving(8))
    track = [(t, None if t in (3, 4) else kp[t : t + 1], None) for t in range(8)]
    monkeypatch.setattr(
        "limner.body.predictor.track_person",
        lambda frames, *_, **__: [t for t, _ in zip(track, frames, strict=True)],
    )
    bodies = BodyPredictor.load(locator=_Locator([])).predict_video(iter([IMAGE] * 8), frame_rate=30)
    assert len(bodies) == 8
    assert np.abs(np.diff(projected(bodies), axis=0)).max() < 15


def test_predict_video_without_anybody(monkeypatch):
    monkeypatch.setattr(
        "limner.body.predictor.track_person", lambda frames, *_, **__: [(0, None, None) for _ in frames]
    )
    with pytest.raises(NobodyFound, match="2 frames of the video"):
        BodyPredictor.load(locator=_Locator([])).predict_video([IMAGE] * 2, frame_rate=25)


def test_frames_without_the_person_are_filled_and_told(caplog):
    kp = seen(waving(16))
    valid = np.ones(16, bool)
    valid[:2] = valid[7:10] = False
    xy = np.where(valid[:, None, None], kp.xy, 0)
    with caplog.at_level(logging.WARNING, "limner.body.predictor"):
        bodies = fit_keypoints(Keypoints(xy, kp.score, kp.skeleton, kp.world), SIZE_HW, frame_rate=30, valid=valid)
    assert "5 of 16 frames (0 to 1, 7 to 9)" in caplog.text
    gap = np.linalg.norm(projected(bodies) - kp.xy, axis=-1)
    assert np.median(gap[7:10]) < 6


def test_half_a_body_stands_and_is_told(caplog):
    kp = seen(standing(1))
    legs = [n for n, name in enumerate(NAMES) if name.endswith(("knee", "ankle", "heel", "toe"))]
    score = kp.score.copy()
    score[:, legs] = 0.0
    with caplog.at_level(logging.WARNING, "limner.body.predictor"):
        bodies = fit_keypoints(Keypoints(kp.xy, score, kp.skeleton, kp.world), SIZE_HW)
    assert "knees are not seen" in caplog.text
    assert np.abs(bodies.rotvec[0, [1, 2, 4, 5]]).max() < 0.4


def test_rows_without_a_frame_rate_are_fitted_one_by_one():
    kp = seen(waving(3))
    together = fit_keypoints(kp, SIZE_HW)
    single = [fit_keypoints(kp[row : row + 1], SIZE_HW) for row in range(3)]
    np.testing.assert_allclose(together.theta, np.concatenate([body.theta for body in single]), atol=1e-5)


def test_refusals():
    kp = seen(standing(2))
    nothing = Keypoints(kp.xy, np.zeros_like(kp.score), kp.skeleton)
    with pytest.raises(NobodyFound, match="no keypoint has any confidence"):
        fit_keypoints(nothing, SIZE_HW)
    with pytest.raises(ShapeError, match="valid"):
        fit_keypoints(kp, SIZE_HW, frame_rate=30, valid=np.ones(3, bool))
    with pytest.raises(ShapeError, match="mask"):
        fit_keypoints(kp[:1], SIZE_HW, mask=np.zeros((5, 5), np.float32))
    with pytest.raises(InputError, match="a mask belongs to one person"):
        fit_keypoints(kp, SIZE_HW, mask=np.zeros(SIZE_HW, np.float32))
    with pytest.raises(InputError, match="no skeleton"):
        fit_keypoints(Keypoints(kp.xy, kp.score, "stick9"), SIZE_HW)
    with pytest.raises(InputError, match="frame_rate must be positive"):
        fit_keypoints(kp, SIZE_HW, frame_rate=0)


def test_no_rows_are_nobody():
    with pytest.raises(NobodyFound):
        fit_keypoints(seen(standing(1))[:0], SIZE_HW)


def test_a_real_photo_stands_upright_on_the_person(shared_data):
    from limner.body import lie
    from limner.media import read_image
    from limner.people import find_people

    image = read_image(shared_data / "people" / "ai-body.jpg")[::4, ::4].copy()
    people = find_people(image)
    bodies = BodyPredictor.load().predict(image, people)
    up = lie.exp(bodies.rotvec[0, 0])[:, 1]
    assert abs(np.degrees(np.arctan2(up[2], -up[1]))) < 10
    assert np.abs(bodies.rotvec[0, [4, 5], 0]).max() < 0.4
    points = _pixels(bodies, image.shape[:2])
    assert np.median(np.linalg.norm(points - people.keypoints.xy[0], axis=-1)) < 4


def _pixels(bodies, size_hw):
    from limner.body import lie, pixels_from_picture, project_weak

    from .fitting_cases import sparse_body

    points = sparse_body().pose(lie.exp(bodies.rotvec), bodies.betas[0].astype(float)).points
    return pixels_from_picture(project_weak(points, bodies.weak_camera.astype(float)), size_hw)[0]
