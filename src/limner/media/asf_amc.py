"""Acclaim's skeleton (asf) and motion (amc) files, as the CMU motion library publishes them.

Source: Acclaim's format as documented by Lander 1998 ("Working with motion capture file formats") and the CMU library.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import FileProblem, check_file
from limner.media.retarget import SourceMotion

logger = logging.getLogger(__name__)

CMU_FRAME_RATE = Fraction(120)
"""Neither file states a rate; CMU recorded at 120 frames a second (a few takes at 60)."""

_INCH = 0.0254
_ROOT = "root"

# An asf bone begins at the joint that moves it, so it stands for the joint at its start; `wrist` is the forearm's lower
# third, which only twists, and the hand begins at the anatomical wrist.
_JOINTS = {
    "pelvis": _ROOT,
    "spine1": "lowerback",
    "spine2": "upperback",
    "spine3": "thorax",
    "neck": "lowerneck",
    "head": "head",
    **{
        f"{side} {joint}": side[0] + bone
        for side in ("left", "right")
        for joint, bone in {
            "hip": "femur",
            "knee": "tibia",
            "ankle": "foot",
            "foot": "toes",
            "collar": "clavicle",
            "shoulder": "humerus",
            "elbow": "radius",
            "wrist": "hand",
            "hand": "fingers",
        }.items()
    },
}


@dataclass(frozen=True)
class _Bone:
    name: str
    parent: str
    direction: Float[ndarray, "3"]
    length_m: float
    axis: Rotation
    channels: tuple[str, ...]


@dataclass(frozen=True)
class _Skeleton:
    """Bones in an order in which parents come first, and how the root is written."""

    bones: list[_Bone]
    root_channels: tuple[str, ...]
    root_axis: Rotation
    length_scale: float
    degrees: bool


def read_asf_amc(path: Path) -> SourceMotion:
    """Read an amc file with the asf file beside it, whose name is the same or the beginning of it.

    Args:
        path: the amc file, such as `02_01.amc` beside `02.asf`.

    Raises:
        FileProblem: a file is missing or is not in the format.
    """
    skeleton_path = _skeleton_beside(check_file(path, "motion file"))
    try:
        skeleton = _read_asf(check_file(skeleton_path, "skeleton file"))
    except (ValueError, KeyError, IndexError) as problem:
        raise FileProblem(f"{skeleton_path} is not an asf skeleton, or it is damaged: {problem}") from None
    values = _read_amc(path, skeleton)
    return _pose(skeleton, values)


def _skeleton_beside(path: Path) -> Path:
    candidates = [p for p in path.parent.iterdir() if p.suffix.lower() == ".asf"]
    fitting = [p for p in candidates if path.stem.lower().startswith(p.stem.lower())]
    if not fitting and len(candidates) == 1:
        fitting = candidates
    if not fitting:
        raise FileProblem(f"{path} needs its skeleton beside it: put {path.stem.split('_')[0]}.asf into {path.parent}")
    return max(fitting, key=lambda p: len(p.stem))


def _read_asf(path: Path) -> _Skeleton:
    sections = _sections(path)
    units = {line.split()[0]: line.split()[1] for line in sections["units"]}
    root = {line.split()[0]: line.split()[1:] for line in sections["root"]}
    degrees = units.get("angle", "deg").lower().startswith("deg")
    # CMU gives lengths in inches divided by the number that the units section names (0.45).
    scale = _INCH / float(units.get("length", 1))
    parents = _parents(sections["hierarchy"])
    bones = {bone.name: bone for bone in (_bone(b, parents, scale, degrees) for b in _blocks(sections["bonedata"]))}
    order = list(parents)
    axis = _euler(root.get("axis", ["XYZ"])[0], np.array([float(n) for n in root.get("orientation", "000")]), degrees)
    return _Skeleton([bones[name] for name in order], tuple(c.lower() for c in root["order"]), axis, scale, degrees)


def _sections(path: Path) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for raw in path.read_text(encoding="latin-1").splitlines():
        line = raw.split("#")[0].strip()
        if line.startswith(":"):
            current = sections.setdefault(line[1:].split()[0].lower(), [])
        elif line:
            current.append(line)
    return sections


def _blocks(lines: list[str]) -> list[dict[str, list[str]]]:
    """Split `begin ... end` blocks into their keywords; the limits, one pair a line, are not needed."""
    blocks: list[dict[str, list[str]]] = []
    for line in lines:
        words = line.split()
        if words[0] == "begin":
            blocks.append({})
        elif words[0] != "end" and blocks:
            blocks[-1][words[0]] = words[1:]
    return blocks


def _parents(lines: list[str]) -> dict[str, str]:
    parents: dict[str, str] = {}
    for line in lines:
        words = line.split()
        if words[0] not in ("begin", "end"):
            parents.update(dict.fromkeys(words[1:], words[0]))
    return parents


def _bone(block: dict[str, list[str]], parents: dict[str, str], scale: float, degrees: bool) -> _Bone:
    name = block["name"][0]
    direction = np.array([float(n) for n in block["direction"]])
    axis = _euler(block["axis"][3], np.array([float(n) for n in block["axis"][:3]]), degrees)
    channels = tuple(c.lower() for c in block.get("dof", []))
    length = float(block["length"][0]) * scale
    return _Bone(name, parents.get(name, _ROOT), direction / np.linalg.norm(direction), length, axis, channels)


def _euler(order: str, angles: Float[ndarray, "... 3"], degrees: bool) -> Rotation:
    """Rotate about the fixed axes in the order written: XYZ is x first."""
    return Rotation.from_euler(order.lower(), angles, degrees=degrees)


def _read_amc(path: Path, skeleton: _Skeleton) -> dict[str, Float[ndarray, "T C"]]:
    """Read the numbers of every bone, a row a frame."""
    frames: list[dict[str, list[str]]] = []
    for raw in path.read_text(encoding="latin-1").splitlines():
        words = raw.split()
        if not words or words[0][0] in "#:":
            continue
        if len(words) == 1 and words[0].isdigit():
            frames.append({})
        elif frames:
            frames[-1][words[0]] = words[1:]
    if not frames:
        raise FileProblem(f"{path} has zero frames of motion: it is not an amc file, or it is truncated")
    moving = {_ROOT: len(skeleton.root_channels), **{b.name: len(b.channels) for b in skeleton.bones if b.channels}}
    if len(frames) > 1 and any(len(frames[-1].get(name, ())) < count for name, count in moving.items()):
        logger.warning("%s breaks off in frame %d, which is left out", path, len(frames))
        frames.pop()
    return {name: _column(frames, name, count, path) for name, count in moving.items()}


def _column(frames: list[dict[str, list[str]]], name: str, count: int, path: Path) -> Float[ndarray, "T C"]:
    try:
        values = np.array([frame[name] for frame in frames], dtype=np.float64)
    except (KeyError, ValueError):
        raise FileProblem(f"{path} does not give {count} numbers for the bone {name} in every frame") from None
    if values.shape != (len(frames), count):
        raise FileProblem(f"{path} gives {values.shape[1]} numbers for the bone {name}, its skeleton {count}")
    return values


def _pose(skeleton: _Skeleton, values: dict[str, Float[ndarray, "T C"]]) -> SourceMotion:
    """Follow the chain: a bone turns by C M C^-1 in its parent, C its axes, M its channels."""
    bones = skeleton.bones
    index = {_ROOT: 0, **{bone.name: i + 1 for i, bone in enumerate(bones)}}
    ends = {_ROOT: np.zeros(3), **{bone.name: bone.direction * bone.length_m for bone in bones}}
    parents = np.array([-1, *(index[bone.parent] for bone in bones)])
    offsets = np.array([np.zeros(3), *(ends[bone.parent] for bone in bones)])
    root = values[_ROOT]
    rotmats = np.empty((len(root), len(index), 3, 3))
    positions = np.empty((len(root), len(index), 3))
    turn = _turn(skeleton.root_channels, root, skeleton.degrees)
    rotmats[:, 0] = (skeleton.root_axis * turn * skeleton.root_axis.inv()).as_matrix()
    places = [skeleton.root_channels.index(c) for c in ("tx", "ty", "tz")]
    positions[:, 0] = root[:, places] * skeleton.length_scale
    for i, bone in enumerate(bones, start=1):
        rotmats[:, i] = rotmats[:, parents[i]]
        positions[:, i] = positions[:, parents[i]] + rotmats[:, parents[i]] @ offsets[i]
        if bone.channels:
            local = bone.axis * _turn(bone.channels, values[bone.name], skeleton.degrees) * bone.axis.inv()
            rotmats[:, i] = rotmats[:, i] @ local.as_matrix()
    joints = {joint: index[name] for joint, name in _JOINTS.items() if name in index}
    return SourceMotion(joints, parents, offsets, rotmats, positions)


def _turn(channels: tuple[str, ...], values: Float[ndarray, "T C"], degrees: bool) -> Rotation:
    angles = np.zeros((len(values), 3))
    for column, channel in enumerate(channels):
        if channel in ("rx", "ry", "rz"):
            angles[:, "xyz".index(channel[1])] = values[:, column]
    return _euler("xyz", angles, degrees)
