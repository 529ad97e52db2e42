"""Motions as BVH: a skeleton in its rest pose and, for each frame, the root's place and every joint's angles.

Source: Biovision's format as documented by Meredith and Maddock 2001; joints called as Mixamo's rigs call them.
"""

from __future__ import annotations

import io
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import InputError, check_shape
from limner.media.files import written_beside
from limner.media.retarget import JOINT_NAMES, PARENTS
from limner.types import BoneNames

__all__ = ["bone_names", "write_bvh"]

_MIXAMO = (
    "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot", "Spine2",
    "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder", "Head", "LeftArm", "RightArm",
    "LeftForeArm", "RightForeArm", "LeftHand", "RightHand", "LeftHandMiddle1", "RightHandMiddle1",
)  # fmt: skip
_CM = 100.0  # a metre in the file's unit: what Mixamo, Blender's importer and most of the others expect
_ORDER = "ZXY"
_END = 0.5  # length of an end site over that of its last bone


def bone_names(names: BoneNames) -> tuple[str, ...]:
    """Return what the 24 joints are called, in SMPL's order.

    Raises:
        InputError: there are no such names.
    """
    if names == "mixamo":
        return tuple(f"mixamorig:{name}" for name in _MIXAMO)
    if names == "smpl":
        return tuple(name.replace(" ", "_") for name in JOINT_NAMES)
    raise InputError(f"bones must be mixamo or smpl, got {names!r}")


def write_bvh(
    path: str | Path,
    joints_rest: Float[ndarray, "24 3"],
    rotvec: Float[ndarray, "T 24 3"],
    pelvis: Float[ndarray, "T 3"],
    frame_rate: Fraction | float,
    *,
    bones: BoneNames = "mixamo",
) -> None:
    """Write one person's motion.

    Args:
        path: the file.
        joints_rest: the joints of the body at rest (T pose, y up), metres.
        rotvec: axis-angle of each joint relative to its parent; the root turns into a world with y up.
        pelvis: where the root joint is in that world, metres; the file has centimetres.
        frame_rate: frames a second.
        bones: how the joints are called.

    Raises:
        ShapeError: the arrays do not fit each other.
        InputError: no frame, numbers that are not finite, a rate that is not positive, unknown names.
        FileProblem: the file cannot be written.
    """
    check_shape(joints_rest, "joints_rest", (24, 3))
    check_shape(rotvec, "rotvec", ("T", 24, 3))
    check_shape(pelvis, "pelvis", (len(rotvec), 3))
    if len(rotvec) == 0 or not all(np.isfinite(array).all() for array in (joints_rest, rotvec, pelvis)):
        raise InputError("a BVH file needs at least one frame, and finite numbers")
    if not frame_rate > 0:
        raise InputError(f"frame_rate must be positive, got {frame_rate}")
    order = _depth_first(0)
    rest = np.asarray(joints_rest, np.float64)
    angles = _euler_deg(np.asarray(rotvec, np.float64))[:, order].reshape(len(rotvec), -1)
    text = io.StringIO()
    text.write("HIERARCHY\n" + "\n".join(_hierarchy(0, rest, bone_names(bones))) + "\n")
    text.write(f"MOTION\nFrames: {len(rotvec)}\nFrame Time: {1 / float(frame_rate):.9f}\n")
    np.savetxt(text, np.concatenate([np.asarray(pelvis, np.float64) * _CM, angles], axis=1), fmt="%.6f")
    with written_beside(Path(path)) as temporary:
        temporary.write_text(text.getvalue(), encoding="ascii")


def _children(joint: int) -> list[int]:
    return [child for child in range(len(PARENTS)) if PARENTS[child] == joint]


def _depth_first(joint: int) -> list[int]:
    """Return the joints in the order in which the file names them, which is also that of its columns."""
    return [joint, *(below for child in _children(joint) for below in _depth_first(child))]


def _hierarchy(joint: int, rest: Float[ndarray, "24 3"], names: tuple[str, ...], depth: int = 0) -> list[str]:
    parent, pad = int(PARENTS[joint]), "\t" * depth
    offset = (rest[joint] - rest[parent] if parent >= 0 else rest[joint]) * _CM
    angles = " ".join(f"{axis}rotation" for axis in _ORDER)
    channels = f"3 {angles}" if parent >= 0 else f"6 Xposition Yposition Zposition {angles}"
    below = [line for child in _children(joint) for line in _hierarchy(child, rest, names, depth + 1)]
    if not below:
        below = [f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {_numbers(offset * _END)}", f"{pad}\t}}"]
    return [
        f"{pad}{'JOINT' if parent >= 0 else 'ROOT'} {names[joint]}",
        f"{pad}{{",
        f"{pad}\tOFFSET {_numbers(offset)}",
        f"{pad}\tCHANNELS {channels}",
        *below,
        f"{pad}}}",
    ]


def _numbers(values: Float[ndarray, "3"]) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def _euler_deg(rotvec: Float[ndarray, "T 24 3"]) -> Float[ndarray, "T 24 3"]:
    """Return the angles of the channels, without jumps of a whole turn from frame to frame."""
    with warnings.catch_warnings():
        # At a right angle of the middle axis many triples mean one rotation; any of them is right.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        angles = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_euler(_ORDER, degrees=True)
    return np.unwrap(angles.reshape(rotvec.shape), axis=0, period=360)
