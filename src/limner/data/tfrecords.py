"""The original HMR's own files: TFRecords with one JPEG and its labels a record, as Human3.6M was handed out.

A TFRecord is a row of (length, checksum, bytes, checksum); the bytes are a `tf.train.Example`, a map from names to
lists of bytes, floats or integers in protobuf's wire format. Both are read here, so that TensorFlow is not needed;
pictures stay in their file and are read from there.
Source: akanazawa/hmr `src/datasets/common.py` (keys and units); the two formats' public descriptions.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from limner.checks import FileProblem, check_file
from limner.data.body_samples import BodySamples
from limner.data.faults import Faults

SUFFIX = ".tfrecord"

_HEADER, _FOOTER = 12, 4
_MOST_BYTES = 1 << 28  # no record with one picture is larger
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_JOINTS = ("image/x", "image/y", "image/visibility")
_SEQUENCE = re.compile(r"^(S\d+_.+_\d_cam\d)")


class Span(NamedTuple):
    """Where bytes lie in a file."""

    start: int
    length: int


def records(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield where each record starts, and its bytes.

    Raises:
        FileProblem: the file is missing or cut short.
    """
    path = check_file(path, "TFRecord file")
    with path.open("rb") as file:
        while header := file.read(_HEADER):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == _HEADER else _MOST_BYTES
            start = file.tell()
            content = file.read(length) if length < _MOST_BYTES else b""
            if len(content) != length or len(file.read(_FOOTER)) != _FOOTER:
                raise FileProblem(f"{path} is no TFRecord file, or it is cut short at byte {start}")
            yield start, content


def example(content: bytes) -> dict[str, list[Any]]:
    """Return the lists of a `tf.train.Example`; values of bytes are given as their `Span` in `content`.

    Raises:
        ValueError: the bytes are no example.
    """
    found: dict[str, list[Any]] = {}
    whole = Span(0, len(content))
    for number, features in _fields(content, whole):
        for entry_number, entry in _fields(content, features) if number == 1 else ():
            if entry_number == 1:
                parts = dict(_fields(content, entry))
                key = content[parts[1].start : parts[1].start + parts[1].length].decode()
                found[key] = _values(content, parts[2]) if 2 in parts else []
    return found


def _values(content: bytes, feature: Span) -> list[Any]:
    for kind, inner in _fields(content, feature):
        values = list(_fields(content, inner))
        if kind == 1:
            return [span for _, span in values]
        packed = b"".join(content[span.start : span.start + span.length] for _, span in values)
        if kind == 2:
            return np.frombuffer(packed, "<f4").tolist()
        return [_signed(value) for value in _varints(packed)]
    return []


def _fields(content: bytes, span: Span) -> Iterator[tuple[int, Span]]:
    """Fields of a message with their numbers; what has no length of its own is told by its bytes."""
    at, end = span.start, span.start + span.length
    while at < end:
        tag, at = _varint(content, at)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint(content, at)
        elif kind == _VARINT:
            length = _varint(content, at)[1] - at
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("no field of protobuf")
        if at + length > end:
            raise ValueError("a field beyond its message")
        yield tag >> 3, Span(at, length)
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(content) or shift > 63:
            raise ValueError("an integer without end")
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varints(content: bytes) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def is_tfrecords(root: Path) -> bool:
    """Whether a folder, or its parts train and test, hold such files."""
    return any(any(folder.glob(f"*{SUFFIX}")) for folder in (root, root / "train", root / "test"))


def read_tfrecords(root: str | Path, part: str | None = None, *, check: bool = True) -> BodySamples:
    """Read a folder of the original's TFRecords.

    Args:
        root: the folder, or the one above `train` and `test`.
        part: train or test, where there are such folders; None takes the files of the folder itself, or train.
        check: raise on everything that is wrong; False leaves out records that cannot be used.

    Returns:
        One row a record. Pictures are already scaled to 150 pixels, so the scale is 1. Records of Human3.6M's test
        files, such as `S9_Directions_0_cam0.tfrecord`, name their sequence as `clip`.

    Raises:
        DatasetError: records that are no examples, lack a key or hold lists of wrong lengths; all in one message.
        FileProblem: there are no such files, or one is cut short.
    """
    root = Path(root)
    folder = root / (part or "train") if (root / (part or "train")).is_dir() else root
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    if not paths:
        raise FileProblem(f"{folder} holds no {SUFFIX} files")
    faults, rows = Faults(folder, lenient=not check), []
    for path in paths:
        for number, (start, content) in enumerate(records(path)):
            row = _row(content, f"{path.name}, record {number}", faults)
            if row is not None:
                jpeg = row.pop("jpeg")
                name = f"{path.relative_to(folder).as_posix()}@/{start + jpeg.start}:{jpeg.length}"
                rows.append({**row, "picture": name, "clip": _clip(path), "frame": number})
    faults.raise_if_any()
    if not rows:
        raise FileProblem(f"{folder} holds no record that can be used")
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return BodySamples(
        f"{root.name} {part or ''}".strip(),
        folder,
        tuple(columns.pop("picture")),
        scale=np.ones(len(rows)),
        clip=tuple(columns.pop("clip")),
        **{key: np.array(column) for key, column in columns.items()},
    )


def _clip(path: Path) -> str:
    found = _SEQUENCE.match(path.stem)
    return found.group(1) if found else ""


def _row(content: bytes, place: str, faults: Faults) -> dict[str, Any] | None:
    """One record's labels; None, and a fault noted, where it cannot be read."""
    try:
        held = example(content)
    except (ValueError, KeyError, AttributeError):
        faults.add("bytes that are no tf.train.Example", place)
        return None
    lacking = [key for key in (*_JOINTS, "image/encoded", "image/center") if not held.get(key)]
    if lacking or len({len(held[key]) for key in _JOINTS}) != 1:
        faults.add(f"lacks {', '.join(lacking)}" if lacking else "joints of unequal lengths", place)
        return None
    points = np.array([held[key] for key in _JOINTS], np.float64).T
    if len(points) not in (14, 19) or not np.isfinite(points).all():
        faults.add(f"{len(points)} joints instead of 14 or 19, or joints that are not finite", place)
        return None
    return {**_labels(held, points), "jpeg": held["image/encoded"][0]}


def _labels(held: Mapping[str, list[Any]], points: ndarray) -> dict[str, Any]:
    keypoints = np.zeros((19, 3), np.float32)
    keypoints[: len(points)] = points
    if len(points) == 14 and len(held.get("image/face_pts", [])) == 15:
        keypoints[14:] = np.array(held["image/face_pts"]).reshape(3, 5).T
    keypoints[keypoints[:, 2] <= 0] = 0
    has_joints = bool((held.get("meta/has_3d") or [0])[0]) and len(held.get("mosh/gt3d", [])) == 42
    pose, shape = held.get("mosh/pose", []), held.get("mosh/shape", [])
    # Where SMPL's numbers are not known the original stores rows of -1.
    has_smpl = len(pose) == 72 and len(shape) == 10 and not all(value == -1 for value in pose)
    return {
        "keypoints": keypoints,
        "center": np.array(held["image/center"][:2], np.float64),
        "joints": np.array(held["mosh/gt3d"] if has_joints else [0] * 42, np.float32).reshape(14, 3),
        "has_joints": has_joints,
        "rotvec": np.array(pose if has_smpl else [0] * 72, np.float32).reshape(24, 3),
        "betas": np.array(shape if has_smpl else [0] * 10, np.float32),
        "has_smpl": has_smpl,
    }
