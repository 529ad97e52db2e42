from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from limner.checks import FileProblem, InputError
from limner.media import VideoWriter, check_output, check_video_output, open_video, read_image_rgba, write_video
from limner.media.sinks import ContainerSink

from .conftest import frame_number, numbered_frames

NTSC = Fraction(30_000, 1001)
RGBA = [np.dstack([frame, np.full(frame.shape[:2], 20 * k, np.uint8)]) for k, frame in enumerate(numbered_frames(5))]


@pytest.mark.parametrize("name", ["a.mp4", "a.m4v", "a.mov", "a.mkv", "a.webm"])
def test_write_video_keeps_every_frame_and_the_exact_rate(tmp_path: Path, name: str) -> None:
    assert write_video(tmp_path / name, numbered_frames(7), frame_rate=NTSC) == 7
    video = open_video(tmp_path / name)
    assert video.frame_rate == NTSC and [frame_number(f) for f in video.frames()] == list(range(7))
    assert os.listdir(tmp_path) == [name]


def test_mp4_is_made_for_players(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered_frames(5), frame_rate=25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
        assert (context.codec.canonical_name, context.pix_fmt) == ("h264", "yuv420p")
        assert int(frame.colorspace) == int(frame.color_primaries) == int(frame.color_trc) == 1
        assert int(frame.color_range) == 1 and "digitalsourcetype" in container.metadata["comment"]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif"])
def test_odd_sizes_are_kept_whole(tmp_path: Path, name: str) -> None:
    frame = next(numbered_frames(1, (31, 47)))
    write_video(tmp_path / name, [frame] * 2, frame_rate=25)
    back = next(open_video(tmp_path / name).frames())
    assert back.shape == ((32, 48, 3) if name == "a.mp4" else (31, 47, 3))
    assert np.abs(back[:31, :47].astype(int) - frame).mean() < 3
    assert name != "a.mp4" or np.abs(back[31].astype(int) - back[30]).max() <= 4


def test_gif_has_the_colours_of_its_frames(tmp_path: Path) -> None:
    across, down = np.meshgrid(np.arange(64) * 4, np.arange(48) * 5)
    frame = np.stack([across, down, np.full((48, 64), 90)], axis=2).astype(np.uint8)
    write_video(tmp_path / "a.gif", [frame, frame[:, ::-1]], frame_rate=10)
    frames = list(open_video(tmp_path / "a.gif").frames())
    assert len(frames) == 2 and np.abs(frames[1].astype(int) - frame[:, ::-1]).mean() < 8
    assert os.listdir(tmp_path) == ["a.gif"]


@pytest.mark.parametrize("name", ["out", "f_%03d.png"])
def test_sequence_of_pictures_is_exact(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / name, numbered_frames(3), frame_rate=25)
    back = list(open_video(tmp_path / name).frames())
    assert all(np.array_equal(a, b) for a, b in zip(back, numbered_frames(3), strict=True))
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_alpha_of_a_png_sequence_is_exact(tmp_path: Path) -> None:
    write_video(tmp_path / "f_%d.png", RGBA, frame_rate=25, alpha=True)
    assert all(np.array_equal(read_image_rgba(tmp_path / f"f_{k}.png"), RGBA[k]) for k in range(5))


@pytest.mark.parametrize(("name", "decoder"), [("a.mov", "prores"), ("a.webm", "libvpx-vp9")])
def test_alpha_of_a_video_comes_back(tmp_path: Path, name: str, decoder: str) -> None:
    write_video(tmp_path / name, RGBA, frame_rate=25, alpha=True)
    with av.open(str(tmp_path / name)) as container:
        context = av.CodecContext.create(decoder, "r")
        context.extradata = container.streams.video[0].codec_context.extradata
        frames = [f for packet in container.demux(video=0) for f in context.decode(packet if packet.size else None)]
    alphas = [f.to_ndarray(format="rgba")[..., 3] for f in frames]
    assert [round(float(a.mean()) / 20) for a in alphas] == [0, 1, 2, 3, 4]


def test_alpha_writer_takes_opaque_frames_too(tmp_path: Path) -> None:
    write_video(tmp_path / "f_%d.png", numbered_frames(1), frame_rate=25, alpha=True)
    assert (read_image_rgba(tmp_path / "f_0.png")[..., 3] == 255).all()


def sound_of(path: Path) -> tuple[str, float, float, np.ndarray]:
    """Codec, first and last moment of the packets, and the samples of the left channel."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        times = [(p.pts * p.time_base, (p.pts + p.duration) * p.time_base) for p in container.demux(stream) if p.size]
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48_000)
        pieces = [piece.to_ndarray()[0] for f in container.decode(audio=0) for piece in resampler.resample(f)]
    return stream.codec_context.codec.canonical_name, float(times[0][0]), float(times[-1][1]), np.concatenate(pieces)


@pytest.mark.parametrize(
    ("codec", "driver", "name", "expected"),
    [
        ("aac", "d.mp4", "a.mp4", "aac"),
        ("aac", "d.mp4", "a.mov", "aac"),
        ("libmp3lame", "d.mp4", "a.mp4", "mp3"),
        ("libopus", "d.mkv", "a.webm", "opus"),
        ("aac", "d.mp4", "a.webm", "opus"),
        ("libopus", "d.mkv", "a.mp4", "aac"),
        ("flac", "d.mkv", "a.mp4", "aac"),
    ],
)
def test_sound_is_carried_over_and_cut_to_length(
    make_video: Callable[..., Path], tmp_path: Path, codec: str, driver: str, name: str, expected: str
) -> None:
    source = make_video(driver, 25, sound=(codec, 2.0))
    write_video(tmp_path / name, numbered_frames(20), frame_rate=25, sound_from=source)
    found, start, end, samples = sound_of(tmp_path / name)
    assert found == expected and open_video(tmp_path / name).has_sound
    assert -0.03 <= start <= 0.001 and 0.75 <= end <= 0.84
    heard = samples[4800:28_800]
    assert np.abs(np.fft.rfft(heard)).argmax() * 2 == 440
    # A pure tone at full level loses up to a tenth in FFmpeg's AAC encoder, once for the driver, once here.
    assert 0.6 < np.sqrt(np.mean(np.square(heard))) < 0.75
    assert [frame_number(f) for f in open_video(tmp_path / name).frames()] == list(range(20))


def test_copied_sound_is_the_same_bytes(make_video: Callable[..., Path], tmp_path: Path) -> None:
    source = make_video("d.mp4", 25, sound=("aac", 1.0))
    write_video(tmp_path / "a.mp4", numbered_frames(25), frame_rate=25, sound_from=open_video(source))

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(p) for p in container.demux(audio=0) if p.size]

    copied = packets(tmp_path / "a.mp4")
    assert len(copied) > 40 and copied == packets(source)[: len(copied)]


@pytest.mark.parametrize("name", ["a.gif", "f_%d.png"])
def test_outputs_without_sound_ignore_it(make_video: Callable[..., Path], tmp_path: Path, name: str) -> None:
    source = make_video("d.mp4", 25, sound=("aac", 1.0))
    assert write_video(tmp_path / name, numbered_frames(2), frame_rate=25, sound_from=source) == 2


def test_silent_driver_gives_a_silent_video(make_video: Callable[..., Path], tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered_frames(2), frame_rate=25, sound_from=make_video())
    assert not open_video(tmp_path / "a.mp4").has_sound


def failing_frames(problem: BaseException) -> Iterator[np.ndarray]:
    yield from numbered_frames(3)
    raise problem


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "f_%d.png", "folder"])
@pytest.mark.parametrize("problem", [KeyboardInterrupt(), ValueError("broken")])
def test_interrupted_video_leaves_nothing(tmp_path: Path, name: str, problem: BaseException) -> None:
    with pytest.raises(type(problem)):
        write_video(tmp_path / name, failing_frames(problem), frame_rate=25)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_video_leaves_the_older_one(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered_frames(2), frame_rate=25)
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", failing_frames(KeyboardInterrupt()), frame_rate=25)
    assert (tmp_path / "a.mp4").read_bytes() == before and os.listdir(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("when", ["write", "finish"])
def test_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ContainerSink, when, full)
    with pytest.raises(FileProblem, match=r"a\.mp4 could not be written: the disk is full"):
        write_video(tmp_path / "a.mp4", numbered_frames(2), frame_rate=25)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_ffmpeg_reports_a_full_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.media.video_writer.temporary_beside", lambda path: tmp_path / "full.mp4")
    (tmp_path / "full.mp4").symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 255, (12, 240, 320, 3), dtype=np.uint8)
    with pytest.raises(FileProblem, match="could not be written: the disk is full"):
        write_video(tmp_path / "a.mp4", noise, frame_rate=25)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "alpha", "problem", "sentence"),
    [
        ("a.xyz", False, InputError, "'.xyz' is not one of"),
        ("a.png", False, InputError, "is the name of one picture"),
        ("a.mp4", True, InputError, "cannot keep transparency"),
        ("a.gif", True, InputError, "cannot keep transparency"),
        ("no/a.mp4", False, FileProblem, "does not exist; make it first"),
        ("file/a.mp4", False, FileProblem, "is not a folder"),
        ("sub.mp4", False, FileProblem, "a folder stands there"),
        ("full", False, FileProblem, "has files in it"),
        ("f_%d.png", False, FileProblem, "pictures of that pattern are there"),
    ],
)
def test_bad_outputs_are_refused_before_any_frame_is_asked_for(
    tmp_path: Path, name: str, alpha: bool, problem: type[Exception], sentence: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "sub.mp4").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "f_12.png").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(problem, match=sentence):
        write_video(tmp_path / name, failing_frames(AssertionError()), frame_rate=25, alpha=alpha)
    assert sorted(tmp_path.rglob("*")) == before


def test_check_output_takes_good_names_and_makes_nothing(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.PNG", "folder", "f_%05d.jpg"):
        assert check_output(tmp_path / name) == check_video_output(tmp_path / "a.mp4").with_name(name)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("limner.media.files.tempfile.TemporaryFile", refuse)
    with pytest.raises(FileProblem, match="may not be written"):
        check_output(tmp_path / "a.mp4")


def test_zero_frames_and_wrong_frames_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="zero frames"):
        write_video(tmp_path / "a.mp4", [], frame_rate=25)
    with pytest.raises(InputError, match="zero frames"), VideoWriter(tmp_path / "a.mp4", 25, (8, 8)):
        pass
    frames = [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)]
    with pytest.raises(InputError, match=r"frame 1 of .* must be uint8 \(8, 8, 3\), got uint8 \(8, 9, 3\)"):
        write_video(tmp_path / "a.mp4", frames, frame_rate=25)
    with pytest.raises(InputError, match="positive"):
        VideoWriter(tmp_path / "a.mp4", 0, (8, 8))
    with pytest.raises(InputError, match="with block"):
        VideoWriter(tmp_path / "a.mp4", 25, (8, 8)).write(frames[0])
    assert list(tmp_path.iterdir()) == []


def test_sound_from_a_file_that_is_no_sound_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text " * 100)
    with pytest.raises(FileProblem, match="is not a video or sound file"):
        write_video(tmp_path / "a.mp4", numbered_frames(2), frame_rate=25, sound_from=tmp_path / "a.txt")
