"""OKS and suppression: symmetric, equal to the formula by hand, and right on empty lists."""

from __future__ import annotations

import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.metrics import COCO_SIGMAS, box_nms, oks, oks_nms, oks_sigmas, rescore, soft_oks_nms
from limner.pose import SKELETONS


@pytest.fixture
def people(rng: np.random.Generator) -> np.ndarray:
    """Five people of 17 joints within 100 pixels; the last is the first, moved by two pixels."""
    people = rng.uniform(0, 100, (5, 17, 3))
    people[..., 2] = rng.random((5, 17))
    people[4, :, :2] = people[0, :, :2] + 2
    return people


AREA = np.array([3000.0, 2000.0, 5000.0, 4000.0, 3000.0])


def test_oks_is_the_formula(people: np.ndarray) -> None:
    similarity = oks(people, people[:2], AREA, AREA[:2])
    squared = ((people[3, :, :2] - people[1, :, :2]) ** 2).sum(axis=1)
    by_hand = np.exp(-squared / (2 * COCO_SIGMAS) ** 2 / ((4000 + 2000) / 2) / 2).mean()
    assert similarity.shape == (5, 2) and similarity[3, 1] == pytest.approx(by_hand, rel=1e-12)
    assert similarity[0, 0] == similarity[1, 1] == 1.0


def test_oks_does_not_change_with_size_or_order(people: np.ndarray) -> None:
    similarity = oks(people, people, AREA, AREA)
    bigger = people * (3, 3, 1)
    np.testing.assert_allclose(oks(bigger, bigger, 9 * AREA, 9 * AREA), similarity, rtol=1e-9)
    np.testing.assert_allclose(similarity, similarity.T)


def test_a_long_list_equals_its_parts(people: np.ndarray) -> None:
    many, areas = np.tile(people, (60, 1, 1)), np.tile(AREA, 60)
    np.testing.assert_array_equal(oks(many, people, areas, AREA)[295:], oks(people, people, AREA, AREA))


def test_joints_below_the_score_do_not_count(people: np.ndarray) -> None:
    first, second = people[:1].copy(), people[1:2].copy()
    first[0, :, 2], second[0, :, 2] = 0, 1
    first[0, 3], second[0, 3] = (5, 5, 1), (5, 5, 1)
    assert oks(first, second, AREA[:1], AREA[:1], min_score=0.5)[0, 0] == 1.0
    second[0, 3, 2] = 0
    assert oks(first, second, AREA[:1], AREA[:1], min_score=0.5)[0, 0] == 0.0
    assert oks(first, second, AREA[:1], AREA[:1], min_score=0.5, only_second=True)[0, 0] < 0.5


def test_doubles_are_dropped_best_first(people: np.ndarray) -> None:
    score = np.array([0.5, 0.9, 0.3, 0.8, 0.6])
    assert oks_nms(people, score, AREA, 0.5).tolist() == [1, 3, 4, 2]
    assert oks_nms(people, score, AREA, 1.0).tolist() == [1, 3, 4, 0, 2]
    assert soft_oks_nms(people, score, AREA, 0.5).tolist() == [1, 3, 4, 2, 0]


def test_equal_scores_keep_their_order(people: np.ndarray) -> None:
    assert oks_nms(people, np.ones(5), AREA, 0.5).tolist() == [0, 1, 2, 3]


def test_soft_suppression_keeps_twenty(rng: np.random.Generator) -> None:
    people = rng.uniform(0, 5000, (30, 17, 3))
    assert len(soft_oks_nms(people, rng.random(30), np.ones(30), 0.9)) == 20


def test_boxes_count_their_last_pixel() -> None:
    boxes = np.array([[0, 0, 9, 9], [5, 0, 14, 9], [20, 20, 29, 29]])
    score = np.array([0.5, 0.9, 0.7])
    # The first two share 5 of 15 columns: 1/3, kept at 1/3 and dropped below.
    assert box_nms(boxes, score, 1 / 3).tolist() == [1, 2, 0]
    assert box_nms(boxes, score, 0.33).tolist() == [1, 2]


def test_scores_fade() -> None:
    overlap, score = np.array([0.0, 0.4, 0.6]), np.array([1.0, 0.5, 0.5])
    np.testing.assert_allclose(rescore(overlap, score, 0.5, "linear"), [1.0, 0.5, 0.2])
    np.testing.assert_allclose(rescore(overlap, score, 0.5), score * np.exp([0, -0.32, -0.72]))
    with pytest.raises(InputError, match="gaussian"):
        rescore(overlap, score, 0.5, "cubic")  # type: ignore[arg-type]


def test_nobody_is_fine() -> None:
    nobody, none = np.zeros((0, 17, 3)), np.zeros(0)
    assert oks(nobody, nobody, none, none).shape == (0, 0)
    assert oks_nms(nobody, none, none, 0.5).size == soft_oks_nms(nobody, none, none, 0.5).size == 0
    assert box_nms(np.zeros((0, 4)), none, 0.5).size == 0


def test_inputs_are_not_changed(people: np.ndarray) -> None:
    given, score = people.copy(), np.array([0.5, 0.9, 0.1, 0.8, 0.6])
    soft_oks_nms(people, score, AREA, 0.5)
    np.testing.assert_array_equal(people, given)
    assert score.tolist() == [0.5, 0.9, 0.1, 0.8, 0.6]


def test_sigmas_go_by_the_joints_names() -> None:
    np.testing.assert_array_equal(oks_sigmas(SKELETONS["coco17"].joints), COCO_SIGMAS)
    with pytest.raises(InputError, match="thorax"):
        oks_sigmas(SKELETONS["mpii16"].joints)


def test_other_numbers_of_joints_need_sigmas(people: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="give sigmas"):
        oks(people[:, :14], people[:, :14], AREA, AREA)
    with pytest.raises(ShapeError, match="second_area"):
        oks(people, people, AREA, AREA[:2])
