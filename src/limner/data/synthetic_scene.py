"""What is round a made-up person: background, light, things in the way, and what a camera does to a picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from limner.checks import FileProblem
from limner.data.synthetic_cloth import random_colour
from limner.data.synthetic_paint import Lighting
from limner.media import PICTURE_SUFFIXES, read_image
from limner.types import RgbImage

__all__ = ["Wear", "background", "background_photos", "lighting", "occluder"]


@lru_cache(maxsize=4)
def background_photos(folder: Path | None) -> tuple[Path, ...]:
    """List the photos of a folder and its folders.

    Raises:
        FileProblem: the folder holds no picture.
    """
    if folder is None:
        return ()
    found = tuple(sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES))
    if not found:
        raise FileProblem(f"{folder} holds no picture; give a folder of photos for backgrounds")
    return found


def background(side: int, rng: np.random.Generator, photos: tuple[Path, ...], photo_share: float) -> RgbImage:
    """Return a square background: a piece of a photo, more or less sharp, or one that is made up."""
    if photos and rng.random() < photo_share:
        return _piece(read_image(photos[int(rng.integers(len(photos)))], min_side=16), side, rng)
    return _made_up(side, rng)


def _piece(image: RgbImage, side: int, rng: np.random.Generator) -> RgbImage:
    height, width = image.shape[:2]
    size = max(round(min(height, width) * rng.uniform(0.5, 1.0)), 8)
    top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    piece = image[top : top + size, left : left + size]
    piece = cv2.resize(piece, (side, side), interpolation=cv2.INTER_AREA if size > side else cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    if rng.random() < 0.5:
        piece = cv2.GaussianBlur(piece, (0, 0), rng.uniform(0.5, 3.0) * side / 224)
    return np.ascontiguousarray(piece)


def _made_up(side: int, rng: np.random.Generator) -> RgbImage:
    """Return a wall and a floor with clouds of colour, boxes, stripes and discs before them."""
    picture = np.empty((side, side, 3), np.float32)
    line = int(side * rng.uniform(0.45, 0.95))
    picture[:line], picture[line:] = random_colour(rng), random_colour(rng)
    for cells, strength in ((3, 30), (9, 18), (40, 9)):
        coarse = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        coarse += 2 * (coarse.mean(2, keepdims=True) - coarse) * rng.uniform(0.1, 0.5)
        picture += strength * rng.uniform(0.2, 1.2) * cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 9))):
        _shape(picture, random_colour(rng), rng)
    light = np.linspace(rng.uniform(0.7, 1.2), rng.uniform(0.7, 1.2), side, dtype=np.float32)
    picture *= light[:, None, None] if rng.random() < 0.5 else light[None, :, None]
    blur = rng.uniform(0.3, 2.5) * side / 224
    noise = cv2.resize(rng.normal(0, 6, (side // 2, side // 2, 3)).astype(np.float32), (side, side))
    return np.clip(cv2.GaussianBlur(picture, (0, 0), blur) + noise, 0, 255).astype(np.uint8)


def _shape(picture: Float32[ndarray, "S S 3"], colour: ndarray, rng: np.random.Generator) -> None:
    side = len(picture)
    x, y = (int(n) for n in rng.integers(0, side, 2))
    wide, high = (int(n) for n in rng.uniform(0.05, 0.45, 2) * side)
    kind, values = rng.integers(4), tuple(map(float, colour))
    if kind == 0:
        cv2.rectangle(picture, (x, y), (x + wide, y + high), values, -1)
    elif kind == 1:
        cv2.ellipse(
            picture, (x, y), (wide // 2, high // 2), float(rng.uniform(0, 180)), 0, 360, values, -1, cv2.LINE_AA
        )
    elif kind == 2:
        for step in range(0, wide, max(wide // 6, 3)):
            cv2.line(picture, (x + step, y), (x + step, y + high), values, max(side // 100, 1))
    else:
        cv2.rectangle(picture, (x, y), (x + wide, y + high), values, max(side // 60, 1))


def lighting(rng: np.random.Generator, around: RgbImage) -> Lighting:
    """Draw light that fits a background: its colour tints what comes from everywhere."""
    tint = (np.asarray(cv2.resize(around, (1, 1), interpolation=cv2.INTER_AREA), np.float32).reshape(3) / 255) ** 2
    tint = 0.65 + 0.35 * tint / max(float(tint.mean()), 1e-3)
    soft = rng.uniform(0.25, 0.7)
    warm = rng.uniform(-0.12, 0.12)
    lamp = np.float32([1 + warm, 1, 1 - warm])
    angle, lift = rng.uniform(-np.pi, np.pi), rng.uniform(-0.2, 1.3)
    # Most pictures are taken with the light behind the camera.
    key = np.float32([np.sin(angle) * np.cos(lift), -np.sin(lift), -abs(np.cos(angle)) * np.cos(lift)])
    if rng.random() < 0.2:
        key[2] *= -1
    fill = np.float32([-key[0], -0.3, -0.6]) + rng.normal(0, 0.3, 3)
    directions = np.stack([key, fill]).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    strength = rng.uniform(0.5, 1.0) * (1.25 - soft)
    colours = np.stack([lamp * strength, tint * strength * rng.uniform(0.1, 0.5)]).astype(np.float32)
    return Lighting(
        np.float32(tint * soft * rng.uniform(0.9, 1.2)),
        np.float32(tint * soft * rng.uniform(0.4, 0.8)),
        directions,
        colours,
    )


def occluder(side: int, rng: np.random.Generator, photos: tuple[Path, ...]) -> tuple[RgbImage, Float32[ndarray, "S S"]]:
    """Return a thing before the person and where it is, 0 to 1: a box, a disc, a bar, or a piece of a photo."""
    alpha = np.zeros((side, side), np.float32)
    x, y = (int(n) for n in rng.uniform(0.05, 0.95, 2) * side)
    size = rng.uniform(0.06, 0.24) * side
    kind = rng.integers(3)
    if kind == 0:
        corners = cv2.boxPoints(((x, y), (size, size * rng.uniform(0.5, 2.5)), float(rng.uniform(0, 90))))
        cv2.fillPoly(alpha, [np.int32(corners)], 1.0, cv2.LINE_AA)
    elif kind == 1:
        cv2.ellipse(
            alpha, (x, y), (int(size * 0.6), int(size * 0.9)), float(rng.uniform(0, 90)), 0, 360, 1.0, -1, cv2.LINE_AA
        )
    else:
        corners = cv2.boxPoints(((x, y), (size * 0.3, side * 1.5), float(rng.uniform(0, 180))))
        cv2.fillPoly(alpha, [np.int32(corners)], 1.0, cv2.LINE_AA)
    return background(side, rng, photos, 0.5), alpha


class Wear:
    """What lens, sensor and file do to a picture, drawn once and done to every picture of one person alike."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self._blur = rng.uniform(0.2, 1.3) * side / 224 if rng.random() < 0.5 else 0.0
        self._small = rng.uniform(0.4, 0.9) if rng.random() < 0.2 else 1.0
        self._gain = np.exp(rng.normal(0, (0.06, 0.06, 0.06))) * np.exp(rng.normal(0, 0.12))
        self._gamma = float(np.exp(rng.normal(0, 0.12)))
        self._grey = rng.uniform(0.0, 0.35) if rng.random() < 0.3 else (1.0 if rng.random() < 0.04 else 0.0)
        self._noise = rng.uniform(0, 7)
        self._quality = int(rng.uniform(35, 96)) if rng.random() < 0.5 else 0
        self._grain = int(rng.integers(1 << 16))

    def __call__(self, picture: Float32[ndarray, "S S 3"], frame: int = 0) -> RgbImage:
        """Wear a picture of values 0 to 255."""
        side = len(picture)
        if self._small < 1:
            small = cv2.resize(picture, (max(int(side * self._small), 4),) * 2, interpolation=cv2.INTER_AREA)
            picture = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
        if self._blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self._blur)
        if self._grey:
            picture = picture + self._grey * (picture.mean(2, keepdims=True) - picture)
        levels = np.clip(255 * (np.linspace(0, 1, 256) ** self._gamma)[:, None] * self._gain, 0, 255).astype(np.float32)
        picture = cv2.LUT(cv2.convertScaleAbs(np.maximum(picture, 0)), levels[None])
        picture = cv2.scaleAdd(_grain(side, self._grain + frame), self._noise, picture)
        worn = cv2.convertScaleAbs(np.maximum(picture, 0))
        return _compressed(worn, self._quality) if self._quality else worn


def _grain(side: int, number: int) -> Float32[ndarray, "S S 3"]:
    """Return standard normal noise: a window of one large field, which is quicker than drawing it anew."""
    field = _grain_field(side)
    top, left = number % 61, number // 61 % 61
    return np.ascontiguousarray(field[top : top + side, left : left + side])


@lru_cache(maxsize=4)
def _grain_field(side: int) -> Float32[ndarray, "S S 3"]:
    return np.random.default_rng(0).standard_normal((side + 61, side + 61, 3), np.float32)


def _compressed(picture: UInt8[ndarray, "S S 3"], quality: int) -> RgbImage:
    data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
