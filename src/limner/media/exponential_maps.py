"""Takes of CMU's motion library as arrays of exponential maps, the form in which motion prediction shares them.

A row has 117 numbers: the root's position, then the rotation vectors of 38 joints in radians, each relative to its
parent in a zero pose with hanging, spread legs and arms held out. Rows multiply from the left there, so the vectors
turn the other way round than in the rest of limner.

Source: the skeleton of `chaneyddtt/Convolutional-Sequence-to-Sequence-Model-for-Human-Dynamics`, whose data these are.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import FileProblem, InputError, check_file
from limner.media.asf_amc import CMU_FRAME_RATE
from limner.media.retarget import SourceMotion, retarget
from limner.records import Motion

_NUM_JOINTS = 38
_WIDTH = 3 * (_NUM_JOINTS + 1)
_PARENTS = (
    -1, 0, 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 0, 13, 14, 15, 16, 17, 18, 15, 20, 21, 22, 23, 24, 25, 23, 27, 15, 29, 30,
    31, 32, 33, 34, 32, 36,
)  # fmt: skip
# Bones of the zero pose in the files' unit, by the joint at their lower end; the right side mirrors the left.
_OFFSETS = {
    2: (1.65, -1.80, 0.62), 3: (2.60, -7.13, 0.0), 4: (2.48, -6.82, 0.0), 5: (0.20, -0.55, 2.14), 6: (0.0, 0.0, 1.1),
    14: (0.0, 2.05, -0.14), 15: (0.0, 2.06, -0.06), 17: (0.0, 1.57, 0.15), 18: (0.0, 1.56, -0.1), 19: (0.0, 1.63, 0.0),
    21: (3.52, 0.83, -0.25), 22: (4.94, 0.0, 0.0), 23: (3.36, 0.0, 0.0), 25: (0.66, 0.0, 0.0), 26: (0.53, 0.0, 0.0),
}  # fmt: skip
_MIRROR = {2: 8, 3: 9, 4: 10, 5: 11, 6: 12, 21: 30, 22: 31, 23: 32, 25: 34, 26: 35}
_JOINTS = {
    "pelvis": 0, "spine1": 13, "spine2": 14, "spine3": 15, "neck": 16, "head": 18,
    "left hip": 2, "left knee": 3, "left ankle": 4, "left foot": 5,
    "right hip": 8, "right knee": 9, "right ankle": 10, "right foot": 11,
    "left shoulder": 21, "left elbow": 22, "left wrist": 24,
    "right shoulder": 30, "right elbow": 31, "right wrist": 33,
}  # fmt: skip
_UNIT_M = 0.0254 / 0.45


def read_exponential_maps(path: str | Path) -> list[Motion]:
    """Read every take of a npz file whose arrays have 117 numbers a row.

    Returns:
        The takes in the order of their names, 120 frames a second, in a world with y up.

    Raises:
        FileProblem: the file is missing or no npz.
        InputError: an array is no such take, or holds numbers that are not finite.
    """
    path = check_file(path, "file of motions")
    try:
        with np.load(path, allow_pickle=False) as file:
            takes = {name: np.asarray(file[name]) for name in sorted(file.files)}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as problem:
        raise FileProblem(f"{path} cannot be read as npz: {problem}") from None
    for name, rows in takes.items():
        if rows.ndim != 2 or rows.shape[1] != _WIDTH or not len(rows) or rows.dtype.kind != "f":
            raise InputError(f"{name} in {path} is no take of {_WIDTH} numbers a row; it has {rows.shape}")
        if not np.isfinite(rows).all():
            raise InputError(f"{name} in {path} holds numbers that are not finite")
    return [_motion(rows.astype(np.float64), name) for name, rows in takes.items()]


def _motion(rows: Float[ndarray, "T 117"], name: str) -> Motion:
    offsets = np.zeros((_NUM_JOINTS, 3))
    for joint, offset in _OFFSETS.items():
        offsets[joint] = offset
        if joint in _MIRROR:
            offsets[_MIRROR[joint]] = np.array(offset) * (-1, 1, 1)
    offsets *= _UNIT_M
    local = Rotation.from_rotvec(-rows[:, 3:].reshape(-1, 3)).as_matrix().reshape(-1, _NUM_JOINTS, 3, 3)
    rotmats, positions = local.copy(), np.empty((len(rows), _NUM_JOINTS, 3))
    positions[:, 0] = rows[:, :3] * _UNIT_M
    for joint, parent in enumerate(_PARENTS[1:], start=1):
        rotmats[:, joint] = rotmats[:, parent] @ local[:, joint]
        positions[:, joint] = positions[:, parent] + rotmats[:, parent] @ offsets[joint]
    source = SourceMotion(_JOINTS, np.array(_PARENTS), offsets, rotmats, positions)
    return retarget(source, name, CMU_FRAME_RATE)
