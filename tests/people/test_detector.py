import numpy as np
import pytest

from limner.people.detector import _anchors, _average_overlapping, box_overlap, search_squares


def test_anchors_are_2254_cell_centres():
    anchors = _anchors()
    assert anchors.shape == (2254, 2)
    assert anchors[0] == pytest.approx([4 / 224, 4 / 224])
    assert anchors[2] == pytest.approx([12 / 224, 4 / 224])  # two anchors a cell, x first
    assert anchors[1568] == pytest.approx([8 / 224, 8 / 224])
    assert anchors[-1] == pytest.approx([208 / 224, 208 / 224])
    assert (anchors[-6:] == anchors[-1]).all()


def test_box_overlap_of_known_boxes():
    first = np.array([[0, 0, 2, 2], [0, 0, 0, 0.0]])
    second = np.array([[1, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2.0]])
    assert box_overlap(first, second)[0] == pytest.approx([1 / 3, 0, 1])
    assert (box_overlap(first, second)[1] == 0).all()
    assert box_overlap(np.zeros((0, 4)), second).shape == (0, 3)


def test_average_overlapping_weighs_by_score_and_keeps_the_best():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60.0]])
    points = np.zeros((3, 4, 2))
    points[1] = 3.0
    points[2] = 9.0
    score, averaged = _average_overlapping(np.array([0.6, 0.3, 0.9]), boxes, points)
    assert score == pytest.approx([0.9, 0.6])
    assert averaged[1] == pytest.approx(np.full((4, 2), 1.0))


def test_average_overlapping_keeps_a_box_without_area():
    score, _ = _average_overlapping(np.array([0.9]), np.zeros((1, 4)), np.zeros((1, 4, 2)))
    assert len(score) == 1
    assert len(_average_overlapping(np.zeros(0), np.zeros((0, 4)), np.zeros((0, 4, 2)))[0]) == 0


@pytest.mark.parametrize("size_hw", [(720, 1280), (1280, 720), (500, 500), (600, 3000)])
def test_search_squares_hold_a_sixth_high_person_anywhere(size_hw):
    height, width = size_hw
    squares = np.array(search_squares(size_hw))
    person = height / 6
    for x, y in np.random.default_rng(0).uniform(0, 1, (200, 2)) * (width - person / 3, height - person):
        left, top, side = squares.T
        share = person / side
        holds = (left <= x) & (top <= y) & (left + side >= x + person / 3) & (top + side >= y + person)
        assert (holds & (share >= 0.33) & (share <= 0.9)).any()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 500), (500, 1), (20, 20000)])
def test_search_squares_stay_few_for_odd_pictures(size_hw):
    assert 1 <= len(search_squares(size_hw)) <= 400
