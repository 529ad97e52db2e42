"""Videos out: H.264 in MP4, VP9 in WebM, ProRes 4444 in MOV, GIF, or numbered pictures; with sound, marked.

Everything is written under a hidden name beside the output and renamed when it is whole.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from limner.checks import InputError, LimnerError
from limner.media.files import (
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    check_output,
    remove_quietly,
    sequence_parts,
    temporary_beside,
    write_problem,
)
from limner.media.provenance import mark_video_file, sign_if_asked
from limner.media.sinks import ContainerSink, GifSink, SequenceSink, Sink, codec_for
from limner.media.sound import sound_of
from limner.media.video import Video


class VideoWriter:
    """Write a video frame by frame; the file appears under its name when the `with` block ends without an error.

    Args:
        path: .mp4, .m4v, .mov or .mkv (H.264; with transparency: ProRes 4444 in .mov), .webm (VP9), .gif, a folder for
            PNG pictures, or a pattern such as `frame_%05d.png`.
        frame_rate: frames a second; give a Fraction for rates like 30000/1001.
        size_hw: height and width of every frame. H.264 wants even numbers: an odd picture is written whole, its last
            row or column repeated once.
        alpha: keep transparency: .mov, .webm and sequences of PNG, WebP or TIFF; frames are then RGBA.
        sound_from: a video or sound file whose sound is taken over, cut to the pictures' length; nothing happens where
            it has none or the output carries none (GIF, pictures).
        synthetic: mark the file as made with the help of trained models.

    Raises:
        FileProblem: the folder is missing or cannot be written (on making), the disk is full (at any time).
        InputError: the suffix is unknown, cannot keep transparency, a frame does not fit, or no frame came.
    """

    def __init__(
        self,
        path: str | Path,
        frame_rate: Fraction | float,
        size_hw: tuple[int, int],
        *,
        alpha: bool = False,
        sound_from: str | Path | Video | None = None,
        synthetic: bool = True,
    ) -> None:
        self.path = check_video_output(path, alpha=alpha)
        self.frame_rate = Fraction(frame_rate).limit_denominator(100_000)
        self.size_hw = (int(size_hw[0]), int(size_hw[1]))
        self.num_frames = 0
        if self.frame_rate <= 0 or min(self.size_hw) < 1:
            raise InputError(f"a video needs a positive size and frame rate, got {self.size_hw} and {frame_rate}")
        self._alpha, self._synthetic = alpha, synthetic
        source = sound_from.path if isinstance(sound_from, Video) else sound_from
        self._sound = None if source is None else sound_of(source)
        self._temporary = temporary_beside(self.path)
        self._sink: Sink | None = None

    def __enter__(self) -> VideoWriter:
        try:
            self._sink = self._open_sink()
        except BaseException as problem:
            remove_quietly(self._temporary)
            raise _as_write_problem(self.path, problem) from None
        return self

    def _open_sink(self) -> Sink:
        suffix = self.path.suffix.lower()
        if suffix in (*PICTURE_SUFFIXES, ""):
            return SequenceSink(self.path, self._temporary, synthetic=self._synthetic)
        if suffix == ".gif":
            return GifSink(self._temporary, self.frame_rate, self.size_hw)
        codec = codec_for(suffix, alpha=self._alpha)
        return ContainerSink(
            self._temporary, self.frame_rate, self.size_hw, codec, synthetic=self._synthetic, sound=self._sound
        )

    def write(self, frame: UInt8[ndarray, "H W C"]) -> None:
        """Add one frame, RGB, or RGBA where `alpha` was asked for (RGB then counts as opaque)."""
        if self._sink is None:
            raise InputError("a VideoWriter is used in a with block")
        channels = (3, 4) if self._alpha else (3,)
        shapes = [(*self.size_hw, n) for n in channels]
        if frame.dtype != np.uint8 or frame.shape not in shapes:
            raise InputError(
                f"frame {self.num_frames} of {self.path} must be uint8 {shapes[-1]}, got {frame.dtype} {frame.shape}"
            )
        if self._alpha and frame.shape[2] == 3:
            frame = cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA)
        try:
            self._sink.write(np.ascontiguousarray(frame))
        except (OSError, av.error.FFmpegError) as problem:
            raise _as_write_problem(self.path, problem) from None
        self.num_frames += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        sink, self._sink = self._sink, None
        try:
            if kind is None and sink is not None:
                self._commit(sink)
        finally:
            if sink is not None:
                sink.abandon()
            remove_quietly(self._temporary)

    def _commit(self, sink: Sink) -> None:
        if self.num_frames == 0:
            raise InputError(f"{self.path} was not written: there were zero frames")
        try:
            sink.finish()
            if isinstance(sink, SequenceSink):
                return
            if self._synthetic:
                mark_video_file(self._temporary)
                sign_if_asked(self._temporary, self.path.name)
            os.replace(self._temporary, self.path)
        except (OSError, av.error.FFmpegError) as problem:
            raise _as_write_problem(self.path, problem) from None


def check_video_output(path: str | Path, *, alpha: bool = False) -> Path:
    """Check the output of a video before any work is done; like `check_output`, and one picture is no video.

    Raises:
        FileProblem: the folder is missing or cannot be written.
        InputError: the suffix is unknown or cannot keep transparency, or the name is that of one picture.
    """
    path = check_output(path, (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES, ""), alpha=alpha)
    if path.suffix.lower() in PICTURE_SUFFIXES and sequence_parts(path) is None:
        raise InputError(f"{path} is the name of one picture; for a sequence write a pattern such as frame_%05d.png")
    return path


def write_video(
    path: str | Path,
    frames: Iterable[UInt8[ndarray, "H W C"]],
    *,
    frame_rate: Fraction | float,
    alpha: bool = False,
    sound_from: str | Path | Video | None = None,
    synthetic: bool = True,
) -> int:
    """Write all frames of an iterable as a video; the first one gives the size. See `VideoWriter`.

    Returns:
        The number of frames written.
    """
    path = check_video_output(path, alpha=alpha)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise InputError(f"{path} was not written: there were zero frames")
    size_hw = first.shape[:2]
    with VideoWriter(path, frame_rate, size_hw, alpha=alpha, sound_from=sound_from, synthetic=synthetic) as writer:
        writer.write(first)
        for frame in iterator:
            writer.write(frame)
    return writer.num_frames


def _as_write_problem(path: Path, problem: BaseException) -> BaseException:
    """Turn an error of the system or of FFmpeg (which carries the system's number) into one sentence; leave others."""
    if isinstance(problem, LimnerError):
        return problem
    if isinstance(problem, OSError):
        return write_problem(path, problem)
    if isinstance(problem, av.error.FFmpegError):
        return write_problem(path, OSError(problem.errno or errno.EIO, problem.strerror or "the encoder failed"))
    return problem
