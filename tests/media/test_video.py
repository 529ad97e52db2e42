from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from limner.checks import FileProblem, InputError
from limner.media import open_video, write_image, write_video
from limner.media.orientation import orientation_of_matrix

from .conftest import frame_number, numbered_frames

NTSC = Fraction(30_000, 1001)


@pytest.mark.parametrize("rate", [NTSC, Fraction(24_000, 1001), Fraction(24), Fraction(25), Fraction(30), Fraction(10)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "avi", "ts"])
def test_frame_rate_is_exact_and_every_frame_comes_once(
    make_video: Callable[..., Path], rate: Fraction, suffix: str
) -> None:
    video = open_video(make_video(f"a.{suffix}", 9, rate=rate, codec="libvpx" if suffix == "webm" else "libx264"))
    assert video.frame_rate == rate and video.size_hw == (48, 64) and not video.has_sound
    assert [frame_number(frame) for frame in video.frames()] == list(range(9))


def test_frames_can_be_read_again_and_are_arrays_of_their_own(make_video: Callable[..., Path]) -> None:
    video = open_video(make_video())
    first, second = list(video.frames()), list(video.frames())
    assert video.num_frames == len(first) == 12
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    first[0][:] = 0
    assert first[1].any() and not np.shares_memory(first[0], first[1])
    assert first[0].dtype == np.uint8 and first[0].flags.c_contiguous


def test_colours_survive_the_way_through_h264(make_video: Callable[..., Path], tmp_path: Path) -> None:
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]], np.uint8)
    frame = np.repeat(np.repeat(colours.reshape(2, 2, 3), 32, 0), 32, 1)
    write_video(tmp_path / "a.mp4", [frame] * 3, frame_rate=25)
    back = next(open_video(tmp_path / "a.mp4").frames())
    assert np.abs(back[16::32, 16::32].astype(int).reshape(-1, 3) - colours).max() <= 4


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_rotation_of_the_display_matrix_is_applied(
    make_video: Callable[..., Path], rotation: int, corner: tuple[int, int]
) -> None:
    # FFmpeg's angle is counter-clockwise: a quarter turn brings the bright top left corner to the bottom left.
    video = open_video(make_video(rotation=rotation))
    frame = next(video.frames())
    assert video.size_hw == frame.shape[:2] == ((64, 48) if rotation % 180 else (48, 64))
    bright = {(y, x) for y in (0, -1) for x in (0, -1) if frame[8 if y == 0 else -9, 8 if x == 0 else -9, 1] > 100}
    assert bright == {corner}


def test_mirrored_display_matrix_is_a_mirror_not_a_turn() -> None:
    one = 65536
    matrices = {2: [-one, 0, 0, 0, one], 5: [0, one, 0, one, 0], 6: [0, one, 0, -one, 0], 8: [0, -one, 0, one, 0]}
    for orientation, numbers in matrices.items():
        assert orientation_of_matrix(np.array([*numbers, 0, 0, 0, 1 << 30], np.int32).tobytes()) == orientation
    assert orientation_of_matrix(np.array([46341, 46341, 0, -46341, 46341, 0, 0, 0, 0], np.int32).tobytes()) == 1
    assert orientation_of_matrix(b"") == 1


def test_variable_rate_is_put_on_an_even_grid_in_step_with_time(make_video: Callable[..., Path], rng: object) -> None:
    steps = np.random.default_rng(0).integers(20, 80, 40)
    stamps = np.concatenate([[0], np.cumsum(steps)[:-1]])
    path = make_video("a.mkv", 40, rate=Fraction(30), stamps=stamps.tolist(), ticks=1000)
    video = open_video(path)
    frames = list(video.frames())
    assert abs(len(frames) / video.frame_rate - stamps[-1] / 1000) < 0.1
    for index, frame in enumerate(frames):
        # The frame shown at a step is one whose time lies within a step of it or the last one before it.
        time, number = index / float(video.frame_rate), frame_number(frame)
        following = stamps[number + 1] / 1000 if number < 39 else np.inf
        assert stamps[number] / 1000 - 0.017 <= time <= following + 0.017


def test_skipped_frames_of_a_phone_video_are_held(make_video: Callable[..., Path]) -> None:
    stamps = [k * 3000 for k in range(30) if k not in (10, 11, 20)]
    video = open_video(make_video("a.mp4", 27, rate=Fraction(30), stamps=stamps, ticks=90_000))
    numbers = [frame_number(frame) for frame in video.frames()]
    assert video.frame_rate == 30 and len(numbers) == 30
    assert numbers[8:14] == [8, 9, 9, 9, 10, 11]


def test_frame_rate_can_be_chosen(make_video: Callable[..., Path]) -> None:
    video = open_video(make_video(count=10, rate=Fraction(20)), frame_rate=10)
    assert video.frame_rate == 10 and len(list(video.frames())) == video.num_frames == 5


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        for pixels in numbered_frames(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    assert open_video(path).size_hw == next(open_video(path).frames()).shape[:2] == (48, 96)


def test_animated_gif_is_a_video(tmp_path: Path) -> None:
    write_video(tmp_path / "a.gif", numbered_frames(5), frame_rate=10)
    video = open_video(tmp_path / "a.gif")
    assert video.frame_rate == 10 and [frame_number(f) for f in video.frames()] == list(range(5))


def test_folder_and_pattern_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number, frame in enumerate(numbered_frames(11)):
        write_image(tmp_path / f"f{number}.png", frame)
    for path in (tmp_path, tmp_path / "f%d.png"):
        video = open_video(path, frame_rate=12)
        assert video.num_frames == 11 and video.frame_rate == 12 and video.size_hw == (48, 64)
        assert [frame_number(f) for f in video.frames()] == list(range(11))


def test_sequence_with_a_picture_of_another_size_names_it(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "b.png", np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(InputError, match=r"b\.png is 9x8 pixels, the first one 8x8"):
        list(open_video(tmp_path).frames())


def test_video_cut_off_behind_its_index_gives_what_is_left(
    make_video: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = make_video(count=40, options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])
    with caplog.at_level(logging.WARNING, "limner.media.video"):
        count = len(list(open_video(path).frames()))
    assert 0 < count <= 40 and "driver.mp4" in caplog.text


def test_video_cut_off_before_its_index_is_an_error(make_video: Callable[..., Path]) -> None:
    path = make_video(count=40)
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(FileProblem, match="truncated"):
        open_video(path)


def test_video_without_one_whole_frame_is_an_error(make_video: Callable[..., Path]) -> None:
    path = make_video(options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 8])
    with pytest.raises(FileProblem, match="zero frames"):
        open_video(path)


def test_damaged_bytes_never_escape_as_another_error(make_video: Callable[..., Path]) -> None:
    path = make_video(count=6)
    data, random = path.read_bytes(), np.random.default_rng(1)
    for _ in range(25):
        damaged = bytearray(data)
        for at in random.integers(0, len(data), 20):
            damaged[at] = random.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            assert all(frame.ndim == 3 for frame in open_video(path).frames())
        except FileProblem as problem:
            assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"I am a text.\n" * 100, "is not a video"),
        (b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n", "is not a video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "is not a video"),
    ],
)
def test_bad_file_is_one_sentence_that_names_it(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "dance.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileProblem, match=sentence) as caught:
        open_video(path)
    assert "dance.mp4" in str(caught.value)


def test_picture_is_no_video(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(FileProblem, match="is not a video"):
        open_video(tmp_path / "a.png")


def test_sound_without_pictures_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(FileProblem, match="sound but no pictures"):
        open_video(path)


def test_folder_without_pictures_and_pattern_without_files_are_errors(tmp_path: Path) -> None:
    for path, sentence in ((tmp_path, "folder without pictures"), (tmp_path / "f_%03d.png", "no pictures match")):
        with pytest.raises(FileProblem, match=sentence):
            open_video(path)


@pytest.mark.parametrize("rate", [0, -5])
def test_frame_rate_must_be_positive(make_video: Callable[..., Path], rate: int) -> None:
    with pytest.raises(InputError, match="must be positive"):
        open_video(make_video(), frame_rate=rate)


def test_real_video_is_read_at_its_own_rate_and_size(shared_data: Path) -> None:
    video = open_video(shared_data / "people" / "one-by-one-person-detection.mp4")
    assert (video.frame_rate, video.size_hw, video.num_frames, video.has_sound) == (10, (432, 768), 1394, False)
