"""The driver's sound, carried over: packets copied where the container takes them, cut to the pictures' length."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import av

from limner.checks import check_file
from limner.media.containers import open_container
from limner.media.files import sequence_parts

logger = logging.getLogger(__name__)

_COPIED = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac"},
    ".m4v": {"aac", "ac3", "alac"},
    ".mov": {"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    ".webm": {"opus", "vorbis"},
    ".mkv": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "pcm_s16le"},
}
"""Codecs that players expect in each container; others are encoded anew."""

_ENCODERS = {".webm": ("libopus", 128_000)}
_DEFAULT_ENCODER = ("aac", 192_000)
_SOUND_RATE = 48_000


def takes_sound(suffix: str) -> bool:
    """Tell whether files of this suffix carry sound."""
    return suffix in _COPIED


def sound_of(source: str | Path) -> tuple[Path, Fraction] | None:
    """Return the file and the time in seconds at which its pictures begin; None where it has no sound track.

    Raises:
        FileProblem: there is no such file, or it cannot be opened.
    """
    path = Path(source)
    if path.is_dir() or sequence_parts(path):
        return None
    path = check_file(path, "video or sound file")
    with open_container(path, "video or sound file") as container:
        if not container.streams.audio:
            return None
        pictures = container.streams.video
        if not pictures or pictures[0].start_time is None:
            return path, Fraction(0)
        return path, max(Fraction(0), pictures[0].start_time * pictures[0].time_base)


class SoundTrack:
    """Sound of one file on its way into another; `advance` keeps it level with the pictures so that memory stays flat.

    Args:
        source: a file with a sound track.
        start: the time in seconds in `source` at which the pictures begin.
        output: the container that is being written, before its header is written.
        suffix: its kind.
    """

    def __init__(self, source: Path, start: Fraction, output: av.container.OutputContainer, suffix: str) -> None:
        self._source = source
        self._input = open_container(source, "video or sound file")
        self._stream = self._input.streams.audio[0]
        self._start = start
        self._output = output
        if self._stream.codec_context.codec.canonical_name in _COPIED[suffix]:
            self._target = output.add_stream_from_template(self._stream)
            self._packets = self._copied()
        else:
            name, bit_rate = _ENCODERS.get(suffix, _DEFAULT_ENCODER)
            self._target = output.add_stream(name, rate=_SOUND_RATE, layout="stereo")
            self._target.bit_rate = bit_rate
            self._packets = self._encoded()
        self._waiting: tuple[Fraction, av.Packet] | None = None

    def advance(self, until: Fraction) -> None:
        """Write every packet that begins before `until` seconds of the output."""
        while True:
            if self._waiting is None:
                self._waiting = next(self._packets, None)
            if self._waiting is None or self._waiting[0] >= until:
                return
            packet = self._waiting[1]
            self._waiting = None
            self._output.mux(packet)

    def close(self) -> None:
        """Let the source go."""
        self._packets.close()
        self._input.close()

    def _copied(self) -> Generator[tuple[Fraction, av.Packet], None, None]:
        base = self._stream.time_base
        shift = round(self._start / base)
        for packet in self._demuxed():
            if packet.dts is None or packet.pts is None:
                continue
            # A packet that ends exactly at zero primes the decoder (AAC), so it is kept.
            if packet.pts + (packet.duration or 0) < shift:
                continue
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = self._target
            yield packet.pts * base, packet

    def _demuxed(self) -> Iterator[av.Packet]:
        try:
            yield from self._input.demux(self._stream)
        except av.error.FFmpegError as problem:
            logger.warning("the sound of %s breaks off: %s", self._source, problem.strerror)

    def _encoded(self) -> Generator[tuple[Fraction, av.Packet], None, None]:
        context = self._target.codec_context
        context.open()
        resampler = av.AudioResampler(
            format=context.format, layout="stereo", rate=_SOUND_RATE, frame_size=context.frame_size or 1024
        )
        written = 0
        for frame in self._decoded():
            for piece in resampler.resample(frame):
                piece.pts, piece.time_base = written, Fraction(1, _SOUND_RATE)
                written += piece.samples
                yield from self._timed(context.encode(piece))
        yield from self._timed(context.encode(None))

    def _timed(self, packets: list[av.Packet]) -> Iterator[tuple[Fraction, av.Packet]]:
        for packet in packets:
            packet.stream = self._target
            yield packet.pts * packet.time_base, packet

    def _decoded(self) -> Iterator[av.AudioFrame | None]:
        """Decode the sound from `start` on; None at the end flushes the resampler."""
        for packet in self._demuxed():
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if (
                    frame.pts is not None
                    and frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate) <= self._start
                ):
                    continue
                frame.pts = None
                yield frame
        yield None
