"""The same person through a video: landmarks lead to the next frame's region, the detector looks again when they fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jaxtyping import Float32
from numpy import ndarray

from limner.people.locator import Locator
from limner.records import Keypoints
from limner.types import RgbImage

Track = tuple[int, Keypoints | None, Float32[ndarray, "H W"] | None]


def track_person(
    frames: Iterable[RgbImage], person: int = 0, *, with_masks: bool = False, locator: Locator | None = None
) -> Iterator[Track]:
    """Follow one person through a video.

    Args:
        frames: RGB pictures of one size, in order; read one at a time.
        person: which one, counted by box area, largest first, in the first frame that shows so many people.
        with_masks: also give the person's mask, 0 to 1.
        locator: the networks to use; None takes the default ones.

    Yields:
        The frame's number from 0, the keypoints (one row, "blazepose33" with world points) or None where the person is
        not seen, and the mask or None.
    """
    locator = locator or Locator.load()
    for number, frame in enumerate(frames):
        people = locator.locate(frame)
        if len(people) <= person:
            yield number, None, None
            continue
        yield number, people.keypoints[person : person + 1], locator.mask(frame, people, person) if with_masks else None
