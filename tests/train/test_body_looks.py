"""What the pose network saw: looked at once, kept, and varied together with the labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limner.body import FastSMPL, load_body
from limner.data import PERSON_PX, BodyPerson, read_bodies
from limner.train import body_looks
from limner.train.body_crops import CropRule
from limner.train.body_looks import Looks, SeenPerson, landmark_sample
from limner.train.body_settings import BodyAugmentSection
from tests.train.lonely import write_people

RULE = CropRule(224, PERSON_PX, BodyAugmentSection(noise=0, flip=False, rotation_deg=0, shift_px=0, scale=(1, 1)))


@pytest.fixture(scope="module")
def person() -> SeenPerson:
    """Somebody seen exactly: the landmarks are the body's own points, in a picture where a metre is 60 pixels."""
    data = load_body()
    rotvec = np.zeros((24, 3), np.float32)
    rotvec[0], rotvec[16], rotvec[5] = (np.pi, 0, 0), (0, 0.4, -0.8), (0.9, 0, 0)
    vertices = FastSMPL(data)(np.zeros((1, 10), np.float32), rotvec[None])[0][0]
    points, joints = (data.keypoint_regressors[name] @ vertices for name in ("blazepose33", "cocoplus19"))
    center = np.array([100.0, 90.0])
    seen = np.concatenate([60 * points[:, :2] + center, np.ones((33, 1)), points - points[[23, 24]].mean(0)], 1)
    labels = np.concatenate([60 * joints[:, :2] + center, np.ones((19, 1))], 1)
    return SeenPerson(
        seen.astype(np.float32), labels.astype(np.float32), center, 1.2, None, rotvec, np.zeros(10, np.float32)
    )


def test_landmarks_and_labels_lie_in_one_frame(person: SeenPerson) -> None:
    sample = landmark_sample(person, RULE, None)
    np.testing.assert_allclose(
        sample["landmarks"][27, :2], (person.landmarks[27, :2] - (100, 90)) * 1.2 / 112, atol=1e-5
    )
    # Ankles are the same points in both skeletons.
    np.testing.assert_allclose(sample["landmarks"][[27, 28], :2], sample["keypoints"][[5, 0], :2], atol=0.02)
    assert sample["has_smpl"] == 1 and sample["has_joints"] == 0 and sample["landmarks"].dtype == np.float32


@pytest.mark.parametrize("kind", [{"rotation_deg": 60}, {"flip": True}, {"rotation_deg": 60, "flip": True}], ids=str)
def test_landmarks_stay_those_of_the_body_that_is_the_label(person: SeenPerson, kind: dict) -> None:
    """Turned or mirrored, the body of the labels has the varied landmarks again."""
    rule = replace(RULE, augment=replace(RULE.augment, **kind))
    data, moved = load_body(), 0
    for seed in range(4):
        sample = landmark_sample(person, rule, np.random.default_rng(seed))
        vertices = FastSMPL(data)(sample["betas"][None], sample["rotvec"][None])[0][0]
        points = data.keypoint_regressors["blazepose33"] @ vertices
        points = points - points[[23, 24]].mean(0)
        np.testing.assert_allclose(sample["landmarks"][:, 3:], points, atol=0.015)  # the body is not quite symmetric
        places = sample["landmarks"][:, :2] - sample["landmarks"][[23, 24], :2].mean(0)
        np.testing.assert_allclose(places, 60 * 1.2 / 112 * points[:, :2], atol=0.012)
        moved += not np.allclose(sample["rotvec"], person.rotvec)
    assert moved >= 2


def test_what_is_covered_is_guessed_worse(person: SeenPerson) -> None:
    rule = replace(RULE, augment=replace(RULE.augment, noise=0.02, occlusion=1.0))
    plain = landmark_sample(person, RULE, None)["landmarks"]
    hidden, shown = [], []
    for seed in range(30):
        found = landmark_sample(person, rule, np.random.default_rng(seed))["landmarks"]
        gap, covered = np.abs(found - plain)[:, 3:].mean(1), found[:, 2] < 1
        hidden += gap[covered].tolist()
        shown += gap[~covered].tolist()
    assert len(hidden) > 20 and 0.05 < np.mean(hidden) < 0.12 and np.mean(shown) < 0.015
    again = landmark_sample(person, rule, np.random.default_rng(3))["landmarks"]
    assert (again == landmark_sample(person, rule, np.random.default_rng(3))["landmarks"]).all()


class _Source:
    name = "made/up people"

    def __init__(self) -> None:
        self.reads = 0

    def __len__(self) -> int:
        return 1

    def person(self, index: int) -> BodyPerson:
        self.reads += 1
        joints = np.ones((14, 3), np.float32)
        return BodyPerson(np.zeros((64, 64, 3), np.uint8), np.ones((19, 3), np.float32), np.full(2, 32.0), 2.0, joints)


def test_everybody_is_looked_at_once(tmp_path: Path) -> None:
    source, looks = _Source(), Looks(224.0, tmp_path)
    first = looks.person(source, 0)
    assert looks.person(source, 0) is first and source.reads == 1
    kept = Looks(224.0, tmp_path).person(source, 0)
    assert source.reads == 1 and kept.rotvec is None and kept.joints is not None
    np.testing.assert_array_equal(kept.landmarks, first.landmarks)
    assert first.landmarks.shape == (33, 6) and kept.scale == 2.0
    looked: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body_looks, "look_at_crop", lambda image, center, side: looked.append(side) or _seen())
        Looks(224.0).person(source, 0)
    assert looked == [112.0]  # the crop, in pixels of the picture


def test_parts_of_one_set_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are called the same and count from nought, and people of one picture share its name."""
    people = read_bodies(write_people(tmp_path, 4))
    people = replace(people, picture=people.picture[:1] * 4)
    monkeypatch.setattr(body_looks, "look_at_crop", lambda image, center, side: _seen())
    for looks in (Looks(224.0, tmp_path / "kept"), Looks(224.0)):
        for part in (people[:2], people[2:]):
            for row in range(2):
                np.testing.assert_array_equal(looks.person(part, row).keypoints, part.keypoints[row])
    assert len(list((tmp_path / "kept").rglob("*.npz"))) == 4


def _seen():
    from limner.records import Keypoints

    return Keypoints(np.zeros((1, 33, 2)), np.zeros((1, 33)), "blazepose33", np.zeros((1, 33, 3)))
