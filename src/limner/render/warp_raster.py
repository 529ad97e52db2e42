"""The rasteriser for CUDA through warp (extra `cuda`): one thread a face, then one thread a pixel.

Faces race for pixels, so the depth test is one atomic minimum over 64 bits: the depth's bits above the face's index.
Bits of positive floats sort as the floats do, and on equal depth the lower index wins, as in the other backends.
Multiply and add are kept apart (no fused operations), so that the bits agree with the CPU's.
"""

from __future__ import annotations

import numpy as np
import warp as wp
from jaxtyping import Float32
from numpy import ndarray

from limner.render.reference import Drawing, blank, lattice

# Standard output belongs to the caller; warp would greet there.
wp.config.quiet = True
wp.set_module_options({"enable_backward": False, "fuse_fp": False})

_EMPTY = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))


def draw(
    corners: Float32[ndarray, "F 3 3"],
    size_hw: tuple[int, int],
    *,
    near: float,
    far: float,
    cull: bool,
    device: str | None = None,
) -> Drawing:
    """Draw as `reference.draw` does, on warp's default device: CUDA where there is one, else the CPU."""
    if len(corners) == 0:
        return blank(size_hw, far)
    drawing = [wp.array(one, device=device) for one in blank(size_hw, far)]
    xs, ys = (wp.array(centres, device=device) for centres in lattice(size_hw))
    points = wp.array(np.ascontiguousarray(corners), dtype=wp.vec3, device=device)
    keys = wp.full(size_hw, _EMPTY, dtype=wp.uint64, device=device)
    depth_range = wp.vec2(near, far)
    wp.launch(_draw_face, len(corners), [points, xs, ys, depth_range, bool(cull)], [keys], device=device)
    wp.launch(_fill_pixel, size_hw, [points, xs, ys, keys], drawing, device=device)
    face_index, weights, depth = (one.numpy() for one in drawing)
    return face_index, weights, depth


@wp.func
def _winding(a: wp.vec3, b: wp.vec3, c: wp.vec3):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@wp.func
def _outside(a: wp.vec3, b: wp.vec3, sign: float, x: float, y: float):
    return (y - a[1]) * (sign * (b[0] - a[0])) < (x - a[0]) * (sign * (b[1] - a[1]))


@wp.func
def _in_pixels(a: wp.vec3, height: int, width: int):
    side = float(wp.max(height, width))
    x = 0.5 * (a[0] * side + float(width) - 1.0)
    y = 0.5 * (a[1] * side + float(height) - 1.0)
    return wp.vec2(x, y)


@wp.func
def _weight(p: wp.vec2, q: wp.vec2, determinant: float, across: float, level: float):
    first = (p[1] - q[1]) / determinant
    second = (q[0] - p[0]) / determinant
    third = (p[0] * q[1] - q[0] * p[1]) / determinant
    weight = first * across + second * level + third
    if weight > 1.0:
        return 1.0
    if weight > 0.0:
        return weight
    return 0.0


@wp.func
def _weights_and_depth(a: wp.vec3, b: wp.vec3, c: wp.vec3, height: int, width: int, row: int, column: int):
    """Return three weights and the depth; the depth is NaN for a face without area."""
    p = _in_pixels(a, height, width)
    q = _in_pixels(b, height, width)
    r = _in_pixels(c, height, width)
    determinant = r[0] * (p[1] - q[1]) + p[0] * (q[1] - r[1]) + q[0] * (r[1] - p[1])
    across = float(column)
    level = float(height - 1 - row)
    w0 = _weight(q, r, determinant, across, level)
    w1 = _weight(r, p, determinant, across, level)
    w2 = _weight(p, q, determinant, across, level)
    total = w0 + w1 + w2
    w0 = w0 / total
    w1 = w1 / total
    w2 = w2 / total
    depth = 1.0 / (w0 / a[2] + w1 / b[2] + w2 / c[2])
    if determinant == 0.0:
        depth = wp.nan
    return wp.vec4(w0, w1, w2, depth)


@wp.kernel
def _draw_face(
    points: wp.array2d(dtype=wp.vec3),
    xs: wp.array(dtype=float),
    ys: wp.array(dtype=float),
    depth_range: wp.vec2,
    cull: bool,
    keys: wp.array2d(dtype=wp.uint64),
):
    face = wp.tid()
    a = points[face, 0]
    b = points[face, 1]
    c = points[face, 2]
    winding = _winding(a, b, c)
    if cull and winding < 0.0:
        return
    sign = wp.where(winding < 0.0, -1.0, 1.0)
    width = xs.shape[0]
    height = ys.shape[0]
    low = wp.min(a, wp.min(b, c))
    high = wp.max(a, wp.max(b, c))
    side = float(wp.max(height, width))
    # A pixel more than needed each way: the exact test below decides, this only saves time.
    left = int(wp.clamp((low[0] * side + float(width) - 1.0) * 0.5 - 1.0, 0.0, float(width)))
    right = int(wp.clamp((high[0] * side + float(width) - 1.0) * 0.5 + 2.0, 0.0, float(width)))
    top = int(wp.clamp((float(height) - 1.0 - high[1] * side) * 0.5 - 1.0, 0.0, float(height)))
    bottom = int(wp.clamp((float(height) - 1.0 - low[1] * side) * 0.5 + 2.0, 0.0, float(height)))
    for row in range(top, bottom):
        y = ys[row]
        for column in range(left, right):
            x = xs[column]
            if x < low[0] or x > high[0] or y < low[1] or y > high[1]:
                continue
            if _outside(a, b, sign, x, y) or _outside(b, c, sign, x, y) or _outside(c, a, sign, x, y):
                continue
            depth = _weights_and_depth(a, b, c, height, width, row, column)[3]
            if depth > depth_range[0] and depth < depth_range[1]:
                key = (wp.uint64(wp.cast(depth, wp.uint32)) << wp.uint64(32)) | wp.uint64(face)
                wp.atomic_min(keys, row, column, key)


@wp.kernel
def _fill_pixel(
    points: wp.array2d(dtype=wp.vec3),
    xs: wp.array(dtype=float),
    ys: wp.array(dtype=float),
    keys: wp.array2d(dtype=wp.uint64),
    face_index: wp.array2d(dtype=wp.int32),
    weights: wp.array3d(dtype=float),
    depth: wp.array2d(dtype=float),
):
    row, column = wp.tid()
    key = keys[row, column]
    if key == _EMPTY:
        return
    face = wp.int32(key & wp.uint64(0xFFFFFFFF))
    found = _weights_and_depth(points[face, 0], points[face, 1], points[face, 2], ys.shape[0], xs.shape[0], row, column)
    face_index[row, column] = face
    for corner in range(3):
        weights[row, column, corner] = found[corner]
    depth[row, column] = found[3]
