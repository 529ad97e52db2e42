"""A body in SMPL's layout: its constant data, and the differentiable layer that shapes and poses it.

Notation (Loper et al. 2015): T template, S shape directions, P pose directions, J joint regressor, W skinning weights.
The rest body stands in a T pose, y up, facing +z, x to its left, in metres. V vertices, F faces, 24 joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from numpy import ndarray
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from limner.body.rotations import rotmat_from_rotvec
from limner.checks import InputError, ShapeError, check_shape

__all__ = ["JOINT_NAMES", "NUM_JOINTS", "PARENTS", "SMPL", "BodyData", "BodyOutput", "rigid_transforms"]

NUM_JOINTS = 24
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class BodyData:
    """The constant arrays of a body in SMPL's layout, checked when made.

    Attributes:
        name: what messages and files call it: "free" or "smpl:PATH".
        v_template: rest vertices in metres.
        shapedirs: metres a vertex moves for one unit of each shape number.
        posedirs: metres a vertex moves for each number of (R - I) of the joints 1 to 23; None where the body has none.
        J_regressor: joints as weighted sums of the shaped rest vertices.
        weights: skinning weights; every row sums to 1.
        parents: the joint above each joint, -1 for the root; parents come before their children.
        faces: corners of the triangles, anticlockwise seen from outside.
        keypoint_regressors: by skeleton name, keypoints as weighted sums of the POSED vertices.
        uv: texture coordinates of each face's corners in [0, 1], u right, v down; None where the body has no atlas.
        face_parts: ten parts of the body, every face in exactly one.
        face_lists: further lists of faces: "front", "head", "face".
        mirror_vertices: for each vertex the one on the other side; None where unknown.
        licence: the terms the arrays come under.

    Raises:
        ShapeError: arrays that do not fit each other.
        InputError: numbers that are not finite, faces or parents out of range, weights that do not sum to 1, or parts
            that leave faces out or hold them twice.
    """

    name: str
    v_template: Float32[ndarray, "V 3"]
    shapedirs: Float32[ndarray, "V 3 S"]
    posedirs: Float32[ndarray, "V 3 207"] | None
    J_regressor: csr_matrix
    weights: Float32[ndarray, "V 24"]
    parents: Int64[ndarray, "24"]
    faces: Int32[ndarray, "F 3"]
    keypoint_regressors: dict[str, csr_matrix] = field(default_factory=dict)
    uv: Float32[ndarray, "F 3 2"] | None = None
    face_parts: dict[str, ndarray] = field(default_factory=dict)
    face_lists: dict[str, ndarray] = field(default_factory=dict)
    mirror_vertices: ndarray | None = None
    licence: str = "unknown"

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.ascontiguousarray(value, dtype=dtype))
        self._check_shapes()
        self._check_values()
        self._check_parts()

    @property
    def num_vertices(self) -> int:
        """How many vertices the mesh has."""
        return len(self.v_template)

    @property
    def num_betas(self) -> int:
        """How many shape numbers the body takes at most."""
        return self.shapedirs.shape[2]

    def _check_shapes(self) -> None:
        num_vertices, num_faces = len(self.v_template), len(self.faces)
        check_shape(self.v_template, "v_template", ("V", 3))
        check_shape(self.shapedirs, "shapedirs", (num_vertices, 3, "S"))
        check_shape(self.weights, "weights", (num_vertices, NUM_JOINTS))
        check_shape(self.J_regressor, "J_regressor", (NUM_JOINTS, num_vertices))
        check_shape(self.parents, "parents", (NUM_JOINTS,))
        check_shape(self.faces, "faces", ("F", 3))
        if self.posedirs is not None:
            check_shape(self.posedirs, "posedirs", (num_vertices, 3, 9 * (NUM_JOINTS - 1)))
        if self.uv is not None:
            check_shape(self.uv, "uv", (num_faces, 3, 2))
        if self.mirror_vertices is not None:
            check_shape(self.mirror_vertices, "mirror_vertices", (num_vertices,))
        for skeleton, regressor in self.keypoint_regressors.items():
            check_shape(regressor, f"the keypoint regressor {skeleton}", ("K", num_vertices))

    def _check_values(self) -> None:
        for name in ("v_template", "shapedirs", "posedirs", "weights", "uv"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                raise InputError(f"{name} of the body {self.name} holds numbers that are not finite")
        if self.faces.size and (self.faces.min() < 0 or self.faces.max() >= self.num_vertices):
            raise InputError(f"faces of the body {self.name} name vertices outside 0 to {self.num_vertices - 1}")
        if self.parents[0] != -1 or any(not 0 <= p < j for j, p in enumerate(self.parents[1:], start=1)):
            raise InputError(
                f"parents of the body {self.name} must start with -1 and name earlier joints: {self.parents}"
            )
        if self.num_vertices and np.abs(self.weights.sum(1) - 1).max() > 1e-3:
            raise InputError(f"skinning weights of the body {self.name} must sum to 1 for every vertex")

    def _check_parts(self) -> None:
        if not self.face_parts:
            return
        count = np.bincount(np.concatenate(list(self.face_parts.values())), minlength=len(self.faces))
        if len(count) != len(self.faces) or (count != 1).any():
            raise InputError(f"face_parts of the body {self.name} must hold every face exactly once")


_DTYPES = {
    "v_template": np.float32, "shapedirs": np.float32, "posedirs": np.float32, "weights": np.float32, "uv": np.float32,
    "parents": np.int64, "faces": np.int32, "mirror_vertices": np.int64,
}  # fmt: skip


class BodyOutput(NamedTuple):
    """What the layer returns.

    Attributes:
        vertices: posed vertices in metres, in the axes that the root rotation leads to.
        joints: the 24 posed joints of the kinematic chain.
        rotmats: each joint's rotation relative to its parent.
    """

    vertices: Float[Tensor, "N V 3"]
    joints: Float[Tensor, "N 24 3"]
    rotmats: Float[Tensor, "N 24 3 3"]


def rigid_transforms(
    rotmats: Float[Tensor, "N J 3 3"], joints_rest: Float[Tensor, "N J 3"], parents: Sequence[int]
) -> tuple[Float[Tensor, "N J 3"], Float[Tensor, "N J 3 4"]]:
    """Walk the joint tree from the root.

    Args:
        rotmats: each joint's rotation relative to its parent.
        joints_rest: the joints of the rest body, metres.
        parents: the joint above each joint, -1 for the root.

    Returns:
        The posed joints, and for each joint the transform that takes a point of the rest body to its posed place.

    Source: Loper et al. 2015, eqs. 2 to 4.
    """
    check_shape(joints_rest, "joints_rest", ("N", len(parents), 3))
    check_shape(rotmats, "rotmats", (len(joints_rest), len(parents), 3, 3))
    rotations, places = [rotmats[:, 0]], [joints_rest[:, 0]]
    for joint, parent in enumerate(parents[1:], start=1):
        bone = joints_rest[:, joint] - joints_rest[:, parent]
        places.append(places[parent] + (rotations[parent] @ bone[..., None])[..., 0])
        rotations.append(rotations[parent] @ rotmats[:, joint])
    rotation, place = torch.stack(rotations, 1), torch.stack(places, 1)
    shift = place - (rotation @ joints_rest[..., None])[..., 0]
    return place, torch.cat([rotation, shift[..., None]], -1)


class SMPL(nn.Module):
    """The differentiable body layer: shape numbers and rotations to vertices and joints.

    Args:
        data: the body.
        skeletons: pose only the vertices that these keypoint regressors read, many times faster when fitting to
            keypoints; the vertices that come out then fit `keypoints` alone. None poses the whole mesh.
        turn_base: turn the root by diag(1, -1, -1) from the right. Parity: MandyMo/pytorch_HMR always does,
            akanazawa/hmr and svip-lab/impersonator never do; a body vector of one upsets the other.

    The arrays are non-persistent buffers: they move with `.to()` and `.double()` and stay out of checkpoints.

    Source: Loper et al. 2015; checked against the published codes and smplx.
    """

    v_template: Tensor
    shapedirs: Tensor
    posedirs: Tensor | None
    weights: Tensor
    joints_template: Tensor
    joints_shapedirs: Tensor

    def __init__(self, data: BodyData, *, skeletons: Sequence[str] | None = None, turn_base: bool = False) -> None:
        super().__init__()
        self.data, self.turn_base = data, turn_base
        self.parents = tuple(int(p) for p in data.parents)
        kept = slice(None) if skeletons is None else self._vertices_of(skeletons)
        # The joints of any shape are linear in the shape numbers, so the wide regressor is applied once, in float64.
        regressor = data.J_regressor.astype(np.float64)
        wide = data.shapedirs.astype(np.float64).reshape(data.num_vertices, -1)
        arrays = {
            "v_template": data.v_template[kept],
            "shapedirs": data.shapedirs[kept],
            "posedirs": None if data.posedirs is None else data.posedirs[kept],
            "weights": data.weights[kept],
            "joints_template": (regressor @ data.v_template.astype(np.float64)).astype(np.float32),
            "joints_shapedirs": (regressor @ wide).reshape(NUM_JOINTS, 3, -1).astype(np.float32),
        }
        for name, array in arrays.items():
            self.register_buffer(name, None if array is None else torch.from_numpy(np.array(array)), persistent=False)
        for name in data.keypoint_regressors if skeletons is None else skeletons:
            dense = data.keypoint_regressors[name].toarray()[:, kept].astype(np.float32)
            self.register_buffer(f"keypoints_{name}", torch.from_numpy(np.array(dense)), persistent=False)

    def _vertices_of(self, skeletons: Sequence[str]) -> ndarray:
        regressors = [self._regressor(name) for name in skeletons]
        return np.unique(np.concatenate([r.indices[r.data != 0] for r in regressors]))

    def _regressor(self, skeleton: str) -> csr_matrix:
        if skeleton not in self.data.keypoint_regressors:
            known = ", ".join(sorted(self.data.keypoint_regressors)) or "none"
            raise InputError(f"the body {self.data.name} has no keypoints of {skeleton}; it has: {known}")
        return csr_matrix(self.data.keypoint_regressors[skeleton])

    def forward(
        self,
        betas: Float[Tensor, "N S"],
        rotvec: Float[Tensor, "N 24 3"],
        *,
        offsets: Float[Tensor, "V 3"] | Float[Tensor, "N V 3"] | None = None,
    ) -> BodyOutput:
        """Shape and pose the body.

        Args:
            betas: shape numbers; fewer than the body has stand for zeros in the rest.
            rotvec: axis-angle of each joint relative to its parent, the root first.
            offsets: metres added to the shaped rest vertices, for clothes and hair; the joints stay where they are.

        Raises:
            ShapeError: shapes that do not fit, or more shape numbers than the body has.
        """
        check_shape(rotvec, "rotvec", ("N", NUM_JOINTS, 3))
        check_shape(betas, "betas", (len(rotvec), "S"))
        rotmats = rotmat_from_rotvec(rotvec)
        shaped, joints_rest = self.shape_body(betas)
        if offsets is not None:
            shaped = shaped + offsets
        return self.pose_body(shaped, joints_rest, rotmats)

    def shape_body(self, betas: Float[Tensor, "N S"]) -> tuple[Float[Tensor, "N V 3"], Float[Tensor, "N 24 3"]]:
        """Return the rest vertices and the rest joints of these shapes."""
        num_betas = betas.shape[-1]
        if num_betas > self.shapedirs.shape[-1]:
            most = f"(N, {self.shapedirs.shape[-1]})"
            raise ShapeError(f"betas must have at most shape {most}, got {tuple(betas.shape)}", expected=most)
        shaped = self.v_template + torch.einsum("ns,vcs->nvc", betas, self.shapedirs[..., :num_betas])
        joints = self.joints_template + torch.einsum("ns,jcs->njc", betas, self.joints_shapedirs[..., :num_betas])
        return shaped, joints

    def pose_body(
        self,
        shaped: Float[Tensor, "N V 3"],
        joints_rest: Float[Tensor, "N 24 3"],
        rotmats: Float[Tensor, "N 24 3 3"],
    ) -> BodyOutput:
        """Pose shaped rest vertices by rotation matrices: pose directions, joint tree, linear blend skinning."""
        posed = shaped
        if self.posedirs is not None:
            identity = torch.eye(3, dtype=rotmats.dtype, device=rotmats.device)
            feature = (rotmats[:, 1:] - identity).flatten(1)
            posed = posed + (feature @ self.posedirs.flatten(0, 1).T).unflatten(-1, (-1, 3))
        joints, transforms = rigid_transforms(self._turned(rotmats), joints_rest, self.parents)
        blended = (self.weights @ transforms.flatten(2)).unflatten(-1, (3, 4))
        vertices = (blended[..., :3] @ posed[..., None])[..., 0] + blended[..., 3]
        return BodyOutput(vertices, joints, rotmats)

    def _turned(self, rotmats: Tensor) -> Tensor:
        if not self.turn_base:
            return rotmats
        signs = torch.tensor([1.0, -1.0, -1.0], dtype=rotmats.dtype, device=rotmats.device)
        return torch.cat([rotmats[:, :1] * signs, rotmats[:, 1:]], 1)

    def keypoints(self, vertices: Float[Tensor, "N V 3"], skeleton: str) -> Float[Tensor, "N K 3"]:
        """Take the keypoints of a skeleton from posed vertices.

        Raises:
            InputError: the body, or the layer made for other skeletons, has no such keypoints.
        """
        regressor = self.get_buffer(f"keypoints_{skeleton}") if hasattr(self, f"keypoints_{skeleton}") else None
        if regressor is None:
            self._regressor(skeleton)
            raise InputError(f"this layer was made for other skeletons than {skeleton}; name it when making the layer")
        return regressor @ vertices
