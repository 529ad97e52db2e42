"""The three jobs over files: imitate, view, swap. Each reads pictures, writes one result and reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
from limner.motion.casting import Casting, cast, cast_giver, dress, rehearse
from limner.motion.driver import Driver, Progress, read_driver
from limner.motion.frames import FacePass, Shot, round_a_moment, round_the_motion, shoot
from limner.motion.personal import Player
from limner.records import Bodies
from limner.types import CameraStrategy, LicenceName, PainterName

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
    sources: Sequence[str | Path] = (),
    painter: PainterName = "auto",
    weights: str | None = None,
    tune: int = 0,
    licence: LicenceName = "any",
    face_pass: FacePass | None = None,
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
        sources: more photos of the same person, from other sides.
        painter: "composite", "slim", or "auto" for the best that is there; see `Actor.prepare`.
        weights: the name of imported published weights that paint instead, with `body` "smpl:PATH"; or the file of a
            slim network of one's own.
        tune: steps by which those weights are first adapted to the photos; the result is kept on disk.
        licence: commercial refuses weights that are not known to allow commercial use.
        face_pass: repairs the face of every frame; see `limner.motion.FacePass`.
        progress: called with (done, total, what).

    Raises:
        LimnerError: with one sentence, whatever is wrong with the inputs or the output; nothing is half written.
    """
    begun = time.monotonic()
    check_video_output(output, alpha=background == "transparent")
    _check_motion(motion)
    casting = Casting(size, background, body, painter, weights, tune, licence)
    actor = cast(photo, casting, person=person, sources=sources)
    driver = read_driver(
        motion, person=driver_person, body=body, frame_rate=frame_rate, start=start, end=end, progress=progress
    )
    film = _Film(output, driver.frame_rate, begun, face_pass, progress)
    return film.follow(actor, driver, camera, casting)


def _check_motion(motion: str | Path) -> None:
    """Raise what is wrong with a motion before anything costly is done."""
    kind = motion_kind(motion)
    if kind == "video":
        open_video(motion)
    elif kind == "motion":
        read_motion(motion)
    else:
        read_keypoints(motion)


@dataclass(frozen=True)
class _Film:
    """What all films have in common.

    Attributes:
        output: the file or pattern.
        frame_rate: frames a second.
        begun: when the job was.
        face_pass: as in `imitate`.
        progress: as in `imitate`.
        elevation_deg: how far the views come from above.
    """

    output: str | Path
    frame_rate: Fraction | float
    begun: float
    face_pass: FacePass | None
    progress: Progress | None
    elevation_deg: float = 0.0

    def follow(
        self,
        actor: Player,
        driver: Driver,
        camera: CameraStrategy,
        casting: Casting,
        shots: Callable[[int], list[Shot]] | None = None,
    ) -> Report:
        """Film a motion; `shots` says from where, by its number of frames: by default from the photo's place."""
        placed = actor.place(driver.motion, camera)
        order = [Shot(row) for row in range(len(placed))] if shots is None else shots(len(placed))
        # Sound fits only frames that run as the driver does.
        sound = driver.sound_from if len(order) == len(placed) else None
        missing = driver.frames_without_person
        more = [*driver.warnings]
        if missing:
            more.append(f"{missing} frames of the driver show nobody and were bridged")
        return self.shoot(actor, placed, order, casting, warnings=more, bridged=missing, sound_from=sound)

    def shoot(
        self,
        actor: Player,
        bodies: Bodies,
        shots: Sequence[Shot],
        casting: Casting,
        *,
        warnings: Sequence[str] = (),
        bridged: int = 0,
        sound_from: Path | None = None,
    ) -> Report:
        """Film placed bodies."""
        actor = rehearse(actor, casting, bodies, self.progress)
        drawn_in = time.monotonic()
        frames = shoot(
            actor, bodies, shots, elevation_deg=self.elevation_deg, face_pass=self.face_pass, threads=THREADS
        )
        count = _write(self.output, frames, self.frame_rate, len(shots), self.progress, sound_from=sound_from)
        return _report(self.output, count, drawn_in, self.begun, [*actor.warnings, *warnings], bridged)


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
    motion: str | Path | None = None,
    moment: float | None = None,
    sources: Sequence[str | Path] = (),
    painter: PainterName = "auto",
    weights: str | None = None,
    tune: int = 0,
    licence: LicenceName = "any",
    face_pass: FacePass | None = None,
    progress: Progress | None = None,
) -> Report:
    """Show the person of a photo from all sides, standing or in motion.

    Args:
        photo: a picture of the person.
        output: a video, a folder or a pattern of pictures.
        frames: how many make one whole turn.
        size: longer side of the frames, 256 to 1024; by default the photo's.
        person: which person, counted from the largest.
        background: None for the photo's own, a colour, a picture file, or "transparent".
        body: "free" or "smpl:PATH".
        elevation_deg: how far the view comes from above.
        angles_deg: the angles to show instead of a whole turn, in degrees; 90 turns the front to the picture's right.
        frame_rate: of a video.
        motion: let the camera go round while the person moves, at the motion's own frame rate.
        moment: second of the motion at which it stops, the camera goes round once, and the motion goes on.
        sources: more photos of the same person, from other sides.
        painter: "composite", "slim", or "auto" for the best that is there; see `Actor.prepare`.
        weights: the name of imported published weights that paint instead, with `body` "smpl:PATH"; or the file of a
            slim network of one's own.
        tune: steps by which those weights are first adapted to the photos; the result is kept on disk.
        licence: commercial refuses weights that are not known to allow commercial use.
        face_pass: repairs the face of every frame; see `limner.motion.FacePass`.
        progress: called with (done, total, what).

    Raises:
        LimnerError: with one sentence, whatever is wrong with the inputs or the output; nothing is half written.
    """
    begun = time.monotonic()
    check_video_output(output, alpha=background == "transparent")
    if frames < 1:
        raise InputError(f"a turn needs at least one frame, got {frames}")
    if motion is not None:
        _check_motion(motion)
        if angles_deg is not None:
            raise InputError("the camera goes round a motion by itself: leave the angles out")
    elif moment is not None:
        raise InputError("a moment is one of a motion: give the motion too")
    angles = [360 * step / frames for step in range(frames)] if angles_deg is None else [*map(float, angles_deg)]
    if not angles or not np.isfinite(angles).all():
        raise InputError("angles must be at least one finite number of degrees")
    casting = Casting(size, background, body, painter, weights, tune, licence)
    actor = cast(photo, casting, person=person, sources=sources)
    if motion is None:
        film = _Film(output, frame_rate, begun, face_pass, progress, elevation_deg)
        return film.shoot(actor, actor.bodies, [Shot(0, angle) for angle in angles], casting)
    driver = read_driver(motion, body=body, progress=progress)
    film = _Film(output, driver.frame_rate, begun, face_pass, progress, elevation_deg)
    stop = None if moment is None else round(moment * driver.frame_rate)

    def shots(count: int) -> list[Shot]:
        return round_the_motion(count, frames) if stop is None else round_a_moment(count, stop, frames)

    return film.follow(actor, driver, "smooth", casting, shots)


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
    sources: Sequence[str | Path] = (),
    painter: PainterName = "auto",
    weights: str | None = None,
    tune: int = 0,
    licence: LicenceName = "any",
    face_pass: FacePass | None = None,
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
        sources: more photos of who is dressed.
        painter: "composite", "slim", or "auto" for the best that is there; see `Actor.prepare`.
        weights: the name of imported published weights that paint instead, with `body` "smpl:PATH"; or the file of a
            slim network of one's own.
        tune: steps by which those weights are first adapted to the photos; the result is kept on disk.
        licence: commercial refuses weights that are not known to allow commercial use.
        face_pass: repairs the face of every frame; see `limner.motion.FacePass`.
        progress: called with (done, total, what).

    Raises:
        LimnerError: with one sentence, whatever is wrong with the inputs or the output; nothing is half written.
    """
    begun = time.monotonic()
    if motion is None:
        check_output(output, PICTURE_SUFFIXES)
    else:
        check_video_output(output, alpha=background == "transparent")
        _check_motion(motion)
    casting = Casting(size, background, body, painter, weights, tune, licence)
    wearer = cast(photo, casting, person=person, sources=sources)
    actor = dress(wearer, cast_giver(clothes, wearer, casting, person=clothes_person), parts)
    if motion is not None:
        driver = read_driver(motion, body=body, progress=progress)
        film = _Film(output, driver.frame_rate, begun, face_pass, progress)
        return film.follow(actor, driver, "smooth", casting)
    actor = rehearse(actor, casting, actor.bodies, progress)
    drawn_in = time.monotonic()
    write_image(output, next(shoot(actor, actor.bodies, [Shot(0)], face_pass=face_pass, threads=THREADS)))
    return _report(output, 1, drawn_in, begun, list(actor.warnings))
