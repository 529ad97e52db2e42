"""Scores of picture sets: closed forms, symmetry, few samples, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from numpy import ndarray

from limner.checks import InputError, ShapeError
from limner.metrics import body_error, cosine_similarity, frechet_distance, inception_score


def _rows(count: int, width: int = 5, seed: int = 0) -> ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


def test_a_shift_moves_the_frechet_distance_by_its_square() -> None:
    rows = _rows(30)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows, rows + np.array([0, 3, 0, 4, 0])) == pytest.approx(25)
    # of Gaussians along one line: (deviation - deviation)^2
    assert frechet_distance(rows[:, :1], 3 * rows[:, :1] - 2 * rows[:, :1].mean()) == pytest.approx(
        4 * rows[:, :1].var(ddof=1)
    )


def test_the_frechet_distance_is_symmetric_also_for_few_rows() -> None:
    few, many = _rows(3), _rows(40, seed=1) * 2
    assert frechet_distance(few, many) == pytest.approx(frechet_distance(many, few), rel=1e-6)


def test_inception_score_is_one_for_equals_and_the_count_for_sure_classes() -> None:
    assert inception_score(np.ones((4, 3))) == pytest.approx(1)
    assert inception_score(np.eye(6) * 1000) == pytest.approx(6)


def test_cosine_and_body_error_by_hand() -> None:
    a, b = np.array([[1.0, 0], [0, 2]]), np.array([[3.0, 0], [2, 0]])
    assert cosine_similarity(a, b) == pytest.approx(0.5, abs=1e-5)
    bodies = np.zeros((2, 85))
    other = bodies.copy()
    other[0, 0], other[1, 80] = 1, 4
    assert body_error(bodies, other) == pytest.approx((2 + 4) / 2)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: frechet_distance(_rows(1), _rows(3)), InputError),
        (lambda: frechet_distance(_rows(3), _rows(3, 4)), ShapeError),
        (lambda: frechet_distance(_rows(3) * np.nan, _rows(3)), InputError),
        (lambda: inception_score(_rows(0)), InputError),
        (lambda: cosine_similarity(_rows(0), _rows(0)), InputError),
        (lambda: cosine_similarity(_rows(2), _rows(3)), ShapeError),
        (lambda: body_error(_rows(2), _rows(2)), ShapeError),
    ],
)
def test_bad_input_is_refused(call, error) -> None:
    with pytest.raises(error):
        call()
