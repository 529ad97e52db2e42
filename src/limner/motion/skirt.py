"""Skirts and dresses: cloth spanned between the thighs where the photo shows none of the background there.

Idea: iPERCore links the inner legs of clothed people; here two sheets are hung between the front and the back of both
legs, from the crotch to the hem, and move with the legs as any other skin.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from limner.body import BodyData
from limner.motion.drawn import Figure
from limner.motion.surface import sample_points
from limner.motion.unseen import part_kinds

LEVELS = 24
"""Heights between crotch and ankle at which the gap between the legs is looked at."""
FEWEST_LEVELS = 2
"""So many levels must show cloth where the legs are apart; less may be the crotch of wide trousers."""
SMALLEST_GAP_M, SMALLEST_GAP_PX = 0.018, 3.0
"""Legs nearer than this say nothing about what is between them."""
FILLED = 0.8
LEFT_LEG, RIGHT_LEG = (1, 4), (2, 5)
"""Joints whose skin is a leg: hip and knee."""


def add_skirt(
    body: BodyData, figure: Figure, alpha: Float32[ndarray, "H W"], rest: Float32[ndarray, "V 3"]
) -> BodyData:
    """Return the body with cloth between the legs down to the hem that the photo shows; itself where it shows none.

    Args:
        body: the body model, with an atlas.
        figure: the body in the photo.
        alpha: the person's mask.
        rest: the shaped T pose.
    """
    left, right = _leg_lines(body, rest, LEFT_LEG), _leg_lines(body, rest, RIGHT_LEG)
    hem = _hem_level(figure, alpha, left["inner"], right["inner"])
    if hem == 0:
        return body
    sheets = [_sheet(left["front"], right["front"], hem), _sheet(right["back"], left["back"], hem)]
    return _with_faces(
        body, np.concatenate([faces for faces, _ in sheets]), np.concatenate([rows for _, rows in sheets])
    )


def _leg_lines(body: BodyData, rest: Float32[ndarray, "V 3"], joints: tuple[int, ...]) -> dict[str, Int[ndarray, "L"]]:
    """For each level the leg's innermost, frontmost and backmost vertex."""
    of_leg = np.flatnonzero(np.isin(body.weights.argmax(axis=1), joints) & (part_kinds(body) == "leg"))
    top, bottom = np.percentile(rest[of_leg, 1], (97, 3))
    heights = np.linspace(top, bottom, LEVELS)
    reach = (top - bottom) / LEVELS
    side = np.sign(rest[of_leg, 0].mean())
    lines: dict[str, list[int]] = {"inner": [], "front": [], "back": []}
    for height in heights:
        off = np.abs(rest[of_leg, 1] - height)
        near = of_leg[off <= max(reach, off.min())]
        lines["inner"].append(near[(rest[near, 0] * side).argmin()])
        lines["front"].append(near[rest[near, 2].argmax()])
        lines["back"].append(near[rest[near, 2].argmin()])
    return {name: np.array(line) for name, line in lines.items()}


def _hem_level(
    figure: Figure, alpha: Float32[ndarray, "H W"], left: Int[ndarray, "L"], right: Int[ndarray, "L"]
) -> int:
    """How many levels below the crotch the gap between the legs is filled with person; 0 where no gap can be seen.

    Trousers part as soon as the legs do; under a skirt the legs are well apart before any background shows.
    """
    person = cv2.erode((alpha > 0.5).astype(np.float32), np.ones((3, 3), np.uint8))
    across = np.linspace(0.15, 0.85, 9, dtype=np.float32)
    steps = figure.points[left] - figure.points[right]
    sideways = steps[0] / max(float(np.linalg.norm(steps[0])), 1e-6)
    apart = steps @ sideways >= max(SMALLEST_GAP_PX, SMALLEST_GAP_M * figure.pixels_per_metre)
    hem = seen = 0
    for level in np.flatnonzero(apart[1:]) + 1:
        points = figure.points[right[level]] + across[:, None] * steps[level]
        if sample_points(person, points).mean() < FILLED:
            break
        seen, hem = seen + 1, int(level) + 1
    return hem if seen >= FEWEST_LEVELS else 0


def _sheet(
    left: Int[ndarray, "L"], right: Int[ndarray, "L"], hem: int
) -> tuple[Int[ndarray, "F 3"], Int[ndarray, "F 3"]]:
    """Triangles between two lines down to a level, facing the viewer who has `right` on the left hand.

    Returns:
        The corners, and for each corner the vertex on `left` at the same level, whose colour it takes in the atlas.
    """
    faces, rows = [], []
    for a in range(hem - 1):
        b = a + 1
        faces += [(right[a], right[b], left[b]), (right[a], left[b], left[a])]
        rows += [(left[a], left[b], left[b]), (left[a], left[b], left[a])]
    return np.array(faces), np.array(rows)


def _with_faces(body: BodyData, faces: Int[ndarray, "N 3"], rows: Int[ndarray, "N 3"]) -> BodyData:
    assert body.uv is not None
    uv_of_vertex = np.zeros((body.num_vertices, 2), np.float32)
    uv_of_vertex[body.faces.ravel()] = body.uv.reshape(-1, 2)
    first = len(body.faces)
    legs = [name for name in body.face_parts if "leg" in name]
    parts = dict(body.face_parts)
    parts[legs[0]] = np.concatenate([parts[legs[0]], np.arange(first, first + len(faces))])
    return replace(
        body,
        faces=np.concatenate([body.faces, faces.astype(body.faces.dtype)]),
        uv=np.concatenate([body.uv, uv_of_vertex[rows]]),
        face_parts=parts,
    )
