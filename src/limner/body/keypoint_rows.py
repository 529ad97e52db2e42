"""Which weighted vertices a skeleton's keypoints are on a given body.

The free body knows every skeleton. An SMPL file knows its 24 joints and perhaps cocoplus19; the other skeletons then
take those rows whose joints bear the same name, and keypoints without one stay empty rows.
"""

from __future__ import annotations

from scipy import sparse

from limner.body.smpl import JOINT_NAMES, BodyData
from limner.pose import SKELETONS
from limner.types import SkeletonName

__all__ = ["keypoint_rows"]


def keypoint_rows(data: BodyData, skeleton: SkeletonName) -> sparse.csr_matrix:
    """Return the keypoints of `skeleton` as weighted sums of posed vertices; an empty row where the body lacks one."""
    if skeleton in data.keypoint_regressors:
        return sparse.csr_matrix(data.keypoint_regressors[skeleton])
    by_name = {name: data.J_regressor[n] for n, name in enumerate(JOINT_NAMES) if name != "head"}
    for known in SKELETONS.keys() & data.keypoint_regressors.keys():
        rows = data.keypoint_regressors[known]
        by_name.update({name: rows[n] for n, name in enumerate(SKELETONS[known].joints)})
    empty = sparse.csr_matrix((1, data.num_vertices))
    return sparse.csr_matrix(sparse.vstack([by_name.get(name, empty) for name in SKELETONS[skeleton].joints]))
