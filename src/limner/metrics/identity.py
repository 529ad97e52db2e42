"""Whether two pictures show the same clothes: colours by height on the body, as person search compared them.

Notation: a person's mask is cut into six stripes from head to foot; of each stripe the histograms of lightness and of
the two colour axes (CIE Lab) are taken, as square roots of shares, so that a product of two is Bhattacharyya's.
Source: Gray and Tao 2008, whose stripes these are. No network is asked.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy import ndarray

from limner.checks import InputError, check_shape

STRIPES = 6
BINS = 16
_AXES = 3


def stripe_features(image: UInt8[ndarray, "H W 3"], mask: Bool[ndarray, "H W"]) -> Float64[ndarray, "D"]:
    """Return a person's colours by height, a row of length 1.

    Args:
        image: RGB.
        mask: where the person is.

    Raises:
        ShapeError: mask and picture differ in size.
        InputError: the mask is empty.
    """
    check_shape(image, "image", ("H", "W", 3))
    check_shape(mask, "mask", image.shape[:2])
    rows = np.nonzero(mask.any(axis=1))[0]
    if not len(rows):
        raise InputError("the mask selects nobody to compare")
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    edges = np.linspace(rows[0], rows[-1] + 1, STRIPES + 1).round().astype(int)
    histograms = np.zeros((STRIPES, _AXES, BINS))
    for stripe, (top, bottom) in enumerate(pairwise(edges)):
        shown = lab[top:bottom][mask[top:bottom]]
        for axis in range(_AXES):
            counts = (
                np.bincount(shown[:, axis].astype(int) * BINS // 256, minlength=BINS) if len(shown) else np.zeros(BINS)
            )
            histograms[stripe, axis] = counts / max(counts.sum(), 1)
    return np.sqrt(histograms.ravel() / (STRIPES * _AXES))


def stripe_likeness(one: Float64[ndarray, "D"], other: Float64[ndarray, "D"]) -> float:
    """Return how alike two persons are dressed, 0 to 1."""
    check_shape(other, "other", one.shape)
    return float(one @ other)
