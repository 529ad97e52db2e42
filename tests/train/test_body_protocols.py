"""Numbers and their protocols: perfect bodies score perfectly, and each set counts the frames that it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limner.body import SMPL, FastSMPL, load_body
from limner.checks import InputError
from limner.data import BodySamples
from limner.media import write_image
from limner.train import BodyConfig
from limner.train.body_judge import Found, judge_bodies
from limner.train.body_settings import BodyDataSection, BodyTestSection, BodyValidSection, SyntheticSection


def config(**test) -> BodyConfig:
    data = BodyDataSection(BodyValidSection(synthetic=SyntheticSection()), synthetic=SyntheticSection())
    return BodyConfig(data, test=BodyTestSection(**test))


@pytest.fixture(scope="module")
def fast() -> FastSMPL:
    return FastSMPL(load_body("free"))


def people(count: int, **changes) -> tuple[Found, BodySamples]:
    """Bodies found exactly as labelled, with cameras of their own; `changes` go to the source."""
    import torch

    rng = np.random.default_rng(0)
    rotvec = rng.normal(0, 0.3, (count, 24, 3)).astype(np.float32)
    rotvec[:, 0] = (np.pi, 0, 0)
    betas = rng.normal(size=(count, 10)).astype(np.float32)
    camera = np.tile(np.float32([0.8, 0.1, 0.2]), (count, 1))
    layer = SMPL(load_body("free"), skeletons=("cocoplus19",))
    posed = layer(torch.from_numpy(betas), torch.from_numpy(rotvec))
    joints = layer.keypoints(posed.vertices, "cocoplus19").numpy()
    keypoints = np.ones((count, 19, 3), np.float32)
    keypoints[..., :2] = camera[:, None, :1] * (joints[..., :2] + camera[:, None, 1:])
    labels = {
        "keypoints": keypoints, "joints": np.zeros((count, 14, 3), np.float32),
        "has_joints": np.zeros(count, np.float32), "rotvec": rotvec, "betas": betas,
        "has_smpl": np.ones(count, np.float32),
    }  # fmt: skip
    theta = np.concatenate([camera, rotvec.reshape(count, 72), betas], 1)
    names = tuple(f"{n}.png" for n in range(count))
    pixels = keypoints.copy()
    pixels[..., :2] = (keypoints[..., :2] + 1) * 80
    source = BodySamples(
        "people", Path(), names, pixels, np.full((count, 2), 80.0), np.full(count, 224 / 160 * 150 / 158), **changes
    )
    return Found(np.arange(count), theta, labels, theta.mean(0)), source


def test_perfect_bodies_score_perfectly(fast: FastSMPL) -> None:
    found, source = people(3)
    scores = judge_bodies(found, source, config(), fast)
    assert scores.score_name == "-PA-MPJPE" and scores.score == pytest.approx(0, abs=1e-2)
    named = scores.numbers
    assert named["MPJPE"] < 1e-2 and named["PVE"] < 1e-2 and named["PCK@0.2"] == named["3D-PCK"] == 100
    assert named["start PA-MPJPE"] > 10
    assert "3 bodies" in scores.text and "joints in space" in scores.text and "body free" in scores.text


def test_a_shift_in_space_does_not_count_and_a_bent_knee_does(fast: FastSMPL) -> None:
    found, source = people(4)
    found.theta[:, 3 + 12] += 0.5  # the left knee
    named = judge_bodies(found, source, config(), fast).numbers
    assert all(5 < named[name] < 60 for name in ("MPJPE", "PA-MPJPE", "PVE"))


def test_marked_joints_alone_are_judged_in_the_picture(fast: FastSMPL) -> None:
    found, source = people(3)
    found.labels["has_smpl"][:] = 0
    scores = judge_bodies(found, source, config(), fast)
    assert scores.score_name == "PCK@0.2" and scores.score == 100 and set(scores.numbers) == {"PCK@0.2"}
    found.labels["keypoints"][..., 2] = 0
    with pytest.raises(InputError, match="no labels"):
        judge_bodies(found, source, config(), fast)


def test_human36m_counts_its_frames_by_both_protocols(fast: FastSMPL) -> None:
    clips = ("S9_Walking_0_cam3", "S9_Walking_1_cam3", "S11_Directions_1_cam0", "S11_Eating_0_cam1")
    found, source = people(4, clip=clips, frame=np.arange(4))
    scores = judge_bodies(found, source, config(), fast)
    first, second = scores.text.split("Human3.6M, protocol 2")
    assert "Human3.6M, protocol 1" in first and "3 bodies" in first and "1 bodies" in second
    assert "87.97" in first and "56.80" in second and "mean of the means of 2 actions" in first
    assert {"MPJPE", "h36m-p2 MPJPE", "MPJPE, mean of actions"} <= scores.numbers.keys()
    only = judge_bodies(found, source, config(protocol="h36m-p2"), fast)
    assert "protocol 1" not in only.text
    with pytest.raises(InputError, match="does not name its films"):
        judge_bodies(*people(4), config(protocol="h36m-p1"), fast)


def test_films_are_judged_by_how_calm_they_are(fast: FastSMPL) -> None:
    found, source = people(6, clip=("a",) * 6, frame=np.arange(6))
    named = judge_bodies(found, source, config(frame_rate=30), fast).numbers
    assert named["acceleration"] == pytest.approx(0, abs=1e-2) and named["jitter"] > 1
    found.theta[3, 3 + 12] += 0.5
    shaken = judge_bodies(found, source, config(), fast).numbers
    assert shaken["acceleration"] > 1 and "jitter" not in shaken


def test_3dpw_takes_its_own_joints_and_says_what_the_truth_stands_on(fast: FastSMPL) -> None:
    found, source = people(3, sex=("male", "female", "male"))
    object.__setattr__(source, "name", "3DPW test")
    scores = judge_bodies(found, source, config(), fast)
    assert scores.numbers["MPJPE"] == pytest.approx(0, abs=1e-2)
    assert all(
        word in scores.text for word in ("Human3.6M regressor", "128.10", "98.60", "NOT COMPARABLE", "male, female")
    )


def test_silhouettes_of_a_perfect_body_agree(fast: FastSMPL, tmp_path: Path) -> None:
    from limner.render import corners_from_vertices, rasterise
    from limner.train.body_crops import crop_place, picture_cameras
    from limner.train.body_data import crop_rule

    settings = config(silhouettes=str(tmp_path))
    found, source = people(2)
    object.__setattr__(source, "root", tmp_path)
    for row in range(2):
        write_image(tmp_path / f"{row}.png", np.zeros((160, 160, 3), np.uint8), synthetic=False)
        center, zoom = crop_place(source.person(row), crop_rule(settings))
        camera = picture_cameras(
            found.theta[row : row + 1, :3].astype(float), center, zoom, settings.network.size, (160, 160)
        )[0]
        vertices, _ = fast(found.labels["betas"][row : row + 1], found.labels["rotvec"][row : row + 1])
        corners = corners_from_vertices(vertices[0], fast.data.faces, camera.astype(np.float32))
        mask = np.uint8(255) * (rasterise(corners, (160, 160)).face_index >= 0)
        assert 0.02 < (mask > 0).mean() < 0.5
        write_image(tmp_path / f"{row}_segmentation.png", np.stack([mask] * 3, 2), synthetic=False)
    scores = judge_bodies(found, source, settings, fast)
    assert scores.numbers["silhouette accuracy"] == 100 and scores.numbers["silhouette F1"] == 1
    assert "91.67" in scores.text and "SMPLify" in scores.text
    found.theta[:, 1] += 0.15
    moved = judge_bodies(found, source, settings, fast).numbers
    assert 60 < moved["silhouette accuracy"] < 99 and 0.5 < moved["silhouette F1"] < 0.99
