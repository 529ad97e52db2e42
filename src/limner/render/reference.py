"""The rasteriser in plain numpy: slow, readable, and the judge of the fast ones.

Notation: x and y of a corner lie in the picture frame with y UP, z grows away from the viewer. Columns count from the
left, `level` counts rows from the BOTTOM as the published kernel does, rows of the result count from the top.
All arithmetic is float32 in the published kernel's order of operations, so that ties and edges fall the same way.

Source: Liu et al. 2019 (Liquid Warping GAN) draws with Kato et al. 2018 (Neural 3D Mesh Renderer): face index map and
weight map of `cuda/rasterize_cuda_kernel.cu`. Differences: pictures need not be square, and
culling can be switched off.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32
from numpy import ndarray

Drawing = tuple[Int32[ndarray, "H W"], Float32[ndarray, "H W 3"], Float32[ndarray, "H W"]]


def lattice(size_hw: tuple[int, int]) -> tuple[Float32[ndarray, "W"], Float32[ndarray, "H"]]:
    """Return x of every column's centre and y (up) of every row's centre, rows from the top.

    Args:
        size_hw: height and width in pixels; half the longer side is the unit.
    """
    height, width = size_hw
    side = max(height, width)
    xs = (2.0 * np.arange(width) + 1 - width) / side
    ys = (height - 1 - 2.0 * np.arange(height)) / side
    return xs.astype(np.float32), ys.astype(np.float32)


def blank(size_hw: tuple[int, int], far: float) -> Drawing:
    """Return the three maps of an empty picture: index -1, weights 0, depth `far`."""
    return (
        np.full(size_hw, -1, np.int32),
        np.zeros((*size_hw, 3), np.float32),
        np.full(size_hw, far, np.float32),
    )


def draw(
    corners: Float32[ndarray, "F 3 3"], size_hw: tuple[int, int], *, near: float, far: float, cull: bool
) -> Drawing:
    """Draw triangles one after the other, the nearer winning, the lower index on equal depth.

    Args:
        corners: x, y (up), z of every face's corners.
        size_hw: height and width in pixels.
        near: depths up to here are not drawn.
        far: depths from here on are not drawn; also the depth of the background.
        cull: leave out faces whose corners run clockwise.

    Returns:
        Face index, weights and depth of every pixel.
    """
    drawing = blank(size_hw, far)
    xs, ys = lattice(size_hw)
    with np.errstate(all="ignore"):
        winding = _winding(corners)
        inverses, determinants = pixel_inverses(corners, size_hw)
        drawn = determinants != 0
        if cull:
            drawn &= ~(winding < 0)
        for face in np.flatnonzero(drawn).tolist():
            _draw_face(face, corners[face], inverses[face], winding[face] < 0, (xs, ys), (near, far), drawing)
    return drawing


def pixel_inverses(
    corners: Float32[ndarray, "F 3 3"], size_hw: tuple[int, int]
) -> tuple[Float32[ndarray, "F 3 3"], Float32[ndarray, "F"]]:
    """Return per face the matrix from (column, level, 1) to weights, and the determinant it was divided by."""
    height, width = size_hw
    side = np.float32(max(height, width))
    half = np.float32(0.5)
    px = half * (corners[..., 0] * side + np.float32(width) - np.float32(1))
    py = half * (corners[..., 1] * side + np.float32(height) - np.float32(1))
    after, before = np.array([1, 2, 0]), np.array([2, 0, 1])
    inverse = np.stack(
        [
            py[:, after] - py[:, before],
            px[:, before] - px[:, after],
            px[:, after] * py[:, before] - px[:, before] * py[:, after],
        ],
        axis=-1,
    )
    determinant = px[:, 2] * (py[:, 0] - py[:, 1]) + px[:, 0] * (py[:, 1] - py[:, 2]) + px[:, 1] * (py[:, 2] - py[:, 0])
    return inverse / determinant[:, None, None], determinant


def _winding(corners: Float32[ndarray, "F 3 3"]) -> Float32[ndarray, "F"]:
    """Return twice the signed area: positive where the corners run anticlockwise, y up."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


def _draw_face(
    face: int,
    corner: Float32[ndarray, "3 3"],
    inverse: Float32[ndarray, "3 3"],
    clockwise: bool,
    centres: tuple[ndarray, ndarray],
    depth_range: tuple[float, float],
    drawing: Drawing,
) -> None:
    """Draw one face into the maps, in place, looking only at the pixels of its bounding box."""
    xs, ys = centres
    left, right = np.searchsorted(xs, corner[:, 0].min(), "left"), np.searchsorted(xs, corner[:, 0].max(), "right")
    top, bottom = np.searchsorted(-ys, -corner[:, 1].max(), "left"), np.searchsorted(-ys, -corner[:, 1].min(), "right")
    if left >= right or top >= bottom:
        return
    inside = _inside(corner, xs[left:right], ys[top:bottom, None], clockwise)
    rows, columns = np.nonzero(inside)
    rows, columns = rows + top, columns + left
    level = (len(ys) - 1 - rows).astype(np.float32)
    weights = _weights(inverse, columns.astype(np.float32), level)
    z = np.float32(1) / (weights[0] / corner[0, 2] + weights[1] / corner[1, 2] + weights[2] / corner[2, 2])
    face_index, weight_map, depth = drawing
    wins = (z > np.float32(depth_range[0])) & (z < np.float32(depth_range[1])) & (z < depth[rows, columns])
    rows, columns = rows[wins], columns[wins]
    face_index[rows, columns] = face
    weight_map[rows, columns] = np.stack(weights, axis=-1)[wins]
    depth[rows, columns] = z[wins]


def _inside(corner: Float32[ndarray, "3 3"], x: ndarray, y: ndarray, clockwise: bool) -> ndarray:
    """Return which of the points (x, y) lie in the face, its edges included."""
    sign = np.float32(-1 if clockwise else 1)
    inside = np.ones(np.broadcast_shapes(x.shape, y.shape), bool)
    for (xa, ya), (xb, yb) in zip(corner[:, :2], corner[[1, 2, 0], :2], strict=True):
        inside &= ~((y - ya) * (sign * (xb - xa)) < (x - xa) * (sign * (yb - ya)))
    return inside


def _weights(inverse: Float32[ndarray, "3 3"], column: ndarray, level: ndarray) -> list[ndarray]:
    """Return the three weights of pixels, each cut to [0, 1], then divided by their sum; a NaN counts as 0."""
    raw = [row[0] * column + row[1] * level + row[2] for row in inverse]
    cut = [np.fmin(np.fmax(w, np.float32(0)), np.float32(1)) for w in raw]
    total = cut[0] + cut[1] + cut[2]
    return [w / total for w in cut]
