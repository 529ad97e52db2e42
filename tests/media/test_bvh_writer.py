"""BVH files read back by limner's own reader: the same joints."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from limner.body import FastSMPL, load_body
from limner.checks import InputError
from limner.media import bone_names, read_motion, write_bvh
from limner.media.bvh import read_bvh
from limner.media.retarget import JOINT_NAMES

Moved = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def moved(rng: np.random.Generator) -> Moved:
    """Rest joints, rotations, root and joints of a body that tumbles through space."""
    model = FastSMPL(load_body("free"))
    turning = np.linspace(0, 5, 12)[:, None, None] * np.array([0.3, 1.0, 0.2])
    rotvec = rng.normal(0, 0.35, (12, 24, 3)).astype(np.float32)
    rotvec[:, :1] += turning.astype(np.float32)
    betas = np.repeat(rng.normal(size=(1, 10)), 12, axis=0).astype(np.float32)
    joints = model(betas, rotvec)[1]
    root = joints[:, 0] + np.linspace((0, 0, 0), (2, 0.1, -3), 12)
    rest = model(betas[:1], np.zeros((1, 24, 3), np.float32))[1][0]
    return rest, rotvec, root, joints - joints[:, :1] + root[:, None]


@pytest.mark.parametrize("bones", ["mixamo", "smpl"])
def test_joints_come_back_within_a_millimetre(bones, moved: Moved, tmp_path: Path) -> None:
    rest, rotvec, root, joints = moved
    write_bvh(tmp_path / "a.bvh", rest, rotvec, root, Fraction(30000, 1001), bones=bones)
    source, rate = read_bvh(tmp_path / "a.bvh")
    assert rate == Fraction(30000, 1001) and sorted(source.joints) == sorted(JOINT_NAMES)
    found = np.stack([source.positions[:, source.joints[name]] for name in JOINT_NAMES], axis=1)
    assert np.abs(found - joints).max() < 1e-5  # measured 1e-7: six decimals of centimetres and degrees


def test_the_whole_way_back_to_a_motion(moved: Moved, tmp_path: Path) -> None:
    rest, rotvec, root, _ = moved
    write_bvh(tmp_path / "a.bvh", rest, rotvec * np.float32(0.4), root, 25)
    motion = read_motion(tmp_path / "a.bvh")
    assert len(motion) == 12 and motion.frame_rate == 25
    np.testing.assert_allclose(motion.transl, root, atol=1e-5)


def test_names() -> None:
    assert bone_names("mixamo")[:2] == ("mixamorig:Hips", "mixamorig:LeftUpLeg")
    assert bone_names("smpl")[1] == "left_hip" and len(set(bone_names("mixamo"))) == 24
    with pytest.raises(InputError, match="unreal"):
        bone_names("unreal")  # type: ignore[arg-type]


def test_what_is_no_motion_is_refused(moved: Moved, tmp_path: Path) -> None:
    rest, rotvec, root, _ = moved
    with pytest.raises(InputError, match="at least one frame"):
        write_bvh(tmp_path / "a.bvh", rest, rotvec[:0], root[:0], 30)
    with pytest.raises(InputError, match="finite"):
        write_bvh(tmp_path / "a.bvh", rest, rotvec * np.inf, root, 30)
    with pytest.raises(InputError, match="positive"):
        write_bvh(tmp_path / "a.bvh", rest, rotvec, root, 0)
    assert not list(tmp_path.iterdir())
