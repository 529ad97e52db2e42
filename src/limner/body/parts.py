"""Parts of a body in SMPL's layout, told from its skinning weights and the shape of its rest mesh.

The published part tables belong to files that cannot be shipped and to one mesh. These rules name the same ten parts
on any mesh whose 24 joints mean what SMPL's mean; x is the body's left, y up, z the way it faces.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree

__all__ = ["HEAD_PART", "PART_JOINTS", "face_lists_of", "face_parts_of", "mirror_vertices_of"]

HEAD_PART = "00_head"
PART_JOINTS: dict[str, tuple[int, ...]] = {
    HEAD_PART: (15,),
    "01_arm_left": (16, 18),
    "02_arm_right": (17, 19),
    "03_hand_left": (20, 22),
    "04_hand_right": (21, 23),
    "05_leg_left": (1, 4),
    "06_leg_right": (2, 5),
    "07_foot_left": (7, 10),
    "08_foot_right": (8, 11),
    "09_torso": (0, 3, 6, 9, 12, 13, 14),
}
"""The joints whose bones carry each part; the neck above its joint counts as head."""

_NECK, _HEAD = 12, 15


def face_parts_of(
    vertices: Float[ndarray, "V 3"],
    faces: Int[ndarray, "F 3"],
    weights: Float[ndarray, "V 24"],
    joints: Float[ndarray, "24 3"],
) -> dict[str, Int[ndarray, "N"]]:
    """Give every face to the part whose bones carry its corners most.

    Args:
        vertices: the rest mesh, metres.
        faces: corners of the triangles.
        weights: skinning weights.
        joints: the rest joints, metres.

    Returns:
        Ten parts, each a sorted array of face indices; every face is in exactly one.
    """
    share = np.stack([weights[:, list(joint_ids)].sum(1) for joint_ids in PART_JOINTS.values()], 1)
    names = list(PART_JOINTS)
    # The skin of the neck goes with the face when clothes change, so it moves from the torso to the head.
    neck = np.where(vertices[:, 1] > joints[_NECK, 1], weights[:, _NECK], 0)
    share[:, names.index(HEAD_PART)] += neck
    share[:, names.index("09_torso")] -= neck
    part = share[faces].sum(1).argmax(1)
    return {name: np.flatnonzero(part == index) for index, name in enumerate(names)}


def face_lists_of(
    vertices: Float[ndarray, "V 3"],
    faces: Int[ndarray, "F 3"],
    weights: Float[ndarray, "V 24"],
    joints: Float[ndarray, "24 3"],
) -> dict[str, Int[ndarray, "N"]]:
    """List the faces of the head, its front half and the face proper.

    Returns:
        "head": the head part; "front": its faces that look forward from before its middle, ear to ear; "face": those of
        the front between the chin and the hairline. Head less front is the back of the head.
    """
    head = face_parts_of(vertices, faces, weights, joints)[HEAD_PART]
    if len(head) == 0:
        return {"head": head, "front": head, "face": head}
    corners = vertices[faces[head]].astype(np.float64)
    centre = corners.mean(1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    skull = vertices[weights[:, _HEAD] > 0.5]
    skull = skull if len(skull) else corners.reshape(-1, 3)
    low, high = skull.min(0), skull.max(0)
    # The hairline lies a quarter of the way down from the crown; the chin at the skull's lower end.
    height = (centre[:, 1] - low[1]) / max(high[1] - low[1], 1e-6)
    front = (normal[:, 2] > 0) & (centre[:, 2] > (low[2] + high[2]) / 2)
    face = front & (height > 0) & (height < 0.75) & (normal[:, 2] > 0.2)
    return {"head": head, "front": head[front], "face": head[face]}


def mirror_vertices_of(vertices: Float[ndarray, "V 3"]) -> Int[ndarray, "V"]:
    """Name for each vertex the one nearest to its mirror image in the plane x = 0."""
    return cKDTree(vertices).query(vertices * np.array([-1, 1, 1], vertices.dtype))[1].astype(np.int64)
