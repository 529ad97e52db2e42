"""Rotations for the fitter, in numpy and float64: exponential, logarithm, and how a rotation vector follows a turn.

A rotation matrix R moves by a small turn d in its own axes: R exp(d), and log(R exp(d)) = log(R) + Jr^-1 d.

Source: Sola, Deray and Atchuthan 2018, "A micro Lie theory for state estimation in robotics", equations 132 to 146.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from limner.body.rotations import rotmat_from_rotvec, rotvec_from_rotmat

__all__ = ["exp", "inverse_right_jacobian", "log", "skew"]


def exp(rotvec: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3 3"]:
    """Return rotation matrices of rotation vectors (radians)."""
    return rotmat_from_rotvec(torch.from_numpy(np.ascontiguousarray(rotvec, dtype=np.float64))).numpy()


def log(rotmat: Float[ndarray, "... 3 3"]) -> Float[ndarray, "... 3"]:
    """Return rotation vectors (radians, length at most pi) of rotation matrices."""
    return rotvec_from_rotmat(torch.from_numpy(np.ascontiguousarray(rotmat, dtype=np.float64))).numpy()


def skew(vector: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3 3"]:
    """Return the matrices of the cross products with `vector`."""
    matrix = np.zeros((*vector.shape[:-1], 3, 3))
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    matrix[..., 0, 1], matrix[..., 0, 2] = -z, y
    matrix[..., 1, 0], matrix[..., 1, 2] = z, -x
    matrix[..., 2, 0], matrix[..., 2, 1] = -y, x
    return matrix


def inverse_right_jacobian(rotvec: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3 3"]:
    """Return the derivative of log(R exp(d)) by d at d = 0, where log(R) is `rotvec` (radians, length at most pi)."""
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    safe = np.maximum(angle, 1e-4)
    # (1 + cos) / sin as the cotangent of the half angle: regular at pi, where the plain quotient is 0 / 0.
    factor = np.where(angle < 1e-4, 1 / 12, 1 / safe**2 - 1 / (2 * safe * np.tan(safe / 2)))
    cross = skew(rotvec)
    return np.eye(3) + 0.5 * cross + factor * (cross @ cross)
