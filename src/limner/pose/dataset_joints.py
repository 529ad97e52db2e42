"""Joints of the training sets: their orders as index maps, and the scale that makes their people about 150 pixels tall.

Arrays keep the sets' own layout (x, y, flag) because the meaning of the flag differs from set to set.
Source: Kanazawa et al. 2018 (HMR) and the authors' conversion of the data sets.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

# Places of LSP's 14 joints (right ankle ... left wrist, neck, head top) in other orders.
LSP_FROM_MPI_INF_3DHP_28: Int64[ndarray, 14] = np.array([25, 24, 23, 18, 19, 20, 16, 15, 14, 9, 10, 11, 5, 7])
LSP_FROM_MPI_INF_3DHP_17: Int64[ndarray, 14] = np.array([10, 9, 8, 11, 12, 13, 4, 3, 2, 5, 6, 7, 1, 0])
LSP_FROM_MPII: Int64[ndarray, 14] = np.array([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9])
LSP_FROM_AI_CHALLENGER: Int64[ndarray, 14] = np.array([8, 7, 6, 9, 10, 11, 2, 1, 0, 3, 4, 5, 13, 12])
LSP_LIMBS_FROM_COCO: Int64[ndarray, 12] = np.array([16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9])

_TALL = 150.0  # pixels from the lowest to the highest joint, measured along the box's diagonal


def cocoplus_from_coco(coco: Float64[ndarray, "N 17 3"]) -> Float64[ndarray, "N 19 3"]:
    """Return COCO's joints (x, y, v) in cocoplus order; the neck and the head top, which COCO lacks, are zeros."""
    unknown = np.zeros((len(coco), 2, 3), coco.dtype)
    return np.concatenate([coco[:, LSP_LIMBS_FROM_COCO], unknown, coco[:, :5]], axis=1)


def lsp_from_coco(coco: Float64[ndarray, "N 17 3"]) -> Float64[ndarray, "N 14 3"]:
    """Return COCO's joints in LSP order, weights 0, 0.5 (occluded) or 1; neck and head top: the nose, weight 0."""
    joints = np.concatenate([coco[:, LSP_LIMBS_FROM_COCO], np.repeat(coco[:, :1], 2, axis=1)], axis=1)
    joints[:, :, 2] /= 2
    joints[:, 12:, 2] = 0
    return joints


def lsp_from_ai_challenger(joints: Float64[ndarray, "N 14 3"]) -> Float64[ndarray, "N 14 3"]:
    """Return AI Challenger's joints (flag 1 visible, 2 occluded, 3 absent) in LSP order with weights 1, 0.5, 0."""
    ordered = joints[:, LSP_FROM_AI_CHALLENGER].copy()
    ordered[:, :, 2] = (3 - ordered[:, :, 2]) / 2
    return ordered


def lsp_from_mpii(mpii: Float64[ndarray, "N 16 3"]) -> Float64[ndarray, "N 14 3"]:
    """Return MPII's joints in LSP order, flag 1 where annotated; a joint (-1, -1, -1) is absent and becomes zeros."""
    ordered = mpii[:, LSP_FROM_MPII].copy()
    absent = (ordered == -1).all(axis=2)
    ordered[:, :, 2] = 1
    ordered[absent] = 0
    return ordered


def coco_scale(coco: Float64[ndarray, "17 3"]) -> float:
    """Return the factor that makes one person of COCO about 150 pixels tall; 0 where no point is visible."""
    seen = coco[:, 2] > 0
    if not seen.any():
        return 0.0
    if seen[15] or seen[16]:
        return _TALL / _diagonal(coco[seen, :2])
    torso = [_distance(coco, shoulder, hip) for shoulder, hip in ((5, 11), (6, 12)) if seen[shoulder] and seen[hip]]
    return _TALL / 2 / float(np.mean(torso)) if torso else _TALL / 3 / _diagonal(coco[seen, :2])


def mpii_scale(lsp: Float64[ndarray, "14 3"]) -> float:
    """Return the factor that makes one person of MPII, in LSP order, about 150 pixels tall; 0 where it cannot be told.

    Parity: without an ankle the published conversion measures from the head top (13) to the hips although it means the
        shoulders; only without a head top does it take shoulder and hip, as 56 pixels.
    """
    seen = lsp[:, 2] > 0
    if seen[0] or seen[5]:
        return _TALL / _diagonal(lsp[seen, :2])
    tall = [_distance(lsp, 13, hip) for hip in (2, 3) if seen[13] and seen[hip]]
    if tall:
        return _TALL / 2 / float(np.mean(tall))
    torso = [_distance(lsp, shoulder, hip) for shoulder, hip in ((8, 2), (9, 3)) if seen[shoulder] and seen[hip]]
    return 56.0 / float(np.mean(torso)) if torso else 0.0


def _diagonal(points: Float64[ndarray, "N 2"]) -> float:
    return float(np.linalg.norm(np.ptp(points, axis=0)))


def _distance(points: Float64[ndarray, "J 3"], first: int, second: int) -> float:
    return float(np.linalg.norm(points[first, :2] - points[second, :2]))
