"""One person from the frame they come in to the one they leave after."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from limner.people.tracker import track_person
from limner.records import Keypoints
from limner.types import RgbImage

LOST_S = 1.0
"""Seconds: a person away for longer is gone, and whoever comes next is another."""


@dataclass(frozen=True)
class Sighting:
    """A person in a row of frames.

    Attributes:
        first: the number of the frame they come in.
        end: the number of the first frame that was not looked at: where to look for the next person.
        track: keypoints, one row a frame; None where they are hidden.
        masks: one a frame, 0 to 255; None where they are hidden.
    """

    first: int
    end: int
    track: list[Keypoints | None]
    masks: list[UInt8[ndarray, "H W"] | None]


def watch_person(
    frames: Iterable[RgbImage],
    frame_rate: Fraction,
    person: int = 0,
    *,
    max_frames: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sighting | None:
    """Follow one person from their first frame until they are away for over a second.

    Args:
        frames: RGB pictures of one size, in order; they are numbered from 0.
        frame_rate: frames a second.
        person: which one, as `track_person` counts.
        max_frames: of the person at most.
        progress: called with how many frames were looked at.

    Returns:
        The frames up to the last one that shows the person; None where nobody comes.

    Raises:
        InputError: `person` is negative, or a frame is no RGB picture.
    """
    track: list[Keypoints | None] = []
    masks: list[UInt8[ndarray, "H W"] | None] = []
    first = end = missing = 0
    for number, keypoints, mask in track_person(frames, person, with_masks=True):
        end = number + 1
        if keypoints is None and not track:
            first = end
            continue
        track.append(keypoints)
        masks.append(None if mask is None else (mask * 255).astype(np.uint8))
        missing = missing + 1 if keypoints is None else 0
        if progress is not None:
            progress(end)
        if missing > LOST_S * frame_rate or (max_frames is not None and len(track) >= max_frames):
            break
    shown = len(track) - missing
    return Sighting(first, end, track[:shown], masks[:shown]) if track else None
