"""Hair that is not seen: it ends above the neck, has the colour of what is seen and strands round the head."""

from __future__ import annotations

import numpy as np
import pytest
from numpy import ndarray

from limner.body import BodyData
from limner.motion.hair import MOST_LEVELS, Scalp, find_scalp, strand_levels, strands

HAIR, SKIN = np.float32([40, 30, 20]), np.float32([200, 160, 140])


def coloured(body: BodyData) -> ndarray:
    """Skin everywhere, hair above the brows."""
    own = np.tile(SKIN, (body.num_vertices, 1))
    own[body.v_template[:, 1] > body.v_template[np.unique(body.faces[body.face_lists["face"]]), 1].max()] = HAIR
    return own


@pytest.fixture
def scalp(body: BodyData) -> Scalp:
    return find_scalp(body, coloured(body), np.ones(body.num_vertices, np.float32), body.v_template)


def test_hair_covers_the_back_of_the_head_and_leaves_the_neck(body: BodyData, scalp: Scalp) -> None:
    head, face = (np.unique(body.faces[body.face_lists[name]]) for name in ("head", "face"))
    height, chin, brows = body.v_template[:, 1], body.v_template[face, 1].min(), body.v_template[face, 1].max()
    behind = np.setdiff1d(head, face)
    behind = behind[body.v_template[behind, 2] < body.v_template[head, 2].mean() - 0.05]
    assert scalp.hair[behind[height[behind] > (chin + brows) / 2]].all()
    assert not scalp.hair[height < chin + 0.25 * (brows - chin)].any() and not scalp.hair[face].any()
    np.testing.assert_allclose(scalp.colour, HAIR)


def test_strands_are_as_strong_as_the_hair_that_is_seen(body: BodyData, scalp: Scalp, rng: np.random.Generator) -> None:
    trust = (body.v_template[:, 2] > 0).astype(np.float32)
    fine = np.repeat(rng.normal(0, 5, (body.num_vertices, 1)), 3, axis=1).astype(np.float32)
    levels = strand_levels(scalp, fine, trust)
    assert levels[scalp.hair & (trust == 0)] == pytest.approx(5, abs=1)
    assert not levels[~scalp.hair].any() and not levels[trust == 1].any()
    assert strand_levels(scalp, 100 * fine, trust).max() == MOST_LEVELS
    assert not strand_levels(scalp._replace(colour=None), fine, trust).any()


def test_strands_fall_from_the_crown_and_differ_round_the_head() -> None:
    angle = np.linspace(-np.pi, np.pi, 2000)
    ring = np.stack([0.09 * np.sin(angle), np.zeros_like(angle), 0.09 * np.cos(angle)], axis=1).astype(np.float32)
    tones = strands(ring, np.zeros(3, np.float32))
    assert abs(tones.mean()) < 0.3 and 0.4 < tones.std() < 1.2
    assert tones[0] == pytest.approx(tones[-1], abs=1e-4)
    np.testing.assert_allclose(strands(1.3 * ring, np.zeros(3, np.float32)), tones, atol=1e-4)
