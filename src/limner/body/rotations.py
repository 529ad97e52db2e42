"""Rotations between their forms: rotation vector, matrix, quaternion, six numbers; and the mirror of a pose.

Notation: `rotvec` (..., 3) is axis times angle in radians; `rotmat` (..., 3, 3) acts on column vectors; `quat_wxyz`
(..., 4) has the real part first; `rot6d` (..., 6) holds the first two columns of a matrix, row by row. Everything is
differentiable torch, keeps the dtype, and takes any leading axes; the formulas have no singular point at the identity.

Sources: Rodrigues' formula as in Loper et al. 2015 (SMPL, eq. 1); Zhou et al. 2019 for the six numbers.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from limner.checks import check_shape

__all__ = [
    "MIRROR_JOINTS",
    "mirror_rotvec",
    "quat_wxyz_from_rotmat",
    "quat_wxyz_from_rotvec",
    "rot6d_from_rotmat",
    "rotmat_from_quat_wxyz",
    "rotmat_from_rot6d",
    "rotmat_from_rotvec",
    "rotvec_from_quat_wxyz",
    "rotvec_from_rotmat",
]

MIRROR_JOINTS = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22)
"""For each of SMPL's 24 joints the joint on the other side of the body."""

# Below this squared angle the power series is exact to the last bit even in float64, and free of 0 / 0.
_SMALL = 1e-4


def _sinc(squared_angle: Tensor) -> Tensor:
    """sin(a) / a as a smooth function of a squared, with its gradients, at 0 too."""
    small = squared_angle < _SMALL
    # The square root of the untaken branch must not see 0: its infinite slope would turn the gradient into NaN.
    angle = torch.where(small, torch.ones_like(squared_angle), squared_angle).sqrt()
    x = squared_angle
    series = 1 - x / 6 * (1 - x / 20 * (1 - x / 42))
    return torch.where(small, series, angle.sin() / angle)


def _skew(v: Tensor) -> Tensor:
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def rotmat_from_rotvec(rotvec: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3 3"]:
    """Turn axis-angle vectors into rotation matrices.

    Source: Loper et al. 2015, eq. 1, as I + sinc(a) K + sinc(a/2)^2 / 2 K^2 with K the cross-product matrix of the
        vector. The published codes add 1e-8 to each component before the norm, which gives NaN at (-1e-8, -1e-8,
        -1e-8); this form agrees with them elsewhere and is regular everywhere.
    """
    check_shape(rotvec, "rotvec", (*rotvec.shape[:-1], 3))
    squared = (rotvec * rotvec).sum(-1)[..., None, None]
    cross = _skew(rotvec)
    identity = torch.eye(3, dtype=rotvec.dtype, device=rotvec.device)
    return identity + _sinc(squared) * cross + 0.5 * _sinc(squared / 4) ** 2 * (cross @ cross)


def quat_wxyz_from_rotvec(rotvec: Float[Tensor, "... 3"]) -> Float[Tensor, "... 4"]:
    """Turn axis-angle vectors into unit quaternions, real part first."""
    squared = (rotvec * rotvec).sum(-1, keepdim=True)
    half_sinc = _sinc(squared / 4)
    # cos(a/2) = 1 - (a/2)^2 sinc(a/4)^2 / 2 needs no square root either.
    real = 1 - squared / 8 * _sinc(squared / 16) ** 2
    return torch.cat([real, 0.5 * half_sinc * rotvec], -1)


def rotmat_from_quat_wxyz(quat_wxyz: Float[Tensor, "... 4"]) -> Float[Tensor, "... 3 3"]:
    """Turn quaternions (of any length but 0) into rotation matrices."""
    w, x, y, z = torch.nn.functional.normalize(quat_wxyz, dim=-1).unbind(-1)
    rows = [
        w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z,
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def quat_wxyz_from_rotmat(rotmat: Float[Tensor, "... 3 3"]) -> Float[Tensor, "... 4"]:
    """Turn rotation matrices into unit quaternions with a real part of at least 0.

    Source: Shepperd 1978: of the four equivalent formulas the one with the largest divisor is taken, so that half
        turns are as exact as small ones.
    """
    m = rotmat.flatten(-2)
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = m.unbind(-1)
    candidates = torch.stack([
        torch.stack([1 + m00 + m11 + m22, m21 - m12, m02 - m20, m10 - m01], -1),
        torch.stack([m21 - m12, 1 + m00 - m11 - m22, m01 + m10, m02 + m20], -1),
        torch.stack([m02 - m20, m01 + m10, 1 - m00 + m11 - m22, m12 + m21], -1),
        torch.stack([m10 - m01, m02 + m20, m12 + m21, 1 - m00 - m11 + m22], -1),
    ], -2)  # fmt: skip
    best = candidates.flatten(-2)[..., ::5].argmax(-1)  # the diagonal, in words that converters know
    chosen = candidates.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    quat = torch.nn.functional.normalize(chosen, dim=-1)
    return torch.where(quat[..., :1] < 0, -quat, quat)


def rotvec_from_quat_wxyz(quat_wxyz: Float[Tensor, "... 4"]) -> Float[Tensor, "... 3"]:
    """Turn quaternions (of any length but 0) into axis-angle vectors with an angle of at most pi."""
    quat = torch.nn.functional.normalize(quat_wxyz, dim=-1)
    quat = torch.where(quat[..., :1] < 0, -quat, quat)
    real, imaginary = quat[..., :1], quat[..., 1:]
    squared = (imaginary * imaginary).sum(-1, keepdim=True)
    small = squared < _SMALL
    length = torch.where(small, torch.ones_like(squared), squared).sqrt()
    # asin(s) / s = 1 + s^2 / 6 + 3 s^4 / 40 + 15 s^6 / 336 ...: regular at the identity, where the length is not.
    series = 1 + squared / 6 * (1 + squared * (9 / 20) * (1 + squared * (25 / 42)))
    return 2 * imaginary * torch.where(small, series, torch.atan2(length, real) / length)


def rotvec_from_rotmat(rotmat: Float[Tensor, "... 3 3"]) -> Float[Tensor, "... 3"]:
    """Turn rotation matrices into axis-angle vectors with an angle of at most pi."""
    return rotvec_from_quat_wxyz(quat_wxyz_from_rotmat(rotmat))


def rotmat_from_rot6d(rot6d: Float[Tensor, "... 6"]) -> Float[Tensor, "... 3 3"]:
    """Turn six numbers into the rotation whose first two columns are closest to them in order.

    Source: Zhou et al. 2019, eq. 15. Parity: the six numbers are a 3x2 matrix read row by row, as in the published
        mean parameters, not two vectors one after the other.
    """
    columns = rot6d.unflatten(-1, (3, 2))
    first = torch.nn.functional.normalize(columns[..., 0], dim=-1)
    second = columns[..., 1] - (first * columns[..., 1]).sum(-1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second, dim=-1)], -1)


def rot6d_from_rotmat(rotmat: Float[Tensor, "... 3 3"]) -> Float[Tensor, "... 6"]:
    """Take the first two columns of rotation matrices, row by row; the inverse of `rotmat_from_rot6d`."""
    return rotmat[..., :2].flatten(-2)


def mirror_rotvec(rotvec: Float[Tensor, "... 24 3"]) -> Float[Tensor, "... 24 3"]:
    """Mirror a pose: the left side does what the right side did, and the root turns the other way.

    Source: akanazawa/hmr `src/util/data_utils.py` (reflect_pose): sides swapped, (x, -y, -z) for every joint.
    """
    check_shape(rotvec, "rotvec", (*rotvec.shape[:-2], 24, 3))
    signs = torch.tensor([1.0, -1.0, -1.0], dtype=rotvec.dtype, device=rotvec.device)
    return rotvec[..., list(MIRROR_JOINTS), :] * signs
