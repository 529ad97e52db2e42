"""Paint a person into a picture: the photo's pixels where they fit, the filled atlas elsewhere, and the mask with them.

For each pixel of a posed body the mesh says where the photo shows the same place of the skin (the flow). Outside the
body's outline the flow goes on: each outline pixel carries the affine map by which its limb turned and moved, and those
maps are spread outward; hair and clothes that the photo shows beyond the body so move with the nearest limb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8
from numpy import ndarray

from limner.body import BodyData
from limner.motion.drawn import Figure
from limner.motion.surface import disc, resize_channels, smooth_step, spread_in_picture
from limner.motion.texture import Appearance
from limner.records import Raster
from limner.render import sample_faces

SAME_PLACE_M = (0.26, 0.12)
"""Rest places farther apart than the first belong to other parts of the person, nearer than the second to the same."""
UPRIGHT = (0.75, 0.95)
"""How much of an outward step must lie in the photo's plane for the photo to say what is there: none, all."""
FACE_ON = (0.55, 0.8)
"""How far a limb must show the photo's view of it, from the front or mirrored from behind, for what lies beyond its
outline to be carried along: none, all. A tuft of hair seen flat on is no guide to the head's profile."""
STRETCH = (0.35, 0.75)
"""Share of the frame's cosine to the skin that the photo's must have; with less, its pixels would be stretched."""
STILL_M = (0.02, 0.008)
"""Skin that moved less than the second keeps the photo's own pixel, more than the first is painted."""
STILL_PLACE_M = (0.26, 0.12)
UNTURNED_DEG = (24.0, 12.0)
ALIKE_DEG = (50.0, 20.0)
ARM_JOINTS = (16, 17, 18, 19)
"""Shoulders and elbows."""
BAND_PX = 3.0
EDGE_PX = (0.5, 3.0)
SPECK, THREAD = 0.02, 0.15
"""Mask from which on a pixel shows something, and from which on it holds something else."""
SPECK_RIM_PX = 3
SPREAD_CELL = 4
"""The spread outward is worked in cells of this many pixels."""


@dataclass(frozen=True, eq=False)
class Guide:
    """What a network that corrects the painting wants to know of it.

    Attributes:
        face_index: (h, w) who owns each pixel of the cut, -1 for none.
        texture: (h, w, 3) the filled atlas on the skin; 0 beyond it.
        photo_xy: for each layer (h, w, 2), the pixel of its photo that each pixel of the cut shows.
        shares: for each layer (h, w), how much of the painting is its.
    """

    face_index: Int32[ndarray, "h w"]
    texture: UInt8[ndarray, "h w 3"]
    photo_xy: tuple[Float32[ndarray, "h w 2"], ...]
    shares: tuple[Float32[ndarray, "h w"], ...]


@dataclass(frozen=True, eq=False)
class Painted:
    """A painted person, cut out of the frame.

    Attributes:
        colour: (h, w, 3) not multiplied by alpha.
        alpha: (h, w).
        still: (h, w) 1 where the person is as in the first layer's photo.
        top, left: where the cut lies in the frame.
        guide: how it was painted, where it was asked for.
    """

    colour: UInt8[ndarray, "h w 3"]
    alpha: Float32[ndarray, "h w"]
    still: Float32[ndarray, "h w"]
    top: int
    left: int
    guide: Guide | None = None

    def over(
        self, background: UInt8[ndarray, "H W 3"], photo: UInt8[ndarray, "H W 3"] | None = None
    ) -> UInt8[ndarray, "H W 3"]:
        """Lay the person over a picture; where they are still, `photo` stays, with its shadows and soft edges."""
        picture = background.copy()
        rows, columns = self._window()
        part = picture[rows, columns]
        mixed = part + self.alpha[..., None] * (self.colour.astype(np.float32) - part)
        if photo is not None:
            mixed += self.still[..., None] * (photo[rows, columns] - mixed)
        picture[rows, columns] = np.rint(mixed).astype(np.uint8)
        return picture

    def cut_out(self, size_hw: tuple[int, int]) -> UInt8[ndarray, "H W 4"]:
        """The person alone, RGBA, on nothing."""
        picture = np.zeros((*size_hw, 4), np.uint8)
        rows, columns = self._window()
        picture[rows, columns, :3] = self.colour
        picture[rows, columns, 3] = np.rint(self.alpha * 255)
        return picture

    def _window(self) -> tuple[slice, slice]:
        height, width = self.alpha.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True, eq=False)
class Layer:
    """An appearance and the share it has in each vertex; the shares of all layers add up to 1.

    Attributes:
        appearance: what one photo knows.
        share: (V,) 0 to 1.
    """

    appearance: Appearance
    share: Float32[ndarray, "V"]


def paint(
    layers: Sequence[Layer], body: BodyData, figure: Figure, *, threads: int = 1, guided: bool = False
) -> Painted:
    """Paint a person in another pose.

    Args:
        layers: the photos that the person's parts come from, at least one.
        body: the body model.
        figure: the posed body in the frame.
        threads: of the interpolation over the mesh.
        guided: keep how it was painted, for a network that corrects it.
    """
    reach = max(_reach(layer.appearance, figure) for layer in layers)
    window = _window(figure, reach + 2 * SPREAD_CELL)
    if window is None:
        nothing = np.zeros((0, 0), np.float32)
        return Painted(np.zeros((0, 0, 3), np.uint8), nothing, nothing, 0, 0)
    raster = _cut(figure.raster, window)
    atlas_uv = sample_faces(raster, body.uv, threads=threads)
    parts = [_paint_layer(layer, body, figure, raster, atlas_uv, window, threads) for layer in layers]
    guide = _guide(parts, raster) if guided else None
    if len(parts) == 1:
        return Painted(parts[0].colour, parts[0].alpha, parts[0].still, window[0], window[2], guide)
    weights = [part.share * part.alpha for part in parts]
    alpha = np.sum(weights, axis=0)
    mixed = sum(weight[..., None] * part.colour for weight, part in zip(weights, parts, strict=True))
    colour = np.rint(mixed / np.maximum(alpha, 1e-6)[..., None]).astype(np.uint8)
    still = parts[0].still * smooth_step(0.9, 1.0, parts[0].share)
    return Painted(colour, np.minimum(alpha, 1).astype(np.float32), still, window[0], window[2], guide)


@dataclass(frozen=True, eq=False)
class _Part:
    """What one layer paints in the window."""

    colour: UInt8[ndarray, "h w 3"]
    alpha: Float32[ndarray, "h w"]
    still: Float32[ndarray, "h w"]
    share: Float32[ndarray, "h w"]
    xy: Float32[ndarray, "h w 2"]
    texture: UInt8[ndarray, "h w 3"]


def _guide(parts: Sequence[_Part], raster: Raster) -> Guide:
    mixed = sum(part.share[..., None] * part.texture for part in parts)
    texture = np.where(raster.face_index[..., None] >= 0, np.clip(mixed, 0, 255), 0).astype(np.uint8)
    return Guide(raster.face_index, texture, tuple(part.xy for part in parts), tuple(part.share for part in parts))


def _reach(appearance: Appearance, figure: Figure) -> float:
    return appearance.reach_px * figure.pixels_per_metre / appearance.figure.pixels_per_metre


def _paint_layer(
    layer: Layer,
    body: BodyData,
    figure: Figure,
    raster: Raster,
    atlas_uv: Float32[ndarray, "h w 2"],
    window: tuple[int, int, int, int],
    threads: int,
) -> _Part:
    """Colour, mask and share of one layer."""
    appearance = layer.appearance
    grow = figure.pixels_per_metre / appearance.figure.pixels_per_metre
    reach = appearance.reach_px * grow
    covered = raster.face_index >= 0
    on_skin = sample_faces(raster, _vertex_columns(layer, body, figure), body.faces, threads=threads)
    outer = _spread_outward(on_skin, covered, 1 / grow, (window[0], window[2]), figure.size_hw)
    xy = np.where(covered[..., None], on_skin[..., :2], outer.xy)
    atlas_xy = atlas_uv * np.float32(len(appearance.atlas)) - np.float32(0.5)
    texture = _remap(appearance.atlas, atlas_xy)
    colour, photo_alpha = _look_up(appearance, xy, texture, on_skin[..., 2], covered)
    alpha = _alpha(appearance, photo_alpha, xy, covered, on_skin[..., 2], outer, reach)
    alpha = alpha * (1 - _with_rim(on_skin[..., 11], covered))
    place = np.where(covered[..., None], on_skin[..., 7:10], outer.place)
    unturned = np.where(covered, on_skin[..., 12], outer.unturned)
    still = _still(appearance, xy, place, window, figure) * cv2.blur(unturned, (5, 5))
    colour, alpha = _as_in_photo(appearance, colour, alpha, still, window)
    attached = _attached(alpha, covered)
    alpha, still = alpha * attached, still * attached
    return _Part(colour, alpha, still, np.where(covered, on_skin[..., 10], outer.share), xy, texture)


def _vertex_columns(layer: Layer, body: BodyData, figure: Figure) -> Float32[ndarray, "V 13"]:
    """Per vertex: photo pixel (2), trust, limb map (4), rest place (3), share, how far to leave it out, likeness."""
    appearance = layer.appearance
    facing = np.maximum(_facing(appearance, figure, body), 0.05)
    seen = appearance.seen * smooth_step(*STRETCH, appearance.facing / facing)
    likeness = _pose_likeness(appearance.figure, figure)
    # What an arm touched in the photo is to be believed only while the arms stay as they were.
    seen *= 1 - appearance.near_arm * (1 - likeness[list(ARM_JOINTS)].min())
    alike = body.weights @ likeness
    columns = (
        appearance.figure.points,
        seen[:, None],
        _limb_maps(appearance.figure, figure, body),
        appearance.rest,
        layer.share[:, None],
        (appearance.phantom * alike)[:, None],
        (body.weights @ _unturned(appearance.figure, figure))[:, None],
    )
    return np.concatenate(columns, axis=1).astype(np.float32)


def _pose_likeness(one: Figure, other: Figure) -> Float32[ndarray, "24"]:
    """For each joint 1 where both figures hold it alike, seen from the pelvis; 0 where they differ."""
    own = [figure.joint_rotations[0].T @ figure.joint_rotations for figure in (one, other)]
    return smooth_step(*ALIKE_DEG, _angles_deg(*own)).astype(np.float32)


def _angles_deg(one: Float32[ndarray, "24 3 3"], other: Float32[ndarray, "24 3 3"]) -> Float32[ndarray, "24"]:
    trace = np.einsum("jab,jab->j", one, other)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def _unturned(one: Figure, other: Figure) -> Float32[ndarray, "24"]:
    """For each joint 1 where it is turned alike in both: skin near the axis of a turn keeps its pixel by chance."""
    return smooth_step(*UNTURNED_DEG, _angles_deg(one.joint_rotations, other.joint_rotations)).astype(np.float32)


def _still(
    appearance: Appearance,
    xy: Float32[ndarray, "h w 2"],
    place: Float32[ndarray, "h w 3"],
    window: tuple[int, int, int, int],
    figure: Figure,
) -> Float32[ndarray, "h w"]:
    """1 where frame and photo show the same place of the body at the same pixel; 0 for photos of another size."""
    if appearance.figure.size_hw != figure.size_hw:
        return np.zeros(xy.shape[:2], np.float32)
    top, bottom, left, right = window
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    moved = np.hypot(xy[..., 0] - columns, xy[..., 1] - rows) / figure.pixels_per_metre
    away = np.linalg.norm(appearance.place[top:bottom, left:right] - place, axis=-1)
    return smooth_step(*STILL_M, moved) * smooth_step(*STILL_PLACE_M, away)


def _as_in_photo(
    appearance: Appearance,
    colour: UInt8[ndarray, "h w 3"],
    alpha: Float32[ndarray, "h w"],
    still: Float32[ndarray, "h w"],
    window: tuple[int, int, int, int],
) -> tuple[UInt8[ndarray, "h w 3"], Float32[ndarray, "h w"]]:
    """Take colour and mask from the same pixels of the photo where the person is still."""
    if not still.any():
        return colour, alpha
    top, bottom, left, right = window
    mixed = colour + still[..., None] * (appearance.colour[top:bottom, left:right].astype(np.float32) - colour)
    alpha = alpha + still * (appearance.alpha[top:bottom, left:right] - alpha)
    return np.rint(mixed).astype(np.uint8), alpha


def _window(figure: Figure, margin: float) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of the cells of the frame that the person can touch; None where there are none."""
    rows, columns = np.nonzero(figure.covered.any(1))[0], np.nonzero(figure.covered.any(0))[0]
    if len(rows) == 0:
        return None
    height, width = figure.size_hw
    top, left = (max(0, int((seen[0] - margin) // SPREAD_CELL) * SPREAD_CELL) for seen in (rows, columns))
    bottom, right = (int(-(-(seen[-1] + margin + 1) // SPREAD_CELL)) * SPREAD_CELL for seen in (rows, columns))
    return top, min(height, bottom), left, min(width, right)


def _cut(raster: Raster, window: tuple[int, int, int, int]) -> Raster:
    top, bottom, left, right = window
    parts = (raster.face_index, raster.weights, raster.depth)
    return Raster(*(np.ascontiguousarray(part[top:bottom, left:right]) for part in parts))


def _facing(appearance: Appearance, figure: Figure, body: BodyData) -> Float32[ndarray, "V"]:
    """Cosine between the posed skin and the view, from the rest normals and the turned joints."""
    towards = body.weights @ -figure.joint_rotations[:, 2, :]
    return (towards * appearance.normals).sum(axis=1)


def _limb_maps(source: Figure, target: Figure, body: BodyData) -> Float32[ndarray, "V 4"]:
    """For each vertex the 2 x 2 map (row by row) from steps in the frame to steps in the photo, as its limbs turned.

    Steps are taken in the plane of the frame; what turns out of the photo's plane is lost, so the map shrinks.
    """
    turn = source.joint_rotations @ target.joint_rotations.transpose(0, 2, 1)
    scale = source.pixels_per_metre / target.pixels_per_metre
    return body.weights @ (scale * turn[:, :2, :2]).reshape(24, 4).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Outer:
    """Beyond the outline: photo pixels, rest places, shares, trust, turn, how much is in-plane, distance."""

    xy: Float32[ndarray, "h w 2"]
    place: Float32[ndarray, "h w 3"]
    share: Float32[ndarray, "h w"]
    seen: Float32[ndarray, "h w"]
    unturned: Float32[ndarray, "h w"]
    upright: Float32[ndarray, "h w"]
    face_on: Float32[ndarray, "h w"]
    distance: Float32[ndarray, "h w"]


def _spread_outward(
    on_skin: Float32[ndarray, "h w 13"],
    covered: ndarray,
    scale: float,
    corner: tuple[int, int],
    size_hw: tuple[int, int],
) -> _Outer:
    """Carry the outline's affine maps outward: T(p) = T(q) + A (p - q), averaged over outline pixels q near p."""
    height, width = covered.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    inside = cv2.distanceTransform(covered.astype(np.uint8), cv2.DIST_L2, 3)
    band = (covered & (inside <= BAND_PX)).astype(np.float32)
    a, b, c, d = (on_skin[..., 3 + k] for k in range(4))
    x0 = on_skin[..., 0] - (a * columns + b * rows)
    y0 = on_skin[..., 1] - (c * columns + d * rows)
    carried = on_skin[..., [7, 8, 9, 10, 2, 12]]
    known = np.concatenate([np.stack([x0, y0, a, b, c, d], axis=-1), carried], axis=-1)
    spread = _spread_coarsely(known, band, corner, size_hw)
    x0, y0, a, b, c, d = (spread[..., k] for k in range(6))
    xy = np.stack([x0 + a * columns + b * rows, y0 + c * columns + d * rows], axis=-1)
    distance = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 3)
    out_x, out_y = cv2.Sobel(distance, cv2.CV_32F, 1, 0), cv2.Sobel(distance, cv2.CV_32F, 0, 1)
    length = np.maximum(np.hypot(out_x, out_y), 1e-6)
    upright = np.hypot(a * out_x + b * out_y, c * out_x + d * out_y) / length / scale
    face_on = np.abs(a * d - b * c) / scale**2
    place, share, seen, unturned = spread[..., 6:9], spread[..., 9], spread[..., 10], spread[..., 11]
    return _Outer(xy, place, share, seen, unturned, upright, face_on, distance)


def _spread_coarsely(
    known: Float32[ndarray, "h w C"],
    weight: Float32[ndarray, "h w"],
    corner: tuple[int, int],
    size_hw: tuple[int, int],
) -> Float32[ndarray, "h w C"]:
    """Spread over the cells of the whole frame, so that what comes out does not depend on where the window lies."""
    height, width = weight.shape
    rows, columns = (-(-side // SPREAD_CELL) for side in (height, width))
    border = (0, rows * SPREAD_CELL - height, 0, columns * SPREAD_CELL - width)
    weight = cv2.copyMakeBorder(weight, *border, cv2.BORDER_CONSTANT)
    mass = cv2.resize(weight, (columns, rows), interpolation=cv2.INTER_AREA)
    summed = np.pad(known, ((0, border[1]), (0, border[3]), (0, 0))) * weight[..., None]
    mean = resize_channels(summed, (columns, rows), cv2.INTER_AREA) / np.maximum(mass, 1e-6)[..., None]
    grid_hw = tuple(-(-side // SPREAD_CELL) for side in size_hw)
    cells, filled = np.zeros((*grid_hw, known.shape[2]), np.float32), np.zeros(grid_hw, np.float32)
    top, left = corner[0] // SPREAD_CELL, corner[1] // SPREAD_CELL
    cells[top : top + rows, left : left + columns] = mean
    filled[top : top + rows, left : left + columns] = mass > 1e-3
    # One more cell on each side, because enlarging looks at neighbours.
    above, before = min(top, 1), min(left, 1)
    part = spread_in_picture(cells, filled)[top - above : top + rows + 1, left - before : left + columns + 1]
    size = (part.shape[1] * SPREAD_CELL, part.shape[0] * SPREAD_CELL)
    enlarged = resize_channels(np.ascontiguousarray(part), size, cv2.INTER_LINEAR)
    return enlarged[above * SPREAD_CELL :, before * SPREAD_CELL :][:height, :width]


def _remap(image: ndarray, xy: Float32[ndarray, "h w 2"], border: int = cv2.BORDER_REPLICATE) -> ndarray:
    return cv2.remap(image, np.ascontiguousarray(xy), None, cv2.INTER_LINEAR, borderMode=border)


def _look_up(
    appearance: Appearance,
    xy: Float32[ndarray, "h w 2"],
    texture: UInt8[ndarray, "h w 3"],
    seen: Float32[ndarray, "h w"],
    covered: ndarray,
) -> tuple[UInt8[ndarray, "h w 3"], Float32[ndarray, "h w"]]:
    photo = _remap(appearance.colour, xy)
    share = np.where(covered, seen, np.float32(1))[..., None]
    mixed = texture + share * (photo.astype(np.float32) - texture)
    return np.rint(mixed).astype(np.uint8), _remap(appearance.alpha, xy, cv2.BORDER_CONSTANT)


def _alpha(
    appearance: Appearance,
    photo_alpha: Float32[ndarray, "h w"],
    xy: Float32[ndarray, "h w 2"],
    covered: ndarray,
    seen: Float32[ndarray, "h w"],
    outer: _Outer,
    reach: float,
) -> Float32[ndarray, "h w"]:
    """The person's mask: solid within the body, the photo's at its edge, and what the photo shows beyond."""
    soft = cv2.blur(covered.astype(np.float32), (3, 3))
    depth = cv2.distanceTransform(covered.astype(np.uint8), cv2.DIST_L2, 3)
    edge = soft + seen * (photo_alpha - soft)
    within = edge + smooth_step(*EDGE_PX, depth) * (1 - edge)
    beyond = _remap(appearance.beyond, xy, cv2.BORDER_CONSTANT)
    away = np.linalg.norm(_remap(appearance.place, xy) - outer.place, axis=-1)
    beyond = beyond * smooth_step(*SAME_PLACE_M, away) * smooth_step(*UPRIGHT, outer.upright)
    beyond *= smooth_step(*FACE_ON, outer.face_on)
    beyond *= smooth_step(reach + SPREAD_CELL, reach, outer.distance)
    # The rim that smooths the outline is kept only where the photo does not know better.
    rim = soft * (1 - outer.seen * (1 - photo_alpha))
    return np.where(covered, within, np.maximum(beyond, rim)).astype(np.float32)


def _with_rim(left_out: Float32[ndarray, "h w"], covered: ndarray) -> Float32[ndarray, "h w"]:
    """A limb that is left out takes the soft rim round it along, or its outline would stay as a thin line."""
    near = cv2.dilate(left_out, np.ones((3, 3), np.uint8))
    return np.where(covered, left_out, near).astype(np.float32)


def _attached(alpha: Float32[ndarray, "h w"], covered: ndarray) -> Float32[ndarray, "h w"]:
    """0 on specks that touch the body nowhere, such as the tip of a shoe left behind by a foot that turned; else 1."""
    # What hangs on by a thread too faint to be seen is loose too, and its own faint rim goes with it.
    hanging = _loose(alpha, covered, THREAD)
    kept = ((alpha > THREAD) | covered) & ~hanging
    rim = cv2.dilate(hanging.astype(np.uint8), disc(SPECK_RIM_PX)) > 0
    specks = rim & ~kept & (alpha > 0)
    specks |= _loose(np.where(specks, 0, alpha), covered, SPECK)
    return np.where(specks, np.float32(0), np.float32(1))


def _loose(alpha: Float32[ndarray, "h w"], covered: ndarray, least: float) -> Bool[ndarray, "h w"]:
    """Whatever of a mask above `least` touches the body nowhere."""
    count, labels = cv2.connectedComponents(((alpha > least) | covered).astype(np.uint8), connectivity=8)
    loose = np.ones(count, bool)
    loose[labels[covered]] = False
    loose[0] = False  # all that is too faint to be part of anything
    return loose[labels]
