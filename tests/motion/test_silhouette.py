"""Dressing the body: a wider mask makes a wider body, by as much; faces and unseen places stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from limner.body import BodyData, FastSMPL
from limner.motion.drawn import draw_figure
from limner.motion.silhouette import dress_body, outline_gaps
from limner.motion.surface import disc

from .conftest import SIZE_HW, photograph, standing

PIXEL_M = 1 / 128
"""Metres a pixel of `standing()` in SIZE_HW."""


@pytest.fixture(scope="module")
def mask(body: BodyData) -> np.ndarray:
    return photograph(body, standing())[1]


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    operation = cv2.dilate if pixels > 0 else cv2.erode
    return operation(mask, disc(abs(pixels)))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_its_own_mask_dresses_nobody(body: BodyData, pose: FastSMPL, mask: np.ndarray) -> None:
    offsets = dress_body(body, pose, standing(), mask)
    assert np.linalg.norm(offsets, axis=1).max() < 1.2 * PIXEL_M


@pytest.mark.parametrize(("pixels", "low", "high"), [(3, 2.0, 3.6), (5, 3.6, 5.6), (-2, -2.8, -1.0)])
def test_a_grown_mask_grows_the_body_by_as_much(
    body: BodyData, pose: FastSMPL, mask: np.ndarray, pixels: int, low: float, high: float
) -> None:
    bodies = standing()
    figure = draw_figure(body, pose, bodies, SIZE_HW)
    offsets = dress_body(body, pose, bodies, grown(mask, pixels))
    owners, _ = outline_gaps(figure, body.faces, mask)
    legs = np.intersect1d(owners, np.unique(body.faces[body.face_parts["05_leg_left"]]))
    outward = np.sign(
        (offsets[legs] * [1, 0, 0]).sum(axis=1) * (body.v_template[legs, 0] - body.v_template[legs, 0].mean())
    )
    amount = np.linalg.norm(offsets[legs], axis=1) * outward / PIXEL_M
    assert low < np.median(amount) < high


@pytest.mark.parametrize("pixels", [4, -2])
def test_the_dressed_body_fills_the_mask_better(body: BodyData, pose: FastSMPL, mask: np.ndarray, pixels: int) -> None:
    bodies, wanted = standing(), grown(mask, pixels)
    offsets = dress_body(body, pose, bodies, wanted)
    bare, dressed = (draw_figure(body, pose, bodies, SIZE_HW, offsets=o).covered for o in (None, offsets))
    assert overlap(dressed, wanted > 0.5) > overlap(bare, wanted > 0.5) + 0.08


def test_the_face_moves_least(body: BodyData, pose: FastSMPL, mask: np.ndarray) -> None:
    length = np.linalg.norm(dress_body(body, pose, standing(), grown(mask, 5)), axis=1)
    face = np.unique(body.faces[body.face_lists["face"]])
    torso = np.unique(body.faces[body.face_parts["09_torso"]])
    assert np.median(length[face]) < 0.5 * np.median(length[torso])


def test_an_empty_mask_leaves_the_body_alone(body: BodyData, pose: FastSMPL) -> None:
    offsets = dress_body(body, pose, standing(), np.zeros(SIZE_HW, np.float32))
    assert np.abs(offsets).max() < 1e-6


def test_gaps_are_metres_outward(body: BodyData, pose: FastSMPL, mask: np.ndarray) -> None:
    figure = draw_figure(body, pose, standing(), SIZE_HW)
    for pixels in (0, 3):
        _, gaps = outline_gaps(figure, body.faces, grown(mask, pixels) if pixels else mask)
        assert np.median(gaps) / PIXEL_M == pytest.approx(pixels, abs=0.75)
