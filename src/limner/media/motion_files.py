"""Motion files in: AMASS and SMPL npz, HMR's 85-vectors, BVH, CMU asf/amc and keypoints json, as `Motion` or `Keypoints`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

from limner.records import Keypoints, Motion


def motion_kind(path: str | Path) -> Literal["video", "motion", "keypoints"]:
    """Tell by the suffix which reader a driver needs."""
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return "keypoints"
    return "motion" if suffix in (".npz", ".npy", ".bvh", ".amc") else "video"


def read_motion(path: str | Path, *, frame_rate: Fraction | float | None = None, person: int = 0) -> Motion:
    """Read a motion file."""
    raise NotImplementedError("motion files are read in the next commit")


def read_keypoints(path: str | Path, *, person: int = 0) -> tuple[Keypoints, Fraction]:
    """Read keypoints from json."""
    raise NotImplementedError("keypoint files are read in the next commit")


def resample_motion(motion: Motion, frame_rate: Fraction | float) -> Motion:
    """Resample a motion."""
    raise NotImplementedError("resampling follows in the next commit")
