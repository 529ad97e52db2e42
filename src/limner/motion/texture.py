"""What a photo knows of a person's surface, carried on the mesh and beyond it, and guesses for what it does not show.

Notation: a vertex's `points` are its pixels in the photo; `seen` says how far the photo is to be trusted there. The
atlas holds a colour for every point of the skin: from the photo where seen, else from the mirrored side, else from the
neighbours. `rest` is a place on the body: the vertex of the shaped T pose, in metres; two pixels show the same part of
a person when their rest places are close.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray

from limner.body import BodyData
from limner.motion.drawn import Figure
from limner.motion.hair import find_scalp, strand_levels, strands
from limner.motion.surface import (
    disc,
    mesh_edges,
    sample_points,
    smooth_step,
    spread_in_picture,
    spread_on_mesh,
    vertex_normals,
)
from limner.motion.unseen import echo_share, fill_colours, fine_structure
from limner.records import Raster
from limner.render import rasterise_uv, sample_faces

ATLAS_SIDE = 1024
DEPTH_SLACK_M = 0.012
FACING = (0.05, 0.2)
STRICT_FACING = (0.25, 0.55)
"""Cosine between the skin's normal and the view, where trust in the photo begins and is full: for pixels that are seen
at a like angle again, and for the atlas, which is seen from everywhere."""
PHANTOM_M = (0.008, 0.025)
"""How far outside the mask a vertex begins to be, and is, a phantom."""
FRINGE_M = 0.008
"""Half the width of the narrowest thing beyond the body that is carried along; what is narrower is the mask's slack."""
RIM_M = 0.02
"""The atlas leaves out what lies so near to the mask's edge: colours of the background and of grazing light."""
SOLID = 0.92
"""Mask value from which a pixel is surely person and its colour pure."""
LOWER_ARM_JOINTS = (18, 19, 20, 21, 22, 23)
ARM_MARGIN_M = 0.035


@dataclass(frozen=True, eq=False)
class Appearance:
    """One photo of a person, bound to a body.

    Attributes:
        colour: (H, W, 3) the photo with the person's colours continued past the mask's edge, so that no rim of the old
            background is carried along.
        alpha: (H, W) how much of each pixel is person.
        beyond: (H, W) the part of `alpha` that lies outside the body's outline: hair, skirts, bags.
        place: (H, W, 3) rest place of the skin that each pixel shows, or of the nearest outline.
        figure: the body in the photo.
        seen: (V,) trust in the photo at each vertex, for views like the photo's.
        facing: (V,) cosine between the skin and the photo's view.
        normals: (V, 3) of the rest body.
        atlas: (A, A, 3) colours of the whole skin.
        near_arm: (V,) 1 where a forearm or hand lies right beside the skin in the photo.
        phantom: (V,) 1 where the body stands before what the mask calls background: a limb whose place was guessed.
        reach_px: how far from the outline the mask reaches.
        rest: (V, 3) the shaped body in T pose, metres.
    """

    colour: UInt8[ndarray, "H W 3"]
    alpha: Float32[ndarray, "H W"]
    beyond: Float32[ndarray, "H W"]
    place: Float32[ndarray, "H W 3"]
    figure: Figure
    seen: Float32[ndarray, "V"]
    facing: Float32[ndarray, "V"]
    normals: Float32[ndarray, "V 3"]
    atlas: UInt8[ndarray, "A A 3"]
    near_arm: Float32[ndarray, "V"]
    phantom: Float32[ndarray, "V"]
    reach_px: float
    rest: Float32[ndarray, "V 3"]


def read_appearance(
    photo: UInt8[ndarray, "H W 3"],
    alpha: Float32[ndarray, "H W"],
    body: BodyData,
    figure: Figure,
    rest: Float32[ndarray, "V 3"],
) -> Appearance:
    """Take a person's look from a photo.

    Args:
        photo: the picture.
        alpha: the person's soft mask.
        body: the body model; it must have an atlas (`uv`).
        figure: the body as the photo shows it, offsets included.
        rest: (V, 3) the shaped body in T pose.
    """
    colour = _pure_colours(photo, alpha)
    facing = -vertex_normals(figure.vertices, body.faces)[:, 2]
    visible = _in_front(body, figure)
    seen = _eased(body, visible * smooth_step(*FACING, facing) * _inside(figure, alpha, 1.0))
    rim = max(1.0, RIM_M * figure.pixels_per_metre)
    strict = visible * smooth_step(*STRICT_FACING, facing) * _inside(figure, alpha, rim)
    near_arm = _near_arms(figure, body)
    strict = _eased(body, strict * (1 - near_arm))
    place, beyond, reach_px = _outside(figure, body, alpha, rest)
    colours = fill_colours(colour, body, figure, strict, rest)
    atlas = _bake(colour, body, figure, strict, colours, rest)
    normals = vertex_normals(rest, body.faces)
    phantom = _phantom(figure, alpha)
    return Appearance(
        colour, alpha, beyond, place, figure, seen, facing, normals, atlas, near_arm, phantom, reach_px, rest
    )


def _phantom(figure: Figure, alpha: Float32[ndarray, "H W"]) -> Float32[ndarray, "V"]:
    distance = cv2.distanceTransform((alpha < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    off_mask = sample_points(distance, figure.points) / figure.pixels_per_metre
    return smooth_step(*PHANTOM_M, off_mask).astype(np.float32)


def _pure_colours(photo: UInt8[ndarray, "H W 3"], alpha: Float32[ndarray, "H W"]) -> UInt8[ndarray, "H W 3"]:
    solid = (alpha >= SOLID).astype(np.float32)
    if not solid.any():
        return photo
    return np.clip(spread_in_picture(photo.astype(np.float32), solid), 0, 255).astype(np.uint8)


def _inside(figure: Figure, alpha: Float32[ndarray, "H W"], margin_px: float) -> Float32[ndarray, "V"]:
    """Whether each vertex lies inside the mask, away from its edge by a margin; the picture's border is no edge."""
    person = cv2.copyMakeBorder((alpha > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(person, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return smooth_step(0.5 * margin_px, margin_px, sample_points(depth, figure.points))


def _near_arms(figure: Figure, body: BodyData) -> Float32[ndarray, "V"]:
    """1 for trunk and legs right beside a forearm or hand: a slightly wrong pose would paint fingers on the hips."""
    lower_arm = np.isin(body.weights.argmax(axis=1), LOWER_ARM_JOINTS)
    owner = np.zeros(figure.size_hw, np.uint8)
    owner[figure.covered] = lower_arm[body.faces[figure.raster.face_index[figure.covered], 0]]
    distance = cv2.distanceTransform(1 - owner, cv2.DIST_L2, 5)
    margin = max(1.0, ARM_MARGIN_M * figure.pixels_per_metre)
    near = smooth_step(margin, 0.6 * margin, sample_points(distance, figure.points))
    return np.where(lower_arm, np.float32(0), near).astype(np.float32)


def _eased(body: BodyData, raw: Float32[ndarray, "V"]) -> Float32[ndarray, "V"]:
    """Trust that fades towards its limits instead of breaking off."""
    edges = mesh_edges(body.faces)
    easy = spread_on_mesh(raw[:, None], np.ones(len(raw)), edges, np.full(len(edges), 2.0), rest=0.0)[:, 0]
    return np.clip(np.minimum(raw, smooth_step(0.25, 0.75, easy)), 0, 1).astype(np.float32)


def _in_front(body: BodyData, figure: Figure) -> Float32[ndarray, "V"]:
    """1 for vertices that no nearer part of the body hides; vertices outside the picture are not seen."""
    height, width = figure.size_hw
    column, row = np.rint(figure.points).astype(int).T
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    nearest = _near_depth(figure, body)
    column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    return (within & (figure.vertices[:, 2] <= nearest[row, column] + DEPTH_SLACK_M)).astype(np.float32)


def _near_depth(figure: Figure, body: BodyData) -> Float32[ndarray, "H W"]:
    """Metres of z where the body is, elsewhere that of the farthest neighbour, so that outlines count as seen."""
    z = sample_faces(figure.raster, figure.vertices[:, 2:], body.faces)[..., 0]
    depth = np.where(figure.covered, z, -np.inf).astype(np.float32)
    spread = cv2.dilate(depth, np.ones((3, 3), np.uint8))
    return np.where(figure.covered, depth, np.where(np.isfinite(spread), spread, np.inf))


def _outside(
    figure: Figure, body: BodyData, alpha: Float32[ndarray, "H W"], rest: Float32[ndarray, "V 3"]
) -> tuple[Float32[ndarray, "H W 3"], Float32[ndarray, "H W"], float]:
    """Give every pixel a rest place, and find what of the mask lies beyond the body."""
    covered = figure.covered
    place = sample_faces(figure.raster, rest, body.faces)
    place = spread_in_picture(place, covered.astype(np.float32))
    distance = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(covered.astype(np.uint8), cv2.DIST_L2, 5)
    person = (alpha > 0.5) & ~covered
    bulk = cv2.morphologyEx(
        person.astype(np.uint8), cv2.MORPH_OPEN, disc(max(1, round(FRINGE_M * figure.pixels_per_metre)))
    )
    bulk = cv2.dilate(bulk, disc(3)) > 0
    beyond = alpha * smooth_step(2.5, 0.5, inside) * bulk
    far = distance[person & bulk]
    reach_px = float(np.percentile(far, 99)) + 2.0 if len(far) else 2.0
    return place, beyond.astype(np.float32), reach_px


def _bake(
    colour: UInt8[ndarray, "H W 3"],
    body: BodyData,
    figure: Figure,
    seen: Float32[ndarray, "V"],
    colours: Float32[ndarray, "V 3"],
    rest: Float32[ndarray, "V 3"],
) -> UInt8[ndarray, "A A 3"]:
    """Paint the atlas: filled colours below, the mirrored side's pixels over them, the photo's own on top."""
    assert body.uv is not None
    raster = rasterise_uv(body.uv, (ATLAS_SIDE, ATLAS_SIDE))
    in_front = sample_faces(figure.raster, seen[:, None], body.faces)[..., 0]
    echo = echo_share(body, figure, seen, smooth_step(0.5, 1.0, sample_points(in_front, figure.points)))
    fine = fine_structure(colour, figure.pixels_per_metre)
    scalp = find_scalp(body, sample_points(colour, figure.points).astype(np.float32), seen, rest)
    levels = strand_levels(scalp, sample_points(fine, figure.points), seen)
    layers = [np.c_[colours, figure.points, seen, echo, rest, levels]]
    if body.mirror_vertices is not None:
        mirrored = body.mirror_vertices
        layers.append(np.c_[figure.points[mirrored], seen[mirrored]])
    texels = sample_faces(raster, np.concatenate(layers, axis=1).astype(np.float32), body.faces)
    atlas = texels[..., :3] + texels[..., 6:7] * _look(fine, texels[..., 3:5])
    grown = texels[..., 10] > 0
    atlas[grown] += (texels[grown, 10] * strands(texels[grown, 7:10], _middle(rest, scalp.hair)))[:, None]
    for first in (11, 3) if texels.shape[-1] > 11 else (3,):
        photo, weight = _look(colour, texels[..., first : first + 2]), texels[..., first + 2 : first + 3]
        atlas = atlas + weight * (photo - atlas)
    return _pad_islands(atlas, raster)


def _middle(places: Float32[ndarray, "V 3"], which: Bool[ndarray, "V"]) -> Float32[ndarray, "3"]:
    return places[which].mean(axis=0) if which.any() else np.zeros(3, np.float32)


def _look(image: ndarray, points: Float32[ndarray, "A A 2"]) -> ndarray:
    maps = np.ascontiguousarray(points)
    return cv2.remap(image, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _pad_islands(atlas: Float32[ndarray, "A A 3"], raster: Raster) -> UInt8[ndarray, "A A 3"]:
    """Continue the islands' colours into the gaps between them, so that filtering picks up no black."""
    painted = (raster.face_index >= 0).astype(np.float32)
    return np.clip(spread_in_picture(atlas, painted), 0, 255).astype(np.uint8)
