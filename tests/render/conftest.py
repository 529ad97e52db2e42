"""Small meshes for the render tests."""

from __future__ import annotations

import numpy as np
import pytest

Mesh = tuple[np.ndarray, np.ndarray]


def make_sphere(rings: int = 8, segments: int = 12, radius: float = 0.6) -> Mesh:
    """A closed sphere about the origin in camera axes, its faces anticlockwise seen from outside."""
    polar = np.pi * np.arange(1, rings) / rings
    azimuth = 2 * np.pi * np.arange(segments) / segments
    ring = np.stack(np.broadcast_arrays(
        np.sin(polar)[:, None] * np.cos(azimuth), -np.cos(polar)[:, None], np.sin(polar)[:, None] * np.sin(azimuth)
    ), axis=-1).reshape(-1, 3)  # fmt: skip
    vertices = radius * np.concatenate([ring, [[0, -1, 0], [0, 1, 0]]])
    top, bottom = len(ring), len(ring) + 1
    faces = []
    for s in range(segments):
        t = (s + 1) % segments
        faces.append((top, t, s))
        faces.append((bottom, (rings - 2) * segments + s, (rings - 2) * segments + t))
        for r in range(rings - 2):
            a, b, c, d = r * segments + s, r * segments + t, (r + 1) * segments + s, (r + 1) * segments + t
            faces += [(a, b, d), (a, d, c)]
    return vertices.astype(np.float32), np.array(faces, np.int32)[:, ::-1].copy()


@pytest.fixture
def sphere() -> Mesh:
    return make_sphere()


@pytest.fixture
def lopsided_camera() -> np.ndarray:
    return np.float32([0.9, 0.21, -0.13])
