from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from limner.body import (
    JOINT_NAMES,
    PoseMixture,
    angle_limit_energy,
    bending_prior,
    body_fitting_loss,
    camera_fitting_loss,
    geman_mcclure,
    load_pose_mixture,
    mirror_rotvec,
    project_perspective,
    reprojection_loss,
    shape_prior,
)
from limner.checks import FileProblem, InputError, ShapeError, WeightsError


def _mixture(count: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    roots = rng.normal(0, 0.1, (count, 69, 69))
    return (rng.normal(0, 0.3, (count, 69)), roots @ roots.swapaxes(1, 2) + 0.05 * np.eye(69),
            rng.dirichlet(np.ones(count)))  # fmt: skip


def test_geman_mcclure_is_square_when_small_and_bounded_when_large() -> None:
    values = torch.tensor([0.0, 0.1, 1e6])
    np.testing.assert_allclose(geman_mcclure(values, 10.0), [0, 0.01, 100], rtol=1e-3)


def test_mixture_energy_is_minus_log_density_of_the_best_component() -> None:
    means, covars, weights = _mixture()
    pose = torch.randn(5, 69) * 0.3
    logs = [
        np.log(w) + multivariate_normal(m, c).logpdf(pose.numpy())
        for m, c, w in zip(means, covars, weights, strict=True)
    ]
    least = 0.5 * min(np.linalg.slogdet(c)[1] for c in covars)
    np.testing.assert_allclose(PoseMixture(means, covars, weights)(pose), -np.max(logs, 0) - least, rtol=1e-3)


def test_bending_prior_prefers_bent_to_overstretched_joints() -> None:
    bent, stretched = torch.zeros(1, 24, 3), torch.zeros(1, 24, 3)
    for pose, sign in ((bent, 1), (stretched, -1)):
        pose[0, [4, 5], 0] = sign * 0.5
        pose[0, 18, 1], pose[0, 19, 1] = -sign * 0.5, sign * 0.5
    energies = [bending_prior(pose[:, 1:].flatten(1)) for pose in (bent, stretched)]
    assert (energies[0] < 1).all() and (energies[1] > 1).all()


def test_angle_limits_leave_standing_and_squatting_alone_and_punish_broken_limbs() -> None:
    fine = torch.zeros(3, 24, 3)
    fine[1, [16, 17], 2] = torch.tensor([-1.2, 1.2])
    fine[2, [1, 2], 0], fine[2, [4, 5], 0] = -1.6, 2.0
    assert torch.equal(angle_limit_energy(fine), torch.zeros(3))
    broken = torch.zeros(2, 24, 3)
    broken[0, JOINT_NAMES.index("left_knee"), 0] = -0.8
    broken[1, JOINT_NAMES.index("left_elbow"), 1] = 0.8
    energy = angle_limit_energy(broken)
    assert (energy > 0.4).all()
    torch.testing.assert_close(angle_limit_energy(mirror_rotvec(broken)), energy)


def test_energies_have_exact_gradients() -> None:
    mixture = PoseMixture(*_mixture()).double()
    pose = (0.3 * torch.randn(2, 69, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(mixture, pose)
    assert torch.autograd.gradcheck(bending_prior, pose)
    limits = (torch.randn(2, 24, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(angle_limit_energy, limits)


def test_fitting_losses_fall_to_the_priors_when_all_points_meet() -> None:
    joints, transl, centre = torch.randn(2, 49, 3), torch.tensor([[0.1, 0.2, 40.0]] * 2), torch.full((2, 2), 112.0)
    projected = project_perspective(joints, transl, centre)
    confidence = torch.rand(2, 49)
    assert camera_fitting_loss(projected, projected, confidence, transl, transl) == 0
    reprojection = reprojection_loss(projected, projected, confidence)
    mixture, pose, betas = PoseMixture(*_mixture()), torch.zeros(2, 69), torch.ones(2, 10)
    wanted = 4.78**2 * mixture(pose).sum() + 15.2**2 * bending_prior(pose).sum() + 25 * shape_prior(betas).sum()
    torch.testing.assert_close(body_fitting_loss(reprojection, pose, betas, mixture), wanted)


def test_camera_loss_takes_the_labelled_torso_where_the_seen_one_lacks_a_point() -> None:
    keypoints, transl = torch.zeros(1, 49, 2), torch.zeros(1, 3)
    projected = keypoints.clone()
    projected[0, 27] = 3.0
    confidence = torch.ones(1, 49)
    assert camera_fitting_loss(projected, keypoints, confidence, transl, transl) == 0
    confidence[0, 9] = 0
    assert camera_fitting_loss(projected, keypoints, confidence, transl, transl) == 18


def test_shipped_mixture_knows_how_people_stand() -> None:
    mixture = load_pose_mixture()
    pose = torch.zeros(4, 24, 3)
    pose[1, [16, 17], 2] = torch.tensor([-1.2, 1.2])
    pose[2, [16, 17], 2] = torch.tensor([-0.8, 0.8])
    pose[3, 4, 0], pose[3, 5, 0] = -1.5, -1.5
    rest, hanging, slanted, broken = mixture(pose[:, 1:].flatten(1)).tolist()
    assert max(rest, hanging, slanted) < broken
    assert hanging < rest + 30
    mirrored = mixture(mirror_rotvec(0.3 * torch.randn(8, 24, 3))[:, 1:].flatten(1))
    assert torch.isfinite(mirrored).all()


def test_shipped_mixture_likes_a_pose_as_much_as_its_mirror_image() -> None:
    pose = 0.2 * torch.randn(16, 24, 3)
    energies = [load_pose_mixture()(p[:, 1:].flatten(1)) for p in (pose, mirror_rotvec(pose))]
    torch.testing.assert_close(*energies, rtol=1e-3, atol=1e-2)


def test_wrong_mixtures_are_refused(tmp_path) -> None:
    means, covars, weights = _mixture()
    with pytest.raises(InputError, match="positive definite"):
        PoseMixture(means, -covars, weights)
    with pytest.raises(ShapeError, match="means"):
        PoseMixture(means[:, :60], covars, weights)
    with pytest.raises(ShapeError, match="pose"):
        PoseMixture(means, covars, weights)(torch.zeros(1, 72))
    with pytest.raises(FileProblem, match="pose prior"):
        load_pose_mixture(tmp_path / "none.npz")
    np.savez(tmp_path / "half.npz", means=means)
    with pytest.raises(WeightsError, match="lacks covars, weights"):
        load_pose_mixture(tmp_path / "half.npz")
