"""A motion of any human skeleton carried over to SMPL's 24 joints, so that every bone points where it pointed.

Notation: W rotation of a joint into the world, G the same for the source skeleton relative to its zero pose, index ref
the pose in which both skeletons are laid onto each other. Rest of SMPL: T pose, y up, faces +z, x to its left.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import InputError
from limner.records import Motion

JOINT_NAMES = (
    "pelvis", "left hip", "right hip", "spine1", "left knee", "right knee", "spine2", "left ankle", "right ankle",
    "spine3", "left foot", "right foot", "neck", "left collar", "right collar", "head", "left shoulder",
    "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist", "left hand", "right hand",
)  # fmt: skip
"""SMPL's joints in order."""

PARENTS = np.array([-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21])
"""SMPL's parents; -1 for the root."""

BONE_DIRECTIONS = {
    "left hip": (0.063, -0.998, -0.003),
    "right hip": (-0.063, -0.998, -0.003),
    "left knee": (-0.022, -0.997, -0.070),
    "right knee": (0.022, -0.997, -0.070),
    "left ankle": (-0.059, -0.320, 0.945),
    "right ankle": (0.059, -0.320, 0.945),
    "left shoulder": (1.0, 0.0, 0.0),
    "right shoulder": (-1.0, 0.0, 0.0),
    "left elbow": (1.0, 0.0, 0.0),
    "right elbow": (-1.0, 0.0, 0.0),
}
"""Where each limb's bone points in the T pose of the free body; SMPL's own bodies differ by up to three degrees."""

_LIMBS = ("hip", "knee", "shoulder", "elbow")
_NEXT = {"hip": "knee", "knee": "ankle", "ankle": "foot", "shoulder": "elbow", "elbow": "wrist"}
_NEEDED = (
    "pelvis",
    *(f"{side} {j}" for side in ("left", "right") for j in ("hip", "knee", "ankle", "shoulder", "elbow")),
)


@dataclass(frozen=True)
class SourceMotion:
    """A motion as its file gives it.

    Attributes:
        joints: SMPL's joint name to the index of the source joint that stands for it.
        parents: the source's parents, each before its children; -1 for the root.
        offsets: from parent to joint in the zero pose, in metres.
        rotmats: world rotation of every source joint relative to the zero pose.
        positions: world position of every source joint, in metres.
    """

    joints: dict[str, int]
    parents: Int[ndarray, "J"]
    offsets: Float[ndarray, "J 3"]
    rotmats: Float[ndarray, "T J 3 3"]
    positions: Float[ndarray, "T J 3"]


def retarget(source: SourceMotion, name: str, frame_rate: Fraction) -> Motion:
    """Carry a motion over to SMPL's joints.

    Args:
        source: the skeleton and its motion; y or z may be up.
        name: what to call it in messages.
        frame_rate: frames a second.

    Returns:
        The motion in a world with y up. Limb bones point where the source's point; the trunk and the head turn as the
        source's turn from its reference pose; half of the forearm's twist is moved from the wrist to the elbow, so that
        a skinned forearm does not wring at one place.

    Raises:
        InputError: a joint that a body cannot do without is missing.
    """
    missing = [joint for joint in _NEEDED if joint not in source.joints]
    if missing:
        raise InputError(
            f"{name} lacks joints for {', '.join(missing)}; limner knows the usual names of BVH and asf files"
        )
    reference = _Reference.choose(source)
    laid_on = _lay_onto(reference.positions, source.joints)
    world = _world_rotations(source, reference, laid_on)
    turn = turn_to_y_up(world[:, 0], _zero_pose_up(source) if reference.is_zero_pose else None)
    world = turn @ world
    world = _share_forearm_twist(world)
    pelvis = source.positions[:, source.joints["pelvis"]] @ turn.T
    return Motion(local_rotvec(world), pelvis, frame_rate, name)


@dataclass(frozen=True)
class _Reference:
    """The pose in which SMPL's T pose is laid onto the source: its zero pose, or a frame if that does not stand."""

    positions: Float[ndarray, "J 3"]
    rotmats: Float[ndarray, "J 3 3"]
    is_zero_pose: bool

    @classmethod
    def choose(cls, source: SourceMotion) -> _Reference:
        zero = zero_pose(source)
        if _uprightness(zero[None], source.joints)[0] > 0.8:
            return cls(zero, np.broadcast_to(np.eye(3), (len(zero), 3, 3)), True)
        # Some files (LAFAN1, engine exports) have every bone along one axis at zero; their straightest frame serves.
        best = int(np.argmax(_uprightness(source.positions, source.joints)))
        return cls(source.positions[best], source.rotmats[best], False)


def zero_pose(source: SourceMotion) -> Float[ndarray, "J 3"]:
    """Return the positions of the source's joints when nothing is rotated."""
    positions = np.zeros_like(source.offsets)
    for joint, parent in enumerate(source.parents):
        positions[joint] = source.offsets[joint] + (positions[parent] if parent >= 0 else 0)
    return positions


def _uprightness(positions: Float[ndarray, "T J 3"], joints: dict[str, int]) -> Float[ndarray, "T"]:
    """Score how straight a person stands: 1 when both legs go straight down from a trunk whose sides fit; else less."""
    up, across = _trunk_axes(positions, joints)
    shoulders = _unit(positions[:, joints["left shoulder"]] - positions[:, joints["right shoulder"]])
    legs = [
        _unit(positions[:, joints[f"{side} ankle"]] - positions[:, joints[f"{side} hip"]]) for side in ("left", "right")
    ]
    straight = np.minimum(*(-(leg * up).sum(1) for leg in legs))
    fits = ((across * shoulders).sum(1) > 0.7) & (abs((across * up).sum(1)) < 0.5)
    return np.where(fits, straight, -1.0)


def _trunk_axes(
    positions: Float[ndarray, "... J 3"], joints: dict[str, int]
) -> tuple[Float[ndarray, "... 3"], Float[ndarray, "... 3"]]:
    """Return the directions from the hips to the shoulders and from the right hip to the left one."""

    def middle(joint: str) -> ndarray:
        return (positions[..., joints[f"left {joint}"], :] + positions[..., joints[f"right {joint}"], :]) / 2

    across = positions[..., joints["left hip"], :] - positions[..., joints["right hip"], :]
    return _unit(middle("shoulder") - middle("hip")), _unit(across)


def _lay_onto(positions: Float[ndarray, "J 3"], joints: dict[str, int]) -> Float[ndarray, "24 3 3"]:
    """Return the world rotations that bring SMPL's T pose onto a pose of the source.

    The trunk is turned as a whole, for the bones of a spine lie differently in every skeleton while the person
    stands the same; limbs follow their parent by the smallest turn that lays bone onto bone; feet are turned about
    the vertical only, for soles lie flat in both whatever the height of the ankle.
    """
    up, across = _trunk_axes(positions, joints)
    forward = _unit(np.cross(across, up))
    trunk = np.stack([np.cross(up, forward), up, forward], axis=1)
    laid_on = np.repeat(trunk[None], 24, axis=0)
    for index, name in enumerate(JOINT_NAMES):
        side, _, joint = name.rpartition(" ")
        if joint in _LIMBS:
            parent = trunk if joint in ("hip", "shoulder") else laid_on[PARENTS[index]]
            laid_on[index] = _smallest_turn(parent @ BONE_DIRECTIONS[name], _bone(positions, joints, name), parent)
        elif joint in ("wrist", "hand"):
            laid_on[index] = laid_on[PARENTS[index]]
        elif joint == "ankle" and f"{side} foot" in joints:
            laid_on[index] = _heading(_bone(positions, joints, name), trunk, BONE_DIRECTIONS[name])
        elif joint == "foot":
            laid_on[index] = laid_on[PARENTS[index]]
    return laid_on


def _bone(positions: Float[ndarray, "J 3"], joints: dict[str, int], name: str) -> Float[ndarray, "3"]:
    side, _, joint = name.rpartition(" ")
    end = joints.get(f"{side} {_NEXT[joint]}")
    return np.zeros(3) if end is None else _unit(positions[end] - positions[joints[name]])


def _smallest_turn(
    start: Float[ndarray, "3"], end: Float[ndarray, "3"], first: Float[ndarray, "3 3"]
) -> Float[ndarray, "3 3"]:
    """Follow `first` by the smallest rotation that brings `start` to `end`; a bone of no length turns nothing."""
    axis, cosine = np.cross(start, end), float(np.clip(start @ end, -1, 1))
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        return first
    return Rotation.from_rotvec(axis / length * np.arctan2(length, cosine)).as_matrix() @ first


def _heading(
    bone: Float[ndarray, "3"], trunk: Float[ndarray, "3 3"], rest: tuple[float, float, float]
) -> Float[ndarray, "3 3"]:
    """Turn about the trunk's up axis so that the foot points the source's way; a foot that hangs down is left."""
    here = trunk.T @ bone
    if np.hypot(here[0], here[2]) < 0.3:
        return trunk
    angle = np.arctan2(here[0], here[2]) - np.arctan2(rest[0], rest[2])
    return trunk @ Rotation.from_rotvec([0, angle, 0]).as_matrix()


def _world_rotations(
    source: SourceMotion, reference: _Reference, laid_on: Float[ndarray, "24 3 3"]
) -> Float[ndarray, "T 24 3 3"]:
    """W = G G_ref^-1 W_ref for joints that the source has; others keep their parent's rotation."""
    world = np.empty((len(source.rotmats), 24, 3, 3))
    for index, name in enumerate(JOINT_NAMES):
        joint = source.joints.get(name)
        if joint is None:
            world[:, index] = world[:, PARENTS[index]]
        else:
            world[:, index] = source.rotmats[:, joint] @ (reference.rotmats[joint].T @ laid_on[index])
    return world


def _zero_pose_up(source: SourceMotion) -> Float[ndarray, "3"]:
    return _trunk_axes(zero_pose(source), source.joints)[0]


def turn_to_y_up(root: Float[ndarray, "T 3 3"], rest_up: Float[ndarray, "3"] | None = None) -> Float[ndarray, "3 3"]:
    """Find the quarter turn that makes y the world's up axis.

    Args:
        root: world rotations of the pelvis; its y axis points up the trunk.
        rest_up: the trunk's direction in the zero pose, where the file has one.

    Returns:
        Identity where y is up already or where a lying person leaves it open; else the smallest turn.
    """
    mean_up = root[:, :, 1].mean(0)
    axis = int(np.argmax(np.abs(mean_up)))
    up = np.zeros(3)
    up[axis] = np.sign(mean_up[axis])
    agrees = mean_up @ up > 0.8 if rest_up is None else up @ rest_up > 0.7
    if (axis == 1 and (rest_up is not None or up[1] > 0)) or not agrees:
        return np.eye(3)
    if up[1] < 0:
        # The axes of a camera: y down and z away; half a turn about x.
        return np.diag([1.0, -1.0, -1.0])
    return np.rint(_smallest_turn(up, np.array([0.0, 1.0, 0.0]), np.eye(3)))


def _share_forearm_twist(world: Float[ndarray, "T 24 3 3"]) -> Float[ndarray, "T 24 3 3"]:
    for side in ("left", "right"):
        elbow, wrist = JOINT_NAMES.index(f"{side} elbow"), JOINT_NAMES.index(f"{side} wrist")
        axis = np.array(BONE_DIRECTIONS[f"{side} elbow"])
        local = np.swapaxes(world[:, elbow], 1, 2) @ world[:, wrist]
        quaternion = Rotation.from_matrix(local).as_quat()
        along = quaternion[:, :3] @ axis
        half_twist = np.arctan2(along, quaternion[:, 3])
        # The angle of a twist is known up to whole turns; the nearest to the frame before avoids jumps.
        half_twist = np.unwrap(half_twist, period=np.pi)
        world[:, elbow] = world[:, elbow] @ Rotation.from_rotvec(half_twist[:, None] * axis).as_matrix()
    return world


def local_rotvec(world: Float[ndarray, "T 24 3 3"]) -> Float[ndarray, "T 24 3"]:
    """Turn world rotations into axis-angle relative to SMPL's parents; the root stays in the world."""
    local = np.swapaxes(world[:, np.maximum(PARENTS, 0)], 2, 3) @ world
    local[:, 0] = world[:, 0]
    return Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3)


def _unit(vectors: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
