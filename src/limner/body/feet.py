"""Where the soles of the feet are, and when they stand: labels from height and speed.

A foot has two points, the heel and the ball; each stands where it is slow and about as low as the lowest of the four.
Notation: T frames; feet left and right; points heel and ball.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.sparse import csr_matrix

from limner.body.smpl import BodyData
from limner.body.smpl_fast import FastSMPL
from limner.checks import InputError, check_shape

__all__ = ["body_places", "foot_contacts", "runs_of"]

_FOOT_JOINTS = ((7, 10), (8, 11))
_SOLE_M = 0.015  # how far above its lowest vertex a foot's sole reaches
_SLOW_M_S = 0.35
_LOW_M = 0.1  # above the lowest point of the frame
_SHORTEST_S = 0.08  # shorter steps, and shorter pauses in them, are noise
_CHUNK = 32


def body_places(
    data: BodyData, betas: Float[ndarray, "T S"], rotvec: Float[ndarray, "T 24 3"]
) -> tuple[Float[ndarray, "T 24 3"], Float[ndarray, "T 2 2 3"]]:
    """Return joints and sole points (left and right foot; heel and ball) about the pelvis, in metres."""
    model, soles = FastSMPL(data), _sole_rows(data)
    joints = np.empty((len(rotvec), 24, 3))
    points = np.empty((len(rotvec), 4, 3))
    for start in range(0, len(rotvec), _CHUNK):
        part = slice(start, start + _CHUNK)
        vertices, joints[part] = model(betas[part], rotvec[part])
        points[part] = [soles @ one for one in vertices]
    pelvis = joints[:, :1].copy()
    return joints - pelvis, (points - pelvis).reshape(-1, 2, 2, 3)


def _sole_rows(data: BodyData) -> csr_matrix:
    """Return the four points as means of vertices: the lowest of each foot at rest, its back and its front half."""
    bone = data.weights.argmax(axis=1)
    rows = np.zeros((4, data.num_vertices))
    for foot, joints in enumerate(_FOOT_JOINTS):
        own = np.flatnonzero(np.isin(bone, joints))
        if len(own) == 0:
            raise InputError(f"no vertex of the body {data.name} hangs on a foot")
        sole = own[data.v_template[own, 1] <= data.v_template[own, 1].min() + _SOLE_M]
        along = data.v_template[sole, 2]
        low, high = along.min(), along.max()
        for point, half in enumerate((along <= low + (high - low) / 4, along >= high - (high - low) / 3)):
            rows[2 * foot + point, sole[half]] = 1 / half.sum()
    return csr_matrix(rows)


def foot_contacts(
    height: Float[ndarray, "T 2 2"], speed: Float[ndarray, "T 2 2"], frame_rate: float
) -> Bool[ndarray, "T 2 2"]:
    """Tell which points of the feet stand.

    Args:
        height: metres above any level, which may be another in each frame: the lowest point of
            a frame is near the floor unless it moves.
        speed: metres a second.
        frame_rate: frames a second.

    Returns:
        Whether each point stands in each frame. Where there are fewer than three frames only the height counts.

    Raises:
        InputError: the frame rate is not positive.
    """
    check_shape(height, "height", ("T", 2, 2))
    check_shape(speed, "speed", height.shape)
    if not frame_rate > 0:
        raise InputError(f"frame_rate must be positive, got {frame_rate}")
    standing = height - height.min(axis=(1, 2), keepdims=True) < _LOW_M
    if len(height) < 3:
        return standing
    return _without_flicker(standing & (speed < _SLOW_M_S), max(round(_SHORTEST_S * frame_rate), 1))


def _without_flicker(standing: Bool[ndarray, "T 2 2"], shortest: int) -> Bool[ndarray, "T 2 2"]:
    """Close pauses and then remove steps of at most `shortest` frames."""
    flat = standing.reshape(len(standing), -1).copy()
    for value in (False, True):
        for column in flat.T:
            for first, last in runs_of(column == value):
                inside = first > 0 and last < len(column)
                if inside and last - first <= shortest:
                    column[first:last] = not value
    return flat.reshape(standing.shape)


def runs_of(wanted: Bool[ndarray, "T"]) -> list[tuple[int, int]]:
    """Return first frame and frame after the last of every run of True."""
    edges = np.diff(np.concatenate([[False], wanted, [False]]).astype(int))
    return list(zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True))
