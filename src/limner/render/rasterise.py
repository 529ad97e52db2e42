"""The door of the rasteriser: from a mesh to a face index map, weights and depth, by the backend of choice."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import get_args

import numpy as np
from jaxtyping import Float32, Integer
from numpy import ndarray

from limner.body import project_weak
from limner.checks import InputError, MissingExtra, ShapeError, check_shape
from limner.records import Raster
from limner.render import numba_raster, reference
from limner.types import RasterBackend

EYE_DISTANCE = np.float32(1 / np.tan(np.deg2rad(30)) + 1)
"""How far the published renderer's eye stands before the body's origin; added to z, as it projects in parallel."""

NEAR, FAR = 0.1, 100.0


def rasterise(
    corners: Float32[ndarray, "F 3 3"],
    size_hw: tuple[int, int],
    *,
    near: float = NEAR,
    far: float = FAR,
    backend: RasterBackend = "auto",
    cull: bool = True,
    fill_back: bool = False,
    threads: int = 1,
) -> Raster:
    """Draw triangles into a picture and say which face owns each pixel, with its weights and depth.

    A pixel belongs to a face when its centre lies inside or on an edge; the nearer face wins, on equal depth the lower
    index. Faces without area, off the picture or outside the depth range draw nothing. All backends give the same
    faces; `reference` and `numba` the same bits.

    Args:
        corners: x, y, z of each face's three corners: the picture frame with y UP (unit half the longer side), z away
            from the viewer, as `corners_from_vertices` makes them.
        size_hw: height and width in pixels.
        near: only depths beyond it are drawn; at least 0.
        far: only depths below it are drawn; also the depth of the background.
        backend: "numba" (CPU), "reference" (plain numpy, slow), "warp" (CUDA, the `cuda` extra) or "auto" (numba).
        cull: leave out faces whose corners run clockwise, those that look away; False draws either winding.
        fill_back: append all faces again with reversed corners; they have the indices F and up.
        threads: bands of rows drawn side by side (numba only); the result does not depend on it.

    Returns:
        The raster: index -1, weights 0 and depth `far` where there is no face.

    Raises:
        ShapeError: `corners` is not (F, 3, 3).
        InputError: a coordinate is not finite, a size below 1, a depth range the wrong way round, an unknown backend.
        MissingExtra: the backend "warp" without the package.

    Source: Kato et al. 2018, the renderer of svip-lab/impersonator `neural_renderer/cuda/rasterize_cuda_kernel.cu`;
        the published one draws square pictures only.
    """
    corners = _checked(corners, size_hw, near, far)
    if fill_back:
        corners = np.concatenate([corners, corners[:, ::-1]])
    size_hw = (int(size_hw[0]), int(size_hw[1]))
    near, far = float(near), float(far)
    if backend in ("auto", "numba"):
        return Raster(*numba_raster.draw(corners, size_hw, near=near, far=far, cull=cull, threads=threads))
    if backend == "reference":
        return Raster(*reference.draw(corners, size_hw, near=near, far=far, cull=cull))
    if backend == "warp":
        return Raster(*_warp().draw(corners, size_hw, near=near, far=far, cull=cull))
    raise InputError(f"backend must be one of {', '.join(get_args(RasterBackend))}, got {backend!r}")


def has_backend(name: RasterBackend) -> bool:
    """Tell whether the backend `name` can be used here."""
    return name in ("auto", "numba", "reference") or (name == "warp" and importlib.util.find_spec("warp") is not None)


def corners_from_vertices(
    vertices: Float32[ndarray, "*N V 3"],
    faces: Integer[ndarray, "F 3"],
    weak_camera: Float32[ndarray, "*N 3"],
) -> Float32[ndarray, "*N F 3 3"]:
    """Project vertices with the weak camera, turn y up and gather them face by face, ready for `rasterise`.

    Args:
        vertices: metres in camera axes (x right, y down, z away), any leading axes.
        faces: vertex indices.
        weak_camera: scale, shift x, shift y: x = s (X + tx), y = s (Y + ty), z as it is.

    Raises:
        ShapeError: a last axis is not 3, or the leading axes differ.
        InputError: a face names a vertex that is not there.

    Source: svip-lab/impersonator `utils/nmr.py`. Its look-at mixes the samples of a batch of exactly 3 (a cross product
        along the wrong axis); since the look-at is no rotation at all, only its shift in z is left here.
    """
    vertices, weak_camera = np.asarray(vertices, np.float32), np.asarray(weak_camera, np.float32)
    check_shape(faces, "faces", ("F", 3))
    if vertices.ndim < 2 or vertices.shape[-1] != 3 or weak_camera.shape != (*vertices.shape[:-2], 3):
        raise ShapeError(
            f"vertices (..., V, 3) and weak_camera (..., 3) must have the same leading axes, "
            f"got {vertices.shape} and {weak_camera.shape}"
        )
    if len(faces) and not 0 <= faces.min() <= faces.max() < vertices.shape[-2]:
        raise InputError(f"faces name vertices {faces.min()} to {faces.max()} of a mesh with {vertices.shape[-2]}")
    points = np.empty_like(vertices)
    points[..., :2] = project_weak(vertices, weak_camera) * np.array([1, -1], np.float32)
    points[..., 2] = vertices[..., 2] + EYE_DISTANCE
    return np.take(points, faces, axis=-2)


def rasterise_uv(uv: Float32[ndarray, "F 3 2"], size_hw: tuple[int, int], *, threads: int = 1) -> Raster:
    """Draw the faces of a texture atlas into the atlas: which face owns each texel, and with which weights.

    Args:
        uv: texture coordinates of the faces' corners, u right and v DOWN, [0, 1] across the atlas; either winding.
        size_hw: height and width of the atlas in texels; texel (row, column) has its centre at
            ((column + 0.5) / width, (row + 0.5) / height).
        threads: as in `rasterise`.

    Returns:
        The raster; where faces overlap the lowest index stays. Its depth is 1 on the faces and says nothing.

    Raises:
        ShapeError: `uv` is not (F, 3, 2).
        InputError: a coordinate is not finite, or a size below 1.
    """
    uv = np.asarray(uv, np.float32)
    check_shape(uv, "uv", ("F", 3, 2))
    height, width = size_hw
    side = np.float32(max(height, width))
    corners = np.ones((len(uv), 3, 3), np.float32)
    corners[..., 0] = (2 * uv[..., 0] - 1) * (np.float32(width) / side)
    corners[..., 1] = (1 - 2 * uv[..., 1]) * (np.float32(height) / side)
    return rasterise(corners, size_hw, cull=False, threads=threads)


def _checked(corners: ndarray, size_hw: tuple[int, int], near: float, far: float) -> Float32[ndarray, "F 3 3"]:
    corners = np.asarray(corners, np.float32)
    check_shape(corners, "corners", ("F", 3, 3))
    if not np.isfinite(corners).all():
        bad = int((~np.isfinite(corners)).any(axis=(1, 2)).sum())
        raise InputError(f"corners of {bad} of {len(corners)} faces are not finite; leave those faces out")
    if len(size_hw) != 2 or min(size_hw) < 1:
        raise InputError(f"size_hw must be a height and a width of at least 1, got {tuple(size_hw)}")
    if not 0 <= near < far:
        raise InputError(f"near and far must satisfy 0 <= near < far, got {near} and {far}")
    return corners


def _warp() -> ModuleType:
    if not has_backend("warp"):
        raise MissingExtra('the backend "warp" needs the package warp-lang: pip install "limner[cuda]"')
    from limner.render import warp_raster

    return warp_raster
