"""The body that made-up people are drawn with: a body of the registry, with a skirt and long hair sewn on.

Both are sheets of vertices that follow the hips, legs and head as the skin does; people without them leave their faces
out. Rest body as in docs/conventions.md: T pose, y up, facing +z, x to its left, metres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, Int32
from numpy import ndarray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from limner.body import JOINT_NAMES, NUM_JOINTS, BodyData, FastSMPL, load_body
from limner.pose import SKELETONS

__all__ = ["Mannequin", "Sheet", "load_mannequin"]

_J = {name: joint for joint, name in enumerate(JOINT_NAMES)}
_AROUND = 36
_GAP_M = 0.012  # between the skin and a sheet


@dataclass(frozen=True, eq=False)
class Sheet:
    """Rows of vertices from top to bottom, each going round the body.

    Attributes:
        vertices: (rows, around) numbers of the vertices in the mannequin.
        faces: (rows - 1, N, 3) corners of the triangles between neighbouring rows.
        heights: (rows,) y of each row, metres.
    """

    vertices: Int32[ndarray, "R A"]
    faces: Int32[ndarray, "rows N 3"]
    heights: Float[ndarray, "R"]

    def down_to(self, height: float) -> Int32[ndarray, "F 3"]:
        """Return the faces above a height."""
        rows = max(int((self.heights > height).sum()) - 1, 1)
        return self.faces[:rows].reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class Mannequin:
    """A body with a skirt and hair.

    Attributes:
        body: the body itself.
        layer: poses all vertices, the body's first.
        points: rest vertices of the mean shape.
        normals: their unit normals.
        joints: rest joints of the mean shape.
        marks: rest points of the face by BlazePose's names.
        skirt: from the waist to the ankles.
        hair: from the crown to the middle of the back.
        limb: for each vertex 0 on the trunk, 1 on arms and hands, 2 on legs and feet, 3 on head and neck, 4 on a skirt,
            5 on the long hair.
    """

    body: BodyData
    layer: FastSMPL
    points: Float32[ndarray, "V 3"]
    normals: Float32[ndarray, "V 3"]
    joints: Float32[ndarray, "24 3"]
    marks: dict[str, Float[ndarray, "3"]]
    skirt: Sheet
    hair: Sheet
    limb: Int32[ndarray, "V"]

    def joint(self, name: str) -> Float32[ndarray, "3"]:
        """Return the rest place of a joint."""
        return self.joints[_J[name]]


@lru_cache(maxsize=2)
def load_mannequin(name: str = "free") -> Mannequin:
    """Sew a skirt and hair onto a body of the registry, once per process."""
    from limner.render import vertex_normals

    body = load_body(name)
    joints = np.asarray(body.J_regressor @ body.v_template, np.float32)
    limb = _limbs(body.weights)
    skirt_points = _skirt_points(body, joints, limb)
    hair_points = _hair_points(body, joints, limb)
    count, skirt_size = body.num_vertices, skirt_points.shape[0] * skirt_points.shape[1]
    skirt = _sheet(skirt_points, count, closed=True)
    hair = _sheet(hair_points, count + skirt_size, closed=False)
    added = np.concatenate([skirt_points.reshape(-1, 3), hair_points.reshape(-1, 3)]).astype(np.float32)
    weights = np.concatenate(
        [_skirt_weights(skirt_points.reshape(-1, 3), joints), _hair_weights(hair_points.reshape(-1, 3), joints)]
    )
    data = _extended(body, added, weights, limb, (skirt, hair))
    keypoints = body.keypoint_regressors["blazepose33"] @ body.v_template
    return Mannequin(
        body=body,
        layer=FastSMPL(data),
        points=data.v_template,
        normals=vertex_normals(data.v_template, data.faces),
        joints=joints,
        marks=dict(zip(SKELETONS["blazepose33"].joints, keypoints, strict=True)),
        skirt=skirt,
        hair=hair,
        limb=np.concatenate([limb, np.repeat([4, 5], [skirt_size, len(added) - skirt_size])]).astype(np.int32),
    )


def _limbs(weights: Float32[ndarray, "V 24"]) -> Int32[ndarray, "V"]:
    groups = np.zeros(NUM_JOINTS, np.int32)
    for joint, name in enumerate(JOINT_NAMES):
        if name.endswith(("shoulder", "elbow", "wrist", "hand")):
            groups[joint] = 1
        elif name.endswith(("hip", "knee", "ankle", "foot")):
            groups[joint] = 2
        elif name in ("neck", "head"):
            groups[joint] = 3
    return groups[weights.argmax(1)]


def _support(points: ndarray, middle: ndarray, angles: ndarray) -> Float[ndarray, "A"]:
    """Return how far the points reach from the middle in each direction (x, z): the radii of their hull."""
    away = points[:, [0, 2]] - middle
    return (away @ np.stack([np.sin(angles), np.cos(angles)])).max(0)


def _hull_rows(points: ndarray, heights: ndarray, angles: ndarray, middle: ndarray) -> Float[ndarray, "R A 3"]:
    """Return rings round the points at each height that never get narrower downwards."""
    widest = np.zeros(len(angles))
    rows = []
    for height in heights:
        near = points[np.abs(points[:, 1] - height) < 0.03]
        if len(near):
            widest = np.maximum(widest, _support(near, middle, angles))
        radius = widest + _GAP_M
        x, z = middle[0] + radius * np.sin(angles), middle[1] + radius * np.cos(angles)
        rows.append(np.stack([x, np.full_like(x, height), z], 1))
    return np.stack(rows)


def _skirt_points(body: BodyData, joints: ndarray, limb: ndarray) -> Float[ndarray, "R A 3"]:
    own = body.v_template[(limb == 0) | (limb == 2)]
    top, bottom = joints[_J["spine2"], 1], joints[_J["left_ankle"], 1] + 0.02
    angles = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    # Feet reach far to the front and are left out.
    own = own[own[:, 1] > bottom]
    return _hull_rows(own, np.linspace(top, bottom, 28), angles, np.array([0.0, joints[_J["pelvis"], 2]]))


def _hair_points(body: BodyData, joints: ndarray, limb: ndarray) -> Float[ndarray, "R A 3"]:
    head = body.v_template[limb == 3]
    chest = body.v_template[(limb == 0) & (np.abs(body.v_template[:, 0]) < 0.1)]
    top = head[:, 1].max() - 0.035
    heights = np.linspace(top, joints[_J["spine3"], 1] - 0.08, 16)
    # Round the back, from before one ear to before the other.
    angles = np.pi + np.radians(np.linspace(-105, 105, 20))
    middle = np.array([0.0, 0.5 * (head[:, 2].min() + head[:, 2].max()) - 0.01])
    rows = _hull_rows(np.concatenate([head, chest]), heights, angles, middle)
    rows[..., [0, 2]] += 0.006 * (rows[..., [0, 2]] - middle) / 0.09
    return rows


def _step(low: float, high: float, value: ndarray) -> ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _skirt_weights(points: ndarray, joints: ndarray) -> Float32[ndarray, "N 24"]:
    hip, knee = joints[_J["left_hip"], 1], joints[_J["left_knee"], 1]
    legs = 0.92 * _step(hip + 0.06, hip - 0.22, points[:, 1])
    left = _step(-0.11, 0.11, points[:, 0])
    below = 0.8 * _step(knee + 0.08, knee - 0.12, points[:, 1])
    weights = np.zeros((len(points), NUM_JOINTS), np.float32)
    for side, share in (("left", left), ("right", 1 - left)):
        weights[:, _J[f"{side}_hip"]] = legs * share * (1 - below)
        weights[:, _J[f"{side}_knee"]] = legs * share * below
    trunk = _step(hip + 0.05, joints[_J["spine1"], 1] + 0.05, points[:, 1])
    weights[:, _J["spine1"]] = (1 - legs) * trunk
    weights[:, _J["pelvis"]] = (1 - legs) * (1 - trunk)
    return weights


def _hair_weights(points: ndarray, joints: ndarray) -> Float32[ndarray, "N 24"]:
    head = _step(joints[_J["spine3"], 1], joints[_J["head"], 1] - 0.02, points[:, 1])
    weights = np.zeros((len(points), NUM_JOINTS), np.float32)
    weights[:, _J["head"]], weights[:, _J["spine3"]] = head, 1 - head
    return weights


def _sheet(points: Float[ndarray, "R A 3"], first: int, *, closed: bool) -> Sheet:
    rows, around = points.shape[:2]
    numbers = first + np.arange(rows * around).reshape(rows, around)
    right = np.roll(numbers, -1, 1) if closed else numbers[:, 1:]
    left = numbers if closed else numbers[:, :-1]
    a, b, c, d = left[:-1], right[:-1], left[1:], right[1:]
    # Angles run anticlockwise seen from above, so these corners run anticlockwise seen from outside.
    faces = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 1)
    return Sheet(numbers.astype(np.int32), faces.astype(np.int32), points[:, 0, 1])


def _extended(body: BodyData, added: ndarray, weights: ndarray, limb: ndarray, sheets: tuple[Sheet, Sheet]) -> BodyData:
    """Return the body with vertices added; they take the shape directions of the skin next to them, without hands."""
    skin = np.flatnonzero(limb != 1)
    near = skin[cKDTree(body.v_template[skin]).query(added, k=8)[1]]
    total = body.num_vertices + len(added)
    regressor = csr_matrix(
        (body.J_regressor.data, body.J_regressor.indices, body.J_regressor.indptr), shape=(NUM_JOINTS, total)
    )
    pose = body.posedirs
    return replace(
        body,
        v_template=np.concatenate([body.v_template, added]),
        shapedirs=np.concatenate([body.shapedirs, body.shapedirs[near].mean(1)]),
        posedirs=None if pose is None else np.concatenate([pose, np.zeros((len(added), *pose.shape[1:]), np.float32)]),
        J_regressor=regressor,
        weights=np.concatenate([body.weights, weights]),
        faces=np.concatenate([body.faces, *(sheet.faces.reshape(-1, 3) for sheet in sheets)]),
        keypoint_regressors={},
        uv=None,
        face_parts={},
        face_lists={},
        mirror_vertices=None,
    )
