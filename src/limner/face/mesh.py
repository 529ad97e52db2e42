"""The mesh network: 468 points of one face, and which of them stand for the points of other annotations.

Left and right are those of the picture for a face that looks at the viewer upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.face.squares import cut_square, picture_from_crop, square_side, to_picture, turned_square
from limner.runtime import load_network
from limner.types import RgbImage
from limner.weights import file_path

_SIDE = 192
NUM_POINTS = 468
_MARGIN = 1.5  # side of the network's square over that of the face, MediaPipe's published setting

# iBUG's points 36 to 41, 42 to 47, 48 and 54 on the mesh: outer corner, upper lid, inner corner, lower lid.
LEFT_EYE = (33, 160, 158, 133, 153, 144)
RIGHT_EYE = (362, 385, 387, 263, 373, 380)
MOUTH_CORNERS = (61, 291)
NOSE_TIP = 1
_EYE_CORNERS = (33, 263)
# The rim of the face, from the forehead clockwise in the picture.
OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)


@dataclass(frozen=True)
class Mesh:
    """One face's points.

    Attributes:
        points: (468, 3) x and y in pixels of the picture; z in the same unit, growing away from the viewer.
        presence: the network's probability that its square shows a face.
        next_quad: where it should look next time, by the points themselves.
    """

    points: Float32[ndarray, "468 3"]
    presence: float
    next_quad: Float[ndarray, "4 2"]

    @property
    def five(self) -> Float32[ndarray, "5 2"]:
        """Middles of the eyes, tip of the nose, corners of the mouth."""
        xy = self.points[:, :2]
        eyes = [xy[list(eye)].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE)]
        return np.stack([*eyes, xy[NOSE_TIP], *xy[list(MOUTH_CORNERS)]])


class MeshNetwork:
    """FaceMesh without attention.

    Source: Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs".
    """

    def __init__(self, *, threads: int | None = None) -> None:
        self._network = load_network(file_path("facemesh"), threads=threads)

    def __call__(self, image: RgbImage, quad: Float[ndarray, "4 2"]) -> Mesh:
        """Return the points of the face in a square about it with level eyes, 1.5 times as large as the face."""
        crop = cut_square(image, quad, _SIDE)
        raw, logit = self._network(crop[None].astype(np.float32) / np.float32(255))
        inside = raw.reshape(NUM_POINTS, 3).astype(np.float64)
        xy = to_picture(picture_from_crop(quad, _SIDE), inside[:, :2] - 0.5)
        z = inside[:, 2:] * square_side(quad) / _SIDE
        presence = 1.0 / (1.0 + np.exp(-np.clip(float(logit.ravel()[0]), -80, 80)))
        points = np.concatenate([xy, z], axis=1).astype(np.float32)
        return Mesh(points, presence, mesh_square(xy))


def mesh_square(xy: Float[ndarray, "468 2"]) -> Float[ndarray, "4 2"]:
    """Return the square that the network is to see: about all points, level with the eyes' outer corners."""
    across = xy[_EYE_CORNERS[1]] - xy[_EYE_CORNERS[0]]
    angle = float(np.arctan2(across[1], across[0]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    level = xy @ turn
    low, high = level.min(axis=0), level.max(axis=0)
    return turned_square(turn @ ((low + high) / 2), max(float((high - low).max()), 1.0) * _MARGIN, angle)


def widened(quad: Float[ndarray, "4 2"], factor: float = _MARGIN) -> Float[ndarray, "4 2"]:
    """Return a square about the same middle, `factor` times as large."""
    centre = quad.mean(axis=0)
    return centre + (quad - centre) * factor
