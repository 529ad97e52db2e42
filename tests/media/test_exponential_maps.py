"""Takes stored as exponential maps become motions of a person who stands on the floor."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import FastSMPL, load_body
from limner.checks import FileProblem, InputError
from limner.media import read_exponential_maps


def test_a_zero_pose_is_a_t_pose_with_spread_legs(tmp_path) -> None:
    np.savez(tmp_path / "takes.npz", still=np.zeros((3, 117), np.float32))
    (motion,) = read_exponential_maps(tmp_path / "takes.npz")
    assert motion.name == "still" and motion.frame_rate == 120
    joints = FastSMPL(load_body())(np.zeros((1, 10), np.float32), motion.rotvec[:1])[1][0]
    left_hip, left_ankle, left_shoulder, left_wrist = joints[[1, 7, 16, 20]]
    leg, arm = left_ankle - left_hip, left_wrist - left_shoulder
    assert np.degrees(np.arctan2(leg[0], -leg[1])) == pytest.approx(20, abs=1.5)
    assert arm[0] / np.linalg.norm(arm) > 0.999


def test_a_walk_stands_upright_on_its_floor(shared_data, tmp_path) -> None:
    with np.load(shared_data / "motion/cmu_expmap.npz") as file:
        np.savez(tmp_path / "takes.npz", walk=file["train_walking_walking_1"])
    (walk,) = read_exponential_maps(tmp_path / "takes.npz")
    rotvec = walk.rotvec[1::12]
    joints = FastSMPL(load_body())(np.zeros((len(rotvec), 10), np.float32), rotvec)[1]
    heights = joints[..., 1] - joints[:, :1, 1] + walk.transl[1::12, None, 1]
    lowest = heights.min(1)
    assert np.abs(lowest - np.median(lowest)).max() < 0.08
    assert (heights[:, 15] - lowest > 1.3).all()
    # Knees bend backwards: a shin never points ahead of its thigh.
    assert (walk.rotvec[1:, [4, 5], 0] > -0.25).all()


@pytest.mark.parametrize("rows", [np.zeros((4, 116)), np.zeros((0, 117)), np.zeros(117), np.full((2, 117), np.nan)])
def test_arrays_of_other_kinds_are_refused(tmp_path, rows) -> None:
    np.savez(tmp_path / "takes.npz", take=rows)
    with pytest.raises(InputError, match="take"):
        read_exponential_maps(tmp_path / "takes.npz")


def test_files_of_other_kinds_are_refused(tmp_path) -> None:
    (tmp_path / "takes.npz").write_bytes(b"no zip")
    with pytest.raises(FileProblem, match="npz"):
        read_exponential_maps(tmp_path / "takes.npz")
