"""Regions: rotated squares of a picture that a network looks at, and the warps into and out of them.

A region's own coordinates run from 0 to 1 across the square, x along its top edge. In the picture a pixel's centre lies
at an integer, so the picture spans -0.5 to w - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.types import RgbImage


@dataclass(frozen=True)
class Region:
    """A rotated square in a picture.

    Attributes:
        x: its centre, in pixels.
        y: its centre, in pixels.
        side: the length of a side in pixels.
        angle: radians by which its top edge is turned, clockwise as seen in the picture.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def upright(cls, centre: Float[ndarray, 2], rim: Float[ndarray, 2], margin: float = 1.25) -> Region:
        """Return the square round the circle about `centre` through `rim`, turned so that `rim` lies straight up.

        Source: Bazarevsky et al. 2020, "BlazePose", section 3 (alignment); the margin is MediaPipe's published setting.
        """
        dx, dy = float(rim[0] - centre[0]), float(rim[1] - centre[1])
        side = max(2.0 * margin * float(np.hypot(dx, dy)), 1.0)
        return cls(float(centre[0]), float(centre[1]), side, float(np.arctan2(dx, -dy)))

    def picture_from_region(self) -> Float[ndarray, "2 3"]:
        """Return the affine matrix that takes the region's coordinates to pixels."""
        cos, sin = self.side * np.cos(self.angle), self.side * np.sin(self.angle)
        linear = np.array([[cos, -sin], [sin, cos]])
        shift = np.array([self.x, self.y]) - linear @ (0.5, 0.5)
        return np.column_stack([linear, shift])

    def to_picture(self, points: Float[ndarray, "K 2"]) -> Float[ndarray, "K 2"]:
        """Take points of the region to pixels."""
        matrix = self.picture_from_region()
        return points @ matrix[:, :2].T + matrix[:, 2]

    def crop(self, image: RgbImage, size: int) -> RgbImage:
        """Return the region as a square picture of `size` pixels; black beyond the picture's border."""
        shrink = self.side / size
        if shrink > 2.0:
            # The bilinear warp reads four pixels only, so a strong reduction would alias.
            factor = 1.0 / (shrink / 1.5)
            small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            fx, fy = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
            scaled = Region((self.x + 0.5) * fx - 0.5, (self.y + 0.5) * fy - 0.5, self.side * (fx + fy) / 2, self.angle)
            return scaled.crop(small, size)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, self._picture_from_crop(size), (size, size), flags=flags)

    def paste(
        self, crop: Float32[ndarray, "S S"], size_hw: tuple[int, int], border: float = 0.0
    ) -> Float32[ndarray, "H W"]:
        """Return a picture of `size_hw` that shows `crop` where the region lies, and `border` elsewhere."""
        matrix = self._picture_from_crop(crop.shape[0])
        size_wh = (size_hw[1], size_hw[0])
        return cv2.warpAffine(
            crop, matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=border
        )

    def _picture_from_crop(self, size: int) -> Float[ndarray, "2 3"]:
        matrix = self.picture_from_region()
        # Crop pixel i has its centre at (i + 0.5) / size across the region.
        linear = matrix[:, :2] / size
        return np.column_stack([linear, matrix[:, 2] + linear @ (0.5, 0.5)])
