"""The three jobs over files: imitate, view, swap. Each reads pictures, writes one result and reports."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from limner.checks import InputError
from limner.media import (
    PICTURE_SUFFIXES,
    VideoWriter,
    check_output,
    check_video_output,
    motion_kind,
    open_video,
    read_keypoints,
    read_motion,
    write_image,
)
from limner.motion.actor import Actor
from limner.motion.driver import Driver, Progress, read_driver
from limner.types import CameraStrategy

THREADS = 2
"""Bands of a frame drawn side by side."""


@dataclass(frozen=True)
class Report:
    """What a job did.

    Attributes:
        output: the file or folder written.
        frames: how many frames.
        frames_without_person: frames of the driver that showed nobody and were bridged.
        seconds: of the whole job.
        frames_per_second: of the painting and writing alone, after preparation.
        warnings: what the user should know.
    """

    output: Path
    frames: int
    frames_without_person: int
    seconds: float
    frames_per_second: float
    warnings: list[str] = field(default_factory=list)


def imitate(
    photo: str | Path,
    motion: str | Path,
    output: str | Path,
    *,
    person: int = 0,
    driver_person: int = 0,
    size: int | None = None,
    camera: CameraStrategy = "smooth",
    background: str | Path | None = None,
    body: str = "free",
    frame_rate: Fraction | float | None = None,
    start: float | None = None,
    end: float | None = None,
    progress: Progress | None = None,
) -> Report:
    """Make the person of a photo move as a video or a motion file does.

    Args:
        photo: a picture of the person, whole body.
        motion: video, AMASS or SMPL npz, HMR vectors, BVH, asf/amc, or keypoints json.
        output: .mp4, .webm, .mov, .gif, a folder or a pattern of pictures.
        person: which person of the photo, counted from the largest.
        driver_person: which person of the driving video.
        size: longer side of the frames, 256 to 1024; by default the photo's.
        camera: see `Actor.place`.
        background: None for the photo's own, a colour, a picture file, or "transparent".
        body: "free" or "smpl:PATH".
        frame_rate: of the result; by default the driver's.
        start: second of the motion to begin with; by default its first.
        end: second to stop before; by default after the last.
        progress: called with (done, total, what).

    Raises:
        LimnerError: with one sentence, whatever is wrong with the inputs or the output; nothing is half written.
    """
    begun = time.monotonic()
    check_video_output(output, alpha=background == "transparent")
    _check_motion(motion)
    actor = Actor.prepare(photo, person=person, size=size, background=background, body=body)
    driver = read_driver(
        motion, person=driver_person, body=body, frame_rate=frame_rate, start=start, end=end, progress=progress
    )
    return _film(actor, driver, output, camera, begun, progress)


def _check_motion(motion: str | Path) -> None:
    """Raise what is wrong with a motion before anything costly is done."""
    kind = motion_kind(motion)
    if kind == "video":
        open_video(motion)
    elif kind == "motion":
        read_motion(motion)
    else:
        read_keypoints(motion)


def _film(
    actor: Actor, driver: Driver, output: str | Path, camera: CameraStrategy, begun: float, progress: Progress | None
) -> Report:
    warnings = list(actor.warnings)
    if driver.frames_without_person:
        warnings.append(f"{driver.frames_without_person} frames of the driver show nobody and were bridged")
    frames = actor.imitate(driver.motion, camera=camera, threads=THREADS)
    drawn_in = time.monotonic()
    count = _write(output, frames, driver.frame_rate, len(driver.motion), progress, sound_from=driver.sound_from)
    return _report(output, count, drawn_in, begun, warnings, driver.frames_without_person)


def _report(
    output: str | Path, count: int, drawn_in: float, begun: float, warnings: list[str], bridged: int = 0
) -> Report:
    now = time.monotonic()
    return Report(Path(output), count, bridged, now - begun, count / max(now - drawn_in, 1e-9), warnings)


def _write(
    output: str | Path,
    frames: Iterator[UInt8[ndarray, "H W C"]],
    frame_rate: Fraction | float,
    total: int,
    progress: Progress | None,
    *,
    sound_from: Path | None = None,
) -> int:
    """Stream frames into a file; what is half written when anything goes wrong is taken away by the writer."""
    first = next(frames)
    count = 0
    with VideoWriter(output, frame_rate, first.shape[:2], alpha=first.shape[2] == 4, sound_from=sound_from) as writer:
        for frame in chain([first], frames):
            writer.write(frame)
            count += 1
            if progress is not None:
                progress(count, total, "painting")
    return count


def view(
    photo: str | Path,
    output: str | Path,
    *,
    frames: int = 90,
    size: int | None = None,
    person: int = 0,
    background: str | Path | None = None,
    body: str = "free",
    elevation_deg: float = 0.0,
    angles_deg: Iterable[float] | None = None,
    frame_rate: Fraction | float = 30,
    progress: Progress | None = None,
) -> Report:
    """Show the person of a photo from all sides.

    Args:
        photo: a picture of the person.
        output: a video, a folder or a pattern of pictures.
        frames: how many, for one whole turn.
        size: longer side of the frames, 256 to 1024; by default the photo's.
        person: which person, counted from the largest.
        background: None for the photo's own, a colour, a picture file, or "transparent".
        body: "free" or "smpl:PATH".
        elevation_deg: how far the view comes from above.
        angles_deg: the angles to show instead of a whole turn, in degrees; 90 turns the front to the picture's right.
        frame_rate: of a video.
        progress: called with (done, total, what).
    """
    begun = time.monotonic()
    check_video_output(output, alpha=background == "transparent")
    angles = (
        np.linspace(0, 360, max(frames, 0), endpoint=False) if angles_deg is None else np.array([*angles_deg], float)
    )
    if len(angles) == 0 or not np.isfinite(angles).all():
        raise InputError("angles must be at least one finite number of degrees")
    actor = Actor.prepare(photo, person=person, size=size, background=background, body=body)
    drawn_in = time.monotonic()
    pictures = actor.view(angles, elevation_deg=elevation_deg, threads=THREADS)
    count = _write(output, pictures, frame_rate, len(angles), progress)
    return _report(output, count, drawn_in, begun, list(actor.warnings))


def swap(
    photo: str | Path,
    clothes: str | Path,
    output: str | Path,
    *,
    parts: Sequence[str] = ("torso", "arms", "legs"),
    person: int = 0,
    clothes_person: int = 0,
    size: int | None = None,
    background: str | Path | None = None,
    motion: str | Path | None = None,
    body: str = "free",
    progress: Progress | None = None,
) -> Report:
    """Dress the person of one photo in the clothes of another's.

    Args:
        photo: who is dressed.
        clothes: a picture of a person who wears the clothes.
        output: a picture, or with `motion` a video.
        parts: what to take over; names of `limner.motion.PARTS`.
        person: which person of `photo`, counted from the largest.
        clothes_person: which person of `clothes`.
        size: longer side of the result, 256 to 1024; by default the photo's.
        background: None for the photo's own, a colour, a picture file, or "transparent".
        motion: let the result move, as in `imitate`.
        body: "free" or "smpl:PATH".
        progress: called with (done, total, what).
    """
    begun = time.monotonic()
    if motion is None:
        check_output(output, PICTURE_SUFFIXES)
    else:
        check_video_output(output, alpha=background == "transparent")
        _check_motion(motion)
    wearer = Actor.prepare(photo, person=person, size=size, background=background, body=body)
    giver = Actor.prepare(clothes, person=clothes_person, background="white", body=body)
    actor = replace(wearer.swap(giver, parts), warnings=(*wearer.warnings, *giver.warnings))
    if motion is not None:
        return _film(actor, read_driver(motion, body=body, progress=progress), output, "smooth", begun, progress)
    drawn_in = time.monotonic()
    write_image(output, actor.frame(actor.paint(actor.bodies, threads=THREADS)))
    return _report(output, 1, drawn_in, begun, list(actor.warnings))
