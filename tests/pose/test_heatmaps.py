"""Heatmaps: targets, peaks, decoding, the flip test and the running score."""

from __future__ import annotations

import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.pose import decode, find_peaks, flip_average, flip_back, heatmap_accuracy, make_targets, peaked

INPUT_HW, MAP_HW = (128, 96), (32, 24)


def gaussians(xy: np.ndarray, size_hw: tuple[int, int] = MAP_HW, sigma: float = 2.0) -> np.ndarray:
    """Maps whose peaks lie between the cells."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    square = (x - xy[..., 0, None, None]) ** 2 + (y - xy[..., 1, None, None]) ** 2
    return np.exp(-square / (2 * sigma**2)).astype(np.float32)


def to_image(xy: np.ndarray) -> np.ndarray:
    """Cells of a map of 24 x 32 to pixels, for a crop of 240 x 320 round (120, 160)."""
    return xy * 10


CENTER, SCALE = np.array([[120.0, 160.0]]), np.array([[1.2, 1.6]])


def test_targets_peak_at_their_cells_with_one() -> None:
    target, weight = make_targets(np.array([[40.0, 61.9]]), np.ones(1), INPUT_HW, MAP_HW)
    assert target.shape == (1, 32, 24) and target.dtype == weight.dtype == np.float32
    assert np.unravel_index(target[0].argmax(), MAP_HW) == (15, 10) and target.max() == 1
    assert target[0, 15, 16] == pytest.approx(np.exp(-36 / 8)) and target[0, 15, 17] == 0


def test_targets_equal_a_loop_over_cells() -> None:
    rng = np.random.default_rng(0)
    joints, visible = rng.uniform(-40, 150, (4, 9, 2)), (rng.random((4, 9)) < 0.8).astype(np.float32)
    target, weight = make_targets(joints, visible, INPUT_HW, MAP_HW, sigma=3)
    for person in range(4):
        for joint in range(9):
            x, y = (int(value / 4 + 0.5) for value in joints[person, joint])
            wanted = np.zeros(MAP_HW)
            if visible[person, joint]:
                for row in range(max(0, y - 9), min(32, y + 10)):
                    for column in range(max(0, x - 9), min(24, x + 10)):
                        wanted[row, column] = np.exp(-((row - y) ** 2 + (column - x) ** 2) / 18)
            np.testing.assert_allclose(target[person, joint], wanted, atol=1e-6)
            out = x - 9 >= 24 or y - 9 >= 32 or x + 10 < 0 or y + 10 < 0
            assert weight[person, joint] == (0 if out else visible[person, joint])


def test_a_patch_that_ends_just_before_the_map_keeps_its_weight() -> None:
    joints = np.array([[-32.0, 60], [-36.0, 60], [60, 152], [60, -36]])
    target, weight = make_targets(joints, np.ones(4), INPUT_HW, MAP_HW)
    assert weight.tolist() == [1, 0, 0, 0]
    assert target.max() == 0


def test_targets_take_weights_and_no_people() -> None:
    _, weight = make_targets(np.full((2, 2), 50.0), np.array([1, 0]), INPUT_HW, MAP_HW, joint_weights=[1.5, 1.2])
    assert weight.tolist() == [1.5, 0]
    target, _ = make_targets(np.zeros((0, 5, 2)), np.zeros((0, 5)), INPUT_HW, MAP_HW)
    assert target.shape == (0, 5, 32, 24)


def test_targets_refuse_what_cannot_be_drawn() -> None:
    with pytest.raises(InputError, match="no finite place"):
        make_targets(np.array([[np.nan, 0]]), np.ones(1), INPUT_HW, MAP_HW)
    with pytest.raises(ShapeError, match="joints"):
        make_targets(np.zeros((3, 2)), np.ones(2), INPUT_HW, MAP_HW)
    assert make_targets(np.array([[np.nan, 0]]), np.zeros(1), INPUT_HW, MAP_HW)[0].max() == 0


def test_peaks_are_first_on_ties_and_zero_where_nothing_is_above() -> None:
    maps = np.zeros((1, 3, 4, 5), np.float32)
    maps[0, 0, 2, 3] = maps[0, 0, 3, 1] = 0.5
    maps[0, 1] = -1
    maps[0, 1, 1, 1] = -0.5
    peaks = find_peaks(maps)
    assert peaks.xy[0].tolist() == [[3, 2], [0, 0], [0, 0]]
    assert peaks.score[0].tolist() == [0.5, -0.5, 0]


def test_peaks_of_nobody_and_of_no_cells() -> None:
    assert find_peaks(np.zeros((0, 17, 4, 3), np.float32)).xy.shape == (0, 17, 2)
    with pytest.raises(ShapeError, match="four axes"):
        find_peaks(np.zeros((1, 17, 0, 3), np.float32))


def test_quarter_step_goes_to_the_higher_neighbour_inside_only() -> None:
    maps = np.zeros((1, 4, 32, 24), np.float32)
    for joint, (x, y) in enumerate([(10, 9), (1, 9), (22, 9), (23, 9)]):
        maps[0, joint, y, x] = 1
        maps[0, joint, y, x - 1] = 0.5
        maps[0, joint, y + 1, x] = 0.5
    found = decode(maps, CENTER, SCALE).xy[0]
    plain = decode(maps, CENTER, SCALE, method="plain").xy[0]
    np.testing.assert_allclose(plain, to_image(np.array([[10, 9], [1, 9], [22, 9], [23, 9]])), atol=1e-3)
    np.testing.assert_allclose(found - plain, [[-2.5, 2.5], [0, 0], [-2.5, 2.5], [0, 0]], atol=1e-3)


def test_dark_finds_a_gaussian_between_the_cells() -> None:
    rng = np.random.default_rng(1)
    xy = rng.uniform((6, 6), (17, 25), (1, 50, 2))
    maps = gaussians(xy)
    error = {
        method: np.abs(decode(maps, CENTER, SCALE, method=method).xy - to_image(xy)).max() / 10
        for method in ("plain", "quarter", "dark")
    }
    # In cells. The largest error of "dark" measured here is 0.002; what is left comes from the blur's cut tail.
    assert error["dark"] < 0.005 < 0.2 < error["quarter"] < error["plain"]


def test_dark_leaves_borders_and_flat_maps_alone() -> None:
    maps = np.stack(
        [np.full((32, 24), 0.5, np.float32), gaussians(np.array([0.4, 15.0])), np.zeros((32, 24), np.float32)]
    )
    found, plain = (decode(maps[None], CENTER, SCALE, method=method).xy for method in ("dark", "plain"))
    np.testing.assert_array_equal(found, plain)
    tiny = np.ones((1, 1, 2, 2), np.float32)
    for method in ("quarter", "dark"):
        assert np.isfinite(decode(tiny, CENTER, SCALE, method=method).xy).all()


def test_decoding_many_equals_one_by_one() -> None:
    rng = np.random.default_rng(2)
    maps = rng.normal(size=(3, 5, 16, 12)).astype(np.float32)
    centers, scales = rng.uniform(50, 90, (3, 2)), rng.uniform(0.5, 2, (3, 2))
    before = maps.copy()
    for method in ("quarter", "dark"):
        many = decode(maps, centers, scales, method=method).xy
        for row in range(3):
            one = decode(maps[row : row + 1], centers[row : row + 1], scales[row : row + 1], method=method).xy
            np.testing.assert_allclose(many[row : row + 1], one, rtol=1e-5)
    np.testing.assert_array_equal(maps, before)
    assert decode(maps[:0], centers[:0], scales[:0]).xy.shape == (0, 5, 2)


def test_decoding_refuses_what_does_not_fit() -> None:
    maps = np.zeros((2, 3, 8, 6), np.float32)
    with pytest.raises(InputError, match="quarter, plain, dark"):
        decode(maps, np.zeros((2, 2)), np.ones((2, 2)), method="best")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="center"):
        decode(maps, np.zeros((1, 2)), np.ones((1, 2)))


def test_flip_average_of_a_mirrored_picture() -> None:
    """Maps of a mirrored picture lie a cell to the left once flipped back, as an even stride puts them."""
    rng = np.random.default_rng(3)
    maps = rng.random((2, 3, 6, 7)).astype(np.float32)
    moved = np.concatenate([maps[..., 1:], maps[..., -1:]], axis=-1)
    mirrored = flip_back(moved, [(0, 2)])
    mean = flip_average(maps, mirrored, [(0, 2)])
    np.testing.assert_allclose(mean[..., 1:], maps[..., 1:], rtol=1e-6)
    np.testing.assert_allclose(mean[..., 0], (maps[..., 0] + moved[..., 0]) / 2, rtol=1e-6)
    np.testing.assert_allclose(flip_average(maps, flip_back(maps, [(0, 2)]), [(0, 2)], shift=False), maps)
    with pytest.raises(ShapeError, match="mirrored"):
        flip_average(maps, mirrored[:1], [])


def test_accuracy_counts_near_peaks() -> None:
    wanted = np.array([[[5.0, 6], [5, 6], [1, 6], [8, 20]]])
    found = wanted + np.array([[0, 0], [4, 0], [0, 0], [0, 1.0]])
    scores = heatmap_accuracy(gaussians(found), gaussians(wanted))
    assert scores.per_joint.tolist() == [1, 0, -1, 1]
    assert scores.mean == pytest.approx(2 / 3) and scores.num_joints == 3
    np.testing.assert_array_equal(scores.xy, found)


def test_accuracy_of_empty_targets_is_zero() -> None:
    maps = np.zeros((2, 3, 8, 6), np.float32)
    scores = heatmap_accuracy(maps, maps)
    assert scores.mean == 0 and scores.num_joints == 0
    with pytest.raises(ShapeError):
        heatmap_accuracy(maps, maps[:1])


def test_maps_taught_by_cross_entropy_peak_at_one_when_sure():
    x, y = np.meshgrid(np.arange(18.0), np.arange(24.0))
    gaussian = np.exp(-((x - 8) ** 2 + (y - 11) ** 2) / (2 * 2.0**2)).astype(np.float32)
    logits = np.log(gaussian)[None, None] - 7
    maps = peaked(logits, 2.0)
    assert maps.dtype == np.float32 and maps.max() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(maps[0, 0], gaussian, atol=0.01)
    np.testing.assert_array_equal(logits, np.log(gaussian)[None, None] - 7)
