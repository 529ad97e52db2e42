"""Motions at other times than they were recorded: rotations by slerp, positions by straight lines."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import InputError
from limner.records import Motion


def resample_motion(motion: Motion, frame_rate: Fraction | float) -> Motion:
    """Put a motion on another frame rate.

    Args:
        motion: at least one frame.
        frame_rate: frames a second of the result.

    Returns:
        The motion from the same first moment, as long as before up to less than one frame; rotations go the short way
        round at even speed between two frames (slerp), positions along straight lines.

    Raises:
        InputError: the frame rate is not positive.
    """
    rate = Fraction(frame_rate).limit_denominator(100_000)
    if rate <= 0:
        raise InputError(f"the frame rate must be positive, got {frame_rate}")
    if rate == motion.frame_rate or len(motion) == 1:
        return Motion(motion.rotvec, motion.transl, rate, motion.name)
    step = motion.frame_rate / rate
    count = int((len(motion) - 1) / step) + 1
    wanted = np.array([float(index * step) for index in range(count)])
    rotvec, transl = interpolate(motion.rotvec, motion.transl, np.arange(len(motion)), wanted)
    return Motion(rotvec, transl, rate, motion.name)


def interpolate(
    rotvec: Float[ndarray, "T J 3"],
    transl: Float[ndarray, "T 3"],
    times: Num[ndarray, "T"],
    wanted: Num[ndarray, "S"],
) -> tuple[Float[ndarray, "S J 3"], Float[ndarray, "S 3"]]:
    """Interpolate rotations and positions, known at rising `times`, at the `wanted` ones; outside, the ends hold."""
    after = np.clip(np.searchsorted(times, wanted, side="right"), 1, max(1, len(times) - 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    span = np.maximum(times[after] - times[before], 1e-12)
    share = np.clip((wanted - times[before]) / span, 0, 1)
    start = Rotation.from_rotvec(rotvec[before].reshape(-1, 3))
    end = Rotation.from_rotvec(rotvec[after].reshape(-1, 3))
    part = np.repeat(share, rotvec.shape[1])[:, None] * (start.inv() * end).as_rotvec()
    turned = (start * Rotation.from_rotvec(part)).as_rotvec().reshape(len(wanted), -1, 3)
    moved = transl[before] + share[:, None] * (transl[after] - transl[before])
    return turned, moved


def check_frames(array: ndarray, path: Path) -> None:
    """Raise `InputError` naming the first bad frame when an array, one row a frame, is empty or not finite."""
    if len(array) == 0:
        raise InputError(f"{path} has zero frames of motion")
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if bad.any():
        raise InputError(
            f"{path} has numbers that are not finite in {int(bad.sum())} frames, first in frame {bad.argmax()}"
        )
