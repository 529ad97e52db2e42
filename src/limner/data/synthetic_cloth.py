"""Cloth for made-up people: patterns made of nothing, and cuttings of photos of clothes lying flat."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from limner.checks import FileProblem
from limner.media import PICTURE_SUFFIXES, read_image

__all__ = ["SIDE", "GarmentPhotos", "Slot", "creases", "garment_photos", "pattern", "plain_cloth", "random_colour"]

SIDE = 128
"""Texels of a cloth each way."""

Slot = Literal["top", "dress", "outer", "bottom", "skirt", "shoes"]

_CLASSES: dict[Slot, tuple[str, ...]] = {
    "top": ("t-shirt", "longsleeve", "shirt"),
    "dress": ("dress",),
    "outer": ("outwear",),
    "bottom": ("pants", "shorts"),
    "skirt": ("skirt",),
    "shoes": ("shoes",),
}
# How far below the photo's middle a cutting lies, and its half side, in shares of the shorter side.
_CUTTINGS: dict[Slot, tuple[float, float]] = {
    "top": (0.02, 0.24), "dress": (0.02, 0.18), "outer": (0.0, 0.22), "bottom": (-0.16, 0.14), "skirt": (0.02, 0.18),
    "shoes": (0.0, 0.12),
}  # fmt: skip


@dataclass(frozen=True)
class GarmentPhotos:
    """Files of photos of clothes, by where they are worn."""

    files: dict[Slot, tuple[Path, ...]]

    def cut(self, slot: Slot, rng: np.random.Generator) -> UInt8[ndarray, "S S 3"] | None:
        """Return a square out of the middle of a random photo; None where there is no photo for the slot."""
        files = self.files[slot]
        if not files:
            return None
        image = read_image(files[int(rng.integers(len(files)))], min_side=32)
        height, width = image.shape[:2]
        short = min(height, width)
        down, half = _CUTTINGS[slot]
        half_px = max(round(short * half * rng.uniform(0.7, 1.1)), 4)
        x, y = width // 2, height // 2 + round(down * short)
        piece = image[max(y - half_px, 0) : y + half_px, max(x - half_px, 0) : x + half_px]
        return cv2.resize(
            piece, (SIDE, SIDE), interpolation=cv2.INTER_AREA if half_px > SIDE // 2 else cv2.INTER_LINEAR
        )


@lru_cache(maxsize=4)
def garment_photos(folder: Path | None) -> GarmentPhotos:
    """List the photos of a folder by class (t-shirt, longsleeve, pants, ...); a folder without classes serves all.

    Raises:
        FileProblem: the folder holds no picture.
    """
    if folder is None:
        return GarmentPhotos({slot: () for slot in _CLASSES})
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise FileProblem(f"{folder} holds no picture; give a folder of photos of clothes")
    files = {slot: tuple(p for p in found if p.parent.name in names) for slot, names in _CLASSES.items()}
    return GarmentPhotos(files if any(files.values()) else {slot: tuple(found) for slot in _CLASSES})


_NEUTRALS = np.array(
    [
        (18, 18, 20), (32, 33, 38), (60, 62, 68), (120, 120, 122), (176, 174, 170), (228, 226, 222), (246, 246, 246),
        (30, 38, 66), (44, 62, 98), (74, 98, 134), (122, 146, 176), (196, 178, 146), (140, 116, 86), (86, 66, 48),
        (74, 80, 58), (110, 30, 36),
    ],
    np.float32,
)  # fmt: skip


def random_colour(rng: np.random.Generator) -> Float32[ndarray, "3"]:
    """Draw an sRGB colour as clothes have it: black, white, grey, blue and earth half of the time."""
    if rng.random() < 0.55:
        return np.clip(_NEUTRALS[rng.integers(len(_NEUTRALS))] + rng.normal(0, 8, 3), 4, 250).astype(np.float32)
    hue, saturation, value = rng.uniform(0, 180), rng.uniform(50, 230), rng.uniform(60, 240)
    return cv2.cvtColor(np.uint8([[[hue, saturation, value]]]), cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def plain_cloth(colour: Float[ndarray, "3"], rng: np.random.Generator, grain: float = 5.0) -> UInt8[ndarray, "S S 3"]:
    """Return cloth of one colour with a fine grain."""
    noise = _GRAIN[rng.integers(len(_GRAIN))][..., None] * grain
    return np.clip(np.asarray(colour, np.float32) + noise, 0, 255).astype(np.uint8)


def pattern(rng: np.random.Generator) -> UInt8[ndarray, "S S 3"]:
    """Return cloth with stripes, checks, dots, patches, blocks of colour or a print on the chest, often none."""
    ground, second = random_colour(rng), random_colour(rng)
    cloth = plain_cloth(ground, rng, rng.uniform(2, 9))
    kinds = (None, _stripes, _checks, _dots, _patches, _blocks, _print)
    draw = kinds[rng.choice(len(kinds), p=(0.4, 0.16, 0.1, 0.06, 0.07, 0.09, 0.12))]
    if draw is None:
        return cloth
    share = draw(rng)[..., None]
    return np.clip(cloth + share * (second - ground), 0, 255).astype(np.uint8)


def _axes() -> tuple[ndarray, ndarray]:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    return x, y


def _bars(coordinate: ndarray, rng: np.random.Generator) -> Float32[ndarray, "S S"]:
    period, width = rng.choice([8, 12, 16, 24, 40]), rng.uniform(0.2, 0.6)
    return ((coordinate + rng.uniform(0, period)) % period < width * period).astype(np.float32)


def _stripes(rng: np.random.Generator) -> Float32[ndarray, "S S"]:
    x, y = _axes()
    return _bars(y if rng.random() < 0.7 else x, rng)


def _checks(rng: np.random.Generator) -> Float32[ndarray, "S S"]:
    x, y = _axes()
    seed = rng.integers(1 << 30)
    return 0.5 * (_bars(x, np.random.default_rng(seed)) + _bars(y, np.random.default_rng(seed)))


def _dots(rng: np.random.Generator) -> Float32[ndarray, "S S"]:
    x, y = _axes()
    period = rng.choice([10, 14, 20])
    odd = (y // period) % 2 * (period / 2)
    return (np.hypot((x + odd) % period - period / 2, y % period - period / 2) < 0.28 * period).astype(np.float32)


def _patches(rng: np.random.Generator) -> Float32[ndarray, "S S"]:
    coarse = rng.normal(size=(rng.integers(6, 16),) * 2).astype(np.float32)
    smooth = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return (smooth > rng.uniform(-0.3, 0.8)).astype(np.float32)


def _blocks(rng: np.random.Generator) -> Float32[ndarray, "S S"]:
    x, y = _axes()
    line = rng.uniform(0.3, 0.7) * SIDE
    return ((y < line) if rng.random() < 0.6 else (np.abs(x - SIDE / 2) < 0.25 * line)).astype(np.float32)


def _print(rng: np.random.Generator) -> Float32[ndarray, "S S"]:
    """Draw something in the middle: a disc, letters or a many-sided shape."""
    picture = np.zeros((SIDE, SIDE), np.uint8)
    size = int(rng.uniform(0.08, 0.2) * SIDE)
    middle = (SIDE // 2, int(SIDE * rng.uniform(0.35, 0.5)))
    kind = rng.integers(3)
    if kind == 0:
        cv2.circle(picture, middle, size, 255, -1, cv2.LINE_AA)
    elif kind == 1:
        letters = "".join(chr(65 + n) for n in rng.integers(0, 26, rng.integers(2, 6)))
        start = (SIDE // 2 - 9 * len(letters), middle[1])
        cv2.putText(picture, letters, start, cv2.FONT_HERSHEY_DUPLEX, 0.9, 255, 2, cv2.LINE_AA)
    else:
        angles = np.linspace(0, 2 * np.pi, rng.integers(3, 9), endpoint=False)
        radius = size * rng.uniform(0.5, 1.2, len(angles))
        corners = np.stack([middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)], 1)
        cv2.fillPoly(picture, [np.int32(corners)], 255, cv2.LINE_AA)
    return picture.astype(np.float32) / 255


@lru_cache(maxsize=1)
def _grains() -> Float32[ndarray, "N S S"]:
    rng = np.random.default_rng(0)
    fine = rng.normal(size=(8, SIDE, SIDE)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(one, (0, 0), 0.4 + 0.3 * n) * (1 + 0.7 * n) for n, one in enumerate(fine)])


_GRAIN = _grains()


@lru_cache(maxsize=16)
def creases(seed: int) -> Float32[ndarray, "C C"]:
    """Return a pattern of folds about 1, mostly across, with a spread of about 1."""
    rng = np.random.default_rng(seed)
    total = np.zeros((SIDE, SIDE), np.float32)
    for cells, share in ((5, 1.0), (10, 0.7), (22, 0.35)):
        coarse = rng.normal(size=(cells, max(cells // 2, 3))).astype(np.float32)
        total += share * cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return 1 + total / total.std()
