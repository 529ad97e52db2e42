"""Colours for what is not seen: from the mirrored side, from the same part, never from nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from numpy import ndarray

from limner.body import BodyData, FastSMPL
from limner.motion.drawn import Figure, draw_figure
from limner.motion.surface import vertex_normals
from limner.motion.unseen import echo_share, fill_colours, fine_structure, part_kinds, same_garment

from .conftest import SIZE_HW, standing


@pytest.fixture(scope="module")
def figure(body: BodyData, pose: FastSMPL) -> Figure:
    return draw_figure(body, pose, standing(), SIZE_HW)


def towards_viewer(figure: Figure, body: BodyData) -> ndarray:
    """Vertices whose pixel is theirs, away from the outline."""
    return vertex_normals(figure.vertices, body.faces)[:, 2] < -0.4


def painted(figure: Figure, body: BodyData, colours: dict[str, tuple[int, int, int]]) -> ndarray:
    """A photo in which each part has one colour, `else` where none is named and round the body."""
    image = np.full((*SIZE_HW, 3), colours["else"], np.uint8)
    for name, faces in body.face_parts.items():
        image[np.isin(figure.raster.face_index, faces)] = colours.get(name, colours["else"])
    return image


def test_every_vertex_has_a_kind_of_part(body: BodyData) -> None:
    kinds = part_kinds(body)
    assert set(kinds) == {"head", "torso", "arm", "hand", "leg", "foot"}
    assert (kinds[body.v_template[:, 1] > 0.45] == "head").all()


def test_one_colour_fills_the_whole_body(body: BodyData, figure: Figure, rng: np.random.Generator) -> None:
    image = np.full((*SIZE_HW, 3), (90, 140, 60), np.uint8)
    trust = (rng.random(body.num_vertices) > 0.6).astype(np.float32)
    filled = fill_colours(image, body, figure, trust, body.v_template)
    np.testing.assert_allclose(filled, np.tile([90, 140, 60], (body.num_vertices, 1)), atol=0.5)


def test_the_unseen_side_takes_after_the_mirrored_one(body: BodyData, figure: Figure) -> None:
    image = painted(figure, body, {"01_arm_left": (220, 30, 40), "else": (60, 60, 60)})
    trust = (towards_viewer(figure, body) & (body.v_template[:, 0] > 0.02)).astype(np.float32)
    filled = fill_colours(image, body, figure, trust, body.v_template)
    right = np.setdiff1d(
        np.unique(body.faces[body.face_parts["02_arm_right"]]), np.flatnonzero(body.v_template[:, 0] > -0.35)
    )
    assert np.median(filled[right], axis=0) == pytest.approx([220, 30, 40], abs=25)


def test_parts_borrow_from_their_own_kind(body: BodyData, figure: Figure) -> None:
    own = {
        "05_leg_left": (30, 40, 200),
        "06_leg_right": (30, 40, 200),
        "09_torso": (30, 40, 200),
        "else": (230, 200, 180),
    }
    image = painted(figure, body, own)
    trust = towards_viewer(figure, body).astype(np.float32)
    filled = fill_colours(image, body, figure, trust, body.v_template)
    owner = body.weights.argmax(axis=1)
    back = figure.vertices[:, 2] > 0.05
    assert np.median(filled[back & (owner == 6)], axis=0) == pytest.approx([30, 40, 200], abs=12)
    assert np.median(filled[np.isin(owner, (18, 19)) & (trust == 0)], axis=0) == pytest.approx([230, 200, 180], abs=25)


def test_trusted_colours_stay(body: BodyData, figure: Figure) -> None:
    ramp = np.repeat(np.linspace(20, 235, SIZE_HW[0])[:, None, None], 3, axis=2)
    image = np.broadcast_to(ramp, (*SIZE_HW, 3)).astype(np.uint8)
    filled = fill_colours(image, body, figure, np.ones(body.num_vertices, np.float32), body.v_template)
    rows = np.clip(figure.points[:, 1], 0, SIZE_HW[0] - 1)
    off = np.abs(filled[:, 0] - np.interp(rows, np.arange(SIZE_HW[0]), ramp[:, 0, 0]))
    assert np.median(off) < 1.5 and np.percentile(off, 99) < 8


def test_nothing_trusted_still_gives_finite_colours(body: BodyData, figure: Figure) -> None:
    image = np.full((*SIZE_HW, 3), 128, np.uint8)
    assert np.isfinite(
        fill_colours(image, body, figure, np.zeros(body.num_vertices, np.float32), body.v_template)
    ).all()


def test_garments_are_told_by_the_part_in_front(body: BodyData, figure: Figure) -> None:
    same = same_garment(body, figure)
    owner = body.weights.argmax(axis=1)
    assert set(np.unique(same)) <= {0, 1} and same[np.isin(owner, (3, 6))].mean() > 0.8


def test_structure_is_repeated_behind_what_is_trusted(body: BodyData, figure: Figure) -> None:
    everywhere = np.ones(body.num_vertices, np.float32)
    unseen = echo_share(body, figure, 0 * everywhere, everywhere)
    assert 0 <= unseen.min() and 0.5 < unseen.max() <= 1
    assert echo_share(body, figure, everywhere, everywhere).max() == 0
    assert unseen[np.isin(part_kinds(body), ("head", "hand", "foot"))].max() == 0


def test_fine_structure_is_what_is_small_and_limited(rng: np.random.Generator) -> None:
    assert np.abs(fine_structure(np.full((40, 50, 3), 77, np.uint8), 100.0)).max() < 1e-3
    speckled = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    fine = fine_structure(speckled, 100.0)
    assert abs(float(fine.mean())) < 2 and np.abs(fine).max() <= 25
