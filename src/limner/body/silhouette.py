"""The outline of a body against the mask of the person: what tells how wide somebody is.

The vertices of the outline lie between faces that look at the viewer and faces that look away. From each the mask's
border is sought along the outline's normal. A body that stands out of the mask is wrong; a mask that stands out of the
body may be cloth, so that side pulls less and gives up sooner. Head, hands and feet are left to the keypoints: there
the mask is hair and shoes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse

from limner.body.camera import pixels_from_picture
from limner.body.smpl import JOINT_NAMES, BodyData
from limner.body.sparse_body import SparseBody

__all__ = ["Outline", "outline_vertices", "trace"]

_REACH = 0.1  # metres to either side in which the border is sought
_STEPS = 41
_MOST_POINTS = 240
_LEFT_OUT = ("neck", "head", "hand", "foot", "ankle", "wrist")


@dataclass(frozen=True)
class Outline:
    """Where the outline's vertices should lie, across the outline only.

    Attributes:
        body: the outline's vertices as points.
        normal: outward unit normals in the picture.
        gap: picture frame units from each vertex to the mask's border along its normal; positive where the mask is
            larger.
        target: the border's place along the normal, in picture frame units.
    """

    body: SparseBody
    normal: Float[ndarray, "P 2"]
    gap: Float[ndarray, "P"]
    target: Float[ndarray, "P"]


def outline_vertices(
    flat: Float[ndarray, "V 2"], faces: Int[ndarray, "F 3"]
) -> tuple[Int[ndarray, "P"], Float[ndarray, "P 2"]]:
    """Return the vertices between faces turned to and from the viewer, and outward normals in the picture.

    Args:
        flat: the projected vertices, y down.
        faces: anticlockwise seen from outside.
    """
    corners = flat[faces]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    front = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0] < 0
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(front, 3)
    # A front face's edge whose twin, run through the other way, belongs to a back face.
    code = edges[:, 0].astype(np.int64) * len(flat) + edges[:, 1]
    twin = edges[:, 1].astype(np.int64) * len(flat) + edges[:, 0]
    rim = owner & np.isin(code, twin[~owner])
    start, end = edges[rim, 0], edges[rim, 1]
    along = flat[end] - flat[start]
    # Front faces turn clockwise on a picture whose y runs down, so the body lies to one side of all rim edges.
    outward = np.stack([-along[:, 1], along[:, 0]], axis=1)
    total = np.zeros_like(flat)
    np.add.at(total, start, outward)
    np.add.at(total, end, outward)
    index = np.unique(np.concatenate([start, end]))
    length = np.linalg.norm(total[index], axis=1)
    index, length = index[length > 1e-9], length[length > 1e-9]
    return index, total[index] / length[:, None]


def trace(
    data: BodyData,
    vertices: Float[ndarray, "V 3"],
    camera: Float[ndarray, "3"],
    mask: Float[ndarray, "H W"],
) -> Outline | None:
    """Find the mask's border from the outline of a posed body; None where too little of it is near.

    Args:
        data: the body.
        vertices: metres, camera axes.
        camera: (log s, u, v) of x = s X + u.
        mask: 0 to 1.
    """
    scale = np.exp(camera[0])
    flat = scale * vertices[:, :2] + camera[1:]
    index, normal = outline_vertices(flat, data.faces)
    told = ~np.isin(data.weights[index].argmax(1), _left_out())
    index, normal = index[told], normal[told]
    thin = max(len(index) // _MOST_POINTS, 1)
    index, normal = index[::thin], normal[::thin]
    steps = np.linspace(-_REACH, _REACH, _STEPS) * scale
    along = flat[index][:, None] + steps[:, None] * normal[:, None]  # (P, steps, 2)
    pixels = pixels_from_picture(along, mask.shape).astype(np.float32)
    inside = cv2.remap(mask.astype(np.float32), pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR) > 0.5
    in_picture = ((pixels >= 0) & (pixels <= np.array([mask.shape[1] - 1, mask.shape[0] - 1]))).all((1, 2))
    leaves = inside[:, :-1] & ~inside[:, 1:]
    distance = np.where(leaves, np.abs(steps[:-1] + steps[1:]) / 2, np.inf)
    nearest = distance.argmin(1)
    found = np.isfinite(distance.min(1)) & in_picture
    if found.sum() < 20:
        return None
    index, normal, nearest = index[found], normal[found], nearest[found]
    gap = (steps[nearest] + steps[nearest + 1]) / 2
    rows = sparse.csr_matrix((np.ones(len(index)), (np.arange(len(index)), index)), (len(index), data.num_vertices))
    return Outline(SparseBody(data, rows), normal, gap, (flat[index] * normal).sum(1) + gap)


def _left_out() -> list[int]:
    return [joint for joint, name in enumerate(JOINT_NAMES) if name.endswith(_LEFT_OUT)]
