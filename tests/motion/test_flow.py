"""The flow: which way it leads, where it leads nowhere, and both lattices of the warp."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limner.body import BodyData, FastSMPL
from limner.motion.drawn import draw_figure
from limner.motion.flow import NOWHERE, flow_from_corners, flow_from_face_points, resize_flow, warp
from limner.render import corners_from_vertices, image_corners

from .conftest import standing


def one_pixel(index: int, weights: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """A target of 2 x 3 pixels whose pixel in row 1, column 0 shows one face."""
    face_index, bary = torch.full((1, 2, 3), -1, dtype=torch.int32), torch.zeros(1, 2, 3, 3)
    face_index[0, 1, 0] = index
    bary[0, 1, 0] = torch.tensor(weights)
    return face_index, bary


def test_flow_blends_the_corners_of_the_source() -> None:
    corners = torch.tensor([[[[0.0, 0], [0, 0], [0, 0]], [[-0.2, 0.6], [0.4, 0.6], [-0.2, 0.9]]]])
    flow = flow_from_corners(corners, *one_pixel(1, (0.5, 0.25, 0.25)))
    assert flow[0, 1, 0].tolist() == pytest.approx([-0.05, 0.675])
    assert int((flow == NOWHERE).all(dim=-1).sum()) == 5


def test_flow_of_a_batch_is_that_of_its_members(rng: np.random.Generator) -> None:
    corners = torch.from_numpy(rng.uniform(-1, 1, (3, 7, 3, 2)).astype(np.float32))
    face_index = torch.from_numpy(rng.integers(-1, 7, (3, 5, 4)).astype(np.int32))
    weights = torch.from_numpy(rng.dirichlet(np.ones(3), (3, 5, 4)).astype(np.float32))
    whole = flow_from_corners(corners, face_index, weights)
    for n in range(3):
        one = flow_from_corners(corners[n : n + 1], face_index[n : n + 1], weights[n : n + 1])
        assert torch.equal(one[0], whole[n])


def test_face_points_are_constant_over_the_face() -> None:
    points = torch.tensor([[[0.1, -0.3], [0.7, 0.2]]])
    flow = flow_from_face_points(points, torch.tensor([[[0, 0, -1], [1, 1, 0]]]))
    assert flow[0, 0, 0].tolist() == flow[0, 1, 2].tolist() == pytest.approx([0.1, -0.3])
    assert flow[0, 1, 0].tolist() == pytest.approx([0.7, 0.2]) and flow[0, 0, 2].tolist() == [NOWHERE, NOWHERE]


def test_a_body_flows_to_itself_at_its_own_pixels(body: BodyData, pose: FastSMPL) -> None:
    # A square picture: the published frame and ours agree there. Pixel centres lie half a pixel inside the borders.
    bodies = standing(size_hw=(64, 64))
    figure = draw_figure(body, pose, bodies, (64, 64))
    corners = image_corners(corners_from_vertices(figure.vertices, body.faces, bodies.weak_camera[0]))
    raster = figure.raster
    flow = flow_from_corners(
        torch.from_numpy(corners[None]),
        torch.from_numpy(raster.face_index[None]),
        torch.from_numpy(raster.weights[None]),
    )[0].numpy()
    rows, columns = np.nonzero(figure.covered)
    centres = (2 * np.stack([columns, rows], axis=1) - 63) / 64
    assert np.abs(flow[figure.covered] - centres).max() < 1e-3
    assert (flow[~figure.covered] == NOWHERE).all()


def grid(size_hw: tuple[int, int], *, align_corners: bool) -> torch.Tensor:
    identity = torch.eye(2, 3)[None]
    return torch.nn.functional.affine_grid(identity, [1, 1, *size_hw], align_corners=align_corners)


@pytest.mark.parametrize("align_corners", [True, False])
def test_warp_by_the_identity_changes_nothing(rng: np.random.Generator, align_corners: bool) -> None:
    image = torch.from_numpy(rng.random((1, 2, 5, 9), np.float32))
    same = warp(image, grid((5, 9), align_corners=align_corners), align_corners=align_corners)
    assert torch.allclose(same, image, atol=1e-6)


def test_warp_aligns_corners_unless_told_otherwise() -> None:
    image = torch.tensor([[[[1.0, 2, 4]]]]).expand(1, 1, 2, 3)
    corner = torch.tensor([[[[-1.0, -1.0], [1.0, 1.0]]]])
    assert warp(image, corner)[0, 0, 0].tolist() == [1, 4]
    assert warp(image, corner, align_corners=False)[0, 0, 0].tolist() == [0.25, 1.0]


def test_warp_from_nowhere_is_zero() -> None:
    assert warp(torch.ones(1, 1, 4, 6), torch.full((1, 2, 2, 2), NOWHERE)).abs().max() == 0


def test_resized_flow_keeps_corners_and_mixes_nowhere() -> None:
    flow = torch.zeros(1, 3, 5, 2)
    flow[..., 0], flow[..., 1] = torch.linspace(-0.5, 0.7, 5), torch.linspace(0.2, 0.6, 3)[:, None]
    small = resize_flow(flow, (2, 4))
    assert small.shape == (1, 2, 4, 2)
    assert small[0, 0, 0].tolist() == pytest.approx([-0.5, 0.2]) and small[0, 1, 3].tolist() == pytest.approx(
        [0.7, 0.6]
    )
    flow[0, :, 4] = NOWHERE
    assert NOWHERE < float(resize_flow(flow, (3, 4))[0, 0, 2, 0]) < 0.7
