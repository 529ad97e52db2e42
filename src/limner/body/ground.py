"""A person's motion in the world: upright, on a floor, with a path whose standing feet do not slide.

The camera is taken to stand still, level from side to side, with square pixels and a known or assumed focal length. A
picture tells well where a person is across the line of sight, and by their size, badly, how far away. Feet that stand
tell the rest: while a foot stands, the pelvis moves against it exactly as the pose says. The path is the least squares
answer to all of it, a banded system.

Notation: t_i place of the pelvis in frame i, f_ik point k of the feet about the pelvis; world axes x right, y up, z
towards the viewer, floor at y = 0, all as the camera looks.

Sources: Gleicher 1998 (foot contact constraints on a motion); Geman and McClure 1987 for contacts that prove wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d

from limner.body import lie
from limner.body.feet import body_places, foot_contacts
from limner.body.perspective import perspective_translation, turn_to_ray
from limner.body.smpl import BodyData
from limner.checks import InputError
from limner.records import Bodies

__all__ = ["Grounded", "ground_bodies"]

_CAMERA_TO_WORLD = np.diag([1.0, -1.0, -1.0])
_ACROSS_M, _ALONG_M = 0.03, 0.5  # trust in a frame's place across and along the line of sight
_CALM_S = 0.05  # standard deviation of the smoothing before speeds are taken
_UNSEEN = 1e-3  # trust in a frame that was filled in
_SLIDE_M = 0.002  # from frame to frame
_FLOOR_M = 0.01
_WRONG_M = 0.02  # a contact that slides so much from one frame to the next is none
_ACCELERATION = 4.0  # m/s^2
_ROUNDS = 5
_TILT = np.radians(8)  # how far the picture's vertical may be off
_UNEVEN_M = 0.08  # noise of a step's place in space


@dataclass(frozen=True, eq=False)
class Grounded:
    """One person's motion in the world.

    Attributes:
        rotvec: axis-angle of each joint relative to its parent, radians; the root turns into world axes.
        pelvis: place of the pelvis, metres; y up, the floor at 0.
        contact: whether heel and ball of the left and the right foot stand.
        world_from_camera: what turns camera axes into world axes.
    """

    rotvec: Float[ndarray, "T 24 3"]
    pelvis: Float[ndarray, "T 3"]
    contact: Bool[ndarray, "T 2 2"]
    world_from_camera: Float[ndarray, "3 3"]


@dataclass(frozen=True, eq=False)
class _Watched:
    """One person as a perspective camera sees them, in camera axes."""

    rotmats: Float[ndarray, "T 24 3 3"]
    place: Float[ndarray, "T 3"]
    joints: Float[ndarray, "T 24 3"]
    soles: Float[ndarray, "T 2 2 3"]
    seen: Bool[ndarray, "T"]
    contact: Bool[ndarray, "T 2 2"]


def ground_bodies(
    data: BodyData,
    people: Sequence[Bodies],
    frame_rate: float | None,
    focal_px: float,
    seen: Sequence[Bool[ndarray, "T"]] | None = None,
) -> list[Grounded]:
    """Put the people of one clip, or of one picture, on a floor.

    Args:
        data: their body model.
        people: each one's bodies in consecutive frames, one row in a picture.
        frame_rate: frames a second; None for a picture.
        focal_px: focal length in pixels.
        seen: frames in which each person is seen; the others are filled in, and follow their neighbours.

    Returns:
        One motion each, in one world: its origin lies on the floor below the first person's first pelvis. The vertical
        is the picture's, corrected where the people's steps span a plane. Every person gets a floor of their own, for
        how far away somebody is depends on how tall they are taken to be.

    Raises:
        InputError: nobody is given, or the focal length is not positive.
    """
    if not people:
        raise InputError("there is nobody to put on the floor")
    shown = seen or [np.ones(len(one), bool) for one in people]
    watched = [_watch(data, one, frame_rate, focal_px, s) for one, s in zip(people, shown, strict=True)]
    world_from_camera = _upright(watched, frame_rate)
    grounded = [_stand(one, world_from_camera, frame_rate) for one in watched]
    origin = grounded[0].pelvis[0] * (1, 0, 1)
    return [replace(one, pelvis=one.pelvis - origin) for one in grounded]


def _watch(
    data: BodyData, bodies: Bodies, frame_rate: float | None, focal_px: float, seen: Bool[ndarray, "T"]
) -> _Watched:
    rest = data.J_regressor[:1] @ (data.v_template + data.shapedirs[..., : bodies.betas.shape[1]] @ bodies.betas[0])
    place = perspective_translation(bodies.weak_camera, bodies.size_hw, focal_px) + rest * (1, 1, 0)
    rotmats = lie.exp(bodies.rotvec)
    rotmats[:, 0] = turn_to_ray(place) @ rotmats[:, 0]
    joints, soles = body_places(data, bodies.betas, lie.log(rotmats).astype(np.float32))
    contact = _contacts(place[:, None, None] + soles, place[:, 2], frame_rate)
    return _Watched(rotmats, place, joints, soles, np.asarray(seen, bool), contact)


def _contacts(
    points: Float[ndarray, "T 2 2 3"], depth: Float[ndarray, "T"], frame_rate: float | None
) -> Bool[ndarray, "T 2 2"]:
    """Tell when feet stand by what the picture shows: a frame's own depth is too noisy to take a speed from.

    What stands, stands in the picture, however fast the person comes closer; speeds there count in metres at the
    person's depth.
    """
    rate = frame_rate or 30.0
    metres = np.median(depth)
    seen = points[..., :2] / depth[:, None, None, None] * metres
    speed = np.zeros(points.shape[:-1])
    if len(points) > 2:
        calm = gaussian_filter1d(seen, _CALM_S * rate, axis=0, mode="nearest")
        nearness = (depth / metres)[:, None, None]
        speed = np.linalg.norm(np.gradient(calm, axis=0), axis=-1) * rate * nearness
    return foot_contacts(-points[..., 1], speed, rate)


def _upright(watched: Sequence[_Watched], frame_rate: float | None) -> Float[ndarray, "3 3"]:
    """Return the turn from camera axes to a world that stands upright.

    The picture's vertical is the first guess; steps that cover ground tell how the camera is tilted. The answer is the
    normal n with the least of  sum (n (p - mean p))^2 / uneven^2 + |n across the guess|^2 / tilt^2.
    """
    guess = np.array([0.0, -1.0, 0.0])
    energy = (np.eye(3) - np.outer(guess, guess)) / _TILT**2
    for one in watched if frame_rate else ():
        standing = one.contact & one.seen[:, None, None]
        points = (one.place[:, None, None] + one.soles)[standing]
        if len(points) > 1:
            spread = points - points.mean(axis=0)
            # Frames of one step tell the same thing: about two independent places a second.
            energy += spread.T @ spread * (2 / frame_rate / 2) / _UNEVEN_M**2 if frame_rate else 0
    normal = np.linalg.eigh(energy)[1][:, 0]
    normal = normal if normal @ guess > 0 else -normal
    up = _CAMERA_TO_WORLD @ normal
    axis, cosine = np.cross(up, [0.0, 1.0, 0.0]), up[1]
    sine = float(np.linalg.norm(axis))
    return lie.exp(axis / max(sine, 1e-12) * np.arctan2(sine, cosine)) @ _CAMERA_TO_WORLD


def _stand(one: _Watched, world_from_camera: Float[ndarray, "3 3"], frame_rate: float | None) -> Grounded:
    rotmats = one.rotmats.copy()
    rotmats[:, 0] = world_from_camera @ rotmats[:, 0]
    place = one.place @ world_from_camera.T
    soles = one.soles @ world_from_camera.T
    contact = one.contact
    if frame_rate is None or len(place) < 3:
        place = place - [0, 1, 0] * (place[:, None, None] + soles)[..., 1].min(axis=(1, 2))[:, None]
    else:
        place = _path(place, soles, contact, one.seen, frame_rate)
    return Grounded(lie.log(rotmats), place, contact, world_from_camera)


def _path(
    place: Float[ndarray, "T 3"],
    soles: Float[ndarray, "T 2 2 3"],
    contact: Bool[ndarray, "T 2 2"],
    seen: Bool[ndarray, "T"],
    frame_rate: float,
) -> Float[ndarray, "T 3"]:
    """Return the path of the pelvis that agrees best with places, standing feet, floor and calm."""
    points = soles.reshape(len(place), 4, 3)
    stands = contact.reshape(len(place), 4)
    height = (place[:, None] + points)[..., 1]
    level = float(np.median(height[stands])) if stands.any() else float(np.percentile(height.min(axis=1), 5))
    sight = place / np.linalg.norm(place, axis=1, keepdims=True)
    place = place - (0, level, 0)
    along = np.einsum("ta,tb->tab", sight, sight)
    trust = (np.eye(3) - along) / _ACROSS_M**2 + along / _ALONG_M**2
    trust *= np.where(seen, 1.0, _UNSEEN)[:, None, None]
    path = place
    for _ in range(_ROUNDS):
        path = _solve(path, place, trust, points, stands, frame_rate)
    return path


def _solve(
    path: Float[ndarray, "T 3"],
    place: Float[ndarray, "T 3"],
    trust: Float[ndarray, "T 3 3"],
    points: Float[ndarray, "T 4 3"],
    stands: Bool[ndarray, "T 4"],
    frame_rate: float,
) -> Float[ndarray, "T 3"]:
    """Take one round of reweighted least squares: contacts that slide in `path` count less, sunk soles are lifted."""
    both = stands[1:] & stands[:-1]
    way = points[1:] - points[:-1]
    slide = np.linalg.norm((path[1:] - path[:-1])[:, None] + way, axis=-1)
    link = both / _SLIDE_M**2 / (1 + (slide / _WRONG_M) ** 2) ** 2
    height = path[:, None, 1] + points[..., 1]
    held = (stands / (1 + (height / (10 * _WRONG_M)) ** 2) ** 2 + (height < 0)) / _FLOOR_M**2
    diagonal, goal = trust.copy(), np.einsum("tab,tb->ta", trust, place)
    diagonal[:, 1, 1] += held.sum(axis=1)
    goal[:, 1] -= (held * points[..., 1]).sum(axis=1)
    pull = (link[..., None] * way).sum(axis=1)
    goal[:-1] += pull
    goal[1:] -= pull
    together = link.sum(axis=1)
    calm = (frame_rate**2 / _ACCELERATION) ** 2
    return _banded(diagonal, together, calm, goal)


def _banded(
    diagonal: Float[ndarray, "T 3 3"], link: Float[ndarray, "T-1"], calm: float, goal: Float[ndarray, "T 3"]
) -> Float[ndarray, "T 3"]:
    """Solve for the path: blocks on the diagonal, links between neighbours, and the square of second differences."""
    count = len(diagonal)
    second = np.zeros((3, count))  # of (1, -2, 1)^T (1, -2, 1), by distance from the diagonal
    for shift, row in ((0, (1, 4, 1)), (1, (-2, -2)), (2, (1,))):
        for start, value in enumerate(row):
            second[shift, start : start + count - 2] += value * calm
    main = second[0].copy()
    main[:-1] += link
    main[1:] += link
    band = np.zeros((9, count, 3))
    for shift in range(3):
        for axis in range(3 - shift):
            band[shift, :, axis] = diagonal[:, axis + shift, axis]
    band[0] += main[:, None]
    band[3, : count - 1] = (second[1, : count - 1] - link)[:, None]
    band[6, : count - 2] = second[2, : count - 2, None]
    return solveh_banded(band.reshape(9, -1), goal.reshape(-1), lower=True).reshape(-1, 3)
