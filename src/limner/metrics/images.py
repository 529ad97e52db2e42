"""SSIM and PSNR over a frame and inside a mask.

Notation (Wang et al. 2004, section III): x, y two pictures; mu their local means, sigma^2 their local variances,
sigma_xy their covariance, L the data range, C1 = (0.01 L)^2, C2 = (0.03 L)^2.

Source: the iPER evaluation of Liquid Warping GAN scores pictures in [-1, 1] with scikit-image: uniform 7x7 window,
sample covariance, mean over the pixels whose window lies inside the picture. The numbers here equal its to 1e-6.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Num
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape

WINDOW = 7
DATA_RANGE = 2.0


def ssim_map(
    image_a: Num[ndarray, "H W C"],
    image_b: Num[ndarray, "H W C"],
    *,
    window: int = WINDOW,
    data_range: float = DATA_RANGE,
) -> Float64[ndarray, "H W"]:
    """Compare two pictures window by window.

    Args:
        image_a: RGB, 8 bits or float in [-1, 1].
        image_b: the other picture, of the same size.
        window: side of the uniform window in pixels, odd.
        data_range: the largest difference that two values can have, after 8-bit pictures are taken to [-1, 1].

    Returns:
        The mean over the channels at every pixel; where the window reaches over the border it is filled by reflection.

    Raises:
        ShapeError: the pictures differ in size, or are smaller than the window.
        InputError: the window is even or not positive, or a value is not finite.

    Source: Wang et al. 2004, eq. 13, in scikit-image's form (covariances with n - 1).
    """
    x, y = _pair(image_a, image_b)
    _check_window(window, x.shape)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    unbiased = window**2 / (window**2 - 1)
    mu_x, mu_y = _mean(x, window), _mean(y, window)
    sigma_xy = unbiased * (_mean(x * y, window) - mu_x * mu_y)
    sigma_both = unbiased * (_mean(x * x + y * y, window) - mu_x**2 - mu_y**2)
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    return (luminance * (2 * sigma_xy + c2) / (sigma_both + c2)).mean(axis=2)


def ssim(
    image_a: Num[ndarray, "H W C"],
    image_b: Num[ndarray, "H W C"],
    mask: Num[ndarray, "H W"] | Bool[ndarray, "H W"] | None = None,
    *,
    window: int = WINDOW,
    data_range: float = DATA_RANGE,
) -> float:
    """Score the likeness of two pictures between -1 and 1.

    Args:
        image_a: RGB, 8 bits or float in [-1, 1].
        image_b: the other picture, of the same size.
        mask: pixels of the map to average, where it is above 0.5; None takes the whole frame.
        window: side of the uniform window in pixels, odd.
        data_range: the largest difference that two values can have.

    Returns:
        The mean of `ssim_map` over the pixels whose window lies inside the picture and, if given, inside the mask.

    Raises:
        ShapeError: the sizes differ, or are smaller than the window.
        InputError: the mask selects no pixel away from the border.
    """
    values = ssim_map(image_a, image_b, window=window, data_range=data_range)
    edge = window // 2
    inside = (slice(edge, values.shape[0] - edge), slice(edge, values.shape[1] - edge))
    chosen = values[inside]
    if mask is not None:
        chosen = chosen[_selected(mask, values.shape, inside)]
    return float(chosen.mean())


def psnr(
    image_a: Num[ndarray, "H W C"],
    image_b: Num[ndarray, "H W C"],
    mask: Num[ndarray, "H W"] | Bool[ndarray, "H W"] | None = None,
    *,
    data_range: float = DATA_RANGE,
) -> float:
    """Score the likeness of two pictures in decibels.

    Args:
        image_a: RGB, 8 bits or float in [-1, 1].
        image_b: the other picture, of the same size.
        mask: pixels to compare, where it is above 0.5; None takes the whole frame.
        data_range: the largest difference that two values can have.

    Returns:
        10 log10(data_range^2 / mean squared error); infinity for equal pictures.

    Raises:
        ShapeError: the sizes differ.
        InputError: the mask selects no pixel, or a value is not finite.
    """
    x, y = _pair(image_a, image_b)
    squared = (x - y) ** 2
    if mask is not None:
        squared = squared[_selected(mask, squared.shape[:2], (slice(None), slice(None)))]
    error = float(squared.mean())
    return math.inf if error == 0 else 10 * math.log10(data_range**2 / error)


def _mean(values: Float64[ndarray, "H W C"], window: int) -> Float64[ndarray, "H W C"]:
    filtered = cv2.boxFilter(values, cv2.CV_64F, (window, window), borderType=cv2.BORDER_REFLECT)
    return filtered.reshape(values.shape)  # OpenCV drops a last axis of length one


def _pair(
    image_a: Num[ndarray, "H W C"], image_b: Num[ndarray, "H W C"]
) -> tuple[Float64[ndarray, "H W C"], Float64[ndarray, "H W C"]]:
    check_shape(image_a, "image_a", ("H", "W", "C"))
    check_shape(image_b, "image_b", image_a.shape)
    return _signed(image_a, "image_a"), _signed(image_b, "image_b")


def _signed(image: Num[ndarray, "H W C"], name: str) -> Float64[ndarray, "H W C"]:
    if image.dtype == np.uint8:
        # Not left in [0, 255]: SSIM's luminance term depends on where zero is, and the protocol has it at mid-grey.
        return image.astype(np.float64) / 127.5 - 1.0
    values = np.ascontiguousarray(image, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds numbers that are not finite")
    return values


def _check_window(window: int, shape: tuple[int, ...]) -> None:
    if window < 3 or window % 2 == 0:
        raise InputError(f"window must be odd and at least 3, got {window}")
    if min(shape[:2]) < window:
        raise ShapeError(
            f"pictures must have at least {window} pixels each way, the side of the window, got {shape[:2]}",
            expected=f"({window}, {window})",
            actual=shape[:2],
        )


def _selected(
    mask: Num[ndarray, "H W"] | Bool[ndarray, "H W"], size_hw: tuple[int, ...], part: tuple[slice, slice]
) -> Bool[ndarray, "h w"]:
    check_shape(mask, "mask", size_hw)
    selected = np.asarray(mask)[part] > 0.5
    if not selected.any():
        raise InputError("the mask selects no pixel to compare")
    return selected
