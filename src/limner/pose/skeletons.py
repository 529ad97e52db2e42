"""The skeletons of the registry: joint names, limbs, mirror partners, and conversion from one to another.

A joint keeps one name in every skeleton that has it, so a conversion is a look-up by name. Left and right are the
person's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, count
from typing import get_args

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError
from limner.records import Keypoints
from limner.types import SkeletonName


@dataclass(frozen=True)
class Skeleton:
    """A list of joints.

    Attributes:
        name: its name in the registry.
        joints: the names of the joints, in order.
        limbs: pairs of indices to draw a line between.
    """

    name: SkeletonName
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Return the place of the joint called `joint`.

        Raises:
            InputError: the skeleton has no such joint.
        """
        if joint not in self.joints:
            raise InputError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    @cached_property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs (left, right) of indices that change places when a picture is mirrored."""
        partners = [(i, _partner(joint)) for i, joint in enumerate(self.joints) if joint.startswith("left_")]
        return tuple((i, self.joints.index(partner)) for i, partner in partners)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the index of its mirror image, of itself on the body's middle."""
        return tuple(self.joints.index(_partner(joint)) for joint in self.joints)


def _partner(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    return "left_" + joint.removeprefix("right_") if joint.startswith("right_") else joint


def _both(*parts: str) -> list[str]:
    """Left then right of every part."""
    return [f"{side}_{part}" for part in parts for side in ("left", "right")]


_LSP = """right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder
    left_shoulder left_elbow left_wrist neck head_top""".split()
_ARMS_OPENPOSE = "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist".split()
_LEGS_OPENPOSE = "right_hip right_knee right_ankle left_hip left_knee left_ankle".split()
_FACE_OPENPOSE = "right_eye left_eye right_ear left_ear".split()

_JOINTS: dict[SkeletonName, list[str]] = {
    "coco17": ["nose", *_both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")],
    "mpii16": """right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top
        right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist""".split(),
    "lsp14": _LSP,
    "cocoplus19": [*_LSP, "nose", *_both("eye", "ear")],
    # The order of the published SMPL regressor for Human3.6M: the left leg comes first, the jaw stands for the nose.
    "h36m17": """pelvis left_hip left_knee left_ankle right_hip right_knee right_ankle spine neck jaw head_top
        left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist""".split(),
    "openpose18": ["nose", "neck", *_ARMS_OPENPOSE, *_LEGS_OPENPOSE, *_FACE_OPENPOSE],
    "openpose25": [
        *("nose", "neck", *_ARMS_OPENPOSE, "pelvis", *_LEGS_OPENPOSE, *_FACE_OPENPOSE),
        *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
    ],
    "blazepose33": [
        "nose",
        *(f"{side}_eye{where}" for side in ("left", "right") for where in ("_inner", "", "_outer")),
        *_both("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
        *_both("hip", "knee", "ankle", "heel", "big_toe"),
    ],
    "smpl24": [
        *("pelvis", *_both("hip"), "spine1", *_both("knee"), "spine2", *_both("ankle"), "spine3", *_both("foot")),
        *("neck", *_both("collar"), "head", *_both("shoulder", "elbow", "wrist", "hand")),
    ],
}

# Lines of a drawing; a skeleton draws those whose two ends it has. A body with a neck or pelvis hangs its limbs there.
_LINES = [
    *[(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("wrist", "pinky"),
        ("wrist", "index"), ("wrist", "thumb"), ("pinky", "index"), ("ankle", "heel"), ("ankle", "big_toe"),
        ("heel", "big_toe"), ("big_toe", "small_toe"), ("wrist", "hand"), ("ankle", "foot"),
        ("eye", "ear"), ("eye_inner", "eye"), ("eye", "eye_outer"), ("eye_outer", "ear"), ("collar", "shoulder"),
    )],
    ("nose", "left_eye"), ("nose", "right_eye"), ("nose", "left_eye_inner"), ("nose", "right_eye_inner"),
    ("left_mouth", "right_mouth"), ("head_top", "neck"), ("head_top", "upper_neck"), ("upper_neck", "thorax"),
    ("nose", "neck"), ("head_top", "jaw"), ("jaw", "neck"), ("neck", "spine"), ("spine", "pelvis"), ("head", "neck"),
    ("neck", "spine3"), ("spine3", "spine2"), ("spine2", "spine1"), ("spine1", "pelvis"), ("thorax", "pelvis"),
    ("spine3", "left_collar"), ("spine3", "right_collar"), ("pelvis", "left_hip"), ("pelvis", "right_hip"),
]  # fmt: skip

# Lines that only skeletons without the joint named first draw.
_LINES_WITHOUT = [
    ("pelvis", "left_hip", "right_hip"),
    ("pelvis", "left_shoulder", "left_hip"),
    ("pelvis", "right_shoulder", "right_hip"),
]


def _limbs(joints: list[str]) -> tuple[tuple[int, int], ...]:
    hub = next((joint for joint in ("thorax", "neck") if joint in joints), None)
    lines = [*_LINES, *[(a, b) for absent, a, b in _LINES_WITHOUT if absent not in joints]]
    if "spine" not in joints and "spine1" not in joints and hub:
        lines.append((hub, "pelvis"))
    if hub is None:
        lines.append(("left_shoulder", "right_shoulder"))
    elif "left_collar" not in joints:
        lines += [(hub, "left_shoulder"), (hub, "right_shoulder")]
    if "left_eye_inner" in joints:
        lines = [line for line in lines if line[:2] not in {("nose", f"{s}_eye") for s in ("left", "right")}]
        lines = [line for line in lines if line not in {(f"{s}_eye", f"{s}_ear") for s in ("left", "right")}]
    unique = dict.fromkeys(line for line in lines if line[0] in joints and line[1] in joints)
    return tuple((joints.index(a), joints.index(b)) for a, b in unique)


SKELETONS: dict[SkeletonName, Skeleton] = {
    name: Skeleton(name, tuple(_JOINTS[name]), _limbs(_JOINTS[name])) for name in get_args(SkeletonName)
}
"""Every skeleton by name; `add_skeleton` takes up those of data sets of one's own."""


def add_skeleton(name: str, joints: Sequence[str], limbs: Sequence[Sequence[int]]) -> Skeleton:
    """Return the registry's skeleton with these joints, in this order; one that it lacks is added for this process.

    Args:
        name: what to call a new one; a number is put behind it where another skeleton has that name.
        joints: names of the joints; those that start with left_ and right_ are mirror partners.
        limbs: pairs of indices.

    Raises:
        InputError: these are no joints of a skeleton, or a joint has no mirror partner.
    """
    known = next((skeleton for skeleton in SKELETONS.values() if skeleton.joints == tuple(joints)), None)
    if known is not None:
        return known
    lonely = [joint for joint in joints if _partner(joint) not in joints]
    outside = [limb for limb in limbs if len(limb) != 2 or not all(0 <= end < len(joints) for end in limb)]
    if not joints or len(set(joints)) < len(joints) or lonely or outside:
        raise InputError(
            f"the skeleton {name} cannot be used: its joints must have names of their own, every left_ its right_, and "
            f"limbs two of the joints; got {', '.join(joints) or 'no joints'}"
        )
    numbered = (f"{name}-{number}" for number in count(2))
    free = next(word for word in chain([name], numbered) if word not in SKELETONS)
    added = Skeleton(free, tuple(joints), tuple((int(a), int(b)) for a, b in limbs))  # type: ignore[arg-type]
    SKELETONS[added.name] = added
    return added


# What may stand for a joint that a skeleton lacks, first choice first: one joint, or the mean of several.
_SUBSTITUTES: dict[str, list[tuple[str, ...]]] = {
    "neck": [("upper_neck",), ("thorax",), ("left_shoulder", "right_shoulder")],
    "upper_neck": [("neck",)],
    "thorax": [("left_shoulder", "right_shoulder"), ("neck",)],
    "pelvis": [("left_hip", "right_hip")],
    "spine": [("spine1",), ("left_shoulder", "right_shoulder", "left_hip", "right_hip")],
    "jaw": [("left_mouth", "right_mouth"), ("nose",)],
    "head": [("left_ear", "right_ear")],
    "left_hand": [("left_index", "left_pinky")],
    "right_hand": [("right_index", "right_pinky")],
    "left_foot": [("left_big_toe",)],
    "right_foot": [("right_big_toe",)],
}


@cache
def conversion(source: SkeletonName, target: SkeletonName) -> Float32[ndarray, "K J"]:
    """Return the matrix that takes joints of `source` to joints of `target`: rows of means, or of zeros where unknown.

    Example:
        >>> conversion("coco17", "openpose18")[1].nonzero()[0].tolist()  # the neck: the mean of the shoulders
        [5, 6]
    """
    here = {joint: i for i, joint in enumerate(_skeleton(source).joints)}
    matrix = np.zeros((len(_skeleton(target)), len(here)), np.float32)
    for row, joint in enumerate(_skeleton(target).joints):
        choices = [(joint,), *_SUBSTITUTES.get(joint, [])]
        chosen = next((choice for choice in choices if all(name in here for name in choice)), ())
        for name in chosen:
            matrix[row, here[name]] = 1.0 / len(chosen)
    matrix.setflags(write=False)
    return matrix


def convert(keypoints: Keypoints, to: SkeletonName) -> Keypoints:
    """Return the keypoints in another skeleton.

    Args:
        keypoints: any of the registry's skeletons.
        to: the name of the wanted skeleton.

    Returns:
        Joints of the same name are kept. Middle points (neck, pelvis, spine) are means, with the lowest of their
        scores. Joints that cannot be told score 0 and lie on the mean of the known ones. Joints of one name mark
        slightly other spots in other skeletons (SMPL's hips lie below those marked in photos); that is not corrected.

    Raises:
        InputError: a skeleton's name is not in the registry.
    """
    if to == keypoints.skeleton:
        return keypoints
    matrix = conversion(keypoints.skeleton, to)
    known = matrix.any(axis=1)
    used = matrix[:, None] > 0  # (K, 1, J)
    score = np.where(used, keypoints.score.T[None].transpose(0, 2, 1), np.float32(np.inf)).min(axis=2)
    score = np.where(known[:, None], score, np.float32(0)).T
    world = None if keypoints.world is None else _mix(keypoints.world, matrix, known)
    return Keypoints(_mix(keypoints.xy, matrix, known), score, to, world)


def _mix(
    points: Float32[ndarray, "N J D"], matrix: Float32[ndarray, "K J"], known: ndarray
) -> Float32[ndarray, "N K D"]:
    mixed = matrix @ points
    if not known.all():
        mixed[:, ~known] = mixed[:, known].mean(axis=1, keepdims=True) if known.any() else 0
    return mixed


def _skeleton(name: SkeletonName) -> Skeleton:
    if name not in SKELETONS:
        raise InputError(f"no skeleton is called {name!r}; known are {', '.join(SKELETONS)}")
    return SKELETONS[name]
