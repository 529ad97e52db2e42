"""Where the fit starts: joint rotations straight from bone directions, and the weak camera by least squares.

The torso's frame gives the root and the chest, every limb turns by the smallest turn that brings its bone to the seen
direction, and a bent elbow or knee also gives the turn about the upper bone, since its hinge has one axis only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.body import blas, lie
from limner.body.energy import State
from limner.body.limits import joint_limits
from limner.body.observations import Observations, bone_matrix
from limner.body.smpl import JOINT_NAMES
from limner.body.sparse_body import SparseBody

__all__ = ["camera_from_points", "rotations_from_directions", "starts"]

_STRAIGHT = 0.2  # sine of the bend below which a hinge's axis is noise
_J = {name: joint for joint, name in enumerate(JOINT_NAMES)}
# upper joint, lower joint, upper bone, lower bone, the hinge's axis in the rest body
_LIMBS = (
    ("left_shoulder", "left_elbow", "left_upper_arm", "left_forearm", (0.0, -1.0, 0.0)),
    ("right_shoulder", "right_elbow", "right_upper_arm", "right_forearm", (0.0, 1.0, 0.0)),
    ("left_hip", "left_knee", "left_thigh", "left_shin", (1.0, 0.0, 0.0)),
    ("right_hip", "right_knee", "right_thigh", "right_shin", (1.0, 0.0, 0.0)),
)
_ENDS = (
    ("left_ankle", "left_knee", "left_sole"),
    ("right_ankle", "right_knee", "right_sole"),
    ("left_wrist", "left_elbow", "left_hand"),
    ("right_wrist", "right_elbow", "right_hand"),
)


def _unit(vector: ndarray) -> ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def _frame(side: ndarray, up: ndarray) -> ndarray:
    """Return rotations whose columns are x near `side`, y along `up`, z across both."""
    y = _unit(up)
    z = _unit(np.cross(side, y))
    return np.stack([np.cross(y, z), y, z], axis=-1)


def _swing(start: ndarray, end: ndarray) -> ndarray:
    """Return the smallest turns that bring unit vectors `start` to `end`."""
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (start * end).sum(-1, keepdims=True))
    # Opposite vectors leave the axis open; any across `start` will do.
    spare = _unit(np.cross(start, np.where(np.abs(start[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0])))
    return lie.exp(np.where(sine > 1e-6, axis / np.maximum(sine, 1e-9), spare) * angle)


def rotations_from_directions(
    body: SparseBody, bones: dict[str, Float[ndarray, "T 3"]], rest_bones: dict[str, Float[ndarray, "3"]]
) -> Float[ndarray, "T 24 3 3"]:
    """Return rotations relative to the parents that show the given bones, within the limits of the joints.

    Args:
        body: for the joint tree.
        bones: unit vectors in camera axes; "torso", "hips" and "shoulders" are needed, the others may be missing.
        rest_bones: the same bones of the body at rest.
    """
    num_frames = len(bones["torso"])
    turned = np.tile(np.eye(3), (num_frames, 24, 1, 1))  # relative to the parent
    rest = {name: _unit(bone) for name, bone in rest_bones.items()}
    # Hips are narrow and their depth is noise; with the shoulders the pelvis does not turn about on its own.
    side = bones["hips"] + bones["shoulders"]
    root = _frame(side, bones["torso"]) @ _frame(rest["hips"], rest["torso"]).T
    chest = _frame(bones["shoulders"], bones["torso"]) @ _frame(rest["shoulders"], rest["torso"]).T
    twist = lie.exp(lie.log(root.transpose(0, 2, 1) @ chest) / 3)
    turned[:, 0] = root
    for name in ("spine1", "spine2", "spine3"):
        turned[:, _J[name]] = twist
    world = {_J["pelvis"]: root, _J["spine3"]: root @ twist @ twist @ twist}
    if "face" in bones and "ears" in bones:
        # The frame's y is the face's forward here: any fixed order serves, as long as rest and seen agree.
        head = _frame(bones["ears"], bones["face"]) @ _frame(rest["ears"], rest["face"]).T
        half = lie.exp(lie.log(world[_J["spine3"]].transpose(0, 2, 1) @ head) / 2)
        turned[:, _J["neck"]] = turned[:, _J["head"]] = half
    for upper, lower, upper_bone, lower_bone, hinge in _LIMBS:
        if upper_bone not in bones or lower_bone not in bones:
            continue
        parent = world[_J["spine3"]] if "shoulder" in upper else root
        ends = (rest[upper_bone], rest[lower_bone]), (bones[upper_bone], bones[lower_bone])
        world[_J[upper]], world[_J[lower]] = _limb(parent, *ends, np.array(hinge))
        turned[:, _J[upper]] = parent.transpose(0, 2, 1) @ world[_J[upper]]
        turned[:, _J[lower]] = world[_J[upper]].transpose(0, 2, 1) @ world[_J[lower]]
    for end, parent_name, bone in _ENDS:
        if bone in bones and _J[parent_name] in world:
            parent = world[_J[parent_name]]
            turned[:, _J[end]] = parent.transpose(0, 2, 1) @ _swing(parent @ rest[bone], bones[bone]) @ parent
    return _within_limits(turned)


def _limb(
    parent: ndarray, rest: tuple[ndarray, ndarray], seen: tuple[ndarray, ndarray], hinge: ndarray
) -> tuple[ndarray, ndarray]:
    """Return the world rotations of a limb's two joints."""
    swung = _swing(parent @ rest[0], seen[0]) @ parent
    axis = np.cross(seen[0], seen[1])
    bend = np.linalg.norm(axis, axis=-1)[:, None, None]
    hinged = _frame(_unit(axis), seen[0]) @ _frame(hinge, rest[0]).T
    upper = np.where(bend > _STRAIGHT, hinged, swung)
    return upper, _swing(upper @ rest[1], seen[1]) @ upper


def _within_limits(rotmats: ndarray) -> ndarray:
    low, high = joint_limits()
    rotvec = lie.log(rotmats)
    return lie.exp(np.clip(rotvec, low, high))


def camera_from_points(points: Float[ndarray, "T K 3"], observations: Observations) -> Float[ndarray, "T 3"]:
    """Return log scale and picture shift (log s, u, v) that bring `points` closest to the keypoints, frame by frame.

    Frames without a keypoint take the means of the others.
    """
    weight = observations.confidence[..., None]
    total = weight.sum(1)
    seen = total[:, 0] > 1e-6
    safe = np.maximum(total, 1e-6)
    mean_point = (weight * points[..., :2]).sum(1) / safe
    mean_xy = (weight * observations.xy).sum(1) / safe
    spread_point = np.sqrt((weight * (points[..., :2] - mean_point[:, None]) ** 2).sum((1, 2)) / safe[:, 0])
    spread_xy = np.sqrt((weight * (observations.xy - mean_xy[:, None]) ** 2).sum((1, 2)) / safe[:, 0])
    # The ratio of spreads, not least squares: with a start that is far off the latter shrinks the body towards nothing.
    scale = np.maximum(spread_xy, 1e-4) / np.maximum(spread_point, 1e-3)
    camera = np.concatenate([np.log(scale)[:, None], mean_xy - scale[:, None] * mean_point], axis=1)
    if seen.any():
        camera[~seen] = camera[seen].mean(0)
    return camera


def starts(body: SparseBody, observations: Observations) -> Iterator[State]:
    """Yield states to start from: one from world landmarks; from the picture alone two, turned to either side."""
    names = bone_matrix(observations.names)[2]
    if observations.directions is not None:
        yield _start(body, observations, {name: observations.directions[:, n] for n, name in enumerate(names)})
        return
    for side in (1.0, -1.0):
        yield _start(body, observations, _lifted(body, observations, side))


def _start(body: SparseBody, observations: Observations, directions: dict[str, ndarray]) -> State:
    rotmats = rotations_from_directions(body, directions, _rest_bones(body, observations))
    betas = np.zeros(body.num_betas)
    camera = camera_from_points(body.pose(rotmats, betas).points, observations)
    return State(rotmats, betas, camera)


def _lifted(body: SparseBody, observations: Observations, side: float) -> dict[str, ndarray]:
    """Return bone directions from the picture alone: the torso turned as its width says, the limbs flat."""
    names = bone_matrix(observations.names)[2]
    rest = _rest_bones(body, observations)
    flat = blas.einsum("bk,tkc->tbc", observations.bones, observations.xy)
    length = {name: np.linalg.norm(rest[name]) for name in names}
    flat_length = np.linalg.norm(flat, axis=-1)
    seen = np.array([length[name] for name in names])
    # The largest picture-to-body ratio of the long bones is the scale: foreshortening only makes bones shorter.
    long = [
        n for n, name in enumerate(names) if name in ("torso", "left_thigh", "right_thigh", "left_shin", "right_shin")
    ]
    scale = np.maximum((flat_length / seen)[:, long].max(1), 1e-6)
    directions = {}
    for n, name in enumerate(names):
        vector = np.concatenate([flat[:, n] / scale[:, None], np.zeros((len(flat), 1))], axis=1)
        if name in ("hips", "shoulders"):
            vector[:, 2] = side * np.sqrt(np.maximum(length[name] ** 2 - (vector[:, :2] ** 2).sum(-1), 0))
        directions[name] = vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6)
    directions.pop("face", None)
    return directions


def _rest_bones(body: SparseBody, observations: Observations) -> dict[str, ndarray]:
    rest = body.pose(np.tile(np.eye(3), (1, 24, 1, 1)), np.zeros(body.num_betas)).points[0]
    vectors = observations.bones @ rest
    return dict(zip(bone_matrix(observations.names)[2], vectors, strict=True))
