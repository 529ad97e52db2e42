"""Bodies whose truth is known, as keypoints: what the tests of the fitter start from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from limner.body import lie, load_body
from limner.body.keypoint_rows import keypoint_rows
from limner.body.sparse_body import PosedPoints, SparseBody
from limner.pose import SKELETONS
from limner.records import Bodies, Keypoints

SIZE_HW = (240, 320)
PX_PER_METRE = 110.0


@lru_cache
def sparse_body(skeleton: str = "blazepose33") -> SparseBody:
    data = load_body("free")
    return SparseBody(data, keypoint_rows(data, skeleton))


def waving(num_frames: int, yaw: float = 0.4) -> np.ndarray:
    """Somebody who waves an arm and lifts a leg, a whole wave in 16 frames: rotations (T, 24, 3, 3) in camera axes."""
    phase = 2 * np.pi * np.arange(num_frames) / 16
    rotvec = np.zeros((num_frames, 24, 3))
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -1.1, 0.4 + 0.5 * np.sin(phase)
    rotvec[:, 19, 1] = 0.8 + 0.4 * np.sin(phase)
    rotvec[:, 1, 0], rotvec[:, 4, 0] = -0.5 - 0.3 * np.sin(phase), 0.7 + 0.3 * np.sin(phase)
    rotmats = lie.exp(rotvec)
    rotmats[:, 0] = lie.exp(np.array([np.pi, 0, 0])) @ lie.exp(np.array([0, yaw, 0]))
    return rotmats


def standing(num_frames: int, yaw: float = 0.0) -> np.ndarray:
    rotvec = np.zeros((num_frames, 24, 3))
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -1.1, 1.1
    rotmats = lie.exp(rotvec)
    rotmats[:, 0] = lie.exp(np.array([np.pi, 0, 0])) @ lie.exp(np.array([0, yaw, 0]))
    return rotmats


def posed(rotmats: np.ndarray, skeleton: str = "blazepose33") -> PosedPoints:
    body = sparse_body(skeleton)
    return body.pose(rotmats, np.zeros(body.num_betas))


def seen(rotmats: np.ndarray, skeleton: str = "blazepose33", *, world: bool = True, lean: float = 0.0) -> Keypoints:
    """What a faultless locator says of a body, but for world landmarks that lean by `lean` radians."""
    points = posed(rotmats, skeleton).points
    xy = points[..., :2] * PX_PER_METRE + (SIZE_HW[1] / 2, SIZE_HW[0] / 2 - 20)
    joints = SKELETONS[skeleton].joints
    hips = points[:, [joints.index("left_hip"), joints.index("right_hip")]].mean(1, keepdims=True)
    turned = (points - hips) @ lie.exp(np.array([lean, 0, 0])).T
    return Keypoints(xy, np.ones(xy.shape[:2]), skeleton, turned if world else None)


def projected(bodies: Bodies, skeleton: str = "blazepose33") -> np.ndarray:
    """The keypoints (T, K, 2) of fitted bodies in pixels."""
    points = sparse_body(skeleton).pose(lie.exp(bodies.rotvec), bodies.betas[0].astype(float)).points
    s, tx, ty = bodies.weak_camera.astype(float).T[..., None]
    frame = np.stack([s * (points[..., 0] + tx), s * (points[..., 1] + ty)], axis=-1)
    return (frame * max(SIZE_HW) + (SIZE_HW[1] - 1, SIZE_HW[0] - 1)) / 2


def facing(bodies: Bodies) -> np.ndarray:
    """Where the pelvis looks (T, 3), camera axes."""
    return lie.exp(bodies.rotvec[:, 0])[:, :, 2]
