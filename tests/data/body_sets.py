"""Small data sets of bodies in their published layouts, with pictures of noise."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from limner.data.mpi_inf_3dhp import CAMERAS
from limner.media import encode_image, write_image


def noise(side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)


def write_3dhp(root: Path, *, person: str = "S1", frames: int = 4, cameras: int = 14, **changes: Any) -> Path:
    """Joint j of frame f at (100 + 10 j + f, 200 + 20 j) pixels and (100 j + 250 f, j, 2000) mm in every camera."""
    folder = root / person / "Seq1"
    joint, frame = np.arange(28.0), np.arange(float(frames))[:, None]
    xy = np.stack([100 + 10 * joint + frame, np.broadcast_to(200 + 20 * joint, (frames, 28))], -1)
    space = np.stack(
        [100 * joint + 250 * frame, np.broadcast_to(joint, (frames, 28)), np.full((frames, 28), 2000.0)], -1
    )
    arrays = {"annot2": xy.reshape(frames, 56), "annot3": space.reshape(frames, 84)} | changes
    cells = {name: np.empty((cameras, 1), object) for name in arrays}
    for name, array in arrays.items():
        for camera in range(cameras):
            cells[name][camera, 0] = array
    folder.mkdir(parents=True)
    scipy.io.savemat(folder / "annot.mat", cells)
    for camera in CAMERAS:
        (folder / "imageFrames" / f"video_{camera}").mkdir(parents=True)
        for number in range(1, frames + 1):
            write_image(
                folder / "imageFrames" / f"video_{camera}" / f"frame_{number:06d}.jpg", noise(), synthetic=False
            )
    return root


def write_3dhp_test(root: Path, frames: int = 3) -> Path:
    folder = root / "TS1"
    (folder / "imageSequence").mkdir(parents=True)
    rng = np.random.default_rng(1)
    valid = np.ones((frames, 1))
    valid[1] = 0
    held = {
        "annot2": rng.uniform(0, 32, (2, 17, 1, frames)),
        "annot3": rng.uniform(-900, 900, (3, 17, 1, frames)),
        "valid_frame": valid,
    }
    scipy.io.savemat(folder / "annot_data.mat", held)
    for number in range(1, frames + 1):
        write_image(folder / "imageSequence" / f"img_{number:06d}.jpg", noise(), synthetic=False)
    return root


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def encode_example(values: dict[str, Any]) -> bytes:
    """A `tf.train.Example` of bytes, lists of floats and lists of integers."""
    entries = b""
    for name, value in values.items():
        if isinstance(value, bytes):
            feature = _field(1, _field(1, value))
        elif all(isinstance(one, int) for one in value):
            feature = _field(3, _field(1, b"".join(_varint(one) for one in value)))
        else:
            feature = _field(2, _field(1, np.asarray(value, "<f4").tobytes()))
        entries += _field(1, _field(1, name.encode()) + _field(2, feature))
    return _field(1, entries)


def record_values(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    values = {
        "image/encoded": encode_image(noise(), ".jpg", synthetic=False),
        "image/center": [16, 15],
        "image/x": rng.uniform(4, 28, 14).tolist(),
        "image/y": rng.uniform(4, 28, 14).tolist(),
        "image/visibility": [1] * 13 + [0],
        "image/face_pts": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 1.0, 1.0, 1.0, 0.0, 1.0],
        "mosh/gt3d": rng.normal(size=42).tolist(),
        "mosh/pose": rng.normal(size=72).tolist(),
        "mosh/shape": rng.normal(size=10).tolist(),
        "meta/has_3d": [1],
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def write_tfrecord(path: Path, examples: list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (struct.pack("<QI", len(content), 0) + content + struct.pack("<I", 0) for content in examples)
    path.write_bytes(b"".join(rows))
    return path


def write_3dpw(root: Path, *, part: str = "test", frames: int = 5, **changes: Any) -> Path:
    """Two people; the second has no known camera in frame 0. The camera is turned by a quarter about x."""
    rng = np.random.default_rng(3)
    camera = np.tile(np.eye(4), (frames, 1, 1))
    camera[:, :3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    points = np.concatenate([rng.uniform(4, 28, (frames, 2, 18)), np.ones((frames, 1, 18))], 1)
    held = {
        "sequence": "walk_00",
        "poses": [rng.normal(0, 0.3, (frames, 72)) for _ in range(2)],
        "betas": [rng.normal(size=10), rng.normal(size=300)],
        "poses2d": [points, points + np.array([1.0, 0, 0])[:, None]],
        "cam_poses": camera,
        "genders": ["m", "f"],
        "campose_valid": [np.ones(frames, int), np.array([0] + [1] * (frames - 1))],
    }
    for folder in ("sequenceFiles/" + part, "imageFiles/walk_00"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    content = {name: value for name, value in (held | changes).items() if value is not None}
    (root / "sequenceFiles" / part / "walk_00.pkl").write_bytes(pickle.dumps(content, protocol=2))
    for number in range(frames):
        write_image(root / "imageFiles" / "walk_00" / f"image_{number:05d}.jpg", noise(), synthetic=False)
    return root
