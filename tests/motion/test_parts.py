"""Named parts: they cover the body, ease at their seams, and are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from limner.body import BodyData
from limner.checks import InputError
from limner.motion.parts import PARTS, part_shares

SIMPLE = ("head", "torso", "arms", "hands", "legs", "feet")


def middle_of(body: BodyData, *parts: str) -> np.ndarray:
    """Vertices whose neighbourhood lies wholly in the named parts of the body."""
    inside = np.zeros(body.num_vertices, bool)
    outside = inside.copy()
    for name, faces in body.face_parts.items():
        (inside if name in parts else outside)[np.unique(body.faces[faces])] = True
    seam = body.v_template[inside & outside]
    far = np.linalg.norm(body.v_template[:, None] - seam[None], axis=2).min(axis=1) > 0.05
    return inside & far


def test_a_part_is_one_inside_and_zero_elsewhere(body: BodyData) -> None:
    share = part_shares(body, ["torso"])
    torso = middle_of(body, "09_torso")
    assert share[torso].min() > 0.97
    elsewhere = middle_of(body, *(name for name in body.face_parts if name != "09_torso"))
    assert share[elsewhere].max() < 0.03


def test_seams_are_eased(body: BodyData) -> None:
    share = part_shares(body, ["legs"])
    edges = np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]]])
    assert np.abs(np.diff(share[edges], axis=1)).max() < 0.6
    assert ((share > 0.1) & (share < 0.9)).sum() > 50


def test_the_simple_parts_add_up_to_the_whole(body: BodyData) -> None:
    np.testing.assert_allclose(sum(part_shares(body, [name]) for name in SIMPLE), 1, atol=1e-4)


def test_all_is_everywhere(body: BodyData) -> None:
    assert part_shares(body, ["all"]).min() > 0.999


def test_names_may_overlap(body: BodyData) -> None:
    np.testing.assert_allclose(part_shares(body, ["upper", "torso"]), part_shares(body, ["torso", "arms"]), atol=1e-6)


def test_every_name_stands_for_parts_of_the_body(body: BodyData) -> None:
    assert {part for parts in PARTS.values() for part in parts} == set(body.face_parts)


@pytest.mark.parametrize(("parts", "named"), [(["torso", "hat"], "hat"), ([], "none")])
def test_unknown_parts_are_refused(body: BodyData, parts: list[str], named: str) -> None:
    with pytest.raises(InputError, match=f"torso.*got {named}"):
        part_shares(body, parts)
