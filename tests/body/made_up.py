"""A small made-up body for tests: 120 vertices round 24 joints, in the layout of an SMPL file."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from limner.body import JOINT_NAMES, PARENTS, BodyData

JOINTS = np.array([
    (0, 0, 0), (0.08, -0.08, 0), (-0.08, -0.08, 0), (0, 0.1, 0), (0.1, -0.48, 0), (-0.1, -0.48, 0), (0, 0.24, 0),
    (0.1, -0.9, -0.03), (-0.1, -0.9, -0.03), (0, 0.3, 0), (0.11, -0.95, 0.1), (-0.11, -0.95, 0.1), (0, 0.52, 0),
    (0.08, 0.44, 0), (-0.08, 0.44, 0), (0, 0.6, 0.03), (0.18, 0.45, 0), (-0.18, 0.45, 0), (0.44, 0.44, 0),
    (-0.44, 0.44, 0), (0.7, 0.45, 0), (-0.7, 0.45, 0), (0.78, 0.45, 0), (-0.78, 0.45, 0),
])  # fmt: skip
EACH = 5


def smpl_arrays(num_betas: int = 10) -> dict[str, np.ndarray]:
    """The arrays of an SMPL file under their official names: five vertices round every joint."""
    rng = np.random.default_rng(7)
    vertices = np.repeat(JOINTS, EACH, 0) + rng.normal(0, 0.03, (24 * EACH, 3))
    weights = np.repeat(np.eye(24), EACH, 0)
    weights = 0.8 * weights + 0.2 * weights[:, np.maximum(PARENTS, 0)]
    weights /= weights.sum(1, keepdims=True)
    parents = np.array(PARENTS, np.int64)
    parents[0] = 2**32 - 1
    return {
        "v_template": vertices,
        "shapedirs": rng.normal(0, 0.01, (24 * EACH, 3, num_betas)),
        "posedirs": rng.normal(0, 0.002, (24 * EACH, 3, 207)),
        "J_regressor": np.repeat(np.eye(24), EACH, 1) / EACH,
        "weights": weights,
        "kintree_table": np.stack([parents, np.arange(24)]).astype(np.uint32),
        "f": rng.permutation(24 * EACH).reshape(-1, 3).astype(np.uint32),
    }


def small_body(*, with_pose: bool = True, skeleton: str = "lsp14") -> BodyData:
    """The made-up body as a record, with 14 made-up keypoints."""
    arrays = smpl_arrays()
    assert len(JOINT_NAMES) == len(JOINTS)
    return BodyData(
        name="made-up",
        v_template=arrays["v_template"],
        shapedirs=arrays["shapedirs"],
        posedirs=arrays["posedirs"] if with_pose else None,
        J_regressor=csr_matrix(arrays["J_regressor"]),
        weights=arrays["weights"],
        parents=np.array(PARENTS),
        faces=arrays["f"],
        keypoint_regressors={skeleton: csr_matrix(arrays["J_regressor"][3:17])},
    )
