"""The mark that says: this was made by a machine. Written into every output, readable by other programs.

The mark is IPTC's "digital source type" as an XMP packet. Re-painted photos and videos of people are
`compositeWithTrainedAlgorithmicMedia`: real material, altered by trained models. (`trainedAlgorithmicMedia` would claim
that nothing was photographed, `compositeSynthetic` that finished synthetic elements were laid beside real ones.)

Where it is kept: JPEG in an APP1 segment, PNG in an iTXt chunk, WebP in an XMP chunk, TIFF in tag 700, GIF in an
application extension, MP4 in a uuid box and in the comment, MOV, MKV and WebM in the comment. BMP has no place for
metadata; the packet follows the pixels, where programs that search a file for XMP packets find it.

Sources: IPTC NewsCodes `digitalsourcetype`; IPTC Photo Metadata Standard 2023.2; ISO 16684-1 (XMP); Adobe's XMP part 3.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
import zlib
from pathlib import Path

from limner.checks import FileProblem, InputError, MissingExtra, check_file
from limner.media.files import remove_quietly, temporary_beside
from limner.media.headers import webp_chunks, webp_frame_size

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""The digital source type of everything limner makes from photos."""

COMMENT = f"DigitalSourceType: {SOURCE_TYPE} (made by limner: altered with trained models)"
"""The mark as a sentence, for containers that keep only text."""

_C2PA_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".mp4", ".m4v", ".mov")
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_MARK = re.compile(rb"DigitalSourceType(?:>|=\"|: )\s*(http://cv\.iptc\.org/newscodes/digitalsourcetype/\w+)")


def xmp_packet(source_type: str = SOURCE_TYPE) -> bytes:
    """Return an XMP packet that states the digital source type and who wrote it."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<xmp:CreatorTool>limner</xmp:CreatorTool><Iptc4xmpExt:DigitalSourceType>{source_type}"
        "</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def mark_picture(encoded: bytes, suffix: str) -> bytes:
    """Put the mark into an encoded picture.

    Args:
        encoded: the bytes of a whole picture file, as OpenCV or PyAV write it.
        suffix: `.jpg`, `.png`, `.webp`, `.tif`, `.bmp` or `.gif`, or one of their other spellings.

    Returns:
        The bytes of the marked file; the pixels are untouched.

    Raises:
        InputError: the suffix is not one of these.
    """
    writers = {
        ".jpg": _into_jpeg,
        ".jpeg": _into_jpeg,
        ".png": _into_png,
        ".webp": _into_webp,
        ".tif": _into_tiff,
        ".tiff": _into_tiff,
        ".bmp": _into_bmp,
        ".gif": _into_gif,
    }
    if suffix.lower() not in writers:
        raise InputError(f"a mark can be put into {', '.join(writers)} pictures, not into {suffix!r}")
    return writers[suffix.lower()](encoded, xmp_packet())


def _into_jpeg(encoded: bytes, packet: bytes) -> bytes:
    body = b"http://ns.adobe.com/xap/1.0/\x00" + packet
    segment = struct.pack(">BBH", 0xFF, 0xE1, len(body) + 2) + body
    # JFIF asks for its APP0 right after the start.
    at = 2
    if encoded[2:4] == b"\xff\xe0":
        at = 4 + struct.unpack(">H", encoded[4:6])[0]
    return encoded[:at] + segment + encoded[at:]


def _into_png(encoded: bytes, packet: bytes) -> bytes:
    body = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + packet
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    # IHDR must come first: 8 bytes of signature, 25 of IHDR.
    return encoded[:33] + chunk + encoded[33:]


def _into_webp(encoded: bytes, packet: bytes) -> bytes:
    chunks = [(name, bytes(body)) for name, body in webp_chunks(memoryview(encoded))]
    if chunks[0][0] == b"VP8X":
        flags, rest = chunks[0][1][0], chunks[0][1][1:]
        chunks = chunks[1:]
    else:
        name, body = chunks[0]
        height, width = webp_frame_size(name, memoryview(body))
        has_alpha = name == b"VP8L" and bool(body[4] & 0x10)
        flags = 0x10 if has_alpha else 0
        rest = b"\x00\x00\x00" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    xmp_flag = 0x04
    chunks = [(b"VP8X", bytes([flags | xmp_flag]) + rest), *chunks, (b"XMP ", packet)]
    riff = b"".join(struct.pack("<4sI", name, len(body)) + body + b"\x00" * (len(body) & 1) for name, body in chunks)
    return b"RIFF" + struct.pack("<I", len(riff) + 4) + b"WEBP" + riff


def _into_tiff(encoded: bytes, packet: bytes) -> bytes:
    order = "<" if encoded[:2] == b"II" else ">"
    (start,) = struct.unpack(order + "I", encoded[4:8])
    (count,) = struct.unpack(order + "H", encoded[start : start + 2])
    first = start + 2
    entries = [encoded[first + 12 * index : first + 12 * index + 12] for index in range(count)]
    next_directory = encoded[first + 12 * count : first + 12 * count + 4]
    padding = b"\x00" * (len(encoded) & 1)
    packet_at = len(encoded) + len(padding)
    entries.append(struct.pack(order + "HHII", 700, 1, len(packet), packet_at))
    entries.sort(key=lambda entry: struct.unpack(order + "H", entry[:2]))
    packet += b" " * (len(packet) & 1)
    directory = struct.pack(order + "H", count + 1) + b"".join(entries) + next_directory
    pointer = struct.pack(order + "I", packet_at + len(packet))
    return encoded[:4] + pointer + encoded[8:] + padding + packet + directory


def _into_bmp(encoded: bytes, packet: bytes) -> bytes:
    # The file's length stands in the header; readers take the pixels from where the header says and leave the rest.
    return encoded[:2] + struct.pack("<I", len(encoded) + len(packet)) + encoded[6:] + packet


def _into_gif(encoded: bytes, packet: bytes) -> bytes:
    # XMP in GIF is one long non-block: the 258 bytes that follow steer any block reader to the terminator.
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
    extension = b"\x21\xff\x0bXMP DataXMP" + packet + trailer
    return encoded[:-1] + extension + encoded[-1:]


def mark_video_file(path: Path) -> None:
    """Put the XMP packet into a finished MP4 (uuid box) or GIF (extension); others carry `COMMENT` only."""
    suffix = path.suffix.lower()
    if suffix in (".mp4", ".m4v"):
        body = _XMP_UUID + xmp_packet()
        with path.open("ab") as file:
            file.write(struct.pack(">I4s", len(body) + 8, b"uuid") + body)
    elif suffix == ".gif":
        packet = _into_gif(b"\x00;", xmp_packet())[1:]
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(packet)


def read_mark(path: str | Path) -> str | None:
    """Read the digital source type of a picture or a video.

    Args:
        path: any file; pictures and videos by limner and by others that state the IPTC digital source type.

    Returns:
        The address of the term in IPTC's vocabulary, or None where the file states none.

    Raises:
        FileProblem: the file is missing or empty.
    """
    path = check_file(path, "picture or video")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _MARK.search(content)
        return None if found is None else found.group(1).decode()


def sign_if_asked(path: Path, title: str) -> None:
    """Sign a finished file with C2PA when LIMNER_C2PA_CERT and LIMNER_C2PA_KEY name a certificate and a key (PEM).

    The key is an ECDSA one on P-256; the manifest says "created", with the same digital source type as the mark.

    Args:
        path: the file, replaced by its signed version. Kinds that C2PA does not know (MKV, WebM, BMP) stay unsigned.
        title: the name that the manifest gives it.

    Raises:
        FileProblem: the certificate or the key cannot be read or used.
        MissingExtra: signing is asked for and `c2pa-python` is not installed.
    """
    certificate, key = os.environ.get("LIMNER_C2PA_CERT"), os.environ.get("LIMNER_C2PA_KEY")
    if not certificate or not key or path.suffix.lower() not in _C2PA_SUFFIXES:
        return
    try:
        import c2pa
    except ImportError:
        raise MissingExtra("signing needs c2pa-python: pip install 'limner[provenance]'") from None
    chain, secret = (check_file(p, "PEM file for signing").read_bytes() for p in (certificate, key))
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": {"name": "limner"}}
    manifest = {
        "title": title,
        "claim_generator_info": [{"name": "limner"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    signed = temporary_beside(path)
    try:
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, secret, None))
        c2pa.Builder(manifest).sign_file(str(path), str(signed), signer)
        os.replace(signed, path)
    except c2pa.C2paError as problem:
        raise FileProblem(f"{title} could not be signed with {certificate}: {problem}") from None
    finally:
        remove_quietly(signed)
