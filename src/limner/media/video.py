"""Videos in: frames as RGB one after the other, on an even grid of time, upright, as often as one likes.

PyAV decodes; this file settles the frame rate (exact), uneven frame times, the turn of phone videos, pixels that are
not square, and what is said about files that are broken. Memory does not grow with the length of the video.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.video.reformatter
import numpy as np

from limner.checks import FileProblem, InputError, check_file
from limner.media.containers import opened
from limner.media.files import PICTURE_SUFFIXES, numbered_files, sequence_parts
from limner.media.orientation import orientation_of_matrix, turn_upright
from limner.media.picture import read_image
from limner.types import RgbImage

logger = logging.getLogger(__name__)

_NOMINAL_RATES = tuple(
    Fraction(n) for n in (5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
) + tuple(Fraction(n * 1000, 1001) for n in (12, 15, 24, 30, 48, 60, 120, 240))

_SEQUENCE_RATE = Fraction(25)
_UNNAMED_COLORSPACE = 2
_DECODE_TIMES = ("avi",)
"""Containers that store when to decode and not when to show: their frames come in order with the decoding time."""


@dataclass(frozen=True)
class Video:
    """A video that can be read from the start as often as one likes; `open_video` makes it.

    Attributes:
        path: the file, or the folder or pattern of a sequence of pictures.
        frame_rate: frames a second of the even grid, exact (29.97 is 30000/1001).
        size_hw: height and width of the frames, upright, with square pixels.
        num_frames: how many frames to expect, in the container's own words, so for progress bars only; None if it
            says nothing.
        has_sound: whether there is a sound track.
    """

    path: Path
    frame_rate: Fraction
    size_hw: tuple[int, int]
    num_frames: int | None
    has_sound: bool
    _pictures: tuple[Path, ...] = field(default=(), repr=False)

    def frames(self) -> Iterator[RgbImage]:
        """Decode from the start; each frame is an array of its own.

        Yields:
            RGB, upright, `size_hw`, one for every step of the grid 0, 1/rate, 2/rate ...: the picture shown then.

        Raises:
            FileProblem: a file of the sequence cannot be read. A video that breaks off later ends there with a warning
                in the log.
            InputError: a picture of the sequence has another size than the first.
        """
        if self._pictures:
            return _sequence_frames(self._pictures, self.size_hw)
        return _on_grid(_decoded_frames(self.path), self.frame_rate, self.num_frames)


def open_video(path: str | Path, *, frame_rate: Fraction | float | None = None) -> Video:
    """Open a video file, an animated GIF, a folder of pictures or a numbered sequence (`frame_%05d.png`).

    Args:
        path: the file, the folder, or the pattern.
        frame_rate: for sequences of pictures, which have none of their own; 25 if not given. For a video: read it on
            this grid instead of its own.

    Returns:
        A `Video`; its first frame has been decoded, so it is known to be readable.

    Raises:
        FileProblem: the file is missing, empty, corrupt, no video, or holds sound only or no frame that can be decoded.
        InputError: the frame rate is not positive.
    """
    path = Path(path)
    if frame_rate is not None and frame_rate <= 0:
        raise InputError(f"the frame rate must be positive, got {frame_rate}")
    rate = None if frame_rate is None else Fraction(frame_rate).limit_denominator(100_000)
    pictures = _sequence_files(path)
    if pictures:
        height, width = read_image(pictures[0]).shape[:2]
        return Video(path, rate or _SEQUENCE_RATE, (height, width), len(pictures), False, pictures)
    path = check_file(path, "video")
    with opened(path) as container:
        stream = _picture_stream(container, path)
        own_rate = _frame_rate(stream)
        expected = _expected_frames(container, stream, rate or own_rate)
        has_sound = bool(container.streams.audio)
    first = next(_decoded_frames(path), None)
    if first is None:
        raise FileProblem(f"{path} has zero frames that can be decoded: the video is truncated, corrupt or empty")
    height, width = first[1].shape[:2]
    return Video(path, rate or own_rate, (height, width), expected, has_sound)


def _sequence_files(path: Path) -> tuple[Path, ...]:
    """List the pictures of a folder or a pattern in order; empty when `path` is neither."""
    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith(".")]
        if not found:
            raise FileProblem(f"{path} is a folder without pictures; a video or a folder of frames is needed")
    elif sequence_parts(path):
        found = numbered_files(path)
        if not found:
            raise FileProblem(f"no pictures match {path}: the sequence is empty or the folder does not exist")
    else:
        return ()
    return tuple(sorted(found, key=_natural_order))


def _natural_order(path: Path) -> list[tuple[int, str]]:
    return [(int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]


def _sequence_frames(pictures: tuple[Path, ...], size_hw: tuple[int, int]) -> Iterator[RgbImage]:
    for picture in pictures:
        image = read_image(picture)
        if image.shape[:2] != size_hw:
            raise InputError(
                f"{picture} is {image.shape[1]}x{image.shape[0]} pixels, the first one {size_hw[1]}x{size_hw[0]}"
            )
        yield image


def _picture_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Choose the stream of pictures; cover art of a sound file does not count."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    what = "holds sound but no pictures" if container.streams.audio else "holds no pictures"
    raise FileProblem(f"{path} {what}; a video is needed")


def _frame_rate(stream: av.VideoStream) -> Fraction:
    """Choose the exact rate of the even grid.

    The average is the container's frames over its time and right for even videos up to rounding of time stamps, so
    it is set to a customary rate nearby; the guess is the finest step of the time stamps, right for phone videos
    that skip frames.
    """
    average, guessed = stream.average_rate, stream.guessed_rate
    if not average:
        return _customary(Fraction(guessed)) if guessed else _SEQUENCE_RATE
    near = _customary(Fraction(average))
    if near in _NOMINAL_RATES or not guessed:
        return near
    guess = _customary(Fraction(guessed))
    if guess in _NOMINAL_RATES and 0.8 <= guess / average <= 1.25:
        return guess
    return near


def _customary(rate: Fraction) -> Fraction:
    # 30 and 30000/1001 lie 1 part in 1000 apart, so a fifth of that tells them apart.
    nearest = min(_NOMINAL_RATES, key=lambda nominal: abs(nominal - rate))
    return nearest if abs(nearest - rate) < rate * Fraction(1, 5000) else rate.limit_denominator(1001)


def _expected_frames(container: av.container.InputContainer, stream: av.VideoStream, rate: Fraction) -> int | None:
    if stream.frames and stream.average_rate and abs(stream.average_rate - rate) < rate / 5000:
        return int(stream.frames)
    if stream.duration and stream.time_base:
        return max(1, round(stream.duration * stream.time_base * rate))
    if container.duration:
        return max(1, round(Fraction(container.duration, av.time_base) * rate))
    return None


def _decoded_frames(path: Path) -> Iterator[tuple[Fraction | None, RgbImage, Fraction]]:
    """Decode and turn upright; yield the time (None if unstated), the picture, how long it is shown (0: unstated)."""
    with opened(path) as container:
        stream = _picture_stream(container, path)
        stream.thread_type = "AUTO"
        converter = _Converter(stream.sample_aspect_ratio)
        for frame in _whole_frames(container, stream, path):
            base = frame.time_base or stream.time_base or Fraction(1)
            stamp = frame.dts if container.format.name in _DECODE_TIMES else frame.pts
            time = None if stamp is None else stamp * base
            yield time, converter(frame), Fraction(frame.duration or 0) * base


def _whole_frames(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path
) -> Iterator[av.VideoFrame]:
    """Decode every frame that is whole; leave out damaged ones with a warning, so the frame before stays longer."""
    whole = damaged = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            frames = packet.decode()
        except av.error.EOFError:
            break
        except av.error.InvalidDataError:
            damaged += 1
            continue
        except av.error.FFmpegError as problem:
            logger.warning("%s breaks off: %s", path, problem.strerror)
            break
        for frame in frames:
            if frame.is_corrupt:
                damaged += 1
            else:
                whole += 1
                yield frame
    # An edit list may hide a few of the frames that the container counts; a twentieth missing is a file cut short.
    if damaged or whole < 0.95 * stream.frames - 2:
        stated = stream.frames or whole + damaged
        logger.warning("%s is damaged or cut short: %d of %d frames could be decoded", path, whole, stated)


class _Converter:
    """Frames to RGB arrays with one reused scaler on one thread, which beats PyAV's own conversion of each frame."""

    def __init__(self, sample_aspect_ratio: Fraction | None) -> None:
        self._scaler = av.video.reformatter.VideoReformatter()
        self._aspect = Fraction(sample_aspect_ratio or 1)

    def __call__(self, frame: av.VideoFrame) -> RgbImage:
        width = max(1, round(frame.width * self._aspect))
        # Videos that do not name their colour matrix follow the rule of players: BT.709 from 720 rows up, else BT.601.
        unnamed = int(frame.colorspace) == _UNNAMED_COLORSPACE
        matrix = "ITU709" if unnamed and min(frame.width, frame.height) >= 720 else None
        rgb = self._scaler.reformat(frame, width=width, format="rgb24", src_colorspace=matrix, threads=1)
        return turn_upright(rgb.to_ndarray(), _orientation(frame))


def _orientation(frame: av.VideoFrame) -> int:
    for data in frame.side_data:
        if data.type == av.sidedata.sidedata.Type.DISPLAYMATRIX:
            return orientation_of_matrix(bytes(data))
    return 1


def _on_grid(
    frames: Iterator[tuple[Fraction | None, RgbImage, Fraction]], rate: Fraction, expected: int | None
) -> Iterator[RgbImage]:
    """Put frames of any times on the grid of step 1/rate: each goes to the nearest step and is shown until the next.

    A frame that falls on a taken step is left out unless it lies nearer; so pictures and sound never drift apart by
    more than half a step.
    """
    shown: RgbImage | None = None
    latest: RgbImage | None = None
    start, step, distance, last_duration = Fraction(0), 0, Fraction(0), Fraction(0)
    next_time = Fraction(0)
    for time, image, duration in frames:
        time = next_time if time is None else time
        if shown is None:
            start = time
        next_time = time + (duration or 1 / rate)
        position = (time - start) * rate
        nearest = round(position)
        if shown is not None and nearest > step:
            yield from _held(shown, latest, nearest - step)
        elif shown is not None and (nearest < step or abs(position - nearest) >= distance):
            # Too late for this step, but what is to be seen at the next one if nothing comes.
            latest = image if nearest == step else latest
            continue
        shown = latest = image
        step, distance, last_duration = nearest, abs(position - nearest), duration
    if shown is not None:
        held = max(1, round(last_duration * rate))
        # A last frame may claim any length; the container's own length bounds it.
        yield from _held(shown, latest, min(held, max(1, (expected or step + 1) - step)))


def _held(shown: RgbImage, latest: RgbImage | None, count: int) -> Iterator[RgbImage]:
    """Yield the picture of one step, then copies of the latest one for the steps after it."""
    yield shown
    for _ in range(count - 1):
        yield np.copy(shown if latest is None else latest)
