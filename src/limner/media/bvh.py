"""BVH motion files of any human skeleton: CMU, Mixamo, Rokoko, Blender, 3ds Max, Daz, Unreal and SMPL names.

Source: Biovision's format as documented by Meredith and Maddock 2001 ("Motion capture file formats explained").
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import FileProblem, InputError, check_file
from limner.media.retarget import SourceMotion

logger = logging.getLogger(__name__)

_LEG_M = 0.82
"""Hip to ankle of an average adult; BVH states no unit, so the usual unit nearest to this length is taken."""

_UNITS_M = (1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45)
"""Metres, centimetres, millimetres, inches, and the CMU library's inches over 0.45."""

# The first name that is present wins and no joint is taken twice: beside an `arm`, a `shoulder` is the collar.
_LIMB_NAMES = {
    "hip": ("upleg", "thigh", "upperleg", "upperleg01", "femur", "hip", "legupper"),
    "knee": ("leg", "shin", "calf", "knee", "lowerleg", "lowerleg01", "lowleg", "tibia", "leglower"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "ball", "toe11", "toe0", "foot"),
    "shoulder": ("arm", "upperarm", "upperarm01", "uparm", "shldr", "humerus", "shoulder", "armupper"),
    "collar": ("collar", "clavicle", "shoulder", "shoulder01", "clavicula"),
    "elbow": ("forearm", "lowerarm", "lowerarm01", "lowarm", "elbow", "radius", "armlower"),
    "wrist": ("wrist", "hand"),
    "hand": ("handmiddle1", "middle1", "middle01", "handindex1", "hand"),
}


@dataclass
class _Hierarchy:
    """The skeleton as read so far: one entry a joint."""

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[list[str]] = field(default_factory=list)


def read_bvh(path: Path) -> tuple[SourceMotion, Fraction]:
    """Read a BVH file.

    Returns:
        The motion in metres, and its frame rate.

    Raises:
        FileProblem: the file is not in the format, or has zero frames.
        InputError: a joint that a body needs is missing.
    """
    text = check_file(path, "motion file").read_text(encoding="latin-1")
    head, found, tail = text.partition("MOTION")
    if not found or "HIERARCHY" not in head:
        raise FileProblem(f"{path} is not a BVH file, or it is truncated: HIERARCHY or MOTION is missing")
    try:
        hierarchy = _read_hierarchy(head.split())
        values, frame_time = _read_frames(tail, sum(map(len, hierarchy.channels)), path)
    except (ValueError, IndexError):
        raise FileProblem(f"{path} is not a BVH file, or it is damaged") from None
    joints = _named_joints(hierarchy, path)
    scale = _unit_m(hierarchy, joints)
    rotmats, positions = _follow(hierarchy, values, scale)
    offsets = np.array(hierarchy.offsets) * scale
    return SourceMotion(joints, np.array(hierarchy.parents), offsets, rotmats, positions), _rate(frame_time)


def _read_hierarchy(words: list[str]) -> _Hierarchy:
    hierarchy = _Hierarchy()
    open_joints: list[int] = []
    position = 0
    while position < len(words):
        word = words[position].upper()
        if word in ("ROOT", "JOINT"):
            start = words.index("{", position)
            hierarchy.names.append(" ".join(words[position + 1 : start]))
            hierarchy.parents.append(open_joints[-1] if open_joints else -1)
            hierarchy.channels.append([])
            open_joints.append(len(hierarchy.names) - 1)
            position = start
        elif word == "END":
            # End sites carry an offset and nothing that moves.
            position = words.index("}", position)
        elif word == "OFFSET":
            hierarchy.offsets.append([float(n) for n in words[position + 1 : position + 4]])
            position += 3
        elif word == "CHANNELS":
            count = int(words[position + 1])
            hierarchy.channels[open_joints[-1]] = [c.lower() for c in words[position + 2 : position + 2 + count]]
            position += 1 + count
        elif word == "}":
            open_joints.pop()
        position += 1
    if not hierarchy.names or len(hierarchy.offsets) != len(hierarchy.names):
        raise ValueError("joints and offsets do not pair up")
    return hierarchy


def _read_frames(text: str, width: int, path: Path) -> tuple[Float[ndarray, "T C"], float]:
    header = re.match(r"\s*Frames:\s*(\d+)\s+Frame Time:\s*(\S+)", text, re.IGNORECASE)
    if header is None:
        raise FileProblem(f"{path} is truncated: the number of frames or the frame time is missing")
    stated, frame_time = int(header.group(1)), float(header.group(2))
    numbers = np.array(text[header.end() :].split(), dtype=np.float64)
    count = len(numbers) // width
    if count == 0:
        raise FileProblem(f"{path} has zero frames of motion")
    if count < stated:
        logger.warning("%s is truncated: it has %d of %d frames", path, count, stated)
    return numbers[: count * width].reshape(count, width), frame_time


def _rate(frame_time: float) -> Fraction:
    """Turn a rounded time such as 0.0333333 or 0.00833333 into the exact rate it stands for."""
    if not frame_time > 0:
        return Fraction(0)
    rate = 1 / frame_time
    ntsc = Fraction(round(rate * 1.001) * 1000, 1001)
    for exact in (Fraction(round(rate)), ntsc):
        if exact and abs(float(exact) - rate) < 4e-4 * rate:
            return exact
    return Fraction(rate).limit_denominator(1001)


def _follow(
    hierarchy: _Hierarchy, values: Float[ndarray, "T C"], scale: float
) -> tuple[Float[ndarray, "T J 3 3"], Float[ndarray, "T J 3"]]:
    """Follow the chain from the root; angles are applied in the order of the channels, each in the turned axes."""
    count = len(hierarchy.names)
    rotmats, positions = np.empty((len(values), count, 3, 3)), np.empty((len(values), count, 3))
    column = 0
    for joint, (parent, channels) in enumerate(zip(hierarchy.parents, hierarchy.channels, strict=True)):
        own = dict(zip(channels, values[:, column : column + len(channels)].T, strict=True))
        column += len(channels)
        offset = np.repeat(np.array([hierarchy.offsets[joint]]), len(values), axis=0)
        if "xposition" in own:
            # Files with positions on every joint repeat the offset there; on the root they replace it.
            offset = np.stack([own[f"{axis}position"] for axis in "xyz"], axis=1)
        order = "".join(c[0] for c in channels if c.endswith("rotation")).upper()
        angles = [own[f"{axis.lower()}rotation"] for axis in order]
        turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        if order:
            turn = Rotation.from_euler(order, np.stack(angles, axis=1), degrees=True).as_matrix()
        if parent < 0:
            rotmats[:, joint], positions[:, joint] = turn, offset * scale
        else:
            rotmats[:, joint] = rotmats[:, parent] @ turn
            positions[:, joint] = positions[:, parent] + (rotmats[:, parent] @ (offset * scale)[..., None])[..., 0]
    return rotmats, positions


def _unit_m(hierarchy: _Hierarchy, joints: dict[str, int]) -> float:
    """Choose the unit that makes the legs as long as legs are."""
    if "left ankle" not in joints or "left hip" not in joints:
        return _UNITS_M[1]
    length, joint = 0.0, joints["left ankle"]
    while joint not in (joints["left hip"], -1):
        length += float(np.linalg.norm(hierarchy.offsets[joint]))
        joint = hierarchy.parents[joint]
    return min(_UNITS_M, key=lambda unit: abs(np.log(max(length * unit, 1e-9) / _LEG_M)))


def _named_joints(hierarchy: _Hierarchy, path: Path) -> dict[str, int]:
    """Find SMPL's joints: limbs by name and side, the trunk by where the limbs meet."""
    by_name: dict[tuple[str, str], int] = {}
    for index, name in enumerate(hierarchy.names):
        by_name.setdefault(split_name(name), index)
    joints: dict[str, int] = {}
    for side in ("left", "right"):
        for joint, names in _LIMB_NAMES.items():
            found = next((by_name[side, n] for n in names if (side, n) in by_name), None)
            if found is not None and found not in joints.values():
                joints[f"{side} {joint}"] = found
    needed = ("left hip", "right hip", "left shoulder", "right shoulder")
    missing = [name for name in needed if name not in joints]
    if missing:
        raise InputError(
            f"{path} has no joints that limner knows as {', '.join(missing)}; its joints are {hierarchy.names[:8]} ..."
        )
    joints.update(_trunk(hierarchy, joints, by_name))
    return joints


def split_name(name: str) -> tuple[str, str]:
    """Split a joint's name into side and part: `mixamorig:LeftUpLeg`, `thigh.L`, `Bip01 L Thigh` are left thighs.

    Returns:
        "left", "right" or "", and the part in lower case without separators and without the prefix of its rig.
    """
    plain = re.sub(
        r"^(.*:|mixamorig\d*_?|bip\d+[ _]?|valvebiped\.bip\d+_?|def-|org-)", "", name.strip(), flags=re.IGNORECASE
    )
    for side in ("left", "right"):
        match = re.fullmatch(rf"(?i:{side})[ _.-]?(.+)|(.+?)[ _.-]?(?i:{side})", plain)
        letter = re.fullmatch(
            rf"(?i:{side[0]})[ _.-](.+)|(.+)[ _.-](?i:{side[0]})|[{side[0]}{side[0].upper()}]([A-Z].*)", plain
        )
        found = match or letter
        if found:
            return side, _bare(next(group for group in found.groups() if group))
    return "", _bare(plain)


def _bare(part: str) -> str:
    return re.sub(r"[ _.\-]", "", part).lower()


def _trunk(hierarchy: _Hierarchy, joints: dict[str, int], by_name: dict[tuple[str, str], int]) -> dict[str, int]:
    """Take the joint where the legs meet as the pelvis and the joints up to where the arms meet as the spine."""
    pelvis = _meeting(hierarchy, joints["left hip"], joints["right hip"])
    chest = _meeting(hierarchy, joints["left shoulder"], joints["right shoulder"])
    chain = [joint for joint in _ancestors(hierarchy, chest)[::-1] if pelvis in _ancestors(hierarchy, joint)[1:]]
    trunk = {"pelvis": pelvis}
    if chain:
        trunk["spine1"] = chain[0]
    if len(chain) > 1:
        trunk["spine3"] = chain[-1]
    if len(chain) > 2:
        trunk["spine2"] = chain[len(chain) // 2]
    for joint, names in {"neck": ("neck", "neck1", "neck01", "necklower"), "head": ("head",)}.items():
        found = next((by_name["", n] for n in names if ("", n) in by_name), None)
        if found is not None:
            trunk[joint] = found
    return trunk


def _ancestors(hierarchy: _Hierarchy, joint: int) -> list[int]:
    line = []
    while joint >= 0:
        line.append(joint)
        joint = hierarchy.parents[joint]
    return line


def _meeting(hierarchy: _Hierarchy, first: int, second: int) -> int:
    line = _ancestors(hierarchy, second)
    return next(joint for joint in _ancestors(hierarchy, first) if joint in line)
