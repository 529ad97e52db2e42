import numpy as np
import pytest

from limner.people.detector import views_of


@pytest.mark.parametrize("size_hw", [(720, 1280), (1280, 720), (500, 500), (600, 3000)])
def test_views_hold_a_sixth_high_person_anywhere(size_hw):
    height, width = size_hw
    squares = np.array(views_of(size_hw))
    person = height / 6
    for x, y in np.random.default_rng(0).uniform(0, 1, (200, 2)) * (width - person / 3, height - person):
        left, top, side = squares.T
        share = person / side
        holds = (left <= x) & (top <= y) & (left + side >= x + person / 3) & (top + side >= y + person)
        assert (holds & (share >= 0.33) & (share <= 0.9)).any()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 500), (500, 1), (20, 20000)])
def test_views_stay_few_for_odd_pictures(size_hw):
    assert 1 <= len(views_of(size_hw)) <= 400
