"""Small pictures, videos and motion files, made on the fly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy import ndarray


def numbered_frames(count: int, size_hw: tuple[int, int] = (48, 64)) -> Iterator[ndarray]:
    """Frames whose grey says their number (5 a frame, up to 51), with a white top left quarter."""
    height, width = size_hw
    for number in range(count):
        frame = np.full((height, width, 3), 5 * number, np.uint8)
        frame[: height // 2, : width // 2] = 255
        yield frame


def frame_number(frame: ndarray) -> int:
    """Read the number off a decoded frame."""
    return round(float(frame[-16:-4, -16:-4].mean()) / 5)


def tone(seconds: float) -> ndarray:
    return np.sin(2 * np.pi * 440 * np.arange(int(48_000 * seconds)) / 48_000).astype(np.float32)


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Write a video with PyAV alone: any codec, time stamps (in 1/`ticks` seconds), rotation, sound in seconds."""

    def make(
        name: str = "driver.mp4",
        count: int = 12,
        *,
        rate: Fraction = Fraction(25),
        codec: str = "libx264",
        stamps: list[int] | None = None,
        ticks: int | None = None,
        rotation: int | None = None,
        sound: tuple[str, float] | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        step = Fraction(1, ticks) if ticks else 1 / rate
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream(codec, rate=rate)
            stream.height, stream.width, stream.pix_fmt, stream.time_base = 48, 64, "yuv420p", step
            if rotation is not None:
                stream.set_display_rotation(rotation)
            voice = container.add_stream(sound[0], rate=48_000, layout="stereo") if sound else None
            for number, pixels in enumerate(numbered_frames(count)):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = (stamps[number] if stamps else number), step
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if voice is not None:
                _add_tone(container, voice, sound[1])
        return path

    return make


def _add_tone(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    resampler = av.AudioResampler(
        format=stream.codec_context.format,
        layout="stereo",
        rate=48_000,
        frame_size=stream.codec_context.frame_size or 1024,
    )
    frame = av.AudioFrame.from_ndarray(np.stack([tone(seconds)] * 2), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))
