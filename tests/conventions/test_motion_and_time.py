"""Statements 27 to 30 of docs/conventions.md."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from limner.media import VideoWriter, open_video, read_motion
from limner.motion.flow import flow_from_corners, warp

DEMO = Path(__file__).parents[2] / "assets" / "demo"

# One face; its first corner lies at (0.5, -0.25) in the source and owns the pixel in row 0, column 2 of the target.
SOURCE_CORNERS = torch.tensor([[[[0.5, -0.25], [0.9, -0.25], [0.5, 0.9]]]])


def _flow() -> torch.Tensor:
    face_index = torch.full((1, 3, 5), -1, dtype=torch.int32)
    weights = torch.zeros(1, 3, 5, 3)
    face_index[0, 0, 2] = 0
    weights[0, 0, 2, 0] = 1
    return flow_from_corners(SOURCE_CORNERS, face_index, weights)


def test_flow_leads_from_the_target_to_the_source() -> None:
    source = torch.zeros(1, 1, 8, 8)
    source[..., 6:] = 1  # bright on the right
    source[..., 4:, :] = 0  # only in the upper half
    assert _flow()[0, 0, 2].tolist() == [0.5, -0.25]
    flow = torch.tensor([[[[0.9, -0.5], [-0.9, -0.5], [0.9, 0.5]]]])
    assert warp(source, flow, align_corners=False)[0, 0, 0].round().tolist() == [1, 0, 0]


def test_flow_is_minus_2_where_there_is_no_body() -> None:
    flow = _flow()
    assert flow[0, 2, 4].tolist() == [-2, -2]
    assert int((flow == -2).all(dim=-1).sum()) == 14


def test_motion_is_in_a_world_with_y_up() -> None:
    motion = read_motion(DEMO / "dance.amc")
    height, sideways = motion.transl[:, 1], motion.transl[:, [0, 2]]
    assert 0.7 < height.min() and height.max() < 1.2
    assert np.ptp(height) < np.ptp(sideways) + 0.5


def test_frame_rates_are_exact_fractions(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "ntsc.mp4", Fraction(30000, 1001), (16, 24)) as writer:
        for grey in (10, 80, 150, 220):
            writer.write(np.full((16, 24, 3), grey, np.uint8))
    assert open_video(tmp_path / "ntsc.mp4").frame_rate == Fraction(30000, 1001)
