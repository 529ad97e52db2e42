"""Dress the body: offsets of its skin so that its outline meets the person's mask (clothes, hair, shoes).

Idea: iPERCore's `sil2smpl`; the form here is our own: signed distances along the outline's normals, spread over the
mesh.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from limner.body import BodyData, FastSMPL
from limner.motion.drawn import Figure, draw_figure
from limner.motion.surface import mesh_edges, spread_on_mesh, vertex_normals
from limner.records import Bodies, Keypoints

REACH_OUT_M = 0.16
REACH_IN_M = 0.06
STIFFNESS = 6.0
"""Of an edge, against a confidence of 1 for each pixel of outline: spreads over about three centimetres."""
REST = 0.02
ROUNDS = 3
STEADY = {"face": 6.0, "hands": 3.0}
"""Confidence in no offset at all: the face keeps its features, hands their fingers."""


FACE_POINTS = 11
"""BlazePose's first points: nose, eyes, ears, corners of the mouth."""
EARS = (7, 8)
FACE_SPREAD_M, FACE_HOLD = 0.035, 0.3
FACE_REACH_M, SURE = 0.06, 0.5


def dress_body(
    body: BodyData,
    pose: FastSMPL,
    bodies: Bodies,
    mask: Float32[ndarray, "H W"],
    *,
    keypoints: Keypoints | None = None,
) -> Float32[ndarray, "V 3"]:
    """Find the rest-pose offsets that bring the body's outline onto the edge of a person's mask.

    Args:
        body: the body model.
        pose: its fast layer.
        bodies: the person's body in the picture of the mask.
        mask: how much of each pixel is person.
        keypoints: the person's landmarks in the same picture; those of the face are met exactly.

    Returns:
        (V, 3) metres in the rest pose; for `FastSMPL(..., offsets)`. Where the outline lies against
        another part of the body, or the mask's edge is out of reach, the neighbours decide.
    """
    shaped = body.v_template + body.shapedirs[..., : bodies.betas.shape[1]] @ bodies.betas[0]
    normals = vertex_normals(shaped, body.faces)
    edges = mesh_edges(body.faces)
    steady = _steadiness(body)
    amount = np.zeros(body.num_vertices, np.float32)
    for _ in range(ROUNDS):
        figure = draw_figure(body, pose, bodies, mask.shape, offsets=amount[:, None] * normals)
        owners, distance_m = outline_gaps(figure, body.faces, mask)
        hits = np.bincount(owners, minlength=body.num_vertices).astype(np.float64)
        sums = np.bincount(owners, distance_m, minlength=body.num_vertices)
        wanted = amount + sums / np.maximum(hits, 1)
        confidence = np.minimum(hits, 4.0)
        values = wanted * confidence / np.maximum(confidence + steady, 1e-9)
        amount = spread_on_mesh(
            values[:, None], confidence + steady + REST, edges, np.full(len(edges), STIFFNESS), rest=0.0
        )[:, 0]
    offsets = (amount[:, None] * normals).astype(np.float32)
    if keypoints is None:
        return offsets
    return offsets + _meet_face(body, draw_figure(body, pose, bodies, mask.shape, offsets=offsets), shaped, keypoints)


def _meet_face(
    body: BodyData, figure: Figure, shaped: Float32[ndarray, "V 3"], keypoints: Keypoints
) -> Float32[ndarray, "V 3"]:
    """Offsets, in the picture's plane, that bring eyes, nose and mouth onto their landmarks; the ears stay."""
    regressor = body.keypoint_regressors.get(keypoints.skeleton)
    if keypoints.skeleton != "blazepose33" or regressor is None:
        return np.zeros_like(shaped)
    gaps = keypoints.xy[0] - regressor @ figure.points
    gaps[list(EARS)] = 0  # the far one is guessed, and an ear that moves alone leaves its photo behind
    near = np.linalg.norm(gaps, axis=1) < FACE_REACH_M * figure.pixels_per_metre
    use = np.flatnonzero((np.arange(len(gaps)) < FACE_POINTS) & near & (keypoints.score[0] > SURE))
    away = np.linalg.norm(shaped[:, None] - (regressor @ shaped)[use][None], axis=2)
    weight = np.exp(-0.5 * (away / FACE_SPREAD_M) ** 2)
    moved = (weight @ gaps[use]) / (weight.sum(axis=1, keepdims=True) + FACE_HOLD) / figure.pixels_per_metre
    in_camera = np.concatenate([moved, np.zeros((len(moved), 1))], axis=1)
    turned = np.einsum("vj,jab->vab", body.weights, figure.joint_rotations, optimize=True)
    return np.einsum("vab,va->vb", turned, in_camera).astype(np.float32)


def _steadiness(body: BodyData) -> Float32[ndarray, "V"]:
    steady = np.zeros(body.num_vertices, np.float32)
    hands = [faces for name, faces in body.face_parts.items() if "hand" in name]
    for faces, strength in [(body.face_lists.get("face"), STEADY["face"]), *((f, STEADY["hands"]) for f in hands)]:
        if faces is not None:
            steady[np.unique(body.faces[faces])] = strength
    return steady


def outline_gaps(
    figure: Figure, faces: Int[ndarray, "F 3"], mask: Float32[ndarray, "H W"]
) -> tuple[Int[ndarray, "M"], Float32[ndarray, "M"]]:
    """Measure, along the outline of a drawn body, how far the mask's edge lies outside (+) or inside (-), in metres.

    Returns:
        The vertex next to each measured pixel of the outline, and the distance.
    """
    rows, columns, normal = _outline(figure)
    gaps, found = _march(figure, rows, columns, normal, mask)
    rows, columns, gaps = rows[found], columns[found], gaps[found]
    face = figure.raster.face_index[rows, columns]
    corner = figure.raster.weights[rows, columns].argmax(axis=1)
    return faces[face, corner].astype(np.int64), (gaps / figure.pixels_per_metre).astype(np.float32)


def _outline(figure: Figure) -> tuple[ndarray, ndarray, Float32[ndarray, "M 2"]]:
    """Pixels of the body that touch the background, and the outward direction there as (x, y)."""
    covered = figure.covered.astype(np.uint8)
    inner = cv2.erode(covered, np.ones((3, 3), np.uint8), borderValue=1)
    rows, columns = np.nonzero(covered & (1 - inner))
    soft = cv2.GaussianBlur(covered.astype(np.float32), (0, 0), 2.0)
    slope = np.stack([cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)], axis=-1)
    normal = -slope[rows, columns]
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    keep = length[:, 0] > 1e-4
    return rows[keep], columns[keep], normal[keep] / length[keep]


def _march(
    figure: Figure, rows: ndarray, columns: ndarray, normal: Float32[ndarray, "M 2"], mask: Float32[ndarray, "H W"]
) -> tuple[Float32[ndarray, "M"], ndarray]:
    """Walk from the outline along its normal to where the mask falls below a half."""
    reach_out, reach_in = REACH_OUT_M * figure.pixels_per_metre, REACH_IN_M * figure.pixels_per_metre
    steps = np.arange(-np.ceil(reach_in), np.ceil(reach_out) + 1, dtype=np.float32)
    x = columns[:, None] + normal[:, :1] * steps
    y = rows[:, None] + normal[:, 1:] * steps
    inside = _sample(mask, x, y) > 0.5
    bare = _sample(figure.covered.astype(np.float32), x, y) < 0.5
    origin = int(np.ceil(reach_in))
    outward = inside[:, origin:]
    first_out = np.where((~outward).any(1), (~outward).argmax(1), -1)
    # A walk that meets the body again has crossed to another limb: no edge of cloth between.
    ahead = np.arange(outward.shape[1])[None] <= first_out[:, None]
    blocked = ((~bare[:, origin + 3 :]) & ahead[:, 3:]).any(1)
    inward = inside[:, origin::-1]
    first_in = np.where(inward.any(1), inward.argmax(1), -1)
    starts_inside = inside[:, origin]
    gaps = np.where(starts_inside, first_out - 0.5, -first_in + 0.5)
    found = np.where(starts_inside, (first_out >= 0) & ~blocked, first_in >= 0)
    height, width = mask.shape
    margin = (columns > 1) & (columns < width - 2) & (rows > 1) & (rows < height - 2)
    return gaps.astype(np.float32), found & margin


def _sample(image: Float32[ndarray, "H W"], x: ndarray, y: ndarray) -> Float32[ndarray, "M S"]:
    return cv2.remap(image, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderValue=0)
