"""What a picture file says of itself before it is decoded: kind, size, orientation, and whether it is whole.

A decoder takes the memory of the whole picture before it can be asked for the size, and OpenCV up to version 4 fills
the missing part of a truncated file with grey; so the few bytes that matter are read here.

Sources: ITU-T T.81 annex B (JPEG markers), W3C PNG section 5, Google's WebP container specification, TIFF 6.0
section 2, Microsoft's BITMAPINFOHEADER, EXIF 2.3 section 4.6.4 (orientation).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from limner.checks import FileProblem

PictureKind = Literal["jpeg", "png", "webp", "tiff", "bmp"]

ORIENTATION_TAG = 274

FOREIGN_KINDS = {
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"\x1aE\xdf\xa3": "a video",
    b"\x00\x00\x00\x0cjP": "a JPEG 2000 picture",
    b"\xff\x0a": "a JPEG XL picture",
}
"""First bytes of kinds that people do try, for a message that names them."""


@dataclass(frozen=True)
class PictureHeader:
    """What the header says.

    Attributes:
        kind: the format, by its first bytes and not by the file's suffix.
        size_hw: height and width in pixels as stored, before the orientation is applied.
        orientation: EXIF's 1 to 8; 1 where the file says nothing, and for TIFF, which the decoder turns itself.
    """

    kind: PictureKind
    size_hw: tuple[int, int]
    orientation: int = 1


class _Broken(Exception):
    """A header that ends early or contradicts itself; the text ends the sentence of the public error."""


def read_header(data: memoryview, name: str) -> PictureHeader:
    """Read kind, size and orientation of an encoded picture.

    Args:
        data: the whole file; only the header and the frame of the file are looked at.
        name: what to call the file in messages.

    Raises:
        FileProblem: the bytes are no picture of a known kind, or the file is truncated or corrupt.
    """
    kind = _kind(data, name)
    try:
        header = _READERS[kind](data)
    except (struct.error, IndexError):
        raise FileProblem(f"{name} is truncated: its {kind.upper()} header ends early") from None
    except _Broken as problem:
        raise FileProblem(f"{name} cannot be read as a {kind.upper()} picture: {problem}") from None
    if min(header.size_hw) < 1:
        raise FileProblem(f"{name} is corrupt: its header gives the size {header.size_hw[1]}x{header.size_hw[0]}")
    return header


def _kind(data: memoryview, name: str) -> PictureKind:
    start = bytes(data[:16])
    if start[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    if start[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return "tiff"
    if start[:2] == b"BM":
        return "bmp"
    raise FileProblem(f"{name} is {_foreign_kind(start)}; limner reads JPEG, PNG, WebP, TIFF and BMP pictures")


def _foreign_kind(start: bytes) -> str:
    for magic, kind in FOREIGN_KINDS.items():
        if start.startswith(magic):
            return kind
    if start[4:8] == b"ftyp":
        return "a HEIC or AVIF picture" if start[8:12] in (b"heic", b"heix", b"mif1", b"avif", b"msf1") else "a video"
    return "not a picture that limner knows"


def _read_jpeg(data: memoryview) -> PictureHeader:
    size_hw, orientation, components, adobe = (0, 0), 1, 3, False
    for marker, position, length in _jpeg_segments(data):
        body = data[position : position + length]
        # SOF0 to SOF15, without DHT (C4), JPG (C8) and DAC (CC), which share the range.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size_hw, components = struct.unpack(">HH", body[1:5]), body[5]
        elif marker == 0xE1 and bytes(body[:6]) == b"Exif\x00\x00":
            orientation = exif_orientation(body[6:])
        elif marker == 0xEE and bytes(body[:5]) == b"Adobe":
            adobe = True
        elif marker == 0xDA:
            # Inside the coded data FF is always followed by 00 or a restart marker, so FFD9 can only be the end.
            if bytes(data[position:]).find(b"\xff\xd9") < 0:
                raise _Broken("the end is missing, the file is truncated")
            break
    else:
        raise _Broken("there is no picture data, the file is truncated")
    if components == 4 and not adobe:
        # Adobe stores ink inverted and says so; without its marker light and dark are a guess.
        raise _Broken("its CMYK values have no Adobe marker and so no known meaning; save it as RGB")
    return PictureHeader("jpeg", (int(size_hw[0]), int(size_hw[1])), orientation)


def _jpeg_segments(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield marker, position and length of the body of each segment before the coded data."""
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise _Broken("a marker is missing, the file is corrupt")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        (length,) = struct.unpack(">H", data[position + 2 : position + 4])
        yield marker, position + 4, length - 2
        position += 2 + length


def _read_png(data: memoryview) -> PictureHeader:
    size_wh, orientation, position = (0, 0), 1, 8
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack(">I", data[position + 8 + length : position + 12 + length])
        if zlib.crc32(body, zlib.crc32(name)) != checksum:
            raise _Broken("a checksum does not fit, the file is corrupt")
        if name == b"IHDR":
            size_wh = struct.unpack(">II", body[:8])
        elif name == b"eXIf":
            orientation = exif_orientation(body)
        elif name == b"IEND":
            return PictureHeader("png", (size_wh[1], size_wh[0]), orientation)
        position += 12 + length
    raise _Broken("the end is missing, the file is truncated")


def _read_webp(data: memoryview) -> PictureHeader:
    (riff_length,) = struct.unpack("<I", data[4:8])
    if len(data) < riff_length + 8:
        raise _Broken("the end is missing, the file is truncated")
    size_hw, orientation = (0, 0), 1
    for name, body in webp_chunks(data):
        if name == b"VP8X":
            size_hw = (int.from_bytes(body[7:10], "little") + 1, int.from_bytes(body[4:7], "little") + 1)
        elif name == b"EXIF":
            orientation = exif_orientation(body[6:] if bytes(body[:4]) == b"Exif" else body)
        elif name in (b"VP8 ", b"VP8L") and size_hw == (0, 0):
            size_hw = webp_frame_size(name, body)
    return PictureHeader("webp", size_hw, orientation)


def webp_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the name and the body of each chunk of a WebP file."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[position : position + 8])
        yield name, data[position + 8 : position + 8 + length]
        position += 8 + length + (length & 1)


def webp_frame_size(name: bytes, body: memoryview) -> tuple[int, int]:
    """Return height and width that a lossy (`VP8 `) or lossless (`VP8L`) chunk states."""
    if name == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return height & 0x3FFF, width & 0x3FFF
    (bits,) = struct.unpack("<I", body[1:5])
    return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1


def _read_tiff(data: memoryview) -> PictureHeader:
    tags = dict(tiff_entries(data))
    if 256 not in tags or 257 not in tags:
        raise _Broken("the size is missing, the file is corrupt")
    return PictureHeader("tiff", (tags[257], tags[256]))


def tiff_entries(data: memoryview) -> Iterator[tuple[int, int]]:
    """Yield tag and first value (short or long, stored in place) of the first directory of a TIFF file."""
    order = "<" if bytes(data[:2]) == b"II" else ">"
    big = struct.unpack(order + "H", data[2:4])[0] == 43
    count_code, value_at, entry_length = ("Q", 12, 20) if big else ("H", 8, 12)
    start = struct.unpack(order + ("Q" if big else "I"), data[8:16] if big else data[4:8])[0]
    first = start + struct.calcsize(count_code)
    (count,) = struct.unpack(order + count_code, data[start:first])
    for position in range(first, first + count * entry_length, entry_length):
        tag, code = struct.unpack(order + "HH", data[position : position + 4])
        size = {3: "H", 4: "I", 16: "Q"}.get(code)
        if size is not None:
            at = position + value_at
            yield tag, struct.unpack(order + size, data[at : at + struct.calcsize(size)])[0]


def exif_orientation(exif: memoryview) -> int:
    """Return the orientation, 1 to 8, of an EXIF block (a small TIFF file); 1 where it is missing or broken."""
    try:
        value = dict(tiff_entries(exif)).get(ORIENTATION_TAG, 1)
    except (struct.error, IndexError):
        # Cameras and editors leave broken EXIF in otherwise good pictures; upright is the best guess then.
        return 1
    return value if 1 <= value <= 8 else 1


def _read_bmp(data: memoryview) -> PictureHeader:
    pixels_at, header_length = struct.unpack("<II", data[10:18])
    if header_length == 12:
        width, height, _, bits = struct.unpack("<HHHH", data[18:26])
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", data[18:34])
    row_length = (width * bits + 31) // 32 * 4
    if compression in (0, 3) and len(data) < pixels_at + row_length * abs(height):
        raise _Broken("the end is missing, the file is truncated")
    return PictureHeader("bmp", (abs(height), width))


_READERS: dict[PictureKind, Callable[[memoryview], PictureHeader]] = {
    "jpeg": _read_jpeg,
    "png": _read_png,
    "webp": _read_webp,
    "tiff": _read_tiff,
    "bmp": _read_bmp,
}
