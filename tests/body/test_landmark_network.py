"""The light network: what its features say, where its root stands, what it gives for odd landmarks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from limner.body import (
    HMR,
    HMR_NETWORKS,
    FastSMPL,
    HMRModel,
    HMRPredictor,
    LandmarkEncoder,
    LandmarkRegressor,
    landmarks_in_crop,
    load_body,
    look_at_crop,
    plain_theta,
    project_weak,
    rotmat_from_rotvec,
)
from limner.body.landmark_network import torso_axes
from limner.checks import InputError, ShapeError
from limner.data import SyntheticPeople
from limner.records import Keypoints

CONFIG = HMR_NETWORKS["hmr-light"]


def landmarks(count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.rand(count, 33, 6, generator=generator) - 0.5


def seen_body(rotvec: np.ndarray) -> torch.Tensor:
    """Exact landmarks of the free body, in metres about the hips."""
    data = load_body()
    vertices = FastSMPL(data)(np.zeros((1, 10), np.float32), rotvec[None].astype(np.float32))[0][0]
    points = (data.keypoint_regressors["blazepose33"] @ vertices).astype(np.float32)
    points -= points[[23, 24]].mean(0)
    places = project_weak(points, np.float32([0.7, 0, 0]))
    return torch.from_numpy(np.concatenate([places, np.ones((33, 1), np.float32), points], 1))[None]


@pytest.fixture(scope="module")
def network() -> HMR:
    torch.manual_seed(0)
    return HMR(CONFIG).eval()


@pytest.mark.parametrize("turn", [(math.pi, 0, 0), (0, 0, math.pi), (2.0, 1.0, -1.5), (0.2, -2.4, 0.1)])
def test_the_torso_s_axes_are_the_body_s_root(turn: tuple[float, float, float]) -> None:
    rotvec = np.zeros((24, 3))
    rotvec[0] = turn
    axes = torso_axes(seen_body(rotvec)[..., 3:])
    wanted = rotmat_from_rotvec(torch.tensor([turn]))
    torch.testing.assert_close(axes, wanted, atol=0.2, rtol=0)  # the shoulders lie a little behind the hips
    torch.testing.assert_close(axes.mT @ axes, torch.eye(3)[None])


def test_a_pose_looks_the_same_from_everywhere(network: HMR) -> None:
    """Features of the torso's own axes do not change when the whole body is turned; so the root turns along."""
    given = landmarks(1)
    turned = given.clone()
    turn = torch.from_numpy(Rotation.from_rotvec((0.4, 1.1, -0.3)).as_matrix()).float()
    turned[..., 3:] = given[..., 3:] @ turn.T
    before, after = (network.encoder(one) for one in (given, turned))
    own = 33 * 3
    torch.testing.assert_close(after[:, -own:], before[:, -own:], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(after[:, :-own], before[:, :-own], atol=0.05)
    axes = torso_axes(given[..., 3:])
    torch.testing.assert_close(torso_axes(turned[..., 3:]), turn @ axes, atol=1e-5, rtol=1e-4)


def test_the_first_guess_is_the_mean_body_along_the_torso() -> None:
    mean = plain_theta()
    mean[9:12], mean[75] = (0.3, -0.2, 0.1), 0.5
    encoder = LandmarkEncoder()
    regressor = LandmarkRegressor(encoder.num_features, mean, num_iterations=1).eval()
    torch.nn.init.zeros_(regressor.last.weight)
    given = landmarks()
    (theta,) = regressor(encoder(given))
    np.testing.assert_allclose(theta[0, 6:].detach(), mean[6:], atol=1e-6)
    root = rotmat_from_rotvec(theta[:, 3:6])
    torch.testing.assert_close(root, torso_axes(given[..., 3:]), atol=1e-5, rtol=0)


def test_it_learns_from_every_landmark_and_is_small(network: HMR) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) < 3e6
    given = landmarks().requires_grad_()
    thetas = network(given, in_full=True)
    assert len(thetas) == 3 and thetas[0].shape == (2, 85)
    (thetas[-1] ** 2).sum().backward()
    assert given.grad is not None and (given.grad.abs().sum((0, 2)) > 0).all()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("value", [0.0, 1e-6, 1e3])
def test_landmarks_without_a_size_give_numbers(network: HMR, value: float) -> None:
    given = torch.full((2, 33, 6), value).requires_grad_()
    theta = network(given)
    theta.sum().backward()
    assert torch.isfinite(theta).all() and given.grad is not None and torch.isfinite(given.grad).all()
    assert network(torch.zeros(0, 33, 6)).shape == (0, 85)


def test_other_landmarks_and_counts_are_refused(network: HMR) -> None:
    with pytest.raises(ShapeError, match="landmarks"):
        network(torch.zeros(2, 17, 6))
    with pytest.raises(ShapeError, match="features"):
        network.regressor(torch.zeros(2, 7))
    with pytest.raises(ShapeError, match="mean theta"):
        LandmarkRegressor(9, np.zeros(82))
    with pytest.raises(InputError, match="at least one correction"):
        LandmarkRegressor(9, num_iterations=0)
    with pytest.raises(InputError, match="no ImageNet"):
        network.load_imagenet("resnet50.pth")


def test_landmarks_over_a_crop() -> None:
    xy = np.full((1, 33, 2), 50.0)
    xy[0, 3] = (80, 35)
    keypoints = Keypoints(xy, np.full((1, 33), 0.5), "blazepose33", np.full((1, 33, 3), 0.25))
    found = landmarks_in_crop(keypoints, np.array([60.0, 45.0]), 40.0)
    np.testing.assert_allclose(found[3], [1, -0.5, 0.5, 0.25, 0.25, 0.25])
    assert found.shape == (33, 6) and found.dtype == np.float32


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_people_are_seen_whichever_way_up(quarters: int) -> None:
    people = SyntheticPeople(seed=5, count=1, side=192, cut_share=0, occluded_share=0, fallen_share=0)
    image, middle = people.sample(0).image, np.array([95.5, 95.5])
    plain = look_at_crop(image, middle, 230)
    turned = look_at_crop(np.ascontiguousarray(np.rot90(image, quarters)), middle, 230)
    c, s = [(0, -1), (-1, 0), (0, 1)][quarters - 1]
    turn = np.array([[c, -s], [s, c]])  # of the picture, clockwise as seen
    limbs = [*range(11, 17), *range(23, 29)]
    gap = np.linalg.norm(turned.xy[0, limbs] - middle - (plain.xy[0, limbs] - middle) @ turn.T, axis=1)
    assert np.median(gap) < 4 and gap.max() < 16
    assert plain.world is not None and turned.world is not None
    gap = np.linalg.norm(turned.world[0, limbs, :2] - plain.world[0, limbs, :2] @ turn.T, axis=1)
    assert np.median(gap) < 0.06


def test_the_locator_s_joints_are_lifted_without_the_picture(network: HMR) -> None:
    people = SyntheticPeople(seed=5, count=1, side=192, cut_share=0, occluded_share=0, fallen_share=0)
    image = people.sample(0).image
    keypoints = look_at_crop(image, np.array([95.5, 95.5]), 230)
    assert keypoints.score.mean() > 0.5
    predictor = HMRPredictor(HMRModel("light", CONFIG, network, "free"))
    lifted = predictor.lift(keypoints, (192, 192))
    np.testing.assert_array_equal(predictor.predict(image, keypoints).rotvec, lifted.rotvec)
    plain = Keypoints(keypoints.xy, keypoints.score, "blazepose33")
    assert predictor.lifts(keypoints) and not predictor.lifts(plain)
    with pytest.raises(InputError, match="give the picture"):
        predictor.lift(plain, (192, 192))
    looked = predictor.predict(image, plain)  # the pose network looks at the crop itself
    away = Rotation.from_rotvec(looked.rotvec[0]).inv() * Rotation.from_rotvec(lifted.rotvec[0])
    assert away.magnitude().mean() < 0.2
