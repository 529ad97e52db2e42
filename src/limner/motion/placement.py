"""Put a motion that has no picture into the photo's scene: where the body stands in each frame, and how large.

The scene is taken as a floor seen by a level camera a little above the hips; the person of the photo stands on it. The motion's
path is scaled to the person's legs, turned to come towards the viewer, and its middle laid where the person stood.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d, minimum_filter1d
from scipy.spatial.transform import Rotation

from limner.body import FastSMPL
from limner.records import Bodies, Motion

CAMERA_FROM_WORLD = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
"""World axes are x right, y up, z towards the viewer; camera axes x right, y down, z away."""
VIEWING_DISTANCE_M = 6.0
CAMERA_HEIGHT_M = 1.2
LARGEST, SMALLEST = 1.12, 0.8
"""How much nearer or farther than in the photo the person may come; longer paths are shortened in depth."""
TRAVELS_M = 0.6
"""A path that goes farther than this turns the motion; a shorter one is turned by the first frame's facing."""
FLOOR_WINDOW_S = 0.6
"""Nobody stays in the air longer than this, so the lowest foot within it stood on the floor."""
SIDE_MARGIN = 0.92


def place_motion(motion: Motion, source: Bodies, pose: FastSMPL) -> Bodies:
    """Bodies that play `motion` in the picture of `source`, with the source's shape.

    Args:
        motion: rotations and pelvis positions in a world with y up.
        source: the photo's person, one body.
        pose: the fast layer of its body model.
    """
    yaw = Rotation.from_rotvec([0.0, _turn_to_viewer(motion), 0.0])
    rotvec = motion.rotvec.copy()
    rotvec[:, 0] = (yaw * Rotation.from_rotvec(motion.rotvec[:, 0].astype(np.float64))).as_rotvec()
    path = yaw.apply(motion.transl.astype(np.float64))
    pelvis, lowest = _stance(rotvec, source, pose)
    path *= _leg_ratio(path[:, 1], lowest)
    floor_gap = _above_floor(path[:, 1] + lowest, float(motion.frame_rate))
    rotvec[:, 0] = (
        Rotation.from_matrix(CAMERA_FROM_WORLD.astype(np.float64)) * Rotation.from_rotvec(rotvec[:, 0])
    ).as_rotvec()
    camera = _cameras(path, floor_gap, lowest, pelvis, source, pose)
    count = len(rotvec)
    return replace(
        source,
        rotvec=rotvec.astype(np.float32),
        betas=np.repeat(source.betas[:1], count, axis=0),
        weak_camera=camera.astype(np.float32),
    )


def _turn_to_viewer(motion: Motion) -> float:
    """Radians about y that turn the path, or for a motion in place the first facing, towards +z."""
    span = motion.transl[-1] - motion.transl[0]
    if np.hypot(span[0], span[2]) < TRAVELS_M:
        span = Rotation.from_rotvec(motion.rotvec[0, 0].astype(np.float64)).apply([0.0, 0.0, 1.0])
    return float(-np.arctan2(span[0], span[2]))


def _stance(
    rotvec: Float32[ndarray, "T 24 3"], source: Bodies, pose: FastSMPL
) -> tuple[Float[ndarray, "3"], Float[ndarray, "T"]]:
    """The rest pelvis, and how far below the pelvis the lowest point of the body lies in each frame (negative metres)."""
    lowest = np.empty(len(rotvec))
    pelvis = np.zeros(3)
    for frame, one in enumerate(rotvec):
        vertices, joints = pose(source.betas[:1], one[None])
        pelvis = joints[0, 0]
        lowest[frame] = vertices[0, :, 1].min() - pelvis[1]
    return pelvis, lowest


def _leg_ratio(height: Float[ndarray, "T"], lowest: Float[ndarray, "T"]) -> float:
    """How much longer the person's legs are than the recorded actor's; 1 where the recording has no floor at zero."""
    recorded, own = float(np.median(height)), float(-np.median(lowest))
    ratio = own / recorded if recorded > 0.2 else 1.0
    return ratio if 0.5 < ratio < 2.0 else 1.0


def _above_floor(lowest: Float[ndarray, "T"], frame_rate: float) -> Float[ndarray, "T"]:
    """How high the lowest point of the body is above the floor: zero while a foot stands, positive in a jump."""
    window = max(3, int(2 * FLOOR_WINDOW_S * frame_rate) | 1)
    floor = minimum_filter1d(lowest, window, mode="nearest")
    floor = gaussian_filter1d(floor, FLOOR_WINDOW_S * frame_rate / 3, mode="nearest")
    return np.maximum(lowest - floor, 0.0)


def _cameras(
    path: Float[ndarray, "T 3"],
    floor_gap: Float[ndarray, "T"],
    lowest: Float[ndarray, "T"],
    pelvis: Float[ndarray, "3"],
    source: Bodies,
    pose: FastSMPL,
) -> Float[ndarray, "T 3"]:
    """A weak camera for each frame that puts the body's lowest point on the floor of the photo."""
    vertices, joints = pose(source.betas[:1], source.rotvec[:1])
    scale, tx, ty = source.weak_camera[0].astype(np.float64)
    floor_y = scale * (vertices[0, :, 1].max() + ty)
    stands_x = scale * (joints[0, 0, 0] + tx)
    focal = scale * VIEWING_DISTANCE_M
    horizon_y = floor_y - focal * CAMERA_HEIGHT_M / VIEWING_DISTANCE_M
    middle = (path[:, [0, 2]].min(axis=0) + path[:, [0, 2]].max(axis=0)) / 2
    depth = VIEWING_DISTANCE_M - _fit_depth(path[:, 2] - middle[1])
    zoom = focal / depth
    x = stands_x + _fit_width(zoom * (path[:, 0] - middle[0]), stands_x, source.size_hw)
    pelvis_y = horizon_y + zoom * (CAMERA_HEIGHT_M + lowest - floor_gap)
    return np.stack([zoom, x / zoom - pelvis[0], pelvis_y / zoom - pelvis[1]], axis=1)


def _fit_depth(towards: Float[ndarray, "T"]) -> Float[ndarray, "T"]:
    """Shorten the path in depth where the person would come too near or go too far."""
    near, far = VIEWING_DISTANCE_M * (1 - 1 / LARGEST), VIEWING_DISTANCE_M * (1 / SMALLEST - 1)
    factor = min(1.0, near / max(towards.max(), 1e-6), far / max(-towards.min(), 1e-6))
    return towards * factor


def _fit_width(sideways: Float[ndarray, "T"], stands_x: float, size_hw: tuple[int, int]) -> Float[ndarray, "T"]:
    """Shorten the path sideways where the person's middle would leave the picture."""
    half = SIDE_MARGIN * size_hw[1] / max(size_hw)
    right, left = max(half - stands_x, 1e-6), max(half + stands_x, 1e-6)
    factor = min(1.0, right / max(sideways.max(), 1e-6), left / max(-sideways.min(), 1e-6))
    return sideways * factor
