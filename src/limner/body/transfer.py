"""Keypoints of one body carried over to another mesh in SMPL's layout.

A user's SMPL file knows its 24 joints and at most HMR's 19 keypoints; fingers, heels, mouth and eyes of the other
skeletons have no row in it, and tables of picked vertices hold for one mesh only. So each keypoint's place on the free
body's rest mesh is found again on the rest mesh of the other body, and tied to the vertices round it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from limner.body.smpl import NUM_JOINTS, BodyData

__all__ = ["point_regressor", "transfer_keypoints"]

# A keypoint nearer to its joint than this is meant to BE the joint (a knee, a wrist), not a point of the skin.
_JOINT_LIKE_M = 0.05
_NEIGHBOURS = 24


def point_regressor(vertices: Float[ndarray, "V 3"], points: Float[ndarray, "K 3"]) -> csr_matrix:
    """Tie points to the vertices round them, so that they follow when the mesh is posed.

    Args:
        vertices: the rest mesh, metres.
        points: places on or inside it, metres.

    Returns:
        (K, V) rows that sum to 1 and give back the points: of all such rows over the nearest vertices the one closest
        to even weights, which is the calmest where a point lies inside the mesh.
    """
    count = min(_NEIGHBOURS, len(vertices))
    near = cKDTree(vertices).query(points, k=count)[1].reshape(len(points), count)
    even = np.full(count, 1 / count)
    rows = np.empty((len(points), count))
    for row, (point, ids) in enumerate(zip(points, near, strict=True)):
        # Least change d of the weights with sum(d) = 0 and sum(d v) = point - mean(v).
        centred = np.vstack([vertices[ids].T - point[:, None], np.ones(count)]).astype(np.float64)
        gap = np.append(-centred[:3] @ even, 0.0)
        rows[row] = even + np.linalg.lstsq(centred, gap, rcond=1e-6)[0]
    start = np.arange(0, near.size + 1, count)
    return csr_matrix((rows.ravel(), near.ravel(), start), shape=(len(points), len(vertices)))


def _joints(data: BodyData) -> ndarray:
    return np.asarray(data.J_regressor @ data.v_template, np.float64)


def _boxes(data: BodyData) -> tuple[ndarray, ndarray]:
    """The lower and upper corners of the box round the vertices that each bone carries; NaN where it carries none."""
    low, high = np.full((2, NUM_JOINTS, 3), np.nan)
    bone = data.weights.argmax(1)
    for j in np.unique(bone):
        own = data.v_template[bone == j]
        low[j], high[j] = own.min(0), own.max(0)
    return low, high


def _places(source: BodyData, target: BodyData, regressor: csr_matrix) -> Float[ndarray, "K 3"]:
    """Where the keypoints of the source's rest mesh lie on the target's."""
    points = np.asarray(regressor @ source.v_template, np.float64)
    bone = np.asarray(regressor @ source.weights).argmax(1)
    joint, joint_target = _joints(source), _joints(target)
    nearest = np.linalg.norm(points[:, None] - joint, axis=2).argmin(1)
    away = points - joint[nearest]
    (low, high), (low_target, high_target) = _boxes(source), _boxes(target)
    scale = (high_target - low_target) / np.maximum(high - low, 1e-6)
    on_skin = low_target[bone] + (points - low[bone]) * scale[bone]
    at_joint = joint_target[nearest] + away * np.nan_to_num(scale[nearest], nan=1.0)
    is_joint = (np.linalg.norm(away, axis=1) < _JOINT_LIKE_M) | np.isnan(on_skin).any(1)
    return np.where(is_joint[:, None], at_joint, on_skin)


def transfer_keypoints(source: BodyData, target: BodyData) -> BodyData:
    """Return `target` with the keypoint regressors of `source` that it lacks.

    A keypoint at a joint keeps its offset from that joint; any other keeps its place in the box round the vertices that
    its bone carries, so a nose stays as far up the head and as far to the front on a head of another size.
    """
    missing = {
        name: point_regressor(target.v_template, _places(source, target, regressor))
        for name, regressor in source.keypoint_regressors.items()
        if name not in target.keypoint_regressors
    }
    return replace(target, keypoint_regressors={**missing, **target.keypoint_regressors})
