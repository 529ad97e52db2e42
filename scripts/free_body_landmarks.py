"""Joints and keypoints of the free body as sparse weighted sums of vertices, for `build_free_body.py`.

Every row is found by non-negative least squares over vertices round the point: on the mean body, on all shape
directions and, for keypoints, on random poses, so that the sum follows the point when the body is posed. Left rows
are fitted, right rows are their mirror images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from free_body_anatomy import JOINT_NAMES, PARENTS
from free_body_posing import Family
from numpy.typing import NDArray
from scipy.optimize import nnls

if TYPE_CHECKING:
    from build_free_body import Source

Array = NDArray[np.float64]
NUM_CANDIDATES = 640
NUM_POSES = 16
MEAN_COUNTS = 2.0  # how much more the mean body counts than each shape direction
_FLIP = np.array([-1.0, 1, 1])

# Keypoints inside the body: the joint they lie by, the joint they move with, metres to add (left side).
INNER = {
    "shoulder": ("shoulder", "collar", (-0.008, 0.02, 0.0)),
    "elbow": ("elbow", "shoulder", (0.0, 0.0, 0.0)),
    "wrist": ("wrist", "elbow", (0.0, 0.0, 0.0)),
    "hip": ("hip", "pelvis", (0.009, -0.012, 0.01)),
    "knee": ("knee", "hip", (0.0, 0.0, 0.0)),
    "ankle": ("ankle", "knee", (0.0, 0.0, 0.0)),
}
# Knuckles: heads of finger bones, moving with the hand.
KNUCKLES = {"index": "finger2-1.L", "pinky": "finger5-1.L", "thumb": "finger1-2.L"}


def random_poses(seed: int) -> Array:
    """Return rotations (P, 24, 3, 3) of every joint by up to about a radian."""
    from scipy.spatial.transform import Rotation

    rotvec = np.random.default_rng(seed).normal(0, 0.35, (NUM_POSES * 24, 3))
    return Rotation.from_rotvec(rotvec).as_matrix().reshape(NUM_POSES, 24, 3, 3)


def joint_transforms(joints: Array, rotations: Array) -> Array:
    """Return for each joint the (24, 3, 4) transform from the rest body to its posed place."""
    turns, places = [rotations[0]], [joints[0]]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        places.append(places[parent] + turns[parent] @ (joints[joint] - joints[parent]))
        turns.append(turns[parent] @ rotations[joint])
    turns, places = np.stack(turns), np.stack(places)
    return np.concatenate([turns, (places - np.einsum("jab,jb->ja", turns, joints))[..., None]], -1)


def skin(points: Array, weights: Array, transforms: Array) -> Array:
    """Linear blend skinning of points with their weights."""
    blended = np.einsum("vj,jab->vab", weights, transforms)
    return np.einsum("vab,vb->va", blended[..., :3], points) + blended[..., 3]


def nonnegative_row(candidates: Array, target: Array) -> Array:
    """Weights (C,), none negative, sum 1, with which candidates (E, C, 3) come closest to the target (E, 3)."""
    heavy = 30.0
    matrix = np.moveaxis(candidates, 1, -1).reshape(-1, candidates.shape[1])
    matrix = np.concatenate([matrix, np.full((1, matrix.shape[1]), heavy)])
    row, _ = nnls(matrix, np.append(target.ravel(), heavy), maxiter=20 * matrix.shape[1])
    row[row < 1e-3] = 0
    return row / row.sum()


def slab(shapes: Family, weights: Array, joint: str) -> NDArray[np.int64]:
    """Vertices on the ring round a joint that move with it or its parent, those nearest across the bone first."""
    index = JOINT_NAMES.index(joint)
    parent = max(PARENTS[index], 0)
    joints, mean = shapes.joints[0], shapes.vertices[0]
    child = next((j for j, p in enumerate(PARENTS) if p == index), None)
    axis = joints[index] - joints[parent] if child is None else joints[child] - joints[index]
    if index in (0, 1, 2):
        axis = np.array([0.0, 1, 0])
    own = weights[:, index] + weights[:, parent] > 0.2
    away = mean - joints[index]
    axis = axis / np.linalg.norm(axis)
    across = np.abs(away @ axis) + 0.2 * np.linalg.norm(away, axis=1) + np.where(own, 0, 10)
    order = np.argsort(across, kind="stable")
    return order[:NUM_CANDIDATES]


def spread(row: Array, chosen: NDArray[np.int64], partner: NDArray[np.int64], *, middle: bool) -> Array:
    """Write a row over all vertices; one on the body's middle is averaged with its mirror image."""
    full = np.zeros(len(partner))
    full[chosen] = row
    return (full + full[partner]) / 2 if middle else full


def fit_joint_regressor(shapes: Family, weights: Array, partner: NDArray[np.int64]) -> tuple[sp.csr_matrix, float]:
    """Rows (24, V) that give the joints of every shape, and the mean distance from anny's over the adults in mm.

    anny moves some bones past the skin round them (the mid spine most, the knees next); a row of ring vertices follows
    the skin there, which is where the joint has to be for posing.
    """
    rows = np.zeros((24, len(partner)))
    for index, joint in enumerate(JOINT_NAMES):
        if joint.startswith("right_"):
            left = JOINT_NAMES.index("left_" + joint[6:])
            rows[index] = rows[left][partner]
            continue
        chosen = slab(shapes, weights, joint)
        candidates, target = np.array(shapes.vertices[:, chosen]), np.array(shapes.joints[:, index])
        candidates[0], target[0] = MEAN_COUNTS * candidates[0], MEAN_COUNTS * target[0]
        row = nonnegative_row(candidates, target)
        rows[index] = spread(row, chosen, partner, middle=not joint.startswith("left_"))
    off = rows @ shapes.vertices - shapes.joints  # betas are independent: squares of the directions' errors add up
    error = np.sqrt((off**2).sum((0, 2)))
    print("joints, mm:", dict(zip(JOINT_NAMES, (error * 1e3).round(1).tolist(), strict=True)))
    return sp.csr_matrix(rows), float(error.mean() * 1e3)


def fit_posed(
    shapes: Family, weights: Array, chosen: NDArray[np.int64], target: Array, anchor: int
) -> tuple[Array, float]:
    """Fit a row to a point given in the rest body (1 + S, 3) that moves with joint `anchor`; also its error in mm."""
    vertices, joints = shapes.vertices, shapes.joints[0]
    seen, wanted = [vertices[:, chosen]], [target]
    for rotations in random_poses(7):
        transforms = joint_transforms(joints, rotations)
        back = rotations[0].T  # turns of the whole body teach nothing
        seen.append((skin(vertices[0][chosen], weights[chosen], transforms) @ back.T)[None])
        wanted.append((transforms[anchor, :, :3] @ target[0] + transforms[anchor, :, 3])[None] @ back.T)
    seen, wanted = np.concatenate(seen), np.concatenate(wanted)
    row = nonnegative_row(seen, wanted)
    return row, float(np.linalg.norm(np.einsum("c,ecx->ex", row, seen) - wanted, axis=1).mean() * 1e3)


def with_offset(points: Array, offset: tuple[float, float, float]) -> Array:
    """Move the point on the mean body; the shape directions stay."""
    moved = np.array(points)
    moved[0] += offset
    return moved


def inner_rows(shapes: Family, weights: Array, partner: NDArray[np.int64], bone_names: list[str]) -> tuple[dict, float]:
    """Rows of all keypoints that lie inside the body, left and middle, and the largest mean error in mm."""
    rows, errors = {}, []

    def fit(name: str, near: str, target: Array, anchor: str) -> None:
        chosen = slab(shapes, weights, near)
        row, error = fit_posed(shapes, weights, chosen, target, JOINT_NAMES.index(anchor))
        rows[name] = spread(row, chosen, partner, middle=not name.startswith(("left_", "smpl_left_")))
        errors.append(error)

    for index, joint in enumerate(JOINT_NAMES):
        if not joint.startswith("right_"):
            fit(f"smpl_{joint}", joint, shapes.joints[:, index], JOINT_NAMES[max(PARENTS[index], 0)])
    for name, (joint, anchor, offset) in INNER.items():
        index = JOINT_NAMES.index(f"left_{joint}")
        anchor = anchor if anchor in JOINT_NAMES else f"left_{anchor}"
        fit(f"left_{name}", f"left_{joint}", with_offset(shapes.joints[:, index], offset), anchor)
    for name, bone in KNUCKLES.items():
        near = "left_wrist" if name == "thumb" else "left_hand"
        fit(f"left_{name}", near, shapes.bones[:, bone_names.index(bone)], "left_wrist")
    return rows, max(errors)


def surface_points(shapes: Family, weights: Array, source: Source) -> dict[str, NDArray[np.int64]]:
    """Vertices of the keypoints on the skin, left and middle."""
    mean, faces = shapes.vertices[0], source.faces
    in_head = np.zeros(len(mean), bool)
    in_head[faces[source.labels["head"]]] = True
    lid = np.asarray(source.lid_left)
    x, y, z = mean.T

    def best(score: Array, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.array([np.where(allowed, score, -np.inf).argmax()])

    middle = np.abs(x) < 1e-4
    mouth = np.asarray(source.mouth_rim)
    eye_y = y[lid].mean()
    left_foot = weights[:, 7] + weights[:, 10] > 0.5
    low = left_foot & (y < y[left_foot].min() + 0.03)
    toe_x = np.ptp(x[low])
    outer, inner = x[low].max(), x[low].min()
    return {
        "nose": best(z, middle & in_head & (y < eye_y) & (y > y[mouth].max() + 0.01)),
        "head_top": best(y, middle & in_head),
        "chin": best(z - 0.5 * y, middle & in_head & (y < y[mouth].min() - 0.02)),
        "left_eye_inner": lid[[x[lid].argmin()]],
        "left_eye_outer": lid[[x[lid].argmax()]],
        "left_eye": lid,
        "left_mouth": mouth[[x[mouth].argmax()]],
        "left_ear": best(x - 0.5 * np.abs(y - eye_y + 0.02), in_head),
        "left_heel": best(-z - 0.5 * y, low),
        "left_big_toe": best(z, low & (x < inner + 0.4 * toe_x)),
        "left_small_toe": best(z + 0.8 * x, low & (x > outer - 0.25 * toe_x)),
    }


def derived_rows(rows: dict[str, Array]) -> dict[str, Array]:
    """Keypoints between others."""
    mid_hip = (rows["left_hip"] + rows["right_hip"]) / 2
    mid_shoulder = (rows["left_shoulder"] + rows["right_shoulder"]) / 2
    mouth = (rows["left_mouth"] + rows["right_mouth"]) / 2
    neck, head = rows["smpl_neck"], rows["smpl_head"]
    return {
        "pelvis": mid_hip,
        "mid_shoulder": mid_shoulder,
        "thorax": 0.7 * mid_shoulder + 0.3 * neck,
        "neck": 0.4 * mid_shoulder + 0.6 * neck,
        "upper_neck": 0.3 * neck + 0.7 * head,
        "spine": rows["smpl_spine2"],
        "jaw": 0.6 * mouth + 0.4 * head,
    }


def fit_landmarks(
    shapes: Family, weights: Array, partner: NDArray[np.int64], source
) -> tuple[list[str], sp.csr_matrix, float]:
    """Names and rows (K, V) of every keypoint the skeletons need, and the largest mean error of a fitted one in mm."""
    rows, error = inner_rows(shapes, weights, partner, source.bone_names)
    for name, vertices in surface_points(shapes, weights, source).items():
        row = np.zeros(len(partner))
        row[vertices] = 1 / len(vertices)
        rows[name] = row
    for name in [n for n in rows if "left_" in n]:
        rows[name.replace("left_", "right_")] = rows[name][partner]
    rows |= derived_rows(rows)
    names = sorted(rows)
    return names, sp.csr_matrix(np.stack([rows[n] for n in names])), error
