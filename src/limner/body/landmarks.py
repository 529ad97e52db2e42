"""What the shipped pose network sees of a person, as HMR's light network takes it."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.people import LandmarkNetwork, Region
from limner.records import Keypoints
from limner.types import RgbImage

__all__ = ["landmarks_in_crop", "look_at_crop"]


@cache
def _pose_network() -> LandmarkNetwork:
    return LandmarkNetwork()


def look_at_crop(image: RgbImage, center: Float[ndarray, "2"], side_px: float) -> Keypoints:
    """Return the joints that the pose network sees in a square of the picture: one row, "blazepose33", with metres.

    Args:
        image: RGB.
        center: of the square, pixels.
        side_px: of the square, pixels of the picture.
    """
    region = Region(float(center[0]), float(center[1]), float(side_px))
    return _pose_network()(image, region).keypoints(image.shape[:2])


def landmarks_in_crop(keypoints: Keypoints, center: Float[ndarray, "2"], side_px: float) -> Float32[ndarray, "33 6"]:
    """Return one row of "blazepose33" with metres as landmarks over a crop.

    Args:
        keypoints: one row.
        center: of the crop, pixels of the picture.
        side_px: of the crop, pixels of the picture.
    """
    assert keypoints.world is not None, "the caller has seen to it"
    places = 2 * (keypoints.xy[0] - np.asarray(center)) / side_px
    return np.concatenate([places, keypoints.score[0, :, None], keypoints.world[0]], 1).astype(np.float32)
