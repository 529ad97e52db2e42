"""The rasteriser compiled for the CPU: the same float32 operations as `reference`, hence the same bits.

Why it is fast: one pass over the faces, most of which are culled or hold no pixel centre; of an edge's test the part
that depends on the row alone is taken out of the loop over columns; and since rounding keeps order, the pixels of a
face in one row are one run, so the loop stops behind its end. Threads share the picture in bands of rows: every band
meets the faces in the same order, so the result does not depend on their number.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from threading import Thread
from typing import Any

import numpy as np
from jaxtyping import Float32
from numba import njit
from numpy import ndarray

from limner.render.reference import Drawing, blank, lattice

# error_model: 1/0 must give inf as in the reference, not raise. nogil: bands run side by side in plain threads, since
# numba's own pool may not be entered from two Python threads at once.
compiled = njit(cache=True, nogil=True, error_model="numpy")
ONE = np.float32(1)
HALF = np.float32(0.5)
ZERO = np.float32(0)


def draw(
    corners: Float32[ndarray, "F 3 3"],
    size_hw: tuple[int, int],
    *,
    near: float,
    far: float,
    cull: bool,
    threads: int = 1,
) -> Drawing:
    """Draw as `reference.draw` does, with `threads` bands of rows."""
    drawing = blank(size_hw, far)
    xs, ys = lattice(size_hw)
    corners = np.ascontiguousarray(corners)
    first, last = _rows_used(corners, ys) if threads > 1 else (0, len(ys))
    depth_range = (np.float32(near), np.float32(far))
    in_bands(lambda *rows: _draw_rows(corners, (xs, ys), depth_range, cull, rows, drawing), first, last, threads)
    return drawing


def in_bands(work: Callable[[int, int], Any], first: int, last: int, threads: int) -> None:
    """Call `work(start, stop)` on bands that together cover the rows `first` to `last`, one thread each."""
    ends = np.linspace(first, last, max(1, min(threads, last - first)) + 1).astype(int).tolist()
    others = [Thread(target=work, args=pair) for pair in pairwise(ends[1:])]
    for thread in others:
        thread.start()
    work(ends[0], ends[1])
    for thread in others:
        thread.join()


def _rows_used(corners: Float32[ndarray, "F 3 3"], ys: Float32[ndarray, "H"]) -> tuple[int, int]:
    """Return the first row and the row behind the last that the mesh can touch, so that bands share the work."""
    if len(corners) == 0:
        return 0, 0
    top = np.searchsorted(-ys, -corners[..., 1].max(), "left")
    bottom = np.searchsorted(-ys, -corners[..., 1].min(), "right")
    return int(top), int(max(top, bottom))


@compiled
def _draw_rows(corners, centres, depth_range, cull, rows, drawing):
    """Draw every face into the picture's rows from the first of `rows` up to the second, in place."""
    xs, ys = centres
    inverse = np.empty((3, 3), np.float32)
    edges = np.empty((3, 2), np.float32)
    for face in range(len(corners)):
        corner = corners[face]
        winding = _winding(corner)
        if cull and winding < ZERO:
            continue
        top, bottom = _span_down(ys, corner, len(xs), rows)
        if top >= bottom:
            continue
        left, right = _span_right(xs, corner, len(ys))
        if left >= right:
            continue
        if not _invert(corner, len(ys), len(xs), inverse):
            continue
        _edge_vectors(corner, winding, edges)
        for row in range(top, bottom):
            _draw_run(face, (corner, inverse, edges), centres, depth_range, (row, left, right), drawing)


@compiled
def _winding(corner):
    ax, ay = corner[0, 0], corner[0, 1]
    return (corner[1, 0] - ax) * (corner[2, 1] - ay) - (corner[1, 1] - ay) * (corner[2, 0] - ax)


@compiled
def _clipped(position, length):
    """Return `position` as an index from 0 to `length`; a float far off the picture has no integer."""
    return int(min(max(position, 0.0), float(length)))


@compiled
def _span_right(xs, corner, height):
    """Return the columns, first and behind the last, whose centres lie from the face's least x to its greatest."""
    width = len(xs)
    low = min(corner[0, 0], min(corner[1, 0], corner[2, 0]))
    high = max(corner[0, 0], max(corner[1, 0], corner[2, 0]))
    side = float(max(height, width))
    first = _clipped((low * side + width - 1) * 0.5, width)
    while first > 0 and xs[first - 1] >= low:
        first -= 1
    while first < width and xs[first] < low:
        first += 1
    end = _clipped((high * side + width - 1) * 0.5, width)
    while end > first and xs[end - 1] > high:
        end -= 1
    while end < width and xs[end] <= high:
        end += 1
    return first, end


@compiled
def _span_down(ys, corner, width, rows):
    """Return the rows, first and behind the last, from the face's greatest y to its least, within the band `rows`."""
    height = len(ys)
    low = min(corner[0, 1], min(corner[1, 1], corner[2, 1]))
    high = max(corner[0, 1], max(corner[1, 1], corner[2, 1]))
    side = float(max(height, width))
    first = _clipped((height - 1 - high * side) * 0.5, height)
    while first > 0 and ys[first - 1] <= high:
        first -= 1
    while first < height and ys[first] > high:
        first += 1
    end = _clipped((height - 1 - low * side) * 0.5, height)
    while end > first and ys[end - 1] < low:
        end -= 1
    while end < height and ys[end] >= low:
        end += 1
    return max(first, rows[0]), min(end, rows[1])


@compiled
def _invert(corner, height, width, inverse):
    """Fill the matrix from (column, level, 1) to weights; return False for a face without area."""
    side, wide, high = np.float32(max(height, width)), np.float32(width), np.float32(height)
    x0 = HALF * (corner[0, 0] * side + wide - ONE)
    x1 = HALF * (corner[1, 0] * side + wide - ONE)
    x2 = HALF * (corner[2, 0] * side + wide - ONE)
    y0 = HALF * (corner[0, 1] * side + high - ONE)
    y1 = HALF * (corner[1, 1] * side + high - ONE)
    y2 = HALF * (corner[2, 1] * side + high - ONE)
    determinant = x2 * (y0 - y1) + x0 * (y1 - y2) + x1 * (y2 - y0)
    if determinant == ZERO:
        return False
    inverse[0, 0], inverse[0, 1], inverse[0, 2] = y1 - y2, x2 - x1, x1 * y2 - x2 * y1
    inverse[1, 0], inverse[1, 1], inverse[1, 2] = y2 - y0, x0 - x2, x2 * y0 - x0 * y2
    inverse[2, 0], inverse[2, 1], inverse[2, 2] = y0 - y1, x1 - x0, x0 * y1 - x1 * y0
    for i in range(3):
        for j in range(3):
            inverse[i, j] /= determinant
    return True


@compiled
def _edge_vectors(corner, winding, edges):
    """Fill the three edge vectors, turned about for a clockwise face so that one test serves both windings."""
    sign = -ONE if winding < ZERO else ONE
    for i in range(3):
        j = (i + 1) % 3
        edges[i, 0] = sign * (corner[j, 0] - corner[i, 0])
        edges[i, 1] = sign * (corner[j, 1] - corner[i, 1])


@compiled
def _draw_run(face, shape, centres, depth_range, span, drawing):
    """Draw the one run of pixels that a face has in a row, looked for from the column `left` up to `right`."""
    corner, inverse, edges = shape
    xs, ys = centres
    near, far = depth_range
    row, left, right = span
    face_index, weights, depth = drawing
    y = ys[row]
    level = np.float32(len(ys) - 1 - row)
    up0 = (y - corner[0, 1]) * edges[0, 0]
    up1 = (y - corner[1, 1]) * edges[1, 0]
    up2 = (y - corner[2, 1]) * edges[2, 0]
    x0, x1, x2 = corner[0, 0], corner[1, 0], corner[2, 0]
    z0, z1, z2 = corner[0, 2], corner[1, 2], corner[2, 2]
    entered = False
    for column in range(left, right):
        x = xs[column]
        if up0 < (x - x0) * edges[0, 1] or up1 < (x - x1) * edges[1, 1] or up2 < (x - x2) * edges[2, 1]:
            if entered:
                return
            continue
        entered = True
        across = np.float32(column)
        w0 = _cut(inverse[0, 0] * across + inverse[0, 1] * level + inverse[0, 2])
        w1 = _cut(inverse[1, 0] * across + inverse[1, 1] * level + inverse[1, 2])
        w2 = _cut(inverse[2, 0] * across + inverse[2, 1] * level + inverse[2, 2])
        total = w0 + w1 + w2
        w0, w1, w2 = w0 / total, w1 / total, w2 / total
        z = ONE / (w0 / z0 + w1 / z1 + w2 / z2)
        if near < z and z < far and z < depth[row, column]:
            face_index[row, column] = face
            depth[row, column] = z
            weights[row, column, 0] = w0
            weights[row, column, 1] = w1
            weights[row, column, 2] = w2


@compiled
def _cut(weight):
    """Cut a weight to [0, 1]; NaN fails both comparisons and becomes 0, as on the GPU."""
    if weight > ONE:
        return ONE
    return weight if weight > ZERO else ZERO


@compiled
def _shown(maps, row, column, count):
    """The face that a pixel shows, below 0 for none, and the weights of its corners; there are `count` faces."""
    face_index, weights = maps
    face = face_index[row, column]
    w0, w1, w2 = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
    if face >= count:  # a face that `fill_back` appended: its corners run the other way
        return face - count, w2, w1, w0
    return face, w0, w1, w2


@compiled
def sample_rows(maps, values, background, rows, picture):
    """Fill `picture` with the values of the faces' corners, weighted; the background where there is no face.

    `maps` are the face index and the weights; `rows` the first row to fill and the row behind the last.
    """
    count, channels = values.shape[0], values.shape[2]
    for row in range(rows[0], rows[1]):
        for column in range(maps[0].shape[1]):
            face, w0, w1, w2 = _shown(maps, row, column, count)
            if face < 0:
                picture[row, column] = background
                continue
            for channel in range(channels):
                picture[row, column, channel] = (
                    w0 * values[face, 0, channel] + w1 * values[face, 1, channel] + w2 * values[face, 2, channel]
                )


@compiled
def sample_vertex_rows(maps, values, faces, background, rows, picture):
    """Do as `sample_rows` with values per vertex."""
    count, channels = len(faces), values.shape[1]
    for row in range(rows[0], rows[1]):
        for column in range(maps[0].shape[1]):
            face, w0, w1, w2 = _shown(maps, row, column, count)
            if face < 0:
                picture[row, column] = background
                continue
            a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
            for channel in range(channels):
                picture[row, column, channel] = (
                    w0 * values[a, channel] + w1 * values[b, channel] + w2 * values[c, channel]
                )
