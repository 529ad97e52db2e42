"""From values on a mesh to values on pixels: interpolation with the weights of a raster."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Integer
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape
from limner.records import Raster
from limner.render.numba_raster import in_bands, sample_rows, sample_vertex_rows


def sample_faces(
    raster: Raster,
    values: Float[ndarray, "F 3 C"] | Float[ndarray, "V C"],
    faces: Integer[ndarray, "F 3"] | None = None,
    background: float | Float[ndarray, "C"] = 0.0,
    *,
    threads: int = 1,
) -> Float32[ndarray, "H W C"]:
    """Interpolate values of the mesh at every pixel.

    Args:
        raster: which face owns each pixel; indices past the last face are those of `fill_back`.
        values: any numbers per face corner (F, 3, C), or per vertex (V, C) together with `faces`.
        faces: vertex indices, needed for values per vertex only.
        background: value where there is no face, one number or one per channel.
        threads: bands of rows worked side by side.

    Raises:
        ShapeError: `values` is neither (F, 3, C) alone nor (V, C) with faces.
        InputError: the raster names a face, or a face a vertex, that is not there.
    """
    values = np.ascontiguousarray(values, np.float32)
    if values.ndim != (3 if faces is None else 2) or (faces is None and values.shape[1] != 3):
        raise ShapeError(f"values must be (F, 3, C) alone or (V, C) with faces, got {values.shape}")
    count = len(values) if faces is None else len(faces)
    if raster.face_index.size and raster.face_index.max() >= 2 * count:
        raise InputError(f"the raster names face {raster.face_index.max()} of a mesh with {count} faces")
    outside = np.broadcast_to(np.asarray(background, np.float32), values.shape[-1:]).copy()
    picture = np.empty((*raster.face_index.shape, values.shape[-1]), np.float32)
    maps = (raster.face_index, raster.weights)
    if faces is None:
        in_bands(lambda *rows: sample_rows(maps, values, outside, rows, picture), 0, len(picture), threads)
        return picture
    faces = _vertex_indices(faces, len(values))
    in_bands(lambda *rows: sample_vertex_rows(maps, values, faces, outside, rows, picture), 0, len(picture), threads)
    return picture


def _vertex_indices(faces: Integer[ndarray, "F 3"], count: int) -> Integer[ndarray, "F 3"]:
    check_shape(faces, "faces", ("F", 3))
    faces = np.ascontiguousarray(faces, np.int32)
    if len(faces) and not 0 <= faces.min() <= faces.max() < count:
        raise InputError(f"faces name vertices {faces.min()} to {faces.max()} of a mesh with {count}")
    return faces
