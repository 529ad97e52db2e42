"""A person read from a photo: the picture at the size of the frames, their mask, their body, their landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.body import BodyPredictor
from limner.checks import InputError, NobodyFound
from limner.media import read_image
from limner.people import Locator, refine_mask
from limner.records import Bodies, Keypoints
from limner.types import RgbImage

SMALLEST_SIDE, LARGEST_SIDE = 256, 1024
MIN_PHOTO_SIDE = 64
"""Photos with a shorter side hold no person that could be painted."""
UNSEEN = 0.3
"""Score below which a landmark is taken to lie outside the photo or behind something."""


@dataclass(frozen=True, eq=False)
class PhotoPerson:
    """A person as a photo shows them.

    Attributes:
        image: the photo at the size of the frames.
        alpha: (H, W) how much of each pixel is this person.
        bodies: their body, one row.
        keypoints: their landmarks, one row.
        warnings: what the user should know about the photo.
    """

    image: RgbImage
    alpha: Float32[ndarray, "H W"]
    bodies: Bodies
    keypoints: Keypoints
    warnings: tuple[str, ...] = ()


def read_person(
    photo: RgbImage | str | Path, *, person: int = 0, size: int | None = None, body: str = "free"
) -> PhotoPerson:
    """Find a person in a photo.

    Args:
        photo: a picture, or its file.
        person: which one, counted from the largest.
        size: longer side in pixels to work at; by default the photo's own within 256 to 1024.
        body: "free", or "smpl:PATH" for a licensed SMPL file.

    Raises:
        NobodyFound: there is nobody in the photo, or fewer people than `person` asks for.
        InputError: a size out of range, or a photo too small.
    """
    image = photo if isinstance(photo, np.ndarray) else read_image(photo, min_side=MIN_PHOTO_SIDE)
    image = resize_photo(image, size)
    locator = Locator.load()
    people = locator.locate(image)
    _check_person(len(people), person, "the photo" if isinstance(photo, np.ndarray) else str(photo))
    predictor = BodyPredictor.for_painting(body, locator=locator)
    alpha = refine_mask(image, locator.mask(image, people, person))
    bodies = predictor.predict(image, people, person=person, mask=alpha)
    shown = people.keypoints[person : person + 1]
    return PhotoPerson(image, alpha, bodies, shown, tuple(_photo_warnings(shown)))


def resize_photo(image: RgbImage, size: int | None) -> RgbImage:
    """Bring a photo to the size of the frames: longer side `size`, both sides even.

    Raises:
        InputError: `size` is out of range, or the photo too small to hold a person.
    """
    height, width = image.shape[:2]
    if min(height, width) < MIN_PHOTO_SIDE:
        raise InputError(f"the photo has {width} x {height} pixels; at least {MIN_PHOTO_SIDE} on each side are needed")
    if size is not None and not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise InputError(f"size must be {SMALLEST_SIDE} to {LARGEST_SIDE} pixels, got {size}")
    longer = size or int(np.clip(max(height, width), SMALLEST_SIDE, LARGEST_SIDE))
    factor = longer / max(height, width)
    wanted = tuple(max(2, round(side * factor / 2) * 2) for side in (width, height))
    if wanted == (width, height):
        return image
    return cv2.resize(image, wanted, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def _check_person(found: int, person: int, photo: str) -> None:
    if found == 0:
        raise NobodyFound(f"nobody was found in {photo}; give a photo that shows a person from head to feet")
    if not 0 <= person < found:
        raise NobodyFound(f"person {person} was asked for, but {photo} shows {found}, counted from 0, largest first")


def _photo_warnings(shown: Keypoints) -> Iterator[str]:
    ankles = shown.score[0, [27, 28]]
    if ankles.max() < UNSEEN:
        yield "the feet are not in the photo: the missing part of the body is guessed"
