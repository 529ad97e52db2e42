"""PCK, PCKh, AUC and their tables."""

from __future__ import annotations

import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.metrics import (
    EvaluationProtocol,
    evaluate_coco,
    pck,
    pck_by_torso,
    pckh,
    published_scores,
    score_table,
    torso_size,
)
from limner.pose import NETWORKS, SKELETONS

MPII, LSP = SKELETONS["mpii16"].joints, SKELETONS["lsp14"].joints


@pytest.fixture
def heads() -> np.ndarray:
    """Heads whose size, 0.6 of the diagonal, is 30 pixels."""
    return np.tile([[0.0, 0.0], [30.0, 40.0]], (4, 1, 1))


def test_a_joint_counts_up_to_half_a_head_itself_included(heads: np.ndarray) -> None:
    truth, visible = np.full((4, 16, 2), 100.0), np.ones((4, 16), bool)
    predicted = truth.copy()
    predicted[:, 9, 0] += [14.9, 15.0, 15.1, 3.2]
    scores = pckh(predicted, truth, visible, heads, MPII)
    assert scores.joints[9] == scores.rows["Head"] == 75.0 and scores.rows["Ankle"] == 100.0
    assert scores.mean == pytest.approx(100 * (1 - 1 / 56))
    # 3.2 pixels are 0.107 heads: a hit at 0.11 and none at 0.10.
    assert scores.mean_at_011 == pytest.approx(100 * (1 - 3 / 56))
    assert scores.mean_at_010 == pytest.approx(100 * (1 - 4 / 56))
    assert list(scores.named())[-2:] == ["Mean", "Mean@0.1"] and scores.named()["Mean@0.1"] == scores.mean_at_011


def test_the_mean_weighs_joints_by_how_often_they_are_seen(heads: np.ndarray) -> None:
    truth, visible = np.full((4, 16, 2), 100.0), np.zeros((4, 16), bool)
    visible[:, 0], visible[0, 1], visible[:, 6] = True, True, True
    predicted = truth.copy()
    predicted[:, [1, 6]] += 50
    scores = pckh(predicted, truth, visible, heads, MPII)
    assert np.isnan(scores.joints[5]) and np.isnan(scores.rows["Knee"])
    # Parity: joints that nobody shows are 0/0, and the published mean passes that on.
    assert np.isnan(scores.mean)
    visible[0] = True
    assert pckh(predicted, truth, visible, heads, MPII).mean == pytest.approx(100 * 16 / 17)


def test_pck_equals_counting_by_hand(rng: np.random.Generator) -> None:
    truth, predicted = rng.uniform(0, 50, (2, 7, 14, 2))
    visible, size = rng.random((7, 14)) < 0.7, rng.uniform(20, 90, 7)
    share = pck(predicted, truth, visible, size, [0.2, 0.5])
    for t, threshold in enumerate((0.2, 0.5)):
        for k in range(14):
            near = [
                np.hypot(*(predicted[n, k] - truth[n, k])) <= threshold * size[n] for n in range(7) if visible[n, k]
            ]
            assert share[t, k] == pytest.approx(np.mean(near))


def test_the_torso_is_the_longer_diagonal_that_is_annotated() -> None:
    points, visible = np.zeros((3, 14, 2)), np.ones((3, 14), bool)
    points[:, LSP.index("left_shoulder")] = (30, 40)
    points[:, LSP.index("right_shoulder")] = (0, 20)
    visible[1, LSP.index("right_hip")] = False
    visible[2, [LSP.index("right_hip"), LSP.index("left_hip")]] = False
    np.testing.assert_array_equal(torso_size(points, visible, LSP), [50, 20, np.nan])


def test_the_area_under_the_curve_is_that_of_a_staircase() -> None:
    points, visible = np.zeros((2, 14, 2)), np.ones((2, 14), bool)
    points[:, LSP.index("left_shoulder"), 1] = 100
    predicted = points + np.array([9.5, 0])
    scores = pck_by_torso(predicted, points, visible, LSP)
    assert scores.mean == 100 and scores.rows["Head"] == 100
    # All joints are hit from 0.095 torsos on: the trapezia rise between 0.09 and 0.10.
    assert scores.auc == pytest.approx(100 * (0.5 + 10) / 20)
    assert pck_by_torso(points, points, visible, LSP).auc == 100
    assert pck_by_torso(points + 60, points, visible, LSP).named()["AUC"] == 0


def test_people_without_torso_are_left_out_and_counted() -> None:
    points, visible = np.random.default_rng(0).uniform(0, 90, (3, 14, 2)), np.ones((3, 14), bool)
    visible[1, 8:10] = False
    scores = pck_by_torso(points, points, visible, LSP)
    assert (scores.num_people, scores.num_without_torso) == (2, 1)
    with pytest.raises(InputError, match="no measure"):
        pck_by_torso(points[1:2], points[1:2], visible[1:2], LSP)


def test_what_does_not_fit_is_refused(heads: np.ndarray) -> None:
    truth, visible = np.zeros((4, 16, 2)), np.ones((4, 16), bool)
    with pytest.raises(ShapeError, match="predicted"):
        pckh(truth[:3], truth, visible, heads, MPII)
    with pytest.raises(ShapeError, match="head_boxes"):
        pckh(truth, truth, visible, heads[:2], MPII)
    with pytest.raises(InputError, match="4 people have no size"):
        pckh(truth, truth, visible, heads * 0, MPII)
    with pytest.raises(InputError, match="nobody to score"):
        pck(truth[:0], truth[:0], visible[:0], np.zeros(0), [0.2])


def protocol(dataset: str, network: str, input_hw: tuple[int, int]) -> EvaluationProtocol:
    return EvaluationProtocol(dataset, network, input_hw, "annotated boxes", True, "quarter-cell shift")


def test_a_table_has_its_protocol_and_the_published_row(heads: np.ndarray) -> None:
    truth, visible = np.full((4, 16, 2), 100.0), np.ones((4, 16), bool)
    scores = pckh(truth, truth, visible, heads, MPII)
    text = score_table(scores, protocol("MPII valid", "hrnet-w32", (256, 256)))
    lines = text.splitlines()
    assert "boxes: annotated boxes; flip test: yes; decoding: quarter-cell shift" in lines[0]
    assert lines[1].split() == [*scores.named()] and lines[2].split() == ["measured", *["100.00"] * 9]
    assert lines[3].split() == ["published", *"97.1 95.9 90.3 86.4 89.1 87.1 83.3 90.3 37.7".split()]
    assert "0.11 head sizes" in text and "at 0.10 the mean is 100.00" in text


def test_a_coco_table_leaves_gaps_where_nothing_is_published() -> None:
    scores = evaluate_coco({"images": [], "annotations": [], "categories": [{"id": 1}]}, [])
    lines = score_table(scores, protocol("COCO val2017", "hrnet-w48", (384, 288))).splitlines()
    assert lines[3].split() == ["published", *"0.763 0.908 0.829 0.723 0.834 0.812 - - - -".split()]
    assert "AP 56.4" in lines[4]


def test_a_table_says_that_nothing_is_published() -> None:
    points, visible = np.random.default_rng(0).uniform(0, 90, (3, 14, 2)), np.ones((3, 14), bool)
    text = score_table(pck_by_torso(points, points, visible, LSP), protocol("LSP test", "hrnet-w32", (256, 192)))
    assert "no figure for hrnet-w32" in text and "PCK@0.2" in text and "AUC" in text


def test_published_figures_are_of_networks_that_there_are() -> None:
    assert published_scores("COCO val2017", "hrnet-w32", (256, 192)).scores["AP"] == 0.744
    assert published_scores("COCO val2017", "hrnet-w32", (99, 192)) is None
    from limner.metrics import reports

    assert {network for network, _ in [*reports._COCO_VAL, *reports._MPII_VAL]} <= set(NETWORKS)
