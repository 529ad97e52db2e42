"""Joints over time, smoothed without lag: strongly where a joint rests, hardly where it moves fast.

Source: Casiez et al. 2012, "1 Euro Filter"; here run forwards and backwards and averaged, so that the lag of one pass
takes back that of the other.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy import ndarray

from limner.checks import InputError, check_shape

_RESTING_HZ = 1.2  # cut-off of a joint at rest
_OPENING = 4.0  # how many Hz a speed of one body length a second adds
_SPEED_HZ = 1.5  # cut-off of the speed itself


def smooth_track(
    xy: Float[ndarray, "T K 2"],
    valid: Bool[ndarray, "T"],
    frame_rate: float,
    *,
    strength: float = 1.0,
) -> Float32[ndarray, "T K 2"]:
    """Return one person's joints, smoothed.

    Args:
        xy: pixels, a row for each frame.
        valid: which frames show the person; a gap ends one stretch and begins another.
        frame_rate: frames a second.
        strength: 0 changes nothing, 1 suits hand-held phones, more is smoother.

    Returns:
        Joints; those of frames that are not valid are left as they are.

    Raises:
        InputError: `frame_rate` is not positive, or `strength` negative.
        ShapeError: the arrays differ in length.
    """
    if not frame_rate > 0 or not strength >= 0:
        raise InputError(f"frame_rate must be positive and strength at least 0, got {frame_rate} and {strength}")
    check_shape(xy, "xy", ("T", "K", 2))
    check_shape(valid, "valid", (len(xy),))
    smooth = np.array(xy, np.float32)
    if strength == 0 or not valid.any():
        return smooth
    length = max(float(np.median(np.ptp(xy[valid], axis=1).max(axis=1))), 1.0)  # of the body, in pixels
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(int)))
    for start, end in edges.reshape(-1, 2):
        part = np.asarray(xy[start:end], np.float64) / length
        both = (_pass(part, frame_rate, strength) + _pass(part[::-1], frame_rate, strength)[::-1]) / 2
        smooth[start:end] = both * length
    return smooth


def _pass(points: Float[ndarray, "T K 2"], frame_rate: float, strength: float) -> Float[ndarray, "T K 2"]:
    """One pass of the 1 Euro filter."""
    filtered = points.copy()
    speed = np.zeros(points.shape[1:])
    keep_speed = _share(np.array(_SPEED_HZ), frame_rate)
    for t in range(1, len(points)):
        speed += keep_speed * ((points[t] - points[t - 1]) * frame_rate - speed)
        cutoff = (_RESTING_HZ + _OPENING * np.linalg.norm(speed, axis=1, keepdims=True)) / strength
        filtered[t] = filtered[t - 1] + _share(cutoff, frame_rate) * (points[t] - filtered[t - 1])
    return filtered


def _share(cutoff_hz: ndarray, frame_rate: float) -> ndarray:
    """How much of the way to a new value one step goes."""
    turn = 2 * np.pi * cutoff_hz / frame_rate
    return turn / (turn + 1)
