"""Put a motion that has no picture into the photo's scene: where the body stands in each frame, and how large.

The scene is taken as a floor seen by a level camera above the hips; the person of the photo stands on it. The motion's
path is scaled to the person's legs, turned so that the person faces the viewer, and laid where it stays in the picture.
The body is drawn by the same camera, to first order: it grows as it comes nearer, and is tilted as the floor is seen,
so that a foot which stands on the floor stands still in the picture.

Notation: path (T, 3) pelvis in metres, x right, y up, z towards the viewer; zoom is the weak camera's scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d, minimum_filter1d
from scipy.spatial.transform import Rotation

from limner.body import FastSMPL
from limner.motion.cameras import frames_cut, strategy_camera
from limner.records import Bodies, Motion
from limner.types import CameraStrategy

CAMERA_FROM_WORLD = Rotation.from_matrix(np.diag([1.0, -1.0, -1.0]))
"""World axes are x right, y up, z towards the viewer; camera axes x right, y down, z away."""
VIEWING_DISTANCE_M = 6.0
CAMERA_HEIGHT_M = 1.2
LARGEST, SMALLEST = 1.12, 0.8
"""How much nearer or farther than in the photo the person may come; longer paths are shortened in depth."""
TRAVELS_M = 0.6
"""A path that goes farther than this has a direction."""
STRAIGHT_RAD = 0.6
"""A path that leaves the facing by less than this is walked forwards, and comes straight at the viewer."""
FACING_S = 0.5
"""The facing is the mean over this time: hips swing with each step."""
FLOOR_WINDOW_S = 0.6
"""Nobody stays in the air longer than this, so the lowest foot within it stood on the floor."""
TOES_M = 0.04
"""Room for the toes below the line on which the feet stand."""
OFTEN = 75
"""Percentage of the frames whose height must fit the frame; for a short leap nobody steps back from the camera."""
BATCH = 64


@dataclass(frozen=True)
class _Extents:
    """How far the body reaches from its pelvis in each frame, metres; `low` and `left` are negative.

    `ahead` is how far nearer to the viewer than the pelvis the lowest point lies.
    """

    pelvis: Float[ndarray, "3"]
    low: Float[ndarray, "T"]
    high: Float[ndarray, "T"]
    left: Float[ndarray, "T"]
    right: Float[ndarray, "T"]
    ahead: Float[ndarray, "T"]


@dataclass(frozen=True)
class _Scene:
    """Where the photo's person stands and how far the photo reaches, in the picture frame (y down)."""

    scale: float
    stands_x: float
    floor_y: float
    top_y: float
    frame_xy: tuple[float, float]

    @property
    def horizon_y(self) -> float:
        """The line at the camera's height."""
        return self.floor_y - self.scale * CAMERA_HEIGHT_M


def place_bodies(motion: Motion | Bodies, person: Bodies, pose: FastSMPL, camera: CameraStrategy = "smooth") -> Bodies:
    """Let a photo's person play a motion or follow a driver's bodies; `Actor.place` tells how.

    Args:
        motion: a motion without pictures, or the bodies of a driving video.
        person: the body in the photo, one row; shape and picture are kept.
        pose: the layer of that body model.
        camera: where the frames are seen from.
    """
    if isinstance(motion, Motion):
        placed = place_motion(motion, person, pose)
        return replace(placed, weak_camera=_repeated(person.weak_camera, len(placed))) if camera == "source" else placed
    cameras = _repeated(person.weak_camera, len(motion))
    placed = replace(person, rotvec=motion.rotvec, betas=_repeated(person.betas, len(motion)), weak_camera=cameras)
    lowest, joints = _lowest(placed, pose)
    floor_y = _scene(person, pose).floor_y
    # The published anchor is the driver's first frame; where that walks the person out of the picture, the middle
    # of the driver's path serves instead.
    choices = []
    for anchor in (_first, _middle) if camera == "smooth" else (_first,):
        cameras = strategy_camera(
            person.weak_camera[0], motion.weak_camera, anchor(motion.weak_camera), camera, follow_scale=True
        )
        choices.append(cameras if camera == "copy" else _grounded(cameras, lowest, anchor, floor_y))
    best = min(choices, key=lambda cameras: frames_cut(joints, cameras, person.size_hw))
    return replace(placed, weak_camera=best.astype(np.float32))


def _lowest(bodies: Bodies, pose: FastSMPL) -> tuple[Float[ndarray, "T"], Float[ndarray, "T J 3"]]:
    """How low each body reaches, metres with y down, and its joints."""
    parts = [slice(first, first + BATCH) for first in range(0, len(bodies), BATCH)]
    posed = [pose(bodies.betas[part], bodies.rotvec[part]) for part in parts]
    return (
        np.concatenate([vertices[..., 1].max(axis=1) for vertices, _ in posed]),
        np.concatenate([joints for _, joints in posed]),
    )


def _first(rows: ndarray) -> Any:
    return rows[0]


def _middle(rows: ndarray) -> Any:
    return np.median(rows, axis=0)


def _grounded(
    cameras: Float[ndarray, "T 3"], lowest: Float[ndarray, "T"], anchor: Callable[[ndarray], Any], floor_y: float
) -> Float[ndarray, "T 3"]:
    """Move all frames up or down alike, so that at the anchor the feet are where those of the photo stand.

    A driver seen from above, or crouching, has the pelvis nearer to the feet than the photo's person has.
    """
    shift = floor_y - anchor(cameras[:, 0] * (lowest + cameras[:, 2]))
    return np.stack([cameras[:, 0], cameras[:, 1], cameras[:, 2] + shift / cameras[:, 0]], axis=1)


def _repeated(row: Float32[ndarray, "1 C"], count: int) -> Float32[ndarray, "T C"]:
    return np.repeat(row[:1], count, axis=0)


def place_motion(motion: Motion, source: Bodies, pose: FastSMPL) -> Bodies:
    """Bodies that play `motion` in the picture of `source`, with the source's shape.

    Args:
        motion: rotations and pelvis positions in a world with y up.
        source: the photo's person, one body.
        pose: the fast layer of its body model.

    Returns:
        One body a frame. The person stands on the floor of the photo, leaves it in jumps, and stays in the frame.
    """
    rate = float(motion.frame_rate)
    root = Rotation.from_rotvec(motion.rotvec[:, 0].astype(np.float64))
    yaw = Rotation.from_rotvec([0.0, _turn_to_viewer(motion.transl.astype(np.float64), root, rate), 0.0])
    rotvec = motion.rotvec.copy()
    rotvec[:, 0] = (yaw * root).as_rotvec()
    reach = _extents(rotvec, source, pose)
    path = yaw.apply(motion.transl.astype(np.float64))
    path *= _leg_ratio(path[:, 1], reach.low)
    gap = _above_floor(path[:, 1] + reach.low, rate)
    camera, tilt_rad = _cameras(path, gap, reach, _scene(source, pose))
    tilt = Rotation.from_rotvec(tilt_rad[:, None] * [1.0, 0.0, 0.0])
    rotvec[:, 0] = (tilt * CAMERA_FROM_WORLD * yaw * root).as_rotvec()
    betas = np.repeat(source.betas[:1], len(rotvec), axis=0)
    return replace(source, rotvec=rotvec, betas=betas, weak_camera=camera.astype(np.float32))


def _turn_to_viewer(path: Float[ndarray, "T 3"], root: Rotation, frame_rate: float) -> float:
    """Radians about y that turn the first facing, or a path walked that way, towards +z."""
    front = root.apply([0.0, 0.0, 1.0])[: max(1, round(FACING_S * frame_rate))].mean(axis=0)
    facing = np.arctan2(front[0], front[2])
    span = path[-1] - path[0]
    heading = np.arctan2(span[0], span[2])
    off = (heading - facing + np.pi) % (2 * np.pi) - np.pi
    straight = np.hypot(span[0], span[2]) > TRAVELS_M and abs(off) < STRAIGHT_RAD
    return -float(heading if straight else facing)


def _extents(rotvec: Float32[ndarray, "T 24 3"], source: Bodies, pose: FastSMPL) -> _Extents:
    rows = []
    pelvis = np.zeros(3)
    for first in range(0, len(rotvec), BATCH):
        part = rotvec[first : first + BATCH]
        vertices, joints = pose(np.repeat(source.betas[:1], len(part), axis=0), part)
        pelvis = joints[0, 0].astype(np.float64)
        x, y, z = np.moveaxis(vertices, 2, 0) - pelvis[:, None, None]
        ahead = np.take_along_axis(z, y.argmin(axis=1)[:, None], axis=1)[:, 0]
        rows.append(np.stack([y.min(axis=1), y.max(axis=1), x.min(axis=1), x.max(axis=1), ahead]))
    return _Extents(pelvis, *np.concatenate(rows, axis=1))


def _leg_ratio(height: Float[ndarray, "T"], low: Float[ndarray, "T"]) -> float:
    """How much longer the person's legs are than the recorded actor's; 1 where the recording has no floor at zero.

    On the floor the height of the pelvis is what the body reaches below it; in the air it is more, so the largest
    ratios count. Frames low on the floor say little.
    """
    upright = height > max(0.2, 0.5 * height.max())
    if not upright.any():
        return 1.0
    ratio = float(np.percentile(-low[upright] / height[upright], 90))
    return ratio if 0.5 < ratio < 2.0 else 1.0


def _above_floor(lowest: Float[ndarray, "T"], frame_rate: float) -> Float[ndarray, "T"]:
    """How high the lowest point of the body is above the floor: zero while a foot stands, positive in a jump."""
    window = max(3, int(2 * FLOOR_WINDOW_S * frame_rate) | 1)
    floor = minimum_filter1d(lowest, window, mode="nearest")
    floor = gaussian_filter1d(floor, FLOOR_WINDOW_S * frame_rate / 3, mode="nearest")
    return np.maximum(lowest - floor, 0.0)


def _scene(source: Bodies, pose: FastSMPL) -> _Scene:
    vertices, joints = pose(source.betas[:1], source.rotvec[:1])
    scale, tx, ty = (float(n) for n in source.weak_camera[0])
    low, high = float(vertices[0, :, 1].max()), float(vertices[0, :, 1].min())
    height, width = source.size_hw
    longer = max(height, width)
    stands_x = scale * (float(joints[0, 0, 0]) + tx)
    return _Scene(scale, stands_x, scale * (low + ty), scale * (high + ty), (width / longer, height / longer))


def _cameras(
    path: Float[ndarray, "T 3"], gap: Float[ndarray, "T"], reach: _Extents, scene: _Scene
) -> tuple[Float[ndarray, "T 3"], Float[ndarray, "T"]]:
    """A weak camera for each frame that puts the body's lowest point on the floor, and the tilt towards the viewer.

    A step of z metres on the floor is seen zoom * slope * z lower; tilted by arcsin(slope), the body agrees.
    """
    depth, shortened = _depth(path[:, 2], float(np.percentile(reach.high - reach.low + gap, OFTEN)), scene)
    zoom = scene.scale * VIEWING_DISTANCE_M / depth
    sideways = zoom * (path[:, 0] - (path[:, 0].min() + path[:, 0].max()) / 2)
    x = _across(sideways, zoom * np.median(reach.left), zoom * np.median(reach.right), scene)
    slope = shortened * CAMERA_HEIGHT_M / depth
    tilt = np.arcsin(slope)
    stands = np.median(slope * reach.ahead)
    pelvis_y = scene.horizon_y + zoom * (CAMERA_HEIGHT_M - stands + np.cos(tilt) * reach.low - gap)
    camera = np.stack([zoom, x / zoom - reach.pelvis[0], pelvis_y / zoom - reach.pelvis[1]], axis=1)
    return camera, tilt


def _depth(towards: Float[ndarray, "T"], tallest: float, scene: _Scene) -> tuple[Float[ndarray, "T"], float]:
    """Metres from the camera, and how much of the path's depth is left: 1 where the frame has room for all of it.

    The nearest place is where a person of `tallest` metres, from the floor to the highest hand, still fits the frame.
    """
    top, bottom = min(-scene.frame_xy[1], scene.top_y), scene.frame_xy[1] - TOES_M * scene.scale
    largest = min(LARGEST * scene.scale, (max(bottom, scene.floor_y) - scene.horizon_y) / CAMERA_HEIGHT_M)
    if tallest > CAMERA_HEIGHT_M:
        largest = min(largest, (scene.horizon_y - top) / (tallest - CAMERA_HEIGHT_M))
    smallest = SMALLEST * scene.scale
    near, far = VIEWING_DISTANCE_M * scene.scale / max(largest, smallest), VIEWING_DISTANCE_M / SMALLEST
    span = float(np.ptp(towards))
    shortened = min(1.0, (far - near) / max(span, 1e-6))
    half = shortened * span / 2
    middle = float(np.clip(VIEWING_DISTANCE_M, near + half, max(far - half, near + half)))
    return middle - shortened * (towards - (towards.min() + towards.max()) / 2), shortened


def _across(
    sideways: Float[ndarray, "T"], left: Float[ndarray, "T"], right: Float[ndarray, "T"], scene: _Scene
) -> Float[ndarray, "T"]:
    """Where the pelvis is across the picture: about its place in the photo, moved and if need be shortened to fit."""
    half = scene.frame_xy[0]
    room = max(0.0, 2 * half - float((right - left).max()))
    x = scene.stands_x + sideways * min(1.0, room / max(float(np.ptp(sideways)), 1e-6))
    return x + max(0.0, -half - float((x + left).min())) - max(0.0, float((x + right).max()) - half)
