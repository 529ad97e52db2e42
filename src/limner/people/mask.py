"""Masks that follow the edges of a picture."""

from __future__ import annotations

from jaxtyping import Float32
from numpy import ndarray

from limner.types import RgbImage


def refine_mask(image: RgbImage, mask: Float32[ndarray, "H W"]) -> Float32[ndarray, "H W"]:
    """Return `mask` with its edge moved onto the picture's edges, soft at hair and blur."""
    return mask
