"""What a photo knows of a person's surface, carried on the mesh and beyond it, and guesses for what it does not show.

Notation: a vertex's `points` are its pixels in the photo; `seen` says how far the photo is to be trusted there. The atlas
holds a colour for every point of the skin: from the photo where seen, else from the mirrored side, else from the neighbours.
`rest` is a place on the body: the vertex of the shaped T pose, in metres; two pixels show the same part of a person when their
rest places are close.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray

from limner.body import BodyData
from limner.motion.drawn import Figure
from limner.motion.surface import disc, mesh_edges, smooth_step, spread_in_picture, spread_on_mesh, vertex_normals
from limner.records import Raster
from limner.render import rasterise_uv, sample_faces

ATLAS_SIDE = 1024
ROUND_BODY = 30.0
"""How much stiffer the fill is round a limb than along it, so that hems and sleeves end at the same height all round."""
DEPTH_SLACK_M = 0.012
FACING = (0.05, 0.2)
STRICT_FACING = (0.25, 0.55)
"""Cosine between the skin's normal and the view, where trust in the photo begins and is full: for pixels that are seen at
a like angle again, and for the atlas, which is seen from everywhere."""
FRINGE_M = 0.008
"""Half the width of the narrowest thing beyond the body that is carried along; what is narrower is the mask's slack."""
RIM_M = 0.02
"""The atlas leaves out what lies so near to the mask's edge: colours of the background and of grazing light."""
SOLID = 0.92
"""Mask value from which a pixel is surely person and its colour pure."""
KNOWN = 40.0
MIRROR_SHARE = 0.25
PART_TIES = {
    frozenset({"torso", "arm"}): 0.01,
    frozenset({"torso", "head"}): 0.03,
    frozenset({"leg", "foot"}): 0.05,
    frozenset({"arm", "hand"}): 0.3,
}
"""How much of a fill crosses from one part to the next: a bare arm says nothing of a sleeveless back."""
HAIR_TRUST = 0.5
HAIRLINE_M = 0.025
"""How far above the face list (brows) the forehead ends."""
BEHIND_FACE_M = 0.05
DETAIL_SHARE = 0.7
DETAIL_LEVELS = 25.0
DETAIL_M = 0.03
"""Structure finer than this is taken for the cloth's and repeated on its unseen side."""
ARM_JOINTS = (13, 14, 16, 17, 18, 19, 20, 21, 22, 23)
FOOT_JOINTS = (10, 11)


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
        photo, alpha: the picture and the person's soft mask.
        body: the body model; it must have an atlas (`uv`).
        figure: the body as the photo shows it, offsets included.
        rest: (V, 3) the shaped body in T pose.
    """
    colour = _pure_colours(photo, alpha)
    facing = -vertex_normals(figure.vertices, body.faces)[:, 2]
    visible = _in_front(body, figure)
    seen = _eased(body, visible * smooth_step(*FACING, facing) * _inside(figure, alpha, 1.0))
    rim = max(1.0, RIM_M * figure.pixels_per_metre)
    strict = _eased(body, visible * smooth_step(*STRICT_FACING, facing) * _inside(figure, alpha, rim))
    place, beyond, reach_px = _outside(figure, body, alpha, rest)
    colours = _fill_colours(colour, body, figure, strict, rest)
    atlas = _bake(colour, body, figure, strict, colours)
    normals = vertex_normals(rest, body.faces)
    return Appearance(colour, alpha, beyond, place, figure, seen, facing, normals, atlas, reach_px, rest)


def _pure_colours(photo: UInt8[ndarray, "H W 3"], alpha: Float32[ndarray, "H W"]) -> UInt8[ndarray, "H W 3"]:
    solid = (alpha >= SOLID).astype(np.float32)
    if not solid.any():
        return photo
    return np.clip(spread_in_picture(photo.astype(np.float32), solid), 0, 255).astype(np.uint8)


def _inside(figure: Figure, alpha: Float32[ndarray, "H W"], margin_px: float) -> Float32[ndarray, "V"]:
    """Whether each vertex lies inside the mask, away from its edge by a margin; the picture's border is no edge."""
    person = cv2.copyMakeBorder((alpha > 0.5).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(person, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return smooth_step(0.5 * margin_px, margin_px, _sample(depth, figure.points))


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
    """Metres of z where the body is; without a body, the farthest of the 3 x 3 neighbours, so that outlines count as seen."""
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


def _sample(image: ndarray, points: Float32[ndarray, "V 2"]) -> ndarray:
    maps = np.ascontiguousarray(points, np.float32)
    picked = [
        cv2.remap(image, part[:, :1].copy(), part[:, 1:].copy(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for part in np.array_split(maps, max(1, len(maps) // 30000 + 1))
    ]
    return np.concatenate(picked)[:, 0]


def _fill_colours(
    colour: UInt8[ndarray, "H W 3"],
    body: BodyData,
    figure: Figure,
    seen: Float32[ndarray, "V"],
    rest: Float32[ndarray, "V 3"],
) -> Float32[ndarray, "V 3"]:
    """A colour for each vertex: the photo's where seen, the mirrored vertex's where only that is, else the neighbours'."""
    own = _sample(cv2.blur(colour, (3, 3)), figure.points).astype(np.float32)
    confidence = KNOWN * seen**2
    values = own * confidence[:, None]
    if body.mirror_vertices is not None:
        other = KNOWN * MIRROR_SHARE * seen[body.mirror_vertices] ** 2 * (1 - seen)
        values += own[body.mirror_vertices] * other[:, None]
        confidence = confidence + other
    guess = _guess_hair(body, own, seen, rest)
    if guess is not None:
        is_hair, hair, is_bare = guess
        confidence = np.where(is_bare, 0, confidence) + HAIR_TRUST * is_hair * (1 - seen)
        values = np.where(is_bare[:, None], 0, values) + HAIR_TRUST * (is_hair * (1 - seen))[:, None] * hair
    edges = mesh_edges(body.faces)
    values /= np.maximum(confidence, 1e-6)[:, None]
    return spread_on_mesh(values, confidence, edges, _round_stiffness(body, edges, rest))


def _guess_hair(
    body: BodyData, own: Float32[ndarray, "V 3"], seen: Float32[ndarray, "V"], rest: Float32[ndarray, "V 3"]
) -> tuple[Bool[ndarray, "V"], Float32[ndarray, "3"], Bool[ndarray, "V"]] | None:
    """Where hair is to be expected, the colour on top of the head, and where skin shows among it (ears).

    Returns:
        None where the body has no face list or the photo does not show the top of the head and the face.
    """
    if "head" not in body.face_lists or "face" not in body.face_lists:
        return None
    head, face = (np.unique(body.faces[body.face_lists[name]]) for name in ("head", "face"))
    scalp = np.setdiff1d(head, face)
    hairline = rest[face, 1].max() + HAIRLINE_M
    top, skin = scalp[(rest[scalp, 1] > hairline) & (seen[scalp] > 0.3)], face[seen[face] > 0.5]
    if len(top) == 0 or len(skin) == 0:
        return None
    hair_colour, skin_colour = np.median(own[top], axis=0), np.median(own[skin], axis=0)
    is_hair, is_bare = np.zeros(body.num_vertices, bool), np.zeros(body.num_vertices, bool)
    behind = rest[scalp, 2] < np.median(rest[face, 2]) - BEHIND_FACE_M
    region = scalp[(rest[scalp, 1] > rest[face, 1].min()) & behind]
    is_hair[region] = True
    off_hair, off_skin = (np.linalg.norm(own[region] - c, axis=1) for c in (hair_colour, skin_colour))
    is_bare[region] = off_skin < off_hair
    return is_hair, hair_colour.astype(np.float32), is_bare


def _vertex_parts(body: BodyData) -> ndarray:
    """The kind of part each vertex lies in: "head", "torso", "arm", "hand", "leg", "foot"."""
    kinds = np.full(body.num_vertices, "", dtype="<U8")
    for name, faces in body.face_parts.items():
        kinds[np.unique(body.faces[faces])] = name.split("_")[1]
    return kinds


def _round_stiffness(body: BodyData, edges: ndarray, rest: Float32[ndarray, "V 3"]) -> Float32[ndarray, "E"]:
    """Stiff round the limbs and the trunk, soft along them; nothing flows from the face to the back of the head."""
    joint = body.weights.argmax(axis=1)
    axis = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (body.num_vertices, 1))
    axis[np.isin(joint, ARM_JOINTS)] = (1.0, 0.0, 0.0)
    axis[np.isin(joint, FOOT_JOINTS)] = (0.0, 0.0, 1.0)
    step = rest[edges[:, 1]] - rest[edges[:, 0]]
    length = np.maximum(np.linalg.norm(step, axis=1), 1e-6)
    along = np.abs((step * axis[edges[:, 0]]).sum(1)) / length
    stiffness = ROUND_BODY / (1 + (ROUND_BODY - 1) * along**2)
    kinds = _vertex_parts(body)[edges]
    for pair, tie in PART_TIES.items():
        one, other = sorted(pair)
        crosses = ((kinds == one).any(axis=1)) & ((kinds == other).any(axis=1))
        stiffness[crosses] *= tie
    if "face" in body.face_lists:
        chin = rest[np.unique(body.faces[body.face_lists["face"]]), 1].min()
        above = rest[edges, 1] > chin
        stiffness[above[:, 0] != above[:, 1]] *= 0.1
        in_face = np.zeros(body.num_vertices, bool)
        in_face[np.unique(body.faces[body.face_lists["face"]])] = True
        stiffness[in_face[edges[:, 0]] != in_face[edges[:, 1]]] *= 1e-3
    return stiffness.astype(np.float32)


def _bake(
    colour: UInt8[ndarray, "H W 3"],
    body: BodyData,
    figure: Figure,
    seen: Float32[ndarray, "V"],
    colours: Float32[ndarray, "V 3"],
) -> UInt8[ndarray, "A A 3"]:
    """Paint the atlas: filled colours below, the mirrored side's pixels over them, the photo's own on top."""
    assert body.uv is not None
    raster = rasterise_uv(body.uv, (ATLAS_SIDE, ATLAS_SIDE))
    echo = _echo(body, figure, seen)
    layers = [np.c_[colours, figure.points, seen, echo]]
    if body.mirror_vertices is not None:
        mirrored = body.mirror_vertices
        layers.append(np.c_[figure.points[mirrored], seen[mirrored]])
    texels = sample_faces(raster, np.concatenate(layers, axis=1).astype(np.float32), body.faces)
    atlas = texels[..., :3] + texels[..., 6:7] * _detail(colour, figure, texels[..., 3:5])
    for first in (7, 3) if texels.shape[-1] > 7 else (3,):
        x, y, weight = (np.ascontiguousarray(texels[..., first + k]) for k in range(3))
        photo = cv2.remap(colour, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        atlas = atlas + weight[..., None] * (photo - atlas)
    return _pad_islands(atlas, raster)


def _echo(body: BodyData, figure: Figure, seen: Float32[ndarray, "V"]) -> Float32[ndarray, "V"]:
    """How much of the cloth's structure in front is repeated behind it: on the trunk, the arms and the legs."""
    clothed = np.isin(_vertex_parts(body), ("torso", "arm", "leg"))
    return (DETAIL_SHARE * clothed * (1 - seen)).astype(np.float32)


def _detail(
    colour: UInt8[ndarray, "H W 3"], figure: Figure, points: Float32[ndarray, "A A 2"]
) -> Float32[ndarray, "A A 3"]:
    """The photo's fine structure at each texel's own pixel, which for unseen skin is the cloth in front of it."""
    fine = colour.astype(np.float32)
    fine -= cv2.GaussianBlur(fine, (0, 0), max(1.0, DETAIL_M * figure.pixels_per_metre))
    fine = np.clip(fine, -DETAIL_LEVELS, DETAIL_LEVELS)
    return cv2.remap(fine, np.ascontiguousarray(points), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _pad_islands(atlas: Float32[ndarray, "A A 3"], raster: Raster) -> UInt8[ndarray, "A A 3"]:
    """Continue the islands' colours into the gaps between them, so that filtering picks up no black."""
    painted = (raster.face_index >= 0).astype(np.float32)
    return np.clip(spread_in_picture(atlas, painted), 0, 255).astype(np.uint8)
