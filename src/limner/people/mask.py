"""Masks that follow the edges of a picture: colours decide in a narrow band, a guided filter draws the soft edge."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.people.locator import check_picture
from limner.types import RgbImage

_WORK_SIDE = 1024  # longer side in pixels at which the colours decide
_ENLARGE = 4.0
_BAND = 0.012  # half width of the uncertain band, as a share of the person's extent
_NOTHING = 0.3  # what the network gives a gap between two legs at most
_ISLAND = 0.02  # share of the largest part's area below which a part is an island
_ROUNDS = 3  # GrabCut's colour models have settled after three
_SOFT = 0.004  # radius of the guided filter, as a share of the person's extent
_SMOOTH = 1e-4  # the guided filter's epsilon for pictures in [0, 1]: edges above 1 % contrast are kept


def refine_mask(image: RgbImage, mask: Float32[ndarray, "H W"]) -> Float32[ndarray, "H W"]:
    """Move the edge of a person's mask onto the edges of the picture, soft at hair and blur.

    Args:
        image: RGB.
        mask: 0 to 1, smooth, right to about 2 % of the person's extent, as `Locator.mask` gives it.

    Returns:
        The person's opacity, 0 to 1: 1 well inside, 0 well outside, without holes or islands that `mask` does not have.
        A mask with nobody in it comes back unchanged.

    Raises:
        ShapeError: mask and picture differ in size.

    Source: Rother et al. 2004, "GrabCut"; He et al. 2010, "Guided Image Filtering".
    """
    check_picture(image)
    check_shape(mask, "mask", image.shape[:2])
    if not np.isfinite(mask).all():
        raise InputError("mask holds numbers that are not finite")
    box = _extent(mask > 0.5)
    if box is None:
        return mask.astype(np.float32)
    left, top, right, bottom = box
    extent = max(right - left, bottom - top)
    margin = int(0.15 * extent) + 8
    rows = slice(max(top - margin, 0), bottom + margin)
    columns = slice(max(left - margin, 0), right + margin)
    result = np.zeros_like(mask, dtype=np.float32)
    result[rows, columns] = _refine_crop(np.ascontiguousarray(image[rows, columns]), mask[rows, columns], extent)
    return result


def _refine_crop(image: RgbImage, mask: Float32[ndarray, "H W"], extent: int) -> Float32[ndarray, "H W"]:
    height, width = mask.shape
    # Small photos are enlarged, so that the band and the gaps between limbs span several pixels.
    scale = min(_ENLARGE, _WORK_SIDE / max(height, width))
    size_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    rough = cv2.resize(
        mask.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    sure = _by_colour(small, rough, extent * scale)
    # The filter's lines are computed at no more than the working size and applied to every pixel, so that a photo of
    # many megapixels costs little memory (He and Sun 2015, "Fast Guided Filter").
    coarse = min(1.0, scale)
    size_wh = (max(round(width * coarse), 1), max(round(height * coarse), 1))
    sure, guide = (cv2.resize(array, size_wh, interpolation=cv2.INTER_AREA) for array in (sure, image))
    radius = max(1, round(_SOFT * extent * coarse))
    slope, offset = local_lines(guide.astype(np.float32) / 255, sure, radius, _SMOOTH)
    slope, offset = (cv2.resize(array, (width, height), interpolation=cv2.INTER_LINEAR) for array in (slope, offset))
    alpha = np.einsum("hwc,hwc->hw", slope, image.astype(np.float32) / 255) + offset
    # The filter's slow tails are cut off, more of them outside: a pale rim shows on any new background.
    return np.clip((alpha - 0.18) / 0.74, 0, 1)


def _by_colour(image: RgbImage, rough: Float32[ndarray, "H W"], extent: float) -> Float32[ndarray, "H W"]:
    """Let GrabCut decide each pixel of the uncertain band; return 0 or 1."""
    reach = max(2, round(_BAND * extent))
    person = (rough > 0.5).astype(np.uint8)
    inner = cv2.erode(person, _disc(reach)) | (rough > 0.98).astype(np.uint8) & cv2.erode(person, _disc(reach // 2))
    # Colours may add nothing where the network sees a gap: a brown rail beside a brown leg is no leg.
    outer = cv2.dilate(person, _disc(reach)) & cv2.dilate((rough > _NOTHING).astype(np.uint8), _disc(1))
    labels = np.where(person > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inner > 0], labels[outer == 0] = cv2.GC_FGD, cv2.GC_BGD
    if (labels == cv2.GC_FGD).any() and (labels == cv2.GC_BGD).any():
        cv2.setRNGSeed(0)
        cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK)
    cut = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    return _tidy(cut, person).astype(np.float32)


def _tidy(cut: UInt8[ndarray, "H W"], person: UInt8[ndarray, "H W"]) -> UInt8[ndarray, "H W"]:
    """Drop islands, and close holes that the network's mask does not have."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(cut, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    for label in range(1, count):
        island = parts == label
        # A bar in front of the legs parts the person in two, and both are kept.
        if areas[label] < _ISLAND * areas[1:].max() or person[island].mean() < 0.5:
            cut[island] = 0
    count, parts, stats, _ = cv2.connectedComponentsWithStats(1 - cut, connectivity=4)
    for label in range(1, count):
        hole = parts == label
        touches_border = hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any()
        if not touches_border and person[hole].mean() > 0.5:
            cut[hole] = 1
    return cut


def local_lines(
    guide: Float32[ndarray, "H W 3"], values: Float32[ndarray, "H W"], radius: int, epsilon: float
) -> tuple[Float32[ndarray, "H W 3"], Float32[ndarray, "H W"]]:
    """Return the guided filter's lines: at each pixel the slope and offset that make `values` of nearby colours.

    Args:
        guide: colours in [0, 1]; `slope . guide + offset` is the filtered picture.
        values: what to smooth along the colours' edges.
        radius: of the square windows, in pixels.
        epsilon: variance of colour below which a window counts as flat.

    Source: He et al. 2010, equations 14 to 16 (colour guide).
    """

    def mean(array: ndarray) -> ndarray:
        return cv2.blur(array, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_values = mean(guide), mean(values)
    shared = mean(guide * values[..., None]) - mean_guide * mean_values[..., None]
    # Six of the nine entries: the matrix is symmetric.
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    spread = np.zeros((*values.shape, 3, 3), np.float32)
    for i, j in pairs:
        entry = mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
        spread[..., i, j] = spread[..., j, i] = entry + (epsilon if i == j else 0)
    slope = np.linalg.solve(spread, shared[..., None])[..., 0]
    offset = mean_values - (slope * mean_guide).sum(axis=-1)
    return mean(slope), mean(offset)


def _extent(inside: ndarray) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _disc(radius: int) -> UInt8[ndarray, "D D"]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
