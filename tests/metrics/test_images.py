"""SSIM and PSNR: equal to scikit-image, right inside a mask, clear about what cannot be compared."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.metrics import psnr, ssim, ssim_map


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two alike pictures of 37 x 53, 8 bits."""
    real = rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    made = np.clip(real.astype(int) + rng.integers(-30, 31, real.shape), 0, 255).astype(np.uint8)
    return real, made


def _signed(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float64) / 127.5 - 1


def test_ssim_equals_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    real, made = pair
    expected = metrics.structural_similarity(_signed(real), _signed(made), channel_axis=-1, data_range=2)
    assert ssim(real, made) == pytest.approx(expected, abs=1e-6)


def test_ssim_map_equals_scikit_image_up_to_the_border(pair: tuple[np.ndarray, np.ndarray]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    real, made = (_signed(image) for image in pair)
    _, full = metrics.structural_similarity(real, made, channel_axis=-1, data_range=2, full=True, win_size=11)
    np.testing.assert_allclose(ssim_map(real, made, window=11), full.mean(axis=2), atol=1e-9)


def test_psnr_equals_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    real, made = pair
    expected = metrics.peak_signal_noise_ratio(_signed(real), _signed(made), data_range=2)
    assert psnr(real, made) == pytest.approx(expected, abs=1e-9)


def test_eight_bits_equal_floats(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = pair
    assert ssim(real, made) == pytest.approx(ssim(_signed(real), _signed(made)), abs=1e-12)
    assert psnr(real, made) == pytest.approx(psnr(_signed(real), _signed(made)), abs=1e-9)


def test_psnr_of_a_known_error_is_known() -> None:
    black, grey = np.zeros((8, 9, 3)), np.full((8, 9, 3), 0.2)
    assert psnr(black, grey) == pytest.approx(20.0)


def test_ssim_of_flat_pictures_is_the_luminance_term() -> None:
    a, b = np.full((9, 8, 3), 0.5), np.full((9, 8, 3), -0.25)
    expected = (2 * 0.5 * -0.25 + 0.0004) / (0.25 + 0.0625 + 0.0004)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-12)


def test_equal_pictures_are_perfect(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, _ = pair
    assert ssim(real, real) == pytest.approx(1.0)
    assert psnr(real, real) == math.inf


def test_scores_are_symmetric(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = pair
    assert ssim(real, made) == pytest.approx(ssim(made, real), abs=1e-12)
    assert psnr(real, made) == pytest.approx(psnr(made, real), abs=1e-12)


def test_mask_of_ones_changes_nothing(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = pair
    everywhere = np.ones(real.shape[:2], bool)
    assert ssim(real, made, everywhere) == pytest.approx(ssim(real, made), abs=1e-12)
    assert psnr(real, made, everywhere) == pytest.approx(psnr(real, made), abs=1e-12)


def test_psnr_in_a_mask_sees_nothing_else(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = pair
    mask = np.zeros(real.shape[:2], np.float32)
    mask[5:20, 30:41] = 0.9
    inside = psnr(real[5:20, 30:41], made[5:20, 30:41])
    assert psnr(real, made, mask) == pytest.approx(inside, abs=1e-12)


def test_ssim_in_a_mask_is_the_mean_of_the_map(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = pair
    mask = np.zeros(real.shape[:2], np.float32)
    mask[5:20, 30:41] = 0.9
    assert ssim(real, made, mask) == pytest.approx(ssim_map(real, made)[5:20, 30:41].mean(), abs=1e-12)


def test_mask_leaves_the_border_out(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = pair
    mask = np.zeros(real.shape[:2], bool)
    mask[:2] = True
    with pytest.raises(InputError, match="no pixel"):
        ssim(real, made, mask)
    assert math.isfinite(psnr(real, made, mask))


@pytest.mark.parametrize("shape", [(7, 7, 3), (7, 40, 1), (16, 16, 4)])
def test_smallest_pictures_and_other_channels(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    real = rng.uniform(-1, 1, shape)
    assert ssim_map(real, -real).shape == shape[:2]
    assert -1 <= ssim(real, -real) < 1


def test_inputs_are_left_alone_and_may_be_views(pair: tuple[np.ndarray, np.ndarray]) -> None:
    real, made = pair
    before = real.copy()
    turned = ssim(real[:, ::-1], made[:, ::-1])
    assert turned == pytest.approx(ssim(real, made), abs=1e-12)
    assert (real == before).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda a, b: (a, b[:-1]), ShapeError, "image_b must have shape"),
        (lambda a, b: (a[..., 0], b[..., 0]), ShapeError, "image_a must have shape"),
        (lambda a, b: (a[:5, :5], b[:5, :5]), ShapeError, "at least 7 pixels"),
        (lambda a, b: (a * np.nan, b * 1.0), InputError, "not finite"),
    ],
)
def test_what_cannot_be_compared_says_why(pair, change, error, words) -> None:
    with pytest.raises(error, match=words):
        ssim(*change(*pair))


@pytest.mark.parametrize("window", [0, 1, 4])
def test_window_must_be_odd(pair: tuple[np.ndarray, np.ndarray], window: int) -> None:
    with pytest.raises(InputError, match="odd"):
        ssim(*pair, window=window)


def test_mask_of_another_size_is_refused(pair: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ShapeError, match="mask"):
        psnr(*pair, np.ones((3, 4)))


def test_a_frame_is_scored_in_a_blink(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    start = time.process_time()
    ssim(frame, frame[::-1])
    assert time.process_time() - start < 0.5
