"""What makes a body likely: SMPLify's energies as differentiable functions, and the pose mixture that comes with us.

Notation (Bogo et al. 2016): E_J reprojection under Geman and McClure's penalty, E_theta pose mixture, E_a bending of
elbows and knees, E_beta shape. `pose` (N, 69) are the rotation vectors of joints 1 to 23 in radians; pictures are in
pixels. The single-stage form with its weights is the one of nkolot/SPIN, which refines a network's prediction.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from limner.body.limits import joint_limits
from limner.checks import InputError, WeightsError, check_file, check_shape

__all__ = [
    "PoseMixture",
    "angle_limit_energy",
    "bending_prior",
    "body_fitting_loss",
    "camera_fitting_loss",
    "geman_mcclure",
    "load_pose_mixture",
    "project_perspective",
    "reprojection_loss",
    "shape_prior",
]

FOCAL_PX = 5000.0
"""Focal length of the published fits, so long that the perspective is nearly none."""

_SIGMA_PX = 100.0
_POSE_WEIGHT, _BENDING_WEIGHT, _SHAPE_WEIGHT, _DEPTH_WEIGHT = 4.78, 15.2, 5.0, 100.0
# Places in the 69 numbers of left elbow y, right elbow y, left knee x, right knee x, and the sign that bends backwards.
_BENDING = (52, 55, 9, 12)
_BENDING_SIGN = (1.0, -1.0, -1.0, -1.0)
# Hips and shoulders among SPIN's 49 joints: as OpenPose sees them, and as the data sets label them.
_TORSO_SEEN, _TORSO_LABELLED = [9, 12, 2, 5], [27, 28, 33, 34]


def geman_mcclure(residual: Float[Tensor, "..."], sigma: float = _SIGMA_PX) -> Float[Tensor, "..."]:
    """Penalise residuals by their square while small and by at most sigma squared however large."""
    squared = residual * residual
    return sigma * sigma * squared / (sigma * sigma + squared)


def bending_prior(pose: Float[Tensor, "N 69"]) -> Float[Tensor, "N 4"]:
    """Penalise elbows and knees that bend the wrong way, by exp(angle) squared.

    Source: Bogo et al. 2016, E_a; the square is that of the released codes.
    """
    check_shape(pose, "pose", ("N", 69))
    sign = torch.tensor(_BENDING_SIGN, dtype=pose.dtype, device=pose.device)
    return torch.exp(pose[:, list(_BENDING)] * sign) ** 2


def shape_prior(betas: Float[Tensor, "N S"]) -> Float[Tensor, "N"]:
    """Penalise shapes away from the mean body: the sum of the squared shape numbers, which are standard normal."""
    return (betas * betas).sum(-1)


def angle_limit_energy(rotvec: Float[Tensor, "N 24 3"]) -> Float[Tensor, "N"]:
    """Sum the squares of what the joints turn beyond their limits, radians squared; 0 inside all limits.

    Source: `limner.body.limits`, which states the ranges.
    """
    check_shape(rotvec, "rotvec", ("N", 24, 3))
    low, high = (torch.as_tensor(limit, dtype=rotvec.dtype, device=rotvec.device) for limit in joint_limits())
    beyond = torch.relu(rotvec - high) + torch.relu(low - rotvec)
    return (beyond * beyond).sum((-1, -2))


class PoseMixture(nn.Module):
    """A mixture of Gaussians over the 69 body angles; its energy is that of the best single component.

    Args:
        means: of the components, radians.
        covars: of the components, radians squared.
        weights: of the components, summing to 1.

    Raises:
        ShapeError: arrays that do not fit each other.
        InputError: a covariance that is not positive definite, or weights that are not positive.

    Source: Bogo et al. 2016, eq. 6, after Olson and Agarwal 2013. Parity: the determinants are taken relative to the
        smallest one, as in the released codes, which shifts the energy by a constant.
    """

    means: Tensor
    precisions: Tensor
    log_weights: Tensor

    def __init__(
        self, means: Float[ndarray, "K 69"], covars: Float[ndarray, "K 69 69"], weights: Float[ndarray, "K"]
    ) -> None:
        super().__init__()
        means, covars, weights = (np.asarray(a, np.float64) for a in (means, covars, weights))
        size = means.shape[1] if means.ndim == 2 else 0
        check_shape(means, "means", ("K", 69))
        check_shape(covars, "covars", (len(means), size, size))
        check_shape(weights, "weights", (len(means),))
        sign, log_det = np.linalg.slogdet(covars)
        if (sign <= 0).any() or (weights <= 0).any():
            raise InputError("a pose mixture needs positive weights and positive definite covariances")
        log_weights = np.log(weights) - 0.5 * size * math.log(2 * math.pi) - 0.5 * (log_det - log_det.min())
        buffers = {"means": means, "precisions": np.linalg.inv(covars), "log_weights": log_weights}
        for name, array in buffers.items():
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)), persistent=False)

    def energies(self, pose: Float[Tensor, "N 69"]) -> Float[Tensor, "N K"]:
        """Return minus the log of every component's weighted density, up to one constant."""
        check_shape(pose, "pose", ("N", 69))
        away = pose[:, None] - self.means
        return 0.5 * torch.einsum("nki,kij,nkj->nk", away, self.precisions, away) - self.log_weights

    def forward(self, pose: Float[Tensor, "N 69"]) -> Float[Tensor, "N"]:
        """Return the energy of the best component."""
        return self.energies(pose).min(1).values


@lru_cache(maxsize=2)
def load_pose_mixture(path: str | Path | None = None) -> PoseMixture:
    """Read a mixture from an npz with `means`, `covars` and `weights`; without a path, the one that comes with limner.

    The one that comes with limner is fitted to the poses of the CMU motion capture database (mocap.cs.cmu.edu, free for
    any use, funded by NSF EIA-0196217) and to resting poses, by `scripts/build_pose_prior.py`.

    Raises:
        FileProblem: no such file.
        WeightsError: the file lacks an array.
    """
    path = check_file(path or Path(__file__).parent / "data" / "pose_prior.npz", "pose prior")
    with np.load(path, allow_pickle=False) as file:
        missing = [key for key in ("means", "covars", "weights") if key not in file.files]
        if missing:
            raise WeightsError(f"{path} is no pose prior: it lacks {', '.join(missing)}")
        return PoseMixture(file["means"], file["covars"], file["weights"])


def project_perspective(
    points: Float[Tensor, "N K 3"],
    transl: Float[Tensor, "N 3"],
    centre_px: Float[Tensor, "N 2"],
    focal_px: float = FOCAL_PX,
) -> Float[Tensor, "N K 2"]:
    """Project points, moved by `transl` in metres, with a pinhole camera at the origin; returns pixels."""
    placed = points + transl[:, None]
    return focal_px * placed[..., :2] / placed[..., 2:] + centre_px[:, None]


def reprojection_loss(
    projected: Float[Tensor, "N K 2"],
    keypoints: Float[Tensor, "N K 2"],
    confidence: Float[Tensor, "N K"],
    sigma_px: float = _SIGMA_PX,
) -> Float[Tensor, "N K"]:
    """Compare projected with seen keypoints: confidence squared times Geman-McClure, x and y added."""
    return confidence**2 * geman_mcclure(projected - keypoints, sigma_px).sum(-1)


def body_fitting_loss(
    reprojection: Float[Tensor, "N K"],
    pose: Float[Tensor, "N 69"],
    betas: Float[Tensor, "N S"],
    mixture: PoseMixture,
) -> Float[Tensor, ""]:
    """Sum the energy of the step that moves root, pose and shape while the camera stands.

    Source: nkolot/SPIN `smplify/losses.py` (body_fitting_loss), with its weights 4.78, 15.2 and 5, squared.
    """
    each = (
        reprojection.sum(-1)
        + _POSE_WEIGHT**2 * mixture(pose)
        + _BENDING_WEIGHT**2 * bending_prior(pose).sum(-1)
        + _SHAPE_WEIGHT**2 * shape_prior(betas)
    )
    return each.sum()


def camera_fitting_loss(
    projected: Float[Tensor, "N 49 2"],
    keypoints: Float[Tensor, "N 49 2"],
    confidence: Float[Tensor, "N 49"],
    transl: Float[Tensor, "N 3"],
    transl_first: Float[Tensor, "N 3"],
) -> Float[Tensor, ""]:
    """Sum the energy of the step that moves root and camera: hips and shoulders, and the depth held near its estimate.

    Args:
        projected: SPIN's 49 joints in pixels.
        keypoints: the same, as seen; first OpenPose's 25, then 24 labelled.
        confidence: of the keypoints; a person's OpenPose torso is used where all four of its points are seen.
        transl: metres, moved by the step.
        transl_first: metres, where it started.

    Source: nkolot/SPIN `smplify/losses.py` (camera_fitting_loss).
    """
    squared = (keypoints - projected) ** 2
    all_seen = (confidence[:, _TORSO_SEEN] > 0).all(1)[:, None, None]
    torso = torch.where(all_seen, squared[:, _TORSO_SEEN], squared[:, _TORSO_LABELLED])
    depth = _DEPTH_WEIGHT**2 * (transl[:, 2] - transl_first[:, 2]) ** 2
    return (torso.sum((1, 2)) + depth).sum()
