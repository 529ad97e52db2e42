from __future__ import annotations

import base64
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from limner.checks import FileProblem, InputError, LimnerError
from limner.media import over_white, read_image, read_image_rgba, read_mark, write_image
from limner.media.headers import read_header
from limner.media.orientation import turn_upright
from limner.media.picture import encode_image

# 24x16: red on the left, blue top right, near-white bottom right; CMYK with Adobe's marker, by Pillow 12.
CMYK_JPEG = base64.b64decode(
    """
    /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoKCgYICwwLCg
    wJCgoK/8AAFAgAEAAYBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQEC
    AwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dX
    Z3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4E
    QwBNAFkASwAAPwD9cK/Hevyfr9/K/G//AIO1f+aAf9zX/wC4eu8+CX/MT/7Y/wDtSv1A/wCDbv8A5rN/3Lv/ALk6K/G+u8r9QKK/sgrwev5f6K
    7z4Jf8xP8A7Y/+1K/bj/gzh/5uM/7lD/3NV+0n/BoN/wA3Df8Acpf+5miu8r9uK/aSiv/Z
    """
)
RED, BLUE, WHITE = (220, 30, 40), (20, 60, 200), (250, 250, 250)
KINDS = [".jpg", ".png", ".webp", ".tif", ".bmp"]


@pytest.fixture
def picture() -> np.ndarray:
    image = np.empty((16, 24, 3), np.uint8)
    image[:, :12], image[:8, 12:], image[8:, 12:] = RED, BLUE, WHITE
    return image


def exif(orientation: int, order: str = "<") -> bytes:
    start = b"II*\x00" if order == "<" else b"MM\x00*"
    return start + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def with_exif(encoded: bytes, suffix: str, block: bytes) -> bytes:
    if suffix == ".jpg":
        body = b"Exif\x00\x00" + block
        return encoded[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body + encoded[2:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    return encoded[:33] + chunk + encoded[33:]


@pytest.mark.parametrize("suffix", KINDS)
def test_read_image_returns_what_write_image_wrote(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    write_image(path, picture, quality=100)
    back = read_image(path)
    worst = np.abs(back.astype(int) - picture).max()
    assert back.dtype == np.uint8 and back.flags.c_contiguous
    assert worst <= (2 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_kept_and_laid_over_white_on_request(tmp_path: Path, picture: np.ndarray, suffix: str) -> None:
    image = np.dstack([picture, np.full((16, 24), 128, np.uint8)])
    image[:4, :, 3] = 0
    path = tmp_path / f"a{suffix}"
    write_image(path, image, quality=100)
    visible = read_image_rgba(path)[4:]
    assert np.array_equal(visible, image[4:])
    assert (read_image(path)[:4] == 255).all()
    assert read_image(path)[12, 2].tolist() == [round((c * 128 + 255 * 127) / 255) for c in RED]


def test_read_image_rgba_is_opaque_where_the_file_has_no_alpha(tmp_path: Path, picture: np.ndarray) -> None:
    write_image(tmp_path / "a.png", picture)
    assert (read_image_rgba(tmp_path / "a.png")[..., 3] == 255).all()


def test_over_white_keeps_opaque_colours_exactly(picture: np.ndarray) -> None:
    assert np.array_equal(over_white(np.dstack([picture, np.full((16, 24), 255, np.uint8)])), picture)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_rounded_not_cut(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 128, 129, 257, 32_768, 65_406, 65_407, 65_535]], np.uint16).repeat(2, 0)
    (tmp_path / f"a{suffix}").write_bytes(cv2.imencode(suffix, values)[1].tobytes())
    assert read_image(tmp_path / f"a{suffix}")[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255, 255]


def test_float_tiff_counts_from_0_to_1(tmp_path: Path) -> None:
    values = np.array([[-1.0, 0.0, 0.5, 1.0, 7.0, np.nan]], np.float32)
    (tmp_path / "a.tif").write_bytes(cv2.imencode(".tif", values)[1].tobytes())
    assert read_image(tmp_path / "a.tif")[0, :, 1].tolist() == [0, 0, 128, 255, 255, 0]


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
    image = read_image(tmp_path / "a.png")
    assert image.shape == (8, 8, 3) and image[3, 2].tolist() == [26, 26, 26]


def test_cmyk_jpeg_has_the_colours_of_its_original(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(CMYK_JPEG)
    image = read_image(tmp_path / "a.jpg").astype(int)
    for (row, column), colour in {(8, 2): RED, (2, 20): BLUE, (12, 20): WHITE}.items():
        assert np.abs(image[row, column] - colour).max() <= 2


def test_cmyk_jpeg_without_adobes_marker_is_refused(tmp_path: Path) -> None:
    at = CMYK_JPEG.index(b"\xff\xee")
    length = 2 + int.from_bytes(CMYK_JPEG[at + 2 : at + 4], "big")
    (tmp_path / "a.jpg").write_bytes(CMYK_JPEG[:at] + CMYK_JPEG[at + length :])
    with pytest.raises(FileProblem, match="Adobe marker"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("transparent", [False, True])
def test_palette_png_with_and_without_transparency(tmp_path: Path, transparent: bool) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress(bytes([0, 0b00011011]) * 4)
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    extra = chunk(b"tRNS", bytes([255, 0, 128])) if transparent else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 2, 3, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"PLTE", palette) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    image = read_image_rgba(tmp_path / "a.png")
    alphas = [255, 0, 128, 255] if transparent else [255] * 4
    assert image[2].tolist() == [[*palette[3 * k : 3 * k + 3], alphas[k]] for k in range(4)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exif_orientation_puts_the_picture_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8] = 255
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    stored = encode_image(turn_upright(upright, inverse), suffix, synthetic=False)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(with_exif(stored, suffix, exif(orientation, "<" if orientation % 2 else ">")))
    assert np.abs(read_image(path).astype(int) - upright).max() <= 30


def test_exif_orientation_6_is_a_quarter_turn_clockwise() -> None:
    stored = np.arange(6).reshape(2, 3)
    assert turn_upright(stored, 6).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert turn_upright(stored, 8).tolist() == [[2, 5], [1, 4], [0, 3]]


@pytest.mark.parametrize("block", [b"", b"II*\x00", exif(99), exif(6)[:-8], b"nonsense" * 4])
def test_broken_exif_counts_as_upright(tmp_path: Path, picture: np.ndarray, block: bytes) -> None:
    (tmp_path / "a.png").write_bytes(with_exif(encode_image(picture, ".png"), ".png", block))
    assert np.array_equal(read_image(tmp_path / "a.png"), picture)


def test_name_in_any_script_is_read_and_written(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "фото 写真 é.png"
    write_image(path, picture)
    assert np.array_equal(read_image(path), picture)


def test_min_side_refuses_a_picture_of_one_pixel(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((1, 1, 3), np.uint8))
    assert read_image(tmp_path / "a.png").shape == (1, 1, 3)
    with pytest.raises(InputError, match=r"1x1 pixels; both sides must have at least 16"):
        read_image(tmp_path / "a.png", min_side=16)


def _huge(kind: str) -> bytes:
    side = 20_000
    if kind == "png":
        body = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        header = struct.pack(">I", 13) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
        return b"\x89PNG\r\n\x1a\n" + header + b"\x00\x00\x00\x00IEND\xaeB`\x82"
    if kind == "jpeg":
        frame = struct.pack(">BBHBHHB", 0xFF, 0xC0, 17, 8, side, side, 3) + bytes(9)
        return b"\xff\xd8" + frame + b"\xff\xda\x00\x04\x00\x00" + b"\xff\xd9"
    if kind == "webp":
        body = b"\x00" * 4 + (16_383).to_bytes(3, "little") * 2
        return b"RIFF" + struct.pack("<I", 4 + 8 + 10) + b"WEBPVP8X" + struct.pack("<I", 10) + body
    if kind == "tiff":
        return b"II*\x00" + struct.pack("<IH", 8, 2) + struct.pack("<HHIIHHII", 256, 4, 1, side, 257, 4, 1, side)
    return b"BM" + struct.pack("<IIIIiiHHI", 60, 0, 54, 40, side, -side, 1, 24, 1) + bytes(20)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff", "bmp"])
def test_huge_picture_is_refused_by_its_header(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(_huge(kind))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("the picture was decoded"))
    with pytest.raises(InputError, match=r"(20000x20000|16384x16384) pixels; limner takes 100 megapixels"):
        read_image(tmp_path / "a")


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.98])
def test_truncated_picture_is_an_error(
    tmp_path: Path, shared_rng: np.random.Generator, suffix: str, share: float
) -> None:
    image = cv2.GaussianBlur(shared_rng.integers(0, 255, (64, 48, 3), dtype=np.uint8), (0, 0), 2)
    data = encode_image(image, suffix)
    if suffix == ".bmp":
        data = encode_image(image, suffix, synthetic=False)
    (tmp_path / "a").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FileProblem, match=r"truncated|corrupt|not a picture"):
        read_image(tmp_path / "a")


@pytest.fixture
def shared_rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("suffix", KINDS)
def test_random_damage_never_escapes_as_another_error(
    tmp_path: Path, suffix: str, shared_rng: np.random.Generator
) -> None:
    data = bytearray(encode_image(shared_rng.integers(0, 255, (12, 9, 3), dtype=np.uint8), suffix))
    for trial in range(60):
        damaged = bytearray(data)
        for at in shared_rng.integers(0, min(len(data), 400), 4):
            damaged[at] = shared_rng.integers(0, 256)
        path = tmp_path / f"{trial}{suffix}"
        path.write_bytes(bytes(damaged))
        try:
            assert read_image(path).shape[2] == 3
        except LimnerError as problem:
            assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"I am a text, not a picture.\n" * 20, "is not a picture that limner knows"),
        (b"GIF89a" + bytes(50), "is a GIF"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(50), "is a HEIC or AVIF picture"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(50), "is a video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "checksum"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "JPEG"),
    ],
)
def test_bad_file_is_one_sentence_that_names_it(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileProblem, match=sentence) as caught:
        read_image(path)
    assert "photo.jpg" in str(caught.value) and "\n" not in str(caught.value)


def test_folder_in_place_of_a_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="is a folder"):
        read_image(tmp_path)


def test_read_header_looks_at_the_first_bytes_not_at_the_name(tmp_path: Path, picture: np.ndarray) -> None:
    header = read_header(memoryview(encode_image(picture, ".png")), "x.jpg")
    assert (header.kind, header.size_hw, header.orientation) == ("png", (16, 24), 1)


def test_marked_and_unmarked_pictures_hold_the_same_pixels(tmp_path: Path, picture: np.ndarray) -> None:
    for suffix in KINDS:
        marked, plain = tmp_path / f"m{suffix}", tmp_path / f"p{suffix}"
        write_image(marked, picture)
        write_image(plain, picture, synthetic=False)
        assert np.array_equal(read_image(marked), read_image(plain))
        assert read_mark(marked) and read_mark(plain) is None


@pytest.mark.parametrize(
    ("name", "image", "sentence"),
    [
        ("a.jpg", np.zeros((4, 4, 4), np.uint8), "cannot keep transparency"),
        ("a.bmp", np.zeros((4, 4, 4), np.uint8), "cannot keep transparency"),
        ("a.png", np.zeros((4, 4, 3), np.float32), "must be uint8"),
        ("a.png", np.zeros((0, 4, 3), np.uint8), "must be uint8"),
        ("a.png", np.zeros((4, 4, 2), np.uint8), "must be uint8"),
        ("a.xyz", np.zeros((4, 4, 3), np.uint8), "'.xyz' is not one of"),
        ("a", np.zeros((4, 4, 3), np.uint8), "is not one of"),
    ],
)
def test_write_image_refuses_what_it_cannot_write(tmp_path: Path, name: str, image: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


def test_write_image_leaves_nothing_when_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FileProblem, match="the disk is full"):
        write_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_write_image_replaces_an_older_file_and_leaves_its_input_alone(tmp_path: Path, picture: np.ndarray) -> None:
    before = picture.copy()
    for image in (np.zeros_like(picture), picture[:, ::-1]):
        write_image(tmp_path / "a.png", image)
    assert np.array_equal(read_image(tmp_path / "a.png"), picture[:, ::-1]) and np.array_equal(picture, before)
    assert os.listdir(tmp_path) == ["a.png"]
