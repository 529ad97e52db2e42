"""One sample as the networks are trained and tested on it: augmented crop, targets and what was done.

Source: leoxiaobin/deep-high-resolution-net.pytorch `lib/dataset/JointsDataset.py`. Random numbers come from two
generators in the published order, so the same seeds give the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.pose.crop import Points, Visible, crop_matrix, cut_out, flip_joints, half_body_crop, move_points, normalise
from limner.pose.heatmaps import make_targets

UPPER_JOINTS: dict[str, tuple[int, ...]] = {"coco17": tuple(range(11)), "mpii16": tuple(range(7, 16))}
"""Joints above the hips, for half bodies, as the official data sets list them."""

JOINT_WEIGHTS: dict[str, tuple[float, ...]] = {
    "coco17": (1, 1, 1, 1, 1, 1, 1, 1.2, 1.2, 1.5, 1.5, 1, 1, 1.2, 1.2, 1.5, 1.5),
    "mpii16": (1.5, 1.2, 1, 1, 1.2, 1.5, 1, 1, 1, 1, 1.5, 1.2, 1, 1, 1.2, 1.5),
}
"""The official USE_DIFFERENT_JOINTS_WEIGHT: elbows and knees count 1.2, wrists and ankles 1.5."""

# Probabilities of the published code; no configuration sets them.
ROTATION_PROBABILITY, FLIP_PROBABILITY = 0.6, 0.5


@dataclass(frozen=True)
class SampleConfig:
    """How samples are made; the defaults are the published code's.

    Attributes:
        input_hw: size of the crop in pixels.
        heatmap_hw: size of the heatmaps in cells.
        sigma: of the targets in cells.
        flip_pairs: joints that change places in a mirror.
        upper_joints: indices of the joints above the hips.
        joint_weights: of the targets, one a joint; None for all equal.
        scale_factor: spread of the scale.
        rotation_deg: spread of the rotation.
        flip: whether to mirror every second sample.
        half_body_probability: how often to look at half of a person; 0 never.
        half_body_min_joints: only people with more visible joints are halved.
        as_bgr: see `limner.pose.crop.normalise`.
    """

    input_hw: tuple[int, int] = (256, 256)
    heatmap_hw: tuple[int, int] = (64, 64)
    sigma: float = 2.0
    flip_pairs: tuple[tuple[int, int], ...] = ()
    upper_joints: tuple[int, ...] = ()
    joint_weights: tuple[float, ...] | None = None
    scale_factor: float = 0.25
    rotation_deg: float = 30.0
    flip: bool = True
    half_body_probability: float = 0.0
    half_body_min_joints: int = 8
    as_bgr: bool = False

    @property
    def aspect(self) -> float:
        """Width over height of the crop."""
        return self.input_hw[1] / self.input_hw[0]


class Numbers(Protocol):
    """What numpy's `Generator` and `RandomState` have in common."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""

    def standard_normal(self) -> float:
        """Return a normal number."""


class Coin(Protocol):
    """What Python's `random.Random` and numpy's generators have in common."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of one sample; NaN where none was drawn.

    Attributes:
        half_body: uniform, against the probability of a half body.
        half_body_side: normal, below 0.5 for the upper half.
        scale: normal.
        rotate: uniform, against 0.6.
        rotation: normal.
        flip: uniform, against 0.5.
    """

    half_body: float = np.nan
    half_body_side: float = np.nan
    scale: float = 0.0
    rotate: float = 1.0
    rotation: float = np.nan
    flip: float = 1.0


def draw_numbers(config: SampleConfig, num_visible: int, numbers: Numbers, coin: Coin | None = None) -> Draws:
    """Draw what `train_sample` needs, in the published order.

    Args:
        config: decides which numbers are needed.
        num_visible: how many joints of the person are visible.
        numbers: normal and uniform numbers (officially numpy's).
        coin: whether to rotate and to flip (officially Python's `random`); None takes `numbers`.
    """
    coin = numbers if coin is None else coin
    half_body = side = rotation = np.nan
    if num_visible > config.half_body_min_joints:
        half_body = numbers.random()
        side = numbers.standard_normal() if half_body < config.half_body_probability else np.nan
    scale, rotate = numbers.standard_normal(), coin.random()
    if rotate <= ROTATION_PROBABILITY:
        rotation = numbers.standard_normal()
    flip = coin.random() if config.flip else np.nan
    return Draws(half_body, side, scale, rotate, rotation, flip)


@dataclass(frozen=True)
class Sample:
    """A sample and what was done to get it.

    Attributes:
        image: the network's input.
        target: a heatmap for each joint.
        target_weight: how much each heatmap counts.
        joints: in pixels of the crop where visible; unseen ones as they were in the picture.
        visible: which joints count, after mirroring.
        center: of the crop in the picture, after augmentation.
        scale: of the crop over 200 pixels, after augmentation.
        rotation_deg: of the crop.
        is_flipped: whether the picture was mirrored.
    """

    image: Float32[ndarray, "3 h w"]
    target: Float32[ndarray, "J hh hw"]
    target_weight: Float32[ndarray, "J"]
    joints: Float[ndarray, "J 2"]
    visible: Visible
    center: Float[ndarray, "2"]
    scale: Float[ndarray, "2"]
    rotation_deg: float
    is_flipped: bool


def plain_sample(
    image: UInt8[ndarray, "H W 3"],
    joints: Points,
    visible: Visible,
    center: Float[ndarray, "2"],
    scale: Float[ndarray, "2"],
    *,
    config: SampleConfig,
) -> Sample:
    """Return the sample of a person as it is tested: no change of the crop.

    Args:
        image: RGB.
        joints: pixels of the picture.
        visible: 1 for joints that count.
        center: of the crop in pixels.
        scale: of the crop over 200 pixels.
        config: sizes and targets.

    Raises:
        ShapeError: joints and visibility differ in number, or the picture is not RGB.
        InputError: the crop has no size.
    """
    _check(joints, visible)
    return _finish(image, joints, visible, center, scale, config=config)


def train_sample(
    image: UInt8[ndarray, "H W 3"],
    joints: Points,
    visible: Visible,
    center: Float[ndarray, "2"],
    scale: Float[ndarray, "2"],
    *,
    config: SampleConfig,
    draws: Draws,
) -> Sample:
    """Return an augmented sample: half body, scale, rotation and mirror, as `draws` decide.

    The other arguments are those of `plain_sample`. Parity: a rotation is not negated by the mirror (it is drawn
    symmetrically), and mirroring moves unseen joints to (0, 0).

    Raises:
        ShapeError: joints and visibility differ in number, or the picture is not RGB.
        InputError: the crop has no size.
    """
    _check(joints, visible)
    if draws.half_body < config.half_body_probability:
        half = half_body_crop(joints, visible, config.upper_joints, aspect=config.aspect, draw=draws.half_body_side)
        # Joints on one spot make a box without a size, which cannot be cropped.
        center, scale = half if half is not None and half[1][0] > 0 else (center, scale)
    spread = config.scale_factor
    scale = np.asarray(scale) * np.clip(draws.scale * spread + 1, 1 - spread, 1 + spread)
    rotation = 0.0
    if draws.rotate <= ROTATION_PROBABILITY:
        spread = config.rotation_deg
        rotation = float(np.clip(draws.rotation * spread, -2 * spread, 2 * spread))
    is_flipped = bool(draws.flip <= FLIP_PROBABILITY)
    if is_flipped:
        width = image.shape[1]
        image = image[:, ::-1]
        joints, visible = flip_joints(joints, visible, width, config.flip_pairs)
        center = np.array([width - center[0] - 1, center[1]])
    return _finish(image, joints, visible, center, scale, config=config, rotation_deg=rotation, is_flipped=is_flipped)


def _finish(
    image: UInt8[ndarray, "H W 3"],
    joints: Points,
    visible: Visible,
    center: Float[ndarray, "2"],
    scale: Float[ndarray, "2"],
    *,
    config: SampleConfig,
    rotation_deg: float = 0.0,
    is_flipped: bool = False,
) -> Sample:
    matrix = crop_matrix(center, scale, config.input_hw, rotation_deg=rotation_deg)
    crop = cut_out(np.ascontiguousarray(image), matrix, config.input_hw)
    seen = np.asarray(visible) > 0
    joints = np.where(seen[:, None], move_points(np.asarray(joints, np.float64), matrix), joints)
    target, weight = make_targets(
        joints, visible, config.input_hw, config.heatmap_hw, sigma=config.sigma, joint_weights=config.joint_weights
    )
    return Sample(
        normalise(crop, as_bgr=config.as_bgr),
        target,
        weight,
        joints,
        visible,
        np.asarray(center),
        np.asarray(scale),
        rotation_deg,
        is_flipped,
    )


def _check(joints: Points, visible: Sequence[float] | ndarray) -> None:
    check_shape(joints, "joints", ("J", 2))
    check_shape(np.asarray(visible), "visible", (len(joints),))
    seen = np.asarray(visible) > 0
    if not np.isfinite(joints[seen]).all():
        raise InputError("a visible joint lies at no finite place")
