"""Pixels of a made-up person: which garment lies on top at each, its cloth, and the light on it.

Colours are linear light while they are mixed (the square of the stored value, near enough to sRGB); camera axes.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numba
import numpy as np
from jaxtyping import Float32, Int32, UInt8
from numpy import ndarray

from limner.records import Raster

__all__ = ["Cloth", "Lighting", "hollows", "paint", "smooth_normals"]

_fast = numba.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc", "arcp"})


class Cloth(NamedTuple):
    """What lies on the skin, the topmost layer last; layer 0 is the skin itself.

    Attributes:
        rest: place of each vertex on the rest body, metres, and its normal there.
        cover: how far inside each layer a vertex lies, metres; negative outside.
        textures: sRGB of each layer's cloth.
        scale: texels a metre of each layer.
        look: for each layer how strong creases, gloss and the dark line along its border are.
        creases: a pattern about 1 that all layers share.
        anchor: (x, y) on the rest body of the middle of each layer's cloth.
    """

    rest: Float32[ndarray, "V 6"]
    cover: Float32[ndarray, "V L"]
    textures: UInt8[ndarray, "L S S 3"]
    scale: Float32[ndarray, "L"]
    look: Float32[ndarray, "L 3"]
    creases: Float32[ndarray, "C C"]
    anchor: Float32[ndarray, "L 2"]


class Lighting(NamedTuple):
    """Light from above and below, and of two lamps far away; colours are linear.

    Attributes:
        sky: from above.
        ground: from below.
        directions: from the body to each lamp.
        colours: of each lamp.
    """

    sky: Float32[ndarray, "3"]
    ground: Float32[ndarray, "3"]
    directions: Float32[ndarray, "2 3"]
    colours: Float32[ndarray, "2 3"]


@_fast
def smooth_normals(vertices, faces):
    """Return unit normals of the vertices, each face counting by its area."""
    normals = np.zeros_like(vertices)
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        vx, vy, vz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (i, j, k):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for v in range(len(vertices)):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 0:
            for axis in range(3):
                normals[v, axis] /= length
    return normals


def hollows(raster: Raster, pixels_a_metre: float) -> Float32[ndarray, "H W"]:
    """Return how far each pixel lies behind its surroundings, 0 to 1 (unsharp masking of depth)."""
    inside = (raster.face_index >= 0).astype(np.float32)
    size = max(int(0.10 * pixels_a_metre) | 1, 3)
    depth = raster.depth * inside
    mean = cv2.blur(depth, (size, size)) / np.maximum(cv2.blur(inside, (size, size)), 1e-3)
    return np.clip((raster.depth - mean) * inside / 0.12, 0, 1)


def paint(
    raster: Raster,
    faces: Int32[ndarray, "F 3"],
    normals: Float32[ndarray, "V 3"],
    cloth: Cloth,
    lighting: Lighting,
    shadow: Float32[ndarray, "H W"],
) -> Float32[ndarray, "H W 4"]:
    """Return linear colours and, last, 1 where there is a body; 0 everywhere else."""
    picture = np.zeros((*raster.face_index.shape, 4), np.float32)
    top = _top_layers(faces, cloth.cover)
    _paint_pixels(
        (raster.face_index, raster.weights), (faces, top), normals, tuple(cloth), tuple(lighting), shadow, picture
    )
    return picture


@_fast
def _top_layers(faces, cover):
    """Return for each face the topmost layer that reaches one of its corners: none above it needs a look."""
    top = np.zeros(len(faces), np.int32)
    for f in range(len(faces)):
        for layer in range(cover.shape[1] - 1, 0, -1):
            if cover[faces[f, 0], layer] > 0 or cover[faces[f, 1], layer] > 0 or cover[faces[f, 2], layer] > 0:
                top[f] = layer
                break
    return top


@_fast
def _paint_pixels(maps, mesh, normals, cloth, lighting, shadow, picture):
    face_index, weights = maps
    faces, top = mesh
    rest, cover, textures, scale, look, creases, anchor = cloth
    place = np.empty(6, np.float32)
    normal = np.empty(3, np.float32)
    point = np.empty(2, np.float32)
    colour = np.empty(3, np.float32)
    for row in range(face_index.shape[0]):
        for column in range(face_index.shape[1]):
            face = face_index[row, column]
            if face < 0:
                continue
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            a, b, c = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            layer, inside = 0, np.float32(1.0)
            for trial in range(top[face], 0, -1):
                depth = a * cover[i, trial] + b * cover[j, trial] + c * cover[k, trial]
                if depth > 0:
                    layer, inside = trial, depth
                    break
            for axis in range(6):
                place[axis] = a * rest[i, axis] + b * rest[j, axis] + c * rest[k, axis]
            for axis in range(3):
                normal[axis] = a * normals[i, axis] + b * normals[j, axis] + c * normals[k, axis]
            _flat_place(place, anchor[layer], point)
            _texel(textures[layer], point[0] * scale[layer], point[1] * scale[layer], colour)
            crease = _crease(creases, point[0] * 300, point[1] * 300) - 1
            shade = 1 + look[layer, 0] * crease - 0.55 * shadow[row, column]
            if inside < 0.007:
                shade *= 1 - look[layer, 2]
            _light(normal, lighting, look[layer, 1], shade, colour, picture[row, column])


@_fast
def _flat_place(place, anchor, point):
    """Lay a point of the rest body onto the cloth: cloth is cut from flat pieces for front, side and top."""
    nx, ny, nz = abs(place[3]), abs(place[4]), abs(place[5])
    if nz >= 0.8 * nx and nz >= 0.8 * ny:
        point[0], point[1] = place[0] - anchor[0], place[1] - anchor[1]
    elif nx > ny:
        point[0], point[1] = place[2], place[1] - anchor[1]
    else:
        point[0], point[1] = place[0] - anchor[0], place[2] + 0.3


@_fast
def _folded(x, size):
    """Bring a coordinate into [0, size - 1) by mirroring, so that cloth has no seam where its picture ends."""
    period = 2 * (size - 1)
    x = x - period * np.floor(x / period)
    if x > size - 1:
        x = period - x
    return min(x, size - 1.001)


@_fast
def _texel(texture, x, y, colour):
    """Write the linear colour of a cloth at texels (x right, y up) from its middle."""
    size = texture.shape[0]
    x, y = _folded(x + size / 2, size), _folded(size / 2 - y, size)
    left, top = int(x), int(y)
    fx, fy = x - left, y - top
    for channel in range(3):
        upper = (1 - fx) * texture[top, left, channel] + fx * texture[top, left + 1, channel]
        lower = (1 - fx) * texture[top + 1, left, channel] + fx * texture[top + 1, left + 1, channel]
        value = ((1 - fy) * upper + fy * lower) / 255
        colour[channel] = value * value


@_fast
def _crease(creases, x, y):
    size = creases.shape[0]
    return creases[int(_folded(x + 31, size)), int(_folded(y + 77, size))]


@_fast
def _light(normal, lighting, gloss, shade, colour, out):
    """Write the light that comes back; `normal` need not have unit length."""
    sky, ground, directions, lamps = lighting
    length = max(np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2), 1e-6)
    x, y, z = normal[0] / length, normal[1] / length, normal[2] / length
    up = 0.5 - 0.5 * y
    for channel in range(3):
        light = up * sky[channel] + (1 - up) * ground[channel]
        shine = np.float32(0.0)
        for lamp in range(2):
            cosine = x * directions[lamp, 0] + y * directions[lamp, 1] + z * directions[lamp, 2]
            light += max((cosine + 0.15) / 1.15, 0.0) * lamps[lamp, channel]
            # The viewer looks along +z, so the mirrored lamp direction's -z tells how much glare reaches them.
            glare = max(directions[lamp, 2] - 2 * cosine * z, 0.0)
            if cosine > 0:
                shine += glare**12 * lamps[lamp, channel]
        out[channel] = max(colour[channel] * light * shade + gloss * shine, 0.0)
    out[3] = 1
