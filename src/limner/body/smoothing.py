"""Rotations over time: gaps filled along the shortest turn, and smoothing that does not lag.

Smoothing weighs the frames before and after alike (a Gaussian), so its phase is zero: a movement keeps its moment.

Notation: T frames, J joints; rotation matrices relative to the parent joint.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from limner.body import lie
from limner.checks import InputError, check_shape
from limner.records import Bodies

__all__ = ["fill_gaps", "fill_rotations", "gaps", "smooth_bodies", "smooth_rotations"]


def gaps(valid: Bool[ndarray, "T"]) -> list[tuple[int, int]]:
    """Return (first frame, frame after the last) of every run of frames that are not valid."""
    valid = np.asarray(valid, dtype=bool)
    edges = np.diff(np.concatenate([[True], valid, [True]]).astype(int))
    return list(zip(np.flatnonzero(edges < 0).tolist(), np.flatnonzero(edges > 0).tolist(), strict=True))


def _neighbours(valid: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Return for every frame the valid frames at or around it and how far it lies from the first to the second."""
    frames = np.flatnonzero(valid)
    if len(frames) == 0:
        raise InputError("no frame is valid; at least one frame must show the person")
    index = np.arange(len(valid))
    after = frames[np.minimum(np.searchsorted(frames, index), len(frames) - 1)]
    before = frames[np.maximum(np.searchsorted(frames, index, side="right") - 1, 0)]
    before, after = np.minimum(before, after), np.maximum(before, after)
    before = np.where(index < frames[0], frames[0], before)
    span = np.maximum(after - before, 1)
    return before, after, np.clip((index - before) / span, 0, 1) * (after > before)


def fill_rotations(rotmats: Float[ndarray, "T J 3 3"], valid: Bool[ndarray, "T"]) -> Float[ndarray, "T J 3 3"]:
    """Replace the rotations of frames that are not valid: evenly along the shortest turn, held at the ends.

    Raises:
        InputError: no frame is valid.
    """
    before, after, share = _neighbours(np.asarray(valid, dtype=bool))
    start = rotmats[before]
    turn = lie.log(start.swapaxes(-1, -2) @ rotmats[after])
    filled = start @ lie.exp(turn * share[:, None, None])
    return np.where(np.asarray(valid, dtype=bool)[:, None, None, None], rotmats, filled)


def fill_gaps(values: Float[ndarray, "T C"], valid: Bool[ndarray, "T"]) -> Float[ndarray, "T C"]:
    """Replace rows of frames that are not valid: straight between two valid ones, held at the ends.

    Raises:
        InputError: no frame is valid.
    """
    before, after, share = _neighbours(np.asarray(valid, dtype=bool))
    filled = values[before] + share[:, None] * (values[after] - values[before])
    return np.where(np.asarray(valid, dtype=bool)[:, None], values, filled)


def smooth_rotations(rotmats: Float[ndarray, "T J 3 3"], frames: float) -> Float[ndarray, "T J 3 3"]:
    """Smooth rotations over time by a Gaussian of `frames` standard deviation, without lag.

    Each frame's neighbours are averaged as turns relative to that frame, so there is no seam at half turns.

    Raises:
        InputError: `frames` is negative.
    """
    if frames < 0:
        raise InputError(f"frames must be at least 0, got {frames}")
    reach = min(int(np.ceil(3 * frames)), len(rotmats) - 1)
    if reach <= 0:
        return rotmats.copy()
    share = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    share /= share.sum()
    last = len(rotmats) - 1
    index = np.arange(len(rotmats))
    mean = np.zeros(rotmats.shape[:-1])
    for offset, weight in zip(range(-reach, reach + 1), share, strict=True):
        # Beyond the ends the movement is continued by its point reflection, else the ends would be pulled inwards.
        inside = np.clip(index + offset, 0, last)
        mirrored = np.clip(2 * np.where(index + offset < 0, 0, last) - (index + offset), 0, last)
        out = (index + offset < 0) | (index + offset > last)
        here = rotmats.swapaxes(-1, -2)
        turn = lie.log(here @ rotmats[inside])
        edge = rotmats[np.where(index + offset < 0, 0, last)]
        back = lie.log(here @ edge) * 2 - lie.log(here @ rotmats[mirrored])
        mean += weight * np.where(out[:, None, None], back, turn)
    return rotmats @ lie.exp(mean)


def smooth_bodies(bodies: Bodies, frame_rate: float, seconds: float = 0.06) -> Bodies:
    """Smooth a body's rotations and camera over time without lag; the shape becomes the mean shape.

    Args:
        bodies: one person in T frames.
        frame_rate: frames a second.
        seconds: standard deviation of the Gaussian.

    Raises:
        InputError: `frame_rate` is not positive or `seconds` is negative.
    """
    if frame_rate <= 0:
        raise InputError(f"frame_rate must be positive, got {frame_rate}")
    check_shape(bodies.rotvec, "rotvec", ("T", 24, 3))
    if len(bodies) < 2:
        return bodies
    frames = float(seconds * frame_rate)
    rotvec = lie.log(smooth_rotations(lie.exp(bodies.rotvec), frames))
    s, tx, ty = bodies.weak_camera.astype(np.float64).T
    seen = np.stack([np.log(s), s * tx, s * ty], axis=1)
    if frames > 0:
        seen = gaussian_filter1d(seen, frames, axis=0, mode="nearest")
    scale = np.exp(seen[:, :1])
    betas = np.tile(bodies.betas.mean(0), (len(bodies), 1))
    return replace(bodies, rotvec=rotvec, betas=betas, weak_camera=np.concatenate([scale, seen[:, 1:] / scale], axis=1))
