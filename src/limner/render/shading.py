"""Pictures of a body to look at: a shaded layer to lay over a photo, and a turntable before a plain backdrop.

All vectors are in camera axes: x right, y down, z away from the viewer; a light's direction points from the body to the
light. Colours are linear light until the last step. The look: three soft lights, a sky brighter than the floor, hollows
darkened by how far a pixel lies behind its surroundings (Luft et al. 2006, unsharp masking of depth), a faint rim.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, Integer, UInt8
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape
from limner.records import Raster
from limner.render.rasterise import corners_from_vertices, rasterise
from limner.render.sampling import sample_faces

CLAY = (0.87, 0.84, 0.81)
"""The default colour of a body, sRGB in [0, 1]."""

PART_COLOURS = np.array(
    [
        (0.93, 0.76, 0.58), (0.42, 0.56, 0.74), (0.86, 0.47, 0.42), (0.49, 0.70, 0.56), (0.93, 0.66, 0.40),
        (0.55, 0.49, 0.71), (0.40, 0.68, 0.72), (0.80, 0.62, 0.72), (0.62, 0.66, 0.40), (0.66, 0.58, 0.52),
    ],
    np.float32,
)  # fmt: skip
"""Colours of the parts, sRGB in [0, 1], by the number of the part; they start over after the tenth."""


_Colour = tuple[float, float, float] | Float[ndarray, "rows 3"]


class _Light(NamedTuple):
    direction: tuple[float, float, float]
    colour: tuple[float, float, float]
    wrap: float  # how far round the terminator the light still reaches: 0 a bare bulb, 1 a white room


_LIGHTS = (
    _Light((-0.62, -0.66, -0.42), (1.02, 0.95, 0.85), 0.15),  # key: warm, from above on the left
    _Light((0.80, -0.10, -0.55), (0.10, 0.14, 0.20), 0.40),  # fill: cool, from the right
    _Light((0.45, -0.55, 0.70), (0.42, 0.44, 0.50), 0.05),  # back light, for the edge of the shoulders
)
_SKY, _FLOOR = np.array([0.27, 0.29, 0.33], np.float32), np.array([0.13, 0.115, 0.105], np.float32)
_RIM = 0.22
_SHINE, _SHININESS = 0.07, 26.0
_HOLLOW = 0.55  # how much of the light a hollow can lose


def vertex_normals(vertices: Float[ndarray, "V 3"], faces: Integer[ndarray, "F 3"]) -> Float32[ndarray, "V 3"]:
    """Return smooth unit normals that point out of a mesh whose faces run anticlockwise seen from outside.

    Each face counts by its area; a vertex without any face gets zeros.
    """
    vertices = np.asarray(vertices, np.float64)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(across[:, axis], 3), len(vertices)) for axis in range(3)], axis=1
    )
    return _unit(total).astype(np.float32)


def shade(
    vertices: Float[ndarray, "V 3"],
    faces: Integer[ndarray, "F 3"],
    weak_camera: Float[ndarray, "3"],
    size_hw: tuple[int, int],
    *,
    colour: _Colour = CLAY,
    supersample: int = 2,
) -> UInt8[ndarray, "H W 4"]:
    """Draw a body in soft light on a transparent layer.

    Args:
        vertices: metres in camera axes.
        faces: vertex indices, anticlockwise seen from outside.
        weak_camera: scale, then shift x and y.
        size_hw: height and width in pixels.
        colour: sRGB in [0, 1]: one colour, or one per vertex, or one per face.
        supersample: how many samples each way make a pixel; 1 leaves stairs on the outline.

    Returns:
        RGBA, colours not multiplied by alpha.

    Raises:
        ShapeError: `colour` fits neither the vertices nor the faces.
        InputError: `supersample` below 1, or what `rasterise` refuses.
    """
    if supersample < 1:
        raise InputError(f"supersample must be at least 1, got {supersample}")
    fine = (int(size_hw[0]) * supersample, int(size_hw[1]) * supersample)
    faces = np.asarray(faces)
    raster, box = _cropped(rasterise(corners_from_vertices(vertices, faces, weak_camera), fine))
    body = raster.face_index >= 0
    normals = _unit(sample_faces(raster, vertex_normals(vertices, faces), faces)[body])
    hollows = _hollows(raster, 0.5 * float(weak_camera[0]) * max(fine))[body]
    skin = _linear(_colours(raster, colour, len(vertices), faces)[body])
    layer = np.zeros((*fine, 4), np.float32)
    layer[box][body] = np.pad(
        skin * _light(normals) * (1 - _HOLLOW * hollows)[:, None] + _gloss(normals),
        ((0, 0), (0, 1)),
        constant_values=1,
    )
    return _to_pixels(layer, size_hw)


def over(
    layer: UInt8[ndarray, "H W 4"], image: UInt8[ndarray, "H W 3"], *, opacity: float = 1.0
) -> UInt8[ndarray, "H W 3"]:
    """Lay an RGBA layer over a picture of the same size.

    Raises:
        ShapeError: the sizes differ.
    """
    check_shape(layer, "layer", (*image.shape[:2], 4))
    alpha = layer[..., 3:].astype(np.float32) * (opacity / 255)
    return np.rint(layer[..., :3] * alpha + image * (1 - alpha)).astype(np.uint8)


def part_colours(part_of_face: Integer[ndarray, "F"]) -> Float32[ndarray, "F 3"]:
    """Return a colour per face by the number of its part, for the option `colour` of the drawing functions."""
    return PART_COLOURS[np.asarray(part_of_face) % len(PART_COLOURS)]


def turntable(
    vertices: Float[ndarray, "V 3"],
    faces: Integer[ndarray, "F 3"],
    num_views: int = 8,
    size_hw: tuple[int, int] = (512, 320),
    *,
    colour: _Colour = CLAY,
    elevation_deg: float = 9.0,
    supersample: int = 2,
) -> UInt8[ndarray, "N H W 3"]:
    """Draw a body from all round before a plain backdrop, with its shadow on the floor.

    Args:
        vertices: metres in camera axes; a rest body (y up, facing +z) gets there by (x, -y, -z).
        faces: as in `shade`.
        num_views: how many views make a full turn, the first one as given; the body turns to its right.
        size_hw: height and width of each view in pixels.
        colour: as in `shade`.
        elevation_deg: how far above the horizon the viewer stands.
        supersample: as in `shade`.

    Returns:
        The views; they fit beside each other without a seam, see `contact_sheet`.

    Raises:
        InputError: fewer than one view, or a mesh without vertices.
    """
    if num_views < 1 or len(vertices) == 0:
        raise InputError(f"a turntable needs a view and a mesh, got {num_views} views of {len(vertices)} vertices")
    centred = np.asarray(vertices, np.float64) - _middle(vertices)
    angles = 2 * np.pi * np.arange(num_views) / num_views
    turned = [centred @ _about_y(angle).T for angle in angles]
    tilt = _about_x(np.deg2rad(elevation_deg))
    camera = _fitting_camera([one @ tilt.T for one in turned], size_hw)
    floor_y = camera[2] + float((_floor_centre(centred) @ tilt.T)[1])
    room = _backdrop(size_hw, camera[0] * floor_y)
    views = []
    for one in turned:
        shadow = _floor_shadow(one, faces, tilt, camera, size_hw)
        layer = shade(one @ tilt.T, faces, camera, size_hw, colour=colour, supersample=supersample)
        views.append(over(layer, np.rint(room * (1 - shadow[..., None])).astype(np.uint8)))
    return np.stack(views)


def contact_sheet(views: UInt8[ndarray, "N H W 3"], columns: int | None = None) -> UInt8[ndarray, "rows W3 3"]:
    """Set pictures of one size side by side, row after row; `columns` defaults to all in one row."""
    count, height, width, _ = views.shape
    columns = columns or count
    rows = -(-count // columns)
    empty = np.broadcast_to(views[-1:, :, :1], (rows * columns - count, height, width, 3))
    grid = np.concatenate([views, empty]).reshape(rows, columns, height, width, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _cropped(raster: Raster) -> tuple[Raster, tuple[slice, slice]]:
    """Return the part of the raster that holds the body, and where it lies."""
    body = raster.face_index >= 0
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    if len(rows) == 0:
        rows = columns = np.zeros(1, int)
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    maps = (raster.face_index, raster.weights, raster.depth)
    return Raster(*(np.ascontiguousarray(one[box]) for one in maps)), box


def _unit(vectors: ndarray) -> ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _light(normals: Float32[ndarray, "P 3"]) -> Float32[ndarray, "P 3"]:
    """Return the light that falls on each normal: the lamps, and the room between floor and sky."""
    up = 0.5 - 0.5 * normals[:, 1:2]
    total = _FLOOR + (_SKY - _FLOOR) * up
    for light in _LIGHTS:
        facing = normals @ _unit(np.asarray(light.direction, np.float32))
        total = total + np.clip((facing + light.wrap) / (1 + light.wrap), 0, None)[:, None] * np.asarray(
            light.colour, np.float32
        )
    return total


def _gloss(normals: Float32[ndarray, "P 3"]) -> Float32[ndarray, "P 3"]:
    """Return what the skin throws back unchanged: the key light's shine and a rim along the outline."""
    viewer = np.array([0, 0, -1], np.float32)
    halfway = _unit(_unit(np.asarray(_LIGHTS[0].direction, np.float32)) + viewer)
    shine = _SHINE * np.clip(normals @ halfway, 0, None) ** _SHININESS
    rim = _RIM * np.clip(1 - normals @ viewer, 0, 1) ** 4 * (0.5 - 0.5 * normals[:, 1])
    return (shine + rim)[:, None] * np.array([1.0, 0.98, 0.95], np.float32)


def _hollows(raster: Raster, pixels_per_metre: float) -> Float32[ndarray, "H W"]:
    """Return 0 to 1: how far each pixel lies behind the body round it, within about 4 cm, over 4 cm of depth."""
    body = (raster.face_index >= 0).astype(np.float32)
    covered = np.dstack([body * raster.depth, body])
    # The surroundings are smooth, so a coarse copy of the picture gives them at a tenth of the cost.
    sigma = max(0.04 * abs(pixels_per_metre), 1.0)
    step = max(1, int(min(sigma / 3, *body.shape)))
    small = (-(-body.shape[1] // step), -(-body.shape[0] // step))
    coarse = cv2.resize(covered, small, interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), sigma / step), body.shape[::-1])
    around = blurred[..., 0] / np.maximum(blurred[..., 1], 1e-3)
    return np.clip((raster.depth - around) / 0.04, 0, 1) * body


def _colours(raster: Raster, colour: _Colour, num_vertices: int, faces: ndarray) -> Float32[ndarray, "H W 3"]:
    """Return the sRGB colour of the skin at every pixel."""
    given = np.asarray(colour, np.float32)
    if given.shape == (3,):
        return np.broadcast_to(given, (*raster.face_index.shape, 3))
    if given.shape == (num_vertices, 3):
        return sample_faces(raster, given, faces)
    if given.shape == (len(faces), 3):
        return given[raster.face_index]
    raise ShapeError(
        f"colour must be (3,), ({num_vertices}, 3) for the vertices or ({len(faces)}, 3) for the faces, "
        f"got {given.shape}"
    )


def _linear(colour: Float32[ndarray, "... 3"]) -> Float32[ndarray, "... 3"]:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def _srgb(light: Float32[ndarray, "... 3"]) -> Float32[ndarray, "... 3"]:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _to_pixels(layer: Float32[ndarray, "h w 4"], size_hw: tuple[int, int]) -> UInt8[ndarray, "H W 4"]:
    """Average the samples of each pixel, colours by their cover, and turn light into 8-bit sRGB."""
    height, width = (int(n) for n in size_hw)
    small = cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA)
    pixels = np.zeros((height, width, 4), np.uint8)
    body = small[..., 3] > 0
    pixels[body, :3] = np.rint(255 * _srgb(small[body, :3] / small[body, 3:]))
    pixels[..., 3] = np.rint(255 * small[..., 3])
    return pixels


def _middle(points: Float[ndarray, "V 3"]) -> Float[ndarray, "3"]:
    return (np.min(points, axis=0) + np.max(points, axis=0)) / 2


def _about_y(angle: float) -> Float[ndarray, "3 3"]:
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


def _about_x(angle: float) -> Float[ndarray, "3 3"]:
    """Raise the viewer by `angle`: what is near sinks in the picture."""
    return np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])


def _floor_centre(centred: Float[ndarray, "V 3"]) -> Float[ndarray, "3"]:
    return np.array([0, centred[:, 1].max(), 0])


def _fitting_camera(views: list[Float[ndarray, "V 3"]], size_hw: tuple[int, int]) -> Float32[ndarray, "3"]:
    """Return one camera that shows every view whole, with a margin and room for the shadow."""
    points = np.concatenate(views)
    low, high = points.min(axis=0), points.max(axis=0)
    across, down = np.maximum((high - low)[:2], 1e-6)
    half_height, half_width = np.array(size_hw) / max(size_hw)
    scale = 0.84 * min(2 * half_width / across, 2 * half_height / down)
    return np.array([scale, -(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2])


def _backdrop(size_hw: tuple[int, int], floor: float) -> Float32[ndarray, "H W 3"]:
    """Return a studio wall that runs into its floor without a line, lightest about the height `floor`, 0 to 255."""
    height, width = size_hw
    y = (2 * np.arange(height) - (height - 1)) / max(size_hw)
    wall, bright = np.array([[176, 184, 194], [238, 239, 240]], np.float32)
    glow = np.exp(-(((y - floor) / 0.75) ** 2))[:, None]
    return np.broadcast_to((wall + (bright - wall) * glow)[:, None], (height, width, 3)).astype(np.float32)


def _floor_shadow(
    body: Float[ndarray, "V 3"],
    faces: Integer[ndarray, "F 3"],
    tilt: Float[ndarray, "3 3"],
    camera: Float32[ndarray, "3"],
    size_hw: tuple[int, int],
) -> Float32[ndarray, "H W"]:
    """Return how much light the body takes from every pixel of the floor: the higher, the fainter and wider."""
    height = body[:, 1].max() - body[:, 1]
    flat = body + height[:, None] * np.array([0.16, 1.0, 0.10])  # away from the key light, down to the floor
    flat[:, 1] = body[:, 1].max()
    corners = corners_from_vertices(flat @ tilt.T, faces, camera)
    top = height[faces].max(axis=1)
    unit = float(camera[0]) * max(size_hw) / 2  # pixels a metre
    shadow = np.zeros(size_hw, np.float32)
    for below_m, sigma_m, strength in ((0.12, 0.02, 0.50), (0.9, 0.05, 0.25), (np.inf, 0.09, 0.20)):
        mask = rasterise(corners[top < below_m], size_hw, cull=False).face_index >= 0
        shadow = shadow + strength * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(sigma_m * unit, 0.5))
    # Faded out towards the sides, so that views set beside each other show no seam.
    sides = np.minimum(np.arange(size_hw[1]) + 0.5, size_hw[1] - np.arange(size_hw[1]) - 0.5)
    return np.clip(shadow, 0, 0.7) * np.clip(sides / (0.12 * size_hw[1]), 0, 1).astype(np.float32)
