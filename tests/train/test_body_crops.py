"""Crops of bodies: labels follow the picture, whatever is done to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from limner.body import FastSMPL, load_body
from limner.data import BodyPerson
from limner.train.body_crops import CropRule, crop_place, cut_sample, picture_cameras
from limner.train.body_settings import BodyAugmentSection

SIZE = 96


@pytest.fixture(scope="module")
def fast() -> FastSMPL:
    return FastSMPL(load_body("free"))


def joints_of(fast: FastSMPL, rotvec: np.ndarray, betas: np.ndarray) -> np.ndarray:
    vertices, _ = fast(betas[None], rotvec.reshape(1, 24, 3))
    return fast.data.keypoint_regressors["cocoplus19"] @ vertices[0]


@pytest.fixture(scope="module")
def person(fast: FastSMPL) -> BodyPerson:
    """Somebody lopsided whose marked joints are those of the body, 90 pixels a metre; a dot marks the right ankle."""
    rng = np.random.default_rng(0)
    rotvec = rng.normal(0, 0.3, (24, 3)).astype(np.float32)
    rotvec[0] = (2.9, 0.3, 0.5)
    betas = rng.normal(size=10).astype(np.float32)
    joints = joints_of(fast, rotvec, betas)
    xy = 90 * joints[:, :2] + (150, 110)
    image = np.full((240, 320, 3), 40, np.uint8)
    x, y = np.rint(xy[0]).astype(int)
    image[y - 2 : y + 3, x - 2 : x + 3] = (255, 255, 255)
    keypoints = np.concatenate([xy, np.ones((19, 1))], 1).astype(np.float32)
    middle = (xy.min(0) + xy.max(0)) / 2
    scale = 150 / np.linalg.norm(np.ptp(xy, axis=0))
    return BodyPerson(image, keypoints, middle, float(scale), joints[:14].astype(np.float32), rotvec, betas)


def rule(kind: str = "affine", **changes) -> CropRule:
    plain = {"colour": 0.0, **changes}
    return CropRule(SIZE, 150.0 * SIZE / 224, BodyAugmentSection(kind=kind, **plain))


def camera_residual(points: np.ndarray, joints: np.ndarray) -> float:
    """How far labels in the crop are from the labelled body under its best weak camera."""
    rows = np.concatenate([joints[:, :2].T.reshape(-1, 1), np.kron(np.eye(2), np.ones((len(joints), 1)))], 1)
    found, *_ = np.linalg.lstsq(rows, points[:, :2].T.reshape(-1), rcond=None)
    assert found[0] > 0
    return float(np.abs(rows @ found - points[:, :2].T.reshape(-1)).max())


@pytest.mark.parametrize("kind", ["affine", "hmr", "pytorch-hmr"])
@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4])
def test_labels_in_space_are_those_of_the_crop(fast: FastSMPL, person: BodyPerson, kind: str, seed: int | None) -> None:
    """Mirrored, turned, shifted and scaled: the labelled body still projects onto the labelled joints."""
    sample = cut_sample(person, rule(kind), None if seed is None else np.random.default_rng(seed))
    body = joints_of(fast, sample["rotvec"], sample["betas"])
    # The free body is not quite the same on both sides, so a mirrored one differs by millimetres.
    assert camera_residual(sample["keypoints"], body) < (0.1 if seed and kind != "pytorch-hmr" else 0.03)
    gaps = sample["joints"] - sample["joints"].mean(0) - (body[:14] - body[:14].mean(0))
    assert np.abs(gaps).max() < 0.06


@pytest.mark.parametrize("kind", ["affine", "hmr", "pytorch-hmr"])
@pytest.mark.parametrize("seed", [None, 2, 3, 5])
def test_labels_lie_where_the_picture_has_the_joint(person: BodyPerson, kind: str, seed: int | None) -> None:
    flip = rule(kind, flip=False)
    sample = cut_sample(person, flip, None if seed is None else np.random.default_rng(seed))
    white = (sample["image"].mean(0) > 0.2).astype(float)
    assert white.any()
    y, x = (np.indices(white.shape) * white).sum((1, 2)) / white.sum()
    labelled = (sample["keypoints"][0, :2] + 1) * SIZE / 2
    assert np.abs(labelled - (x, y)).max() < 1.3


def test_an_unvaried_crop_follows_the_rule_of_150_pixels(person: BodyPerson) -> None:
    sample = cut_sample(person, rule(), None)
    box = np.ptp(sample["keypoints"][:, :2], axis=0) * SIZE / 2
    assert np.linalg.norm(box) == pytest.approx(150 * SIZE / 224, rel=1e-3)
    middle = (sample["keypoints"][:, :2].min(0) + sample["keypoints"][:, :2].max(0)) / 2
    assert np.abs(middle).max() < 1e-3


def test_a_large_picture_shrinks_without_flicker(person: BodyPerson) -> None:
    stripes = np.zeros((960, 1280, 3), np.uint8)
    stripes[:, ::2] = 255  # one pixel wide: a crop of a tenth must be grey
    large = replace(person, image=stripes, center=person.center * 4, scale=person.scale / 8)
    image = cut_sample(large, rule(), None)["image"]
    assert np.abs(image[:, 30:60, 30:60]).max() < 0.15


def test_unlabelled_joints_are_zeros_and_unknown_bodies_weigh_nothing(person: BodyPerson) -> None:
    keypoints = person.keypoints.copy()
    keypoints[3] = (7, 9, 0)
    sample = cut_sample(replace(person, keypoints=keypoints, joints=None, rotvec=None), rule(), None)
    assert (sample["keypoints"][3] == 0).all()
    assert sample["has_joints"] == sample["has_smpl"] == 0 and not sample["rotvec"].any()


def test_blue_comes_first_where_a_network_wants_it(person: BodyPerson) -> None:
    red = replace(person, image=np.full((240, 320, 3), (255, 0, 0), np.uint8))
    rgb, bgr = (cut_sample(red, replace(rule(), is_bgr=flag), None)["image"] for flag in (False, True))
    assert rgb[:, 5, 5] == pytest.approx([1, -1, -1]) and bgr[:, 5, 5] == pytest.approx([-1, -1, 1])


def test_a_covered_part_hides_some_of_the_crop(person: BodyPerson) -> None:
    covered, plain = (
        cut_sample(person, rule(occlusion=share, flip=False, rotation_deg=0, shift_px=0, scale=(1, 1)),
                   np.random.default_rng(3))["image"] for share in (1.0, 0.0)
    )  # fmt: skip
    changed = (np.abs(covered - plain) > 0.05).any(0).mean()
    assert 0.01 <= changed <= 0.25


@pytest.mark.parametrize("kind", ["affine", "pytorch-hmr"])
def test_cameras_lead_back_to_the_picture(fast: FastSMPL, person: BodyPerson, kind: str) -> None:
    sample = cut_sample(person, rule(kind), None)
    body = joints_of(fast, sample["rotvec"], sample["betas"])
    rows = np.concatenate([body[:, :2].T.reshape(-1, 1), np.kron(np.eye(2), np.ones((19, 1)))], 1)
    s, x, y = np.linalg.lstsq(rows, sample["keypoints"][:, :2].T.reshape(-1), rcond=None)[0]
    center, zoom = crop_place(person, rule(kind))
    camera = picture_cameras(np.array([[s, x / s, y / s]]), center, zoom, SIZE, (240, 320))[0]
    frame = camera[0] * (body[:, :2] + camera[1:])
    pixels = (frame * 320 + (319, 239)) / 2
    assert np.abs(pixels - person.keypoints[:, :2]).max() < 1.5
