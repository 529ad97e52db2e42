from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from limner.checks import FileProblem, InputError, MissingExtra
from limner.media import SOURCE_TYPE, encode_image, read_mark, write_image, write_video
from limner.media.headers import tiff_entries, webp_chunks
from limner.media.provenance import mark_picture, xmp_packet

IMAGE = np.full((10, 14, 3), 90, np.uint8)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.png", "a.webp", "a.tif", "a.tiff", "a.bmp"])
def test_every_picture_kind_carries_the_mark(tmp_path: Path, name: str) -> None:
    write_image(tmp_path / name, IMAGE)
    assert read_mark(tmp_path / name) == SOURCE_TYPE


@pytest.mark.parametrize("name", ["a.mp4", "a.m4v", "a.mov", "a.mkv", "a.webm", "a.gif"])
@pytest.mark.parametrize("synthetic", [True, False])
def test_every_video_kind_carries_the_mark(tmp_path: Path, name: str, synthetic: bool) -> None:
    write_video(tmp_path / name, [IMAGE] * 3, frame_rate=25, synthetic=synthetic)
    assert read_mark(tmp_path / name) == (SOURCE_TYPE if synthetic else None)


def test_pictures_of_a_sequence_carry_the_mark(tmp_path: Path) -> None:
    write_video(tmp_path / "f_%02d.png", [IMAGE] * 2, frame_rate=25)
    assert [read_mark(tmp_path / f"f_0{k}.png") for k in (0, 1)] == [SOURCE_TYPE] * 2


def test_packet_stands_where_each_format_wants_it() -> None:
    packet = xmp_packet()
    jpeg = encode_image(IMAGE, ".jpg")
    at = jpeg.index(b"\xff\xe1")
    assert jpeg[at + 4 :].startswith(b"http://ns.adobe.com/xap/1.0/\x00" + packet)
    assert struct.unpack(">H", jpeg[at + 2 : at + 4])[0] == 2 + 29 + len(packet)
    assert b"iTXtXML:com.adobe.xmp\x00\x00\x00\x00\x00" + packet in encode_image(IMAGE, ".png")
    chunks = dict(webp_chunks(memoryview(encode_image(IMAGE, ".webp"))))
    assert bytes(chunks[b"XMP "]) == packet and chunks[b"VP8X"][0] & 0x04
    tiff = encode_image(IMAGE, ".tif")
    entries = [tag for tag, _ in tiff_entries(memoryview(tiff))]
    assert entries == sorted(entries) and packet in tiff


def test_webp_with_alpha_keeps_its_alpha_flag() -> None:
    chunks = dict(webp_chunks(memoryview(encode_image(np.full((6, 6, 4), 90, np.uint8), ".webp", quality=100))))
    assert chunks[b"VP8X"][0] == 0x14


def test_read_mark_reads_the_attribute_form_of_others(tmp_path: Path) -> None:
    term = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    (tmp_path / "a").write_bytes(b'xx Iptc4xmpExt:DigitalSourceType="' + term.encode() + b'"/> yy')
    assert read_mark(tmp_path / "a") == term


def test_read_mark_of_an_unmarked_file_is_none_and_of_no_file_an_error(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", IMAGE, synthetic=False)
    assert read_mark(tmp_path / "a.png") is None
    with pytest.raises(FileProblem, match="does not exist"):
        read_mark(tmp_path / "b.png")


def test_mark_picture_refuses_unknown_kinds() -> None:
    with pytest.raises(InputError, match=r"not into \'\.xyz\'"):
        mark_picture(b"", ".xyz")


def test_signing_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_C2PA_CERT", "cert.pem")
    monkeypatch.setenv("LIMNER_C2PA_KEY", "key.pem")
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingExtra, match=r"limner\[provenance\]"):
        write_image(tmp_path / "a.png", IMAGE)
    assert list(tmp_path.iterdir()) == []
