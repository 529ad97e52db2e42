"""The door to motion files (AMASS and SMPL npz, HMR's 85-vectors, BVH, CMU asf/amc), and what kind a driver is."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import Literal

from limner.checks import FileProblem, InputError, check_file
from limner.media.asf_amc import CMU_FRAME_RATE, read_asf_amc
from limner.media.bvh import read_bvh
from limner.media.files import PICTURE_SUFFIXES
from limner.media.interpolation import check_frames
from limner.media.retarget import SourceMotion, retarget
from limner.media.smpl_files import read_smpl_file
from limner.records import Motion

logger = logging.getLogger(__name__)

MOTION_SUFFIXES = (".npz", ".npy", ".bvh", ".amc")

_CONVERSIONS = {
    ".pkl": "is a pickle, which may run code when it is read; save its arrays with numpy.savez",
    ".pickle": "is a pickle, which may run code when it is read; save its arrays with numpy.savez",
    ".pt": "is a torch file; save its arrays with numpy.savez",
    ".fbx": "is an FBX file; export it as BVH, Blender can",
    ".glb": "is a glTF file; export it as BVH, Blender can",
    ".gltf": "is a glTF file; export it as BVH, Blender can",
    ".c3d": "holds markers and no joints; fit a skeleton to it and export BVH or asf/amc",
    ".trc": "holds markers and no joints; fit a skeleton to it and export BVH or asf/amc",
    ".asf": "is the skeleton; give the amc file that holds the motion",
    ".zip": "is an archive; unpack it and give one motion file",
}


def motion_kind(path: str | Path) -> Literal["video", "motion", "keypoints"]:
    """Tell which reader a driver needs, by its suffix: `open_video`, `read_motion` or `read_keypoints`.

    Raises:
        FileProblem: the file is of a kind that is known and not read; the sentence says what to do.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in _CONVERSIONS:
        raise FileProblem(f"{path} {_CONVERSIONS[suffix]}")
    if path.is_dir():
        return "keypoints" if any(path.glob("*.json")) and not _has_pictures(path) else "video"
    if suffix == ".json":
        return "keypoints"
    return "motion" if suffix in MOTION_SUFFIXES else "video"


def _has_pictures(path: Path) -> bool:
    return any(p.suffix.lower() in PICTURE_SUFFIXES for p in path.iterdir())


def read_motion(path: str | Path, *, frame_rate: Fraction | float | None = None, person: int = 0) -> Motion:
    """Read a motion file as SMPL's joints in a world with y up.

    Args:
        path: .npz (AMASS, SMPL, limner's bodies), .npy or .npz of HMR's 85-vectors, .bvh, or .amc beside its .asf.
        frame_rate: frames a second where the file states none: 30 for npy and npz, 120 for amc if not given. What the
            file states wins.
        person: whose motion, where a file holds several people.

    Returns:
        The motion at the file's own rate; see `resample_motion`.

    Raises:
        FileProblem: the file is missing, empty, damaged or of another kind.
        InputError: joints or keys are missing, there are zero frames, or numbers that are not finite (with the first
            such frame).
    """
    path = Path(path)
    suffix = path.suffix.lower()
    given = None if frame_rate is None else Fraction(frame_rate).limit_denominator(100_000)
    if motion_kind(path) != "motion":
        check_file(path, "motion file")
        raise FileProblem(f"{path} is not a motion file; limner reads {', '.join(MOTION_SUFFIXES)}")
    if suffix == ".amc":
        return _retargeted(read_asf_amc(path), path, given or CMU_FRAME_RATE)
    if suffix == ".bvh":
        source, rate = read_bvh(path)
        return _retargeted(source, path, rate)
    motion, has_rate = read_smpl_file(path, given, person)
    if not has_rate and given is None:
        logger.warning("%s states no frame rate; %s frames a second are assumed", path, motion.frame_rate)
    return motion


def _retargeted(source: SourceMotion, path: Path, frame_rate: Fraction) -> Motion:
    check_frames(source.rotmats, path)
    check_frames(source.positions, path)
    if frame_rate <= 0:
        raise InputError(f"{path} states a frame time that is not positive")
    return retarget(source, path.name, frame_rate)
