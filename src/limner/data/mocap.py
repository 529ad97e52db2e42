"""Real poses and shapes for the adversary: folders of AMASS, SMPL and MoSh files, and whatever else holds a motion.

Source: Kanazawa et al. 2018, section 4; akanazawa/hmr `src/datasets/smpl_to_tfrecords.py`; Mahmood et al. 2019 (AMASS).
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.body import read_pickle
from limner.checks import FileProblem, InputError, LimnerError, check_shape
from limner.data.faults import Faults
from limner.media import MOTION_SUFFIXES, read_motion

_HELD_OUT = re.compile(r"(?<![A-Za-z0-9])S(9|11)(?![0-9])")
_NUM_POSE = 69
_NUM_BETAS = 10


@dataclass(frozen=True)
class BodyPoses:
    """Poses of people, and the shapes of those people.

    Attributes:
        rotvec: axis-angles of the joints 1 to 23; the root, which no adversary sees, is left out.
        betas: one row a pose; zeros where the file names none.
    """

    rotvec: Float32[ndarray, "N 23 3"]
    betas: Float32[ndarray, "N 10"]

    def __post_init__(self) -> None:
        check_shape(self.rotvec, "rotvec", ("N", 23, 3))
        check_shape(self.betas, "betas", (len(self.rotvec), _NUM_BETAS))

    def __len__(self) -> int:
        return len(self.rotvec)

    def __getitem__(self, rows: slice | ndarray | list[int]) -> BodyPoses:
        return BodyPoses(self.rotvec[rows], self.betas[rows])


def read_poses(root: str | Path, *, every: int = 1, check: bool = True) -> BodyPoses:
    """Read all poses below a folder, or of one file.

    Args:
        root: AMASS or SMPL npz, MoSh's pickles (`poses` or `new_poses`, `betas`; read without running anything), BVH,
            amc beside asf. Files whose path names S9 or S11, who judge Human3.6M, are left out.
        every: take every so manieth frame.
        check: raise on files that cannot be read; False leaves them out.

    Raises:
        DatasetError: files that cannot be read or hold numbers that are not finite; all in one message.
        FileProblem: there is no such folder, or no file with a motion in it.
        InputError: `every` is below 1.
    """
    root = Path(root)
    if every < 1:
        raise InputError(f"every must be at least 1, got {every}")
    if not root.exists():
        raise FileProblem(f"no poses at {root}: nothing is there")
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    faults = Faults(root, lenient=not check)
    found = []
    for path in files:
        kind = path.suffix.lower()
        if kind not in (*MOTION_SUFFIXES, ".pkl") or _HELD_OUT.search(path.as_posix()):
            continue
        try:
            found.append(_read_pickled(path, every) if kind == ".pkl" else _read_motion(path, every))
        except LimnerError as problem:
            faults.add_unless_lenient("files that cannot be used", [str(problem)])
    faults.raise_if_any()
    if not found:
        raise FileProblem(
            f"{root} holds no motion for the adversary: it needs npz (AMASS, SMPL), pkl (MoSh), bvh or amc"
        )
    return BodyPoses(np.concatenate([one.rotvec for one in found]), np.concatenate([one.betas for one in found]))


def _read_motion(path: Path, every: int) -> BodyPoses:
    rotvec = read_motion(path, frame_rate=30).rotvec[::every, 1:]
    betas = np.zeros(_NUM_BETAS, np.float32)
    if path.suffix.lower() == ".npz":
        betas = _betas_beside(path)
    return BodyPoses(rotvec.astype(np.float32), np.tile(betas, (len(rotvec), 1)))


def _betas_beside(path: Path) -> Float32[ndarray, "10"]:
    try:
        with np.load(path, allow_pickle=False) as held:
            betas = np.asarray(held["betas"], np.float32) if "betas" in held.files else np.zeros(_NUM_BETAS)
    except (ValueError, OSError, zipfile.BadZipFile):
        raise FileProblem(f"{path} holds betas that cannot be read without running code") from None
    return _ten(betas.mean(0) if betas.ndim == 2 else betas, path)


def _ten(betas: ndarray, path: Path) -> Float32[ndarray, "10"]:
    betas = np.asarray(betas, np.float32).reshape(-1)[:_NUM_BETAS]
    if not np.isfinite(betas).all():
        raise InputError(f"{path} holds betas that are not finite")
    return np.pad(betas, (0, _NUM_BETAS - len(betas)))


def _read_pickled(path: Path, every: int) -> BodyPoses:
    held = read_pickle(path)
    poses = next((held[key] for key in ("poses", "new_poses") if key in held), None)
    if poses is None or "betas" not in held:
        raise InputError(f"{path} is no file of MoSh: it needs poses (or new_poses) and betas")
    try:
        rows = np.asarray(poses, np.float32)[::every, 3 : 3 + _NUM_POSE].reshape(-1, 23, 3)
        betas = _ten(np.asarray(held["betas"], np.float32), path)
    except (ValueError, TypeError, IndexError):
        raise InputError(f"{path} holds poses that are no rows of 72 numbers") from None
    if not np.isfinite(rows).all():
        raise InputError(f"{path} holds poses that are not finite")
    return BodyPoses(np.ascontiguousarray(rows), np.tile(betas, (len(rows), 1)))
