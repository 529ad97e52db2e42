"""What the shipped pose network sees of a person, as HMR's light network takes it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.people import Detector, LandmarkNetwork, Landmarks, Region, skeleton_similarity
from limner.records import Keypoints
from limner.types import RgbImage

__all__ = ["landmarks_in_crop", "look_at_crop"]

_SURE = 0.3  # of the detector, which looks at a square where somebody is known to be
_CLEARLY = 0.05  # by so much a turned look has to be steadier
_UPRIGHT_RAD = 0.35  # who leans less is seen as well without a turn


@cache
def _pose_network() -> LandmarkNetwork:
    return LandmarkNetwork()


@cache
def _detector() -> Detector:
    return Detector()


def look_at_crop(image: RgbImage, center: Float[ndarray, "2"], side_px: float) -> Keypoints:
    """Return the joints that the pose network sees in a square of the picture: one row, "blazepose33", with metres.

    The network knows upright people. Where the detector finds somebody who does not stand so, it looks a second time,
    at the square turned as they lie, and the steadier look counts: either may be the one that is wrong.

    Args:
        image: RGB.
        center: of the square, pixels.
        side_px: of the square, pixels of the picture.
    """
    region = Region(float(center[0]), float(center[1]), float(side_px))
    seen, angle = _pose_network()(image, region), _lean(image, region)
    if angle:
        turned = _pose_network()(image, replace(region, angle=angle))
        if _steadiness(image, turned) > _steadiness(image, seen) + _CLEARLY:
            seen = turned
    return seen.keypoints(image.shape[:2])


def _lean(image: RgbImage, region: Region) -> float:
    """Return by how many radians the person in a region lies turned; 0 for who is upright, or not found."""
    corner = region.x - region.side / 2, region.y - region.side / 2
    found = _detector().look(image, (*corner, region.side), _SURE)
    angle = found.region(0).angle if len(found) else 0.0
    return angle if abs(angle) > _UPRIGHT_RAD else 0.0


def _steadiness(image: RgbImage, seen: Landmarks) -> float:
    """Return how alike a skeleton is to what is seen from where it points, times how visible it is."""
    again = _pose_network()(image, replace(seen.region, angle=seen.next_region.angle))
    return skeleton_similarity(seen, again) * float(seen.score.mean())


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
