"""A face back into its picture: a soft mask along the face's own outline, and colours that meet at the seam."""

from __future__ import annotations

from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, Float32, Shaped
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.face.finder import Faces
from limner.face.mesh import OUTLINE
from limner.face.squares import cut_square, paste_square, picture_from_crop, square_side
from limner.types import RgbImage

PasteRegion: TypeAlias = Literal["face", "square"]
"""What is pasted: the face within its outline, or the whole aligned square with hair and background."""

_FOREHEAD = 1.25  # how far the mask reaches beyond the mesh's outline, which ends at the hair line at best
_FEATHER = 0.05  # width of the mask's soft border, as a share of the aligned square
_SQUARE_FEATHER = 0.08
_FLOW = 0.12  # how far colours at the seam reach into the face, as a share of the square
_MOST_GAIN = np.array([1.5, 1.25, 1.25])  # how much contrast the colour match may change, in lightness and colours


def face_mask(faces: Faces, index: int, side: int, region: PasteRegion = "face") -> Float32[ndarray, "S S"]:
    """Return the soft mask of a face in its aligned square, 0 to 1.

    Args:
        faces: where the face lies in the picture.
        index: which of them.
        side: of the mask in pixels.
        region: the face within its outline (an ellipse about points given by hand), or the whole square.

    Raises:
        InputError: there is no such region.
    """
    if region not in ("face", "square"):
        raise InputError(f"a face or its whole square can be pasted, got {region!r}")
    hard = np.zeros((side, side), np.float32)
    feather = _FEATHER if region == "face" else _SQUARE_FEATHER
    if region == "square":
        edge = max(1, round(feather * side))
        hard[edge:-edge, edge:-edge] = 1
    else:
        quad = faces.quads[index]
        outline = _outline(faces, index)
        matrix = np.linalg.inv(np.vstack([picture_from_crop(quad, side), [0, 0, 1]]))[:2]
        corners = cv2.convexHull((outline @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))
        cv2.fillConvexPoly(hard, np.round(corners).astype(np.int32), 1.0)
    # Beyond the square there is nothing to paste: the border is brought to nought before it is softened.
    rim = max(1, round(feather * side))
    hard[:rim], hard[-rim:], hard[:, :rim], hard[:, -rim:] = 0, 0, 0, 0
    return cv2.GaussianBlur(hard, (0, 0), max(feather * side / 2, 0.3))


def _outline(faces: Faces, index: int) -> Float[ndarray, "N 2"]:
    """The face's outline in the picture, with more of the forehead than the mesh has."""
    five = faces.five[index].astype(np.float64)
    eyes, mouth = five[:2].mean(axis=0), five[3:].mean(axis=0)
    if faces.mesh is not None:
        points = faces.mesh[index][list(OUTLINE), :2].astype(np.float64)
    else:
        down, turn = mouth - eyes, np.linspace(0, 2 * np.pi, 36, endpoint=False)
        across = np.array([down[1], -down[0]])
        centre = eyes + 0.55 * down
        points = centre + 1.2 * np.outer(np.cos(turn), across) + 1.6 * np.outer(np.sin(turn), down)
    up = (eyes - mouth) / np.hypot(*(eyes - mouth))
    height = (points - eyes) @ up
    return points + np.where(height > 0, (_FOREHEAD - 1) * height, 0)[:, None] * up


def match_colours(crop: RgbImage, target: RgbImage, mask: Float32[ndarray, "S S"], *, flow: float = _FLOW) -> RgbImage:
    """Return a crop whose colours fit the target's: mean and contrast under the mask, then the seam itself.

    Along the mask's border what differs is carried into the face and fades there, so that light from one side stays.

    Args:
        crop: the new face, aligned.
        target: the old one, of the same size.
        mask: what of the crop is used.
        flow: how far the seam's colours reach into the face, as a share of the side.

    Raises:
        ShapeError: the sizes differ.

    Source: Reinhard et al. 2001, "Color Transfer between Images", for mean and contrast; for the seam the membrane of
        Perez et al. 2003 ("Poisson Image Editing") is replaced by a wide Gauss average of the border's differences.
    """
    check_shape(target, "the picture to match", crop.shape)
    check_shape(mask, "the mask", crop.shape[:2])
    if not mask.any():
        return crop
    new, old = (cv2.cvtColor(part.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) for part in (crop, target))
    weight = mask[..., None] / mask.sum()
    means = [(part * weight).sum(axis=(0, 1)) for part in (new, old)]
    spreads = [
        np.sqrt((weight * (part - mean) ** 2).sum(axis=(0, 1))) for part, mean in zip((new, old), means, strict=True)
    ]
    gain = np.clip(spreads[1] / np.maximum(spreads[0], 1e-3), 1 / _MOST_GAIN, _MOST_GAIN)
    matched = (new - means[0]) * gain + means[1]
    ring = (4 * mask * (1 - mask)).astype(np.float32)
    sigma = max(flow * crop.shape[0], 1.0)
    carried = cv2.GaussianBlur((old - matched) * ring[..., None], (0, 0), sigma)
    amount = cv2.GaussianBlur(ring, (0, 0), sigma)[..., None]
    # Where the ring is far away there is little of it under the Gauss bell: the correction fades.
    matched = matched + carried / np.maximum(amount, 0.25 * amount.max() + 1e-6)
    rgb = cv2.cvtColor(matched.astype(np.float32), cv2.COLOR_Lab2RGB)
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)


def paste_face(
    picture: Shaped[ndarray, "H W C"],
    crop: RgbImage,
    faces: Faces,
    index: int = 0,
    *,
    region: PasteRegion = "face",
    match: bool = True,
) -> Shaped[ndarray, "H W C"]:
    """Return the picture with an aligned crop laid back over the face that it was made from.

    Args:
        picture: RGB or RGBA of 8 bits; transparency stays as it is.
        crop: the new face, RGB, of any size, aligned by FFHQ's rule.
        faces: where the face lies in the picture.
        index: which of them.
        region: what is pasted.
        match: whether its colours are made to fit the old face's.

    Raises:
        InputError: there is no such face or region.
        ShapeError: the picture or the crop is no picture.
    """
    if not 0 <= index < len(faces):
        raise InputError(f"there are {len(faces)} faces, counted from 0, and number {index} was asked for")
    check_shape(crop, "a face to paste", ("S", "S", 3))
    quad, side = faces.quads[index], crop.shape[0]
    mask = face_mask(faces, index, side, region)
    if match:
        # Beyond the picture's border there are no colours to match.
        inside = cut_square(np.full((*picture.shape[:2], 3), 255, np.uint8), quad, side)[..., 0] == 255
        target = cut_square(np.ascontiguousarray(picture[..., :3]), quad, side)
        crop = match_colours(crop, target, mask * inside.astype(np.float32))
    low, high = _window(quad, picture.shape[:2])
    if (high <= low).any():
        return picture.copy()
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    size_hw = (int(high[1] - low[1]), int(high[0] - low[0]))
    share = paste_square(mask, quad - low, size_hw)[..., None]
    colours = paste_square(crop, quad - low, size_hw).astype(np.float32)
    pasted = picture.copy()
    under = picture[window][..., :3].astype(np.float32)
    pasted[window][..., :3] = np.clip(np.rint(under + share * (colours - under)), 0, 255).astype(np.uint8)
    return pasted


def _window(quad: Float[ndarray, "4 2"], size_hw: tuple[int, int]) -> tuple[ndarray, ndarray]:
    """The pixels of the picture that a square touches: first column and row, and what comes after the last."""
    limit = np.array([size_hw[1], size_hw[0]])
    low = np.clip(np.floor(quad.min(axis=0)).astype(int), 0, limit)
    return low, np.clip(np.ceil(quad.max(axis=0)).astype(int) + 1, 0, limit)


def detail_lost(quad: Float[ndarray, "4 2"], side: int) -> float:
    """Return how many pixels of the picture one pixel of the crop stands for; above 1 the pasted face is softer."""
    return square_side(quad) / side
