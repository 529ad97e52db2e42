"""What drives a person: a video, a motion file or keypoints, read at the frame rate of the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from limner.body import BodyPredictor
from limner.checks import InputError, NobodyFound
from limner.media import motion_kind, open_video, read_keypoints, read_motion, resample_motion
from limner.people import LOST_S, track_person
from limner.records import Bodies, Keypoints, Motion

Progress: TypeAlias = Callable[[int, int | None, str], None]
"""Called with how much is done, of how much (None: unknown), and what."""

MOTION_RATE = Fraction(30)
"""Frames a second of a result whose motion has no pictures."""


@dataclass(frozen=True)
class Driver:
    """A motion ready to be played.

    Attributes:
        motion: bodies of a driving video, or a motion without pictures.
        frame_rate: frames a second, exact.
        sound_from: the file whose sound goes with it; None for none.
        frames_without_person: how many frames of the driver showed nobody and were bridged.
        warnings: what the user should know.
    """

    motion: Motion | Bodies
    frame_rate: Fraction
    sound_from: Path | None = None
    frames_without_person: int = 0
    warnings: tuple[str, ...] = ()


def read_driver(
    path: str | Path,
    *,
    person: int = 0,
    body: str = "free",
    frame_rate: Fraction | float | None = None,
    start: float | None = None,
    end: float | None = None,
    progress: Progress | None = None,
) -> Driver:
    """Read what is to be imitated.

    Args:
        path: a video, a motion file (AMASS or SMPL npz, HMR vectors, BVH, asf/amc), or keypoints json.
        person: which person of a video or of keypoints, counted from the largest.
        body: the body model to fit to pictures and keypoints.
        frame_rate: of the result; by default the video's own, or 30 for motion files. Keypoints are taken to have
            been seen at this rate.
        start: second of the motion to begin with; by default its first.
        end: second to stop before; by default after the last.
        progress: told of every frame read.

    Raises:
        InputError: the span from `start` to `end` holds no frame, or the frame rate is not positive.
        NobodyFound: no frame shows the person.
    """
    if frame_rate is not None and not 0 < frame_rate < float("inf"):
        raise InputError(f"the frame rate must be positive, got {frame_rate}")
    kind = motion_kind(path)
    if kind == "video":
        return _from_video(Path(path), person, body, frame_rate, (start, end), progress)
    if kind == "keypoints":
        return _from_keypoints(path, person, body, frame_rate, (start, end))
    wanted = MOTION_RATE if frame_rate is None else Fraction(frame_rate).limit_denominator(100_000)
    motion = resample_motion(read_motion(path, person=person), wanted)
    span = _span(len(motion), wanted, start, end, path)
    return Driver(replace(motion, rotvec=motion.rotvec[span], transl=motion.transl[span]), wanted)


def _from_keypoints(
    path: str | Path,
    person: int,
    body: str,
    frame_rate: Fraction | float | None,
    seconds: tuple[float | None, float | None],
) -> Driver:
    keypoints, rate = read_keypoints(path, frame_rate=MOTION_RATE if frame_rate is None else frame_rate, person=person)
    keypoints = keypoints[_span(len(keypoints), rate, *seconds, path)]
    valid = (keypoints.score > 0).any(axis=1)
    if not valid.any():
        raise NobodyFound(f"none of the keypoints in {path} has a score above zero")
    count, warnings = _until_gone(valid, rate, path)
    return _fitted(keypoints[:count], valid[:count], _extent(keypoints), rate, body, warnings=warnings)


def _from_video(
    path: Path,
    person: int,
    body: str,
    frame_rate: Fraction | float | None,
    seconds: tuple[float | None, float | None],
    progress: Progress | None,
) -> Driver:
    video = open_video(path, frame_rate=frame_rate)
    span = _span(None, video.frame_rate, *seconds, path)
    track: list[Keypoints | None] = []
    total = None if video.num_frames is None else len(range(video.num_frames)[span])
    for _, keypoints, _ in track_person(islice(video.frames(), span.start, span.stop), person):
        track.append(keypoints)
        if progress is not None:
            progress(len(track), total, "watching the driver")
    if not track:
        raise InputError(f"{path} has no frame between the given seconds; it may be shorter than that")
    if all(found is None for found in track):
        raise NobodyFound(f"nobody was found in the {len(track)} frames of {path}; give a video that shows a person")
    clip, valid = Keypoints.of_clip(track)
    count, warnings = _until_gone(valid, video.frame_rate, path)
    found = _fitted(clip[:count], valid[:count], video.size_hw, video.frame_rate, body, warnings=warnings)
    return replace(found, sound_from=path if video.has_sound and not seconds[0] else None)


def _until_gone(valid: Bool[ndarray, "T"], rate: Fraction, path: str | Path) -> tuple[int, tuple[str, ...]]:
    """How many frames to play, up to where the person is gone for good, and what to say of it."""
    count = int(np.flatnonzero(valid)[-1]) + 1
    if len(valid) - count <= LOST_S * rate:
        return len(valid), ()
    gone = f"the person of {Path(path).name} is gone for good after {count / float(rate):.1f} s; the film ends there"
    return count, (gone,)


def _fitted(
    keypoints: Keypoints,
    valid: Bool[ndarray, "T"],
    size_hw: tuple[int, int],
    rate: Fraction,
    body: str,
    *,
    warnings: tuple[str, ...],
) -> Driver:
    predictor = BodyPredictor.for_painting(body)
    bodies = predictor.fit_clip(keypoints, None, size_hw=size_hw, frame_rate=rate, valid=valid)
    return Driver(bodies, rate, None, int((~valid).sum()), warnings)


def _span(count: int | None, rate: Fraction, start: float | None, end: float | None, path: str | Path) -> slice:
    """The frames between two moments in seconds."""
    if not 0 <= (start or 0) < float("inf") or (end is not None and not (start or 0) < end < float("inf")):
        raise InputError(f"the span from {start or 0} to {end} seconds is empty; give a start before the end")
    first = round((start or 0) * rate)
    last = None if end is None else max(first + 1, round(end * rate))
    if count is not None and first >= count:
        raise InputError(f"{path} lasts {count / float(rate):.2f} seconds; nothing is left from {start} seconds on")
    return slice(first, last)


def _extent(keypoints: Keypoints) -> tuple[int, int]:
    """A picture size for keypoints that come without one: a little more than they reach."""
    width, height = keypoints.xy[keypoints.score > 0].max(axis=0)
    return max(16, int(height * 1.05)), max(16, int(width * 1.05))
