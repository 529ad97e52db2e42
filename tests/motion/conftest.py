"""A made-up person, whose mask and pose are known exactly: the free body in bright colours before a plain wall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

from limner.body import BodyData, FastSMPL, load_body
from limner.motion import Actor
from limner.records import Bodies
from limner.render import over, shade

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"
SIZE_HW = (256, 176)
WALL = (176, 190, 204)


def standing(count: int = 1, *, size_hw: tuple[int, int] = SIZE_HW, scale: float = 1.0, tx: float = 0.05) -> Bodies:
    """An upright person who faces the viewer, arms half down, in the middle of the picture but for `tx` metres."""
    rotvec = np.zeros((count, 24, 3), np.float32)
    rotvec[:, 0] = np.pi, 0, 0
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -0.9, 0.9
    camera = np.tile(np.array([scale, tx, 0.1], np.float32), (count, 1))
    return Bodies(rotvec, np.zeros((count, 10), np.float32), camera, size_hw)


def colours_of(body: BodyData) -> ndarray:
    """A smooth colour for each vertex that tells left from right and high from low."""
    x, y, z = body.v_template.T
    return np.stack([0.55 + 0.35 * np.tanh(6 * x), 0.5 + 0.3 * np.sin(5 * y), 0.5 + 0.4 * np.tanh(8 * z)], axis=1)


def photograph(body: BodyData, bodies: Bodies, *, offsets: ndarray | None = None) -> tuple[ndarray, ndarray]:
    """A picture of one body before the wall, and its mask."""
    vertices, _ = FastSMPL(body)(bodies.betas, bodies.rotvec, offsets)
    layer = shade(vertices[0], body.faces, bodies.weak_camera[0], bodies.size_hw, colour=colours_of(body))
    wall = np.full((*bodies.size_hw, 3), WALL, np.uint8)
    return over(layer, wall), layer[..., 3].astype(np.float32) / 255


@pytest.fixture(scope="session")
def body() -> BodyData:
    return load_body("free")


@pytest.fixture(scope="session")
def pose(body: BodyData) -> FastSMPL:
    return FastSMPL(body)


@pytest.fixture(scope="session")
def photo(body: BodyData) -> tuple[ndarray, ndarray]:
    """Picture and mask of `standing()`."""
    return photograph(body, standing())


@pytest.fixture(scope="session")
def actor(photo: tuple[ndarray, ndarray]) -> Actor:
    """The made-up person before the wall."""
    return Actor.build(*photo, standing(), background=f"#{WALL[0]:02x}{WALL[1]:02x}{WALL[2]:02x}")


@pytest.fixture(scope="session")
def cut_out(photo: tuple[ndarray, ndarray]) -> Actor:
    """The made-up person on nothing."""
    return Actor.build(*photo, standing(), background="transparent")
