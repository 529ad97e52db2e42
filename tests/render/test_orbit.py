"""A walk round people who move."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import load_body
from limner.checks import InputError
from limner.render import orbit


def test_the_viewer_walks_round_and_keeps_the_distance() -> None:
    data = load_body("free")
    vertices = data.v_template * (1, -1, -1)
    moments = np.stack([vertices, vertices + np.array([0.5, 0, 0])])
    front, back = orbit(moments, data.faces, np.array([0.0, 180.0]), (96, 128), colour=(0.2, 0.4, 0.9))
    assert front.shape == back.shape == (96, 128, 3)
    columns = [np.flatnonzero((view[..., 2].astype(int) - view[..., 0] > 40).any(axis=0)) for view in (front, back)]
    # Moved to the viewer's right, then seen from behind: on the left both times, and as large.
    assert columns[0].mean() < 64 and columns[1].mean() < 64
    assert abs(np.ptp(columns[0]) - np.ptp(columns[1])) <= 3


def test_moments_and_angles_belong_together() -> None:
    data = load_body("free")
    with pytest.raises(InputError, match="one moment or 3"):
        next(orbit(np.zeros((2, 5, 3)), data.faces, np.zeros(3)))
