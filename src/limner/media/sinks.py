"""Where the frames of a video go: an encoder in a container, an animated GIF, or numbered pictures in a folder."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import av.filter
import av.video.reformatter
import numpy as np
from numpy import ndarray

from limner.media.files import put_into_place, remove_quietly, sequence_parts, temporary_beside
from limner.media.picture import encode_image
from limner.media.provenance import COMMENT
from limner.media.sound import SoundTrack, takes_sound

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".gif": "gif"}
_BT709 = 1
_LIMITED_RANGE = 1


class Sink(Protocol):
    """Takes frames; `finish` completes the file or folder, `abandon` lets go of whatever is still open."""

    def write(self, frame: ndarray) -> None:
        """Add one RGB or RGBA frame."""

    def finish(self) -> None:
        """Complete what was written."""

    def abandon(self) -> None:
        """Close and remove what is not complete; harmless after `finish`."""


@dataclass(frozen=True)
class Codec:
    """An encoder and its settings.

    Attributes:
        name: FFmpeg's name.
        pixel_format: FFmpeg's name.
        options: the encoder's own options.
        even: both sides must be even.
    """

    name: str
    pixel_format: str
    options: dict[str, str]
    even: bool = False


# crf 18 is where H.264 is usually taken for the original; `veryfast` leaves the CPU to the networks.
_H264 = Codec("libx264", "yuv420p", {"crf": "18", "preset": "veryfast"}, even=True)
_VP9_SPEED = {"b:v": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
_VP9 = Codec("libvpx-vp9", "yuv420p", {"crf": "24", **_VP9_SPEED})
_VP9_ALPHA = Codec("libvpx-vp9", "yuva420p", {"crf": "24", "auto-alt-ref": "0", **_VP9_SPEED})
_PRORES = Codec("prores_ks", "yuva444p10le", {"profile": "4444", "vendor": "apl0"})
_LOSSLESS = Codec("ffv1", "bgr0", {})


def codec_for(suffix: str, *, alpha: bool) -> Codec:
    """Choose the encoder for a kind of file."""
    if suffix == ".webm":
        return _VP9_ALPHA if alpha else _VP9
    return _PRORES if alpha else _H264


class ContainerSink:
    """Frames through an encoder into a container, with a sound track beside them where one is given."""

    def __init__(
        self,
        path: Path,
        frame_rate: Fraction,
        size_hw: tuple[int, int],
        codec: Codec,
        *,
        synthetic: bool,
        sound: tuple[Path, Fraction] | None = None,
    ) -> None:
        suffix = path.suffix.lower()
        options = {"movflags": "+faststart"} if suffix in (".mp4", ".m4v", ".mov") else {}
        self._scaler = av.video.reformatter.VideoReformatter()
        self._codec, self._rate, self._count = codec, frame_rate, 0
        self._padding = (size_hw[0] % 2, size_hw[1] % 2) if codec.even else (0, 0)
        self._container = av.open(f"file:{path}", "w", format=_FORMATS[suffix], container_options=options)
        if synthetic:
            self._container.metadata.update(comment=COMMENT, description=COMMENT, software="limner")
        self._stream = self._add_stream(size_hw)
        self._sound = None
        if sound is not None and takes_sound(suffix):
            self._sound = SoundTrack(*sound, self._container, suffix)

    def _add_stream(self, size_hw: tuple[int, int]) -> av.VideoStream:
        stream = self._container.add_stream(self._codec.name, rate=self._rate, options=self._codec.options)
        stream.height, stream.width = (n + pad for n, pad in zip(size_hw, self._padding, strict=True))
        stream.pix_fmt = self._codec.pixel_format
        stream.time_base = 1 / self._rate
        context = stream.codec_context
        if "yuv" in self._codec.pixel_format:
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED_RANGE
        return stream

    def write(self, frame: ndarray) -> None:
        """Encode one frame and bring the sound level with it."""
        if any(self._padding):
            # Repeating the last row keeps the picture whole; cutting would lose it, 4:4:4 would not play on phones.
            frame = np.pad(frame, ((0, self._padding[0]), (0, self._padding[1]), (0, 0)), mode="edge")
        source = av.VideoFrame.from_ndarray(frame, format="rgb24" if frame.shape[2] == 3 else "rgba")
        picture = self._converted(source)
        picture.pts, picture.time_base = self._count, 1 / self._rate
        self._container.mux(self._stream.encode(picture))
        self._count += 1
        if self._sound is not None:
            self._sound.advance(self._count / self._rate)

    def _converted(self, source: av.VideoFrame) -> av.VideoFrame:
        if "yuv" not in self._codec.pixel_format:
            return self._scaler.reformat(source, format=self._codec.pixel_format, threads=1)
        picture = self._scaler.reformat(
            source, format=self._codec.pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG", threads=1
        )
        picture.colorspace, picture.color_range = _BT709, _LIMITED_RANGE
        return picture

    def finish(self) -> None:
        """Flush the encoder, write the rest of the sound and the container's index."""
        self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.advance(self._count / self._rate)
        self._container.close()

    def abandon(self) -> None:
        """Close everything, whatever state it is in."""
        if self._sound is not None:
            self._sound.close()
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()


class GifSink:
    """An animated GIF with one palette for all frames, so that a still background stays still.

    The palette needs every frame before the first is written; they wait in a lossless file, not in memory.
    """

    def __init__(self, path: Path, frame_rate: Fraction, size_hw: tuple[int, int]) -> None:
        self._path, self._rate = path, frame_rate
        self._waiting = temporary_beside(path.with_suffix(".mkv"))
        self._store = ContainerSink(self._waiting, frame_rate, size_hw, _LOSSLESS, synthetic=False)

    def write(self, frame: ndarray) -> None:
        """Put one frame by."""
        self._store.write(frame)

    def finish(self) -> None:
        """Make the palette, then the GIF."""
        self._store.finish()
        palette = self._palette()
        with av.open(str(self._waiting)) as source, av.open(f"file:{self._path}", "w", format="gif") as target:
            video = source.streams.video[0]
            stream = target.add_stream("gif", rate=self._rate)
            stream.width, stream.height, stream.pix_fmt = video.width, video.height, "pal8"
            graph, frames_in, palette_in = _palette_graph(video, palette)
            palette_in.push(palette)
            palette_in.push(None)
            for frame in source.decode(video):
                frames_in.push(frame)
                for picture in _pulled(graph):
                    target.mux(stream.encode(picture))
            frames_in.push(None)
            for picture in _pulled(graph):
                target.mux(stream.encode(picture))
            target.mux(stream.encode(None))

    def _palette(self) -> av.VideoFrame:
        with av.open(str(self._waiting)) as source:
            video = source.streams.video[0]
            graph = av.filter.Graph()
            frames_in = graph.add_buffer(template=video)
            graph.link_nodes(frames_in, graph.add("palettegen", "stats_mode=full"), graph.add("buffersink")).configure()
            for frame in source.decode(video):
                frames_in.push(frame)
            frames_in.push(None)
            return next(iter(_pulled(graph)))

    def abandon(self) -> None:
        """Remove the waiting frames."""
        self._store.abandon()
        remove_quietly(self._waiting)


def _palette_graph(
    video: av.VideoStream, palette: av.VideoFrame
) -> tuple[av.filter.Graph, av.filter.context.FilterContext, av.filter.context.FilterContext]:
    graph = av.filter.Graph()
    frames_in = graph.add_buffer(template=video)
    palette_in = graph.add_buffer(
        width=palette.width, height=palette.height, format=palette.format, time_base=video.time_base
    )
    use = graph.add("paletteuse", "dither=sierra2_4a:diff_mode=rectangle")
    frames_in.link_to(use, 0, 0)
    palette_in.link_to(use, 0, 1)
    use.link_to(graph.add("buffersink"), 0, 0)
    graph.configure()
    return graph, frames_in, palette_in


def _pulled(graph: av.filter.Graph) -> list[av.VideoFrame]:
    frames = []
    while True:
        try:
            frames.append(graph.pull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return frames


class SequenceSink:
    """Numbered pictures, from 0, gathered in a temporary folder and put into place together."""

    def __init__(self, path: Path, temporary: Path, *, synthetic: bool) -> None:
        self._path, self._folder, self._synthetic = path, temporary, synthetic
        self._pattern, self._suffix = sequence_parts(path) or ("%05d.png", ".png")
        self._count = 0
        self._folder.mkdir()

    def write(self, frame: ndarray) -> None:
        """Write one picture."""
        data = encode_image(frame, self._suffix, synthetic=self._synthetic)
        (self._folder / (self._pattern % self._count)).write_bytes(data)
        self._count += 1

    def finish(self) -> None:
        """Move the pictures to their names."""
        if sequence_parts(self._path):
            for picture in sorted(self._folder.iterdir()):
                os.replace(picture, self._path.parent / picture.name)
        else:
            put_into_place(self._folder, self._path)

    def abandon(self) -> None:
        """Remove the temporary folder, if it is still there."""
        remove_quietly(self._folder)
