"""Smooth functions on a body's surface and in a picture: what is known in some places, spread to all others.

Both spreads keep known values where their weight is high and fall back to their neighbours where it is low: on the mesh
by a weighted Laplace equation over its edges, in the picture by a pyramid (pull, then push).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from scipy.sparse import coo_matrix, csc_matrix, diags
from scipy.sparse.linalg import factorized

COARSEST = 4
"""The pyramid stops when the shorter side is at most this many cells."""
FEWEST = 1e-6
"""Weights below this count as unknown."""


def mesh_edges(faces: Int[ndarray, "F 3"]) -> Int[ndarray, "E 2"]:
    """Every edge of the mesh once, lower vertex first."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def vertex_normals(vertices: Float[ndarray, "V 3"], faces: Int[ndarray, "F 3"]) -> Float32[ndarray, "V 3"]:
    """Unit normals, outward for faces that run anticlockwise seen from outside, weighted by area."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    of_faces = np.cross(b - a, c - a)
    summed = np.stack(
        [np.bincount(faces.ravel(), np.repeat(of_faces[:, k], 3), minlength=len(vertices)) for k in range(3)], axis=1
    )
    lengths = np.linalg.norm(summed, axis=1, keepdims=True)
    return (summed / np.maximum(lengths, 1e-12)).astype(np.float32)


def spread_on_mesh(
    values: Float[ndarray, "V C"],
    confidence: Float[ndarray, "V"],
    edges: Int[ndarray, "E 2"],
    stiffness: Float[ndarray, "E"],
    *,
    rest: float = 1e-4,
) -> Float32[ndarray, "V C"]:
    """Spread values over the mesh: minimise confidence (x - value)^2 + stiffness (x_i - x_j)^2 + rest (x - mean)^2.

    Args:
        values: what is known; rows of zero confidence are ignored.
        confidence: how well, per vertex, not negative.
        edges: pairs of vertices.
        stiffness: per edge; zero cuts it.
        rest: the pull towards the mean of the known values, for parts that no edge joins to anything known.
    """
    count = len(values)
    confidence, stiffness = np.asarray(confidence, np.float64), np.asarray(stiffness, np.float64)
    i, j = edges.T
    laplacian = coo_matrix(
        (np.concatenate([stiffness, stiffness, -stiffness, -stiffness]), (np.r_[i, j, i, j], np.r_[i, j, j, i])),
        shape=(count, count),
    )
    solve = factorized(csc_matrix(laplacian + diags(confidence + rest)))
    mean = (confidence @ values) / max(float(confidence.sum()), FEWEST)
    right = confidence[:, None] * values + rest * mean
    return np.stack([solve(column) for column in np.asarray(right, np.float64).T], axis=1).astype(np.float32)


def spread_in_picture(values: Float32[ndarray, "H W C"], weight: Float32[ndarray, "H W"]) -> Float32[ndarray, "H W C"]:
    """Fill a picture smoothly from the pixels of positive weight; those of weight 1 keep their value.

    A pixel's value is a weighted mean over the finest cell of the pyramid that holds anything known.
    """
    height, width = weight.shape
    if not (weight > FEWEST).any():
        return values.copy()
    if min(height, width) <= COARSEST:
        mean = (values * weight[..., None]).sum((0, 1)) / weight.sum()
        return np.where(weight[..., None] >= 1, values, mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = resize_channels(values * weight[..., None], half, cv2.INTER_AREA)
    small /= np.maximum(small_weight, FEWEST)[..., None]
    coarse = spread_in_picture(small, np.minimum(1.0, small_weight * 4))
    filled = resize_channels(coarse, (width, height), cv2.INTER_LINEAR)
    filled += np.minimum(weight, 1.0)[..., None] * (values - filled)
    return filled


def resize_channels(
    image: Float32[ndarray, "H W C"], size_wh: tuple[int, int], interpolation: int
) -> Float32[ndarray, "h w C"]:
    """Resize any number of channels; OpenCV takes four at a time and drops an axis of one."""
    groups = [image[..., k : k + 4] for k in range(0, image.shape[-1], 4)]
    resized = [cv2.resize(np.ascontiguousarray(group), size_wh, interpolation=interpolation) for group in groups]
    return np.concatenate([part[..., None] if part.ndim == 2 else part for part in resized], axis=-1)


def sample_points(image: ndarray, points: Float32[ndarray, "N 2"]) -> ndarray:
    """Read a picture bilinearly at points (x, y) in pixels; beyond the border it goes on as at the border."""
    maps = np.ascontiguousarray(points, np.float32)
    # OpenCV's maps may not be longer than 32767 rows.
    picked = [
        cv2.remap(image, part[:, None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for part in np.array_split(maps, len(maps) // 30000 + 1)
    ]
    return np.concatenate(picked)[:, 0]


def smooth_step(low: float, high: float, value: ndarray) -> ndarray:
    """0 up to `low`, 1 from `high`, smooth between; `low` may be above `high`."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=8)
def disc(radius: int) -> ndarray:
    """A round kernel for OpenCV's morphology."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
