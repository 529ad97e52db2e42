"""Where detectors look, their anchors, and boxes that overlap."""

from __future__ import annotations

import numpy as np
import pytest

from limner.detection import anchor_centres, average_overlapping, box_overlap, distinct, search_squares


def test_anchors_are_the_middles_of_cells() -> None:
    anchors = anchor_centres(224, ((8, 2), (16, 2), (32, 6)))
    assert anchors.shape == (2254, 2)
    assert anchors[0] == pytest.approx([4, 4])
    assert anchors[2] == pytest.approx([12, 4])  # two anchors a cell, x first
    assert anchors[1568] == pytest.approx([8, 8])
    assert (anchors[-6:] == [208, 208]).all()


def test_box_overlap_of_known_boxes() -> None:
    first = np.array([[0, 0, 2, 2], [0, 0, 0, 0.0]])
    second = np.array([[1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2.0]])
    assert box_overlap(first, second)[0] == pytest.approx([1 / 3, 0, 1])
    assert (box_overlap(first, second)[1] == 0).all()
    assert box_overlap(np.zeros((0, 4)), second).shape == (0, 3)


def test_average_overlapping_weighs_by_score_and_keeps_the_best() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60.0]])
    points = np.zeros((3, 4, 2))
    points[1] = 3.0
    points[2] = 9.0
    score, averaged = average_overlapping(np.array([0.6, 0.3, 0.9]), boxes, points)
    assert score == pytest.approx([0.9, 0.6])
    assert averaged[1] == pytest.approx(np.full((4, 2), 1.0))


def test_average_overlapping_keeps_a_box_without_area() -> None:
    score, _ = average_overlapping(np.array([0.9]), np.zeros((1, 4)), np.zeros((1, 4, 2)))
    assert len(score) == 1
    assert average_overlapping(np.zeros(0), np.zeros((0, 4)), np.zeros((0, 9, 2)))[1].shape == (0, 9, 2)


@pytest.mark.parametrize("size_hw", [(720, 1280), (500, 500), (600, 3000)])
def test_squares_shrink_by_the_step_at_most_and_reach_every_border(size_hw: tuple[int, int]) -> None:
    squares = np.array(search_squares(size_hw, 150, step=1.8, most=400))
    sides = np.unique(squares[:, 2].round(6))
    assert sides[0] == pytest.approx(150) and sides[-1] == max(size_hw)
    assert (sides[1:] / sides[:-1] <= 1.8 + 1e-6).all()
    for side in sides:
        layer = squares[np.isclose(squares[:, 2], side)]
        assert (layer[:, :2].min(axis=0) <= 0).all()
        assert (layer[:, :2].max(axis=0) + side >= np.array(size_hw[::-1]) - 1e-6).all()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 500), (500, 1), (20, 20000)])
def test_squares_stay_few_for_odd_pictures(size_hw: tuple[int, int]) -> None:
    assert 1 <= len(search_squares(size_hw, 24, step=2.0, most=50)) <= 50


def test_what_is_dropped_drops_nothing_itself() -> None:
    same = np.eye(4, dtype=bool)
    same[0, 1] = same[1, 2] = same[2, 3] = True  # 1 repeats 0; 2 repeats 1 alone, which is gone
    assert distinct(same).tolist() == [0, 2]
    assert distinct(np.zeros((0, 0), bool)).tolist() == []
