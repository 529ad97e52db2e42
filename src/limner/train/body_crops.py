"""Crops with their labels: as published, or cut in one step, turned, recoloured and partly covered.

The crop's frame is the published one, x = 2 x_px / side - 1, y down. Rotations and joints in space follow: they
are mirrored and turned with the crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import (
    Augmentation,
    augmented_crop,
    box_cut,
    draw_augmentation,
    mirror_rotvec,
    square_round_box,
)
from limner.data import PERSON_PX, BodyPerson
from limner.pose import SKELETONS
from limner.train.body_settings import BodyAugmentSection
from limner.types import RgbImage

_SWAP_19 = list(SKELETONS["cocoplus19"].mirror)
_SWAP_14 = list(SKELETONS["lsp14"].mirror)
# pytorch_HMR widens each half of a person's box by factors from this range; judged crops take the middle.
_BOX_FACTORS = (1.05, 1.3)
_LEAST_COVER, _MOST_COVER = 0.1, 0.45  # sides of what covers a part of the crop, as shares of its own


@dataclass(frozen=True)
class CropRule:
    """How crops are cut.

    Attributes:
        size: side in pixels.
        person_px: the diagonal of a person's box of joints in it.
        augment: how they are varied.
        is_bgr: blue first, as pytorch_HMR's network takes them.
    """

    size: int
    person_px: float
    augment: BodyAugmentSection
    is_bgr: bool = False

    @property
    def unit(self) -> float:
        """How much larger people are than in the published crops."""
        return self.person_px / PERSON_PX


@dataclass
class _Cut:
    """A crop under way: labels in its pixels."""

    image: Float32[ndarray, "S S 3"]
    points: Float32[ndarray, "19 3"]
    joints: ndarray | None
    rotvec: ndarray | None


def cut_sample(person: BodyPerson, rule: CropRule, rng: np.random.Generator | None) -> dict[str, Any]:
    """Cut one person's crop and bring the labels along.

    Args:
        person: of a data set.
        rule: how.
        rng: of the variations; None leaves the crop as it is.

    Returns:
        `image` (3, S, S) in [-1, 1]; `keypoints` (19, 3: x, y over the crop, weight); `joints` (14, 3) with
        `has_joints`; `rotvec` (24, 3) and `betas` (10) with `has_smpl`.
    """
    cut = _CUTTERS[rule.augment.kind](person, rule, rng)
    image = np.ascontiguousarray(cut.image.transpose(2, 0, 1)[:: -1 if rule.is_bgr else 1], np.float32)
    return {"image": image, **crop_labels(rule, cut.points, cut.joints, cut.rotvec, person.betas)}


def crop_labels(
    rule: CropRule, points: ndarray, joints: ndarray | None, rotvec: ndarray | None, betas: ndarray | None
) -> dict[str, Any]:
    """Return a crop's labels as a sample holds them; see `cut_sample`.

    Args:
        rule: how the crop was cut.
        points: (19, 3) x and y in its pixels, weight.
        joints: (14, 3) metres, or None.
        rotvec: (24, 3), or None.
        betas: with them.
    """
    points = points.astype(np.float32)
    points[:, :2] = 2 * points[:, :2] / rule.size - 1
    points[points[:, 2] <= 0] = 0
    has_smpl = rotvec is not None and betas is not None
    return {
        "keypoints": points,
        "joints": np.asarray(np.zeros((14, 3)) if joints is None else joints, np.float32),
        "has_joints": np.float32(joints is not None),
        "rotvec": np.asarray(rotvec if has_smpl else np.zeros((24, 3)), np.float32).reshape(24, 3),
        "betas": np.asarray(betas if has_smpl else np.zeros(10), np.float32),
        "has_smpl": np.float32(has_smpl),
    }


def _published(person: BodyPerson, rule: CropRule, rng: np.random.Generator | None) -> _Cut:
    """The original's crop: the picture scaled to 150 pixels, then shifted, scaled, cut and mirrored."""
    scale = person.scale * rule.unit
    image, keypoints, center = _near(person, scale, rule.size)
    draws = Augmentation()
    if rng is not None:
        draws = draw_augmentation(torch.Generator().manual_seed(int(rng.integers(2**62))))
        draws = Augmentation(draws.shift_xy, draws.scale, draws.mirrored and rule.augment.flip)
    made = augmented_crop(
        image,
        keypoints,
        np.round(center).astype(np.int64),
        draws,
        pose=None if person.rotvec is None else person.rotvec.reshape(72),
        joints=person.joints,
        size=rule.size,
    )
    points = made.label.copy()
    points[:, :2] = (points[:, :2] + 1) * rule.size / 2
    points[made.label[:, 2] <= 0] = 0
    return _Cut(made.image, points, made.joints, made.pose)


def _near(
    person: BodyPerson, scale: float, size: int
) -> tuple[RgbImage, Float64[ndarray, "19 3"], Float64[ndarray, "2"]]:
    """The surroundings of a person, scaled: all that a varied crop can show, and no more of a large picture."""
    reach = 1.5 * size / scale
    height, width = person.image.shape[:2]
    left, top = np.maximum(np.floor(person.center - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(person.center + reach), (width, height)).astype(int)
    part = person.image[top : max(bottom, top + 1), left : max(right, left + 1)]
    new = [max(1, math.floor(side * scale)) for side in part.shape[1::-1]]
    scaled = cv2.resize(np.ascontiguousarray(part), (new[0], new[1]), interpolation=cv2.INTER_LINEAR)
    factor = np.array(new) / part.shape[1::-1]
    keypoints = person.keypoints.astype(np.float64)
    keypoints[:, :2] = (keypoints[:, :2] - (left, top)) * factor
    return scaled, keypoints, (person.center - (left, top)) * factor


def _boxed(person: BodyPerson, rule: CropRule, rng: np.random.Generator | None) -> _Cut:
    """pytorch_HMR's crop: a square round the box of the joints, black beyond the picture; never mirrored."""
    corners = _square(person, rng)
    cut, crop = box_cut(person.image, *corners, size=rule.size)
    points = person.keypoints.astype(np.float32)
    points[:, :2] = (points[:, :2] - np.trunc(corners[0])) * rule.size / cut.shape[0]
    return _Cut(crop.astype(np.float32) / 127.5 - 1, points, person.joints, person.rotvec)


def _square(person: BodyPerson, rng: np.random.Generator | None) -> tuple[Float64[ndarray, "2"], Float64[ndarray, "2"]]:
    seen = person.keypoints[person.keypoints[:, 2] > 0][:, :2].astype(np.float64)
    low, high = seen.min(0), seen.max(0)
    factors = np.full(4, sum(_BOX_FACTORS) / 2) if rng is None else rng.uniform(*_BOX_FACTORS, size=4)
    return square_round_box(low, np.maximum(high, low + 2), factors)


@dataclass(frozen=True)
class Placing:
    """Where a person comes to lie in a crop that is cut in one step.

    Attributes:
        matrix: takes pixels of the picture to those of the crop, before it is mirrored.
        zoom: how much it enlarges.
        angle: radians by which it turns, clockwise as seen.
        mirrored: whether the crop is mirrored then.
    """

    matrix: Float64[ndarray, "2 3"]
    zoom: float
    angle: float = 0.0
    mirrored: bool = False

    def move(self, points: ndarray) -> ndarray:
        """Take points (K, 2) to the crop, before it is mirrored."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]


def draw_placing(center: ndarray, scale: float, rule: CropRule, rng: np.random.Generator | None) -> Placing:
    """Draw how a person is shifted, scaled, turned and mirrored; without `rng` as they stand.

    Args:
        center: middle of the crop, pixels of the picture.
        scale: factor that brings the person to the size of the published crops.
        rule: how crops are cut.
        rng: of the draws.
    """
    section, unit = rule.augment, rule.unit
    zoom, angle, shift, mirrored = scale * unit, 0.0, np.zeros(2), False
    if rng is not None:
        zoom *= float(np.exp(rng.uniform(*np.log(section.scale))))
        angle = math.radians(section.rotation_deg) * float(np.clip(rng.normal(0, 0.5), -1, 1))
        shift = rng.uniform(-section.shift_px, section.shift_px, 2) * unit
        mirrored = bool(section.flip and rng.random() < 0.5)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.concatenate([zoom * turn, (rule.size / 2 + shift - zoom * turn @ center)[:, None]], 1)
    return Placing(matrix, zoom, angle, mirrored)


def placed_labels(
    person: Any, placing: Placing, rule: CropRule
) -> tuple[Float64[ndarray, "19 3"], ndarray | None, ndarray | None]:
    """Bring a person's joints in the picture, joints in space and rotations to the crop: turned, then mirrored.

    Args:
        person: with `keypoints`, `joints` and `rotvec`.
        placing: of the crop.
        rule: how crops are cut.
    """
    points = person.keypoints.astype(np.float64)
    points[:, :2] = placing.move(points[:, :2])
    joints, rotvec = person.joints, person.rotvec
    if placing.angle:
        joints, rotvec = _turned(joints, rotvec, placing.angle)
    if placing.mirrored:
        points = points[_SWAP_19]
        points[:, 0] = rule.size - 1 - points[:, 0]
        joints = None if joints is None else joints[_SWAP_14] * np.array([-1, 1, 1], np.float32)
        rotvec = None if rotvec is None else mirror_rotvec(torch.from_numpy(np.array(rotvec))).numpy()
    return points, joints, rotvec


def _affine(person: BodyPerson, rule: CropRule, rng: np.random.Generator | None) -> _Cut:
    """One warp from picture to crop: shifted, scaled, turned, mirrored; then recoloured and partly covered."""
    placing = draw_placing(person.center, person.scale, rule, rng)
    image = _warped(person.image, placing.matrix, rule.size, placing.zoom)
    points, joints, rotvec = placed_labels(person, placing, rule)
    pixels = (image[:, ::-1] if placing.mirrored else image).astype(np.float32)
    if rng is not None:
        pixels = _recoloured(pixels, rule.augment, rng)
    return _Cut(pixels / 127.5 - 1, points.astype(np.float32), joints, rotvec)


def _warped(image: RgbImage, matrix: Float64[ndarray, "2 3"], size: int, zoom: float) -> RgbImage:
    # A warp takes four pixels at most; a picture that shrinks more is halved first, or it would flicker.
    halvings = max(0, math.floor(math.log2(1 / zoom))) if zoom < 1 else 0
    if halvings:
        step = 2**halvings
        new = (max(1, image.shape[1] // step), max(1, image.shape[0] // step))
        factor = np.array([image.shape[1] / new[0], image.shape[0] / new[1]])
        image = cv2.resize(image, new, interpolation=cv2.INTER_AREA)
        # The centre of a large pixel lies between the centres of those it stands for.
        offset = matrix[:, :2] @ ((factor - 1) / 2)
        matrix = np.concatenate([matrix[:, :2] * factor, (matrix[:, 2] + offset)[:, None]], 1)
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _turned(joints: ndarray | None, rotvec: ndarray | None, angle: float) -> tuple[ndarray | None, ndarray | None]:
    """Turn the body as the picture is turned: about the axis that leads away from the viewer."""
    turn = Rotation.from_rotvec((0, 0, angle))
    if joints is not None:
        joints = (joints @ turn.as_matrix().T).astype(np.float32)
    if rotvec is not None:
        rotvec = np.array(rotvec, np.float32).reshape(24, 3)
        rotvec[0] = (turn * Rotation.from_rotvec(rotvec[0])).as_rotvec()
    return joints, rotvec


def _recoloured(pixels: ndarray, section: BodyAugmentSection, rng: np.random.Generator) -> ndarray:
    if section.colour:
        pixels = np.clip(pixels * rng.uniform(1 - section.colour, 1 + section.colour, 3).astype(np.float32), 0, 255)
    if section.occlusion and rng.random() < section.occlusion:
        side = len(pixels)
        height, width = (int(side * rng.uniform(_LEAST_COVER, _MOST_COVER)) for _ in range(2))
        top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
        pixels[top : top + height, left : left + width] = rng.uniform(0, 255, 3)
    return pixels


def crop_place(person: BodyPerson, rule: CropRule) -> tuple[Float64[ndarray, "2"], float]:
    """Return the middle of a person's unvaried crop in pixels of the picture, and the crop's zoom."""
    if rule.augment.kind != "pytorch-hmr":
        return person.center, person.scale * rule.unit
    low, high = _square(person, None)
    return (low + high) / 2, rule.size / float(high[0] - low[0])


def picture_cameras(
    cameras: Float64[ndarray, "N 3"], center: Float64[ndarray, "2"], zoom: float, size: int, size_hw: tuple[int, int]
) -> Float64[ndarray, "N 3"]:
    """Take weak cameras over a crop to the picture frame of the picture that it was cut from."""
    longer = max(size_hw)
    s = cameras[:, :1] * size / (zoom * longer)
    middle = (2 * center - (np.array(size_hw[::-1]) - 1)) / longer
    return np.concatenate([s, cameras[:, 1:] + middle / s], 1)


_CUTTERS = {"hmr": _published, "pytorch-hmr": _boxed, "affine": _affine}
