"""The few points of a body that keypoints touch, with their derivatives: what the fitter moves instead of the mesh.

A keypoint is a weighted sum of skinned vertices, so it is also a sum over bones of one point a bone:

    p_k = sum_j G_j (A_kj + B_kj beta) + m_kj P_j

with G_j the world rotation of joint j, P_j its place, m_kj the share of bone j in keypoint k, and A, B the keypoint's
weighted vertices about the joint. 33 keypoints x 24 bones replace some ten thousand vertices, and every derivative is a
cross product. Pose blend shapes are left out: they move a keypoint by millimetres.

Notation: T frames, K keypoints, J = 24 joints, S betas; camera axes (x right, y down, z away), metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import sparse

from limner.body import blas
from limner.body.smpl import NUM_JOINTS, BodyData

__all__ = ["PosedPoints", "SparseBody"]


@dataclass(frozen=True)
class PosedPoints:
    """Keypoints of a posed sparse body, with what their derivatives need.

    Attributes:
        points: keypoints, metres, camera axes, the root joint where the shaped rest body has it.
        world: rotation of every joint in camera axes.
        places: positions of the joints.
        carried: what each bone adds to each keypoint.
    """

    points: Float[ndarray, "T K 3"]
    world: Float[ndarray, "T 24 3 3"]
    places: Float[ndarray, "T 24 3"]
    carried: Float[ndarray, "T K 24 3"]


class SparseBody:
    """Keypoints of a body in SMPL's layout as a function of rotations and betas.

    Args:
        data: the body.
        regressor: keypoints from posed vertices; rows sum to 1, or to 0 where the body lacks the keypoint.
    """

    def __init__(self, data: BodyData, regressor: sparse.csr_matrix) -> None:
        regressor = sparse.csr_matrix(regressor)
        used = np.unique(regressor.indices)
        dense = regressor[:, used].toarray()  # (K, U)
        skin = data.weights[used].astype(np.float64)
        rest, directions = data.v_template[used].astype(np.float64), data.shapedirs[used].astype(np.float64)
        flat = data.shapedirs.reshape(data.num_vertices, -1).astype(np.float64)
        joints = np.asarray(data.J_regressor @ data.v_template.astype(np.float64))
        joints_by_beta = np.asarray(data.J_regressor @ flat).reshape(NUM_JOINTS, 3, -1)
        self.parents, self.num_betas = data.parents, data.num_betas
        self.share = dense @ skin  # (K, 24)
        self.about = blas.einsum("ku,uj,uc->kjc", dense, skin, rest)
        self.about -= self.share[..., None] * joints
        self.about_by_beta = blas.einsum("ku,uj,ucs->kjcs", dense, skin, directions)
        self.about_by_beta -= self.share[..., None, None] * joints_by_beta
        self.joints, self.joints_by_beta = joints, joints_by_beta
        self.present = np.asarray(regressor.sum(1)).ravel() > 0.5
        self.below = self._descendants()

    def _descendants(self) -> ndarray:
        """Return (24, 24): 1 where the column's joint is the row's joint or hangs below it."""
        below = np.eye(NUM_JOINTS)
        for joint in range(NUM_JOINTS - 1, 0, -1):
            below[self.parents[joint]] += below[joint]
        return below

    def rest_joints(self, betas: Float[ndarray, "S"]) -> Float[ndarray, "24 3"]:
        """Return the joints of the shaped rest body in metres."""
        return self.joints + self.joints_by_beta @ betas

    def pose(self, rotmats: Float[ndarray, "T 24 3 3"], betas: Float[ndarray, "S"]) -> PosedPoints:
        """Return the keypoints for rotations relative to the parents (the root in camera axes) and one set of betas."""
        joints = self.rest_joints(betas)
        about = self.about + self.about_by_beta @ betas  # (K, 24, 3)
        world = np.empty_like(rotmats)
        places = np.empty((len(rotmats), NUM_JOINTS, 3))
        world[:, 0], places[:, 0] = rotmats[:, 0], joints[0]
        for joint in range(1, NUM_JOINTS):
            parent = self.parents[joint]
            world[:, joint] = world[:, parent] @ rotmats[:, joint]
            places[:, joint] = places[:, parent] + world[:, parent] @ (joints[joint] - joints[parent])
        carried = blas.einsum("tjab,kjb->tkja", world, about)
        carried += self.share[..., None] * places[:, None]
        return PosedPoints(carried.sum(2), world, places, carried)

    def by_rotations(self, posed: PosedPoints, joints: ndarray) -> Float[ndarray, "T K 3 D"]:
        """Return the derivative of the keypoints by turns of `joints` in their own axes, three columns a joint."""
        below = self.below[joints]  # (n, 24)
        arm = blas.einsum("nj,tkja->tkna", below, posed.carried)
        arm -= (self.share @ below.T)[..., None] * posed.places[:, None, joints]
        axes = posed.world[:, joints]  # (T, n, 3, 3): columns are the joint's own axes
        out = np.empty((*arm.shape[:2], 3, len(joints), 3))
        for a in range(3):
            b, c = (a + 1) % 3, (a + 2) % 3
            out[:, :, a] = axes[:, None, :, b] * arm[..., c, None] - axes[:, None, :, c] * arm[..., b, None]
        return out.reshape(*arm.shape[:2], 3, -1)

    def by_betas(self, posed: PosedPoints) -> Float[ndarray, "T K 3 S"]:
        """Return the derivative of the keypoints by the betas."""
        shift = np.empty((len(posed.points), NUM_JOINTS, 3, self.num_betas))
        shift[:, 0] = self.joints_by_beta[0]
        for joint in range(1, NUM_JOINTS):
            parent = self.parents[joint]
            bone = self.joints_by_beta[joint] - self.joints_by_beta[parent]
            shift[:, joint] = shift[:, parent] + posed.world[:, parent] @ bone
        out = blas.einsum("tjab,kjbs->tkas", posed.world, self.about_by_beta)
        return out + blas.einsum("kj,tjas->tkas", self.share, shift)
