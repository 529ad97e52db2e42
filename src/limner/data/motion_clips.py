"""The record of motion data: one person in pictures of one size, with a body in each; the same for every data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape
from limner.data.pictures import missing_pictures, read_picture
from limner.media import read_image
from limner.records import Bodies
from limner.types import RgbImage


@dataclass(frozen=True)
class MotionClip:
    """One person, frame by frame.

    Attributes:
        name: what to call it in messages and patterns, such as "001/9/1".
        root: the folder that the pictures' names start from.
        pictures: the name of each frame.
        bodies: one a frame; its size is that of the pictures that the cameras were found in.
        masks: the name of each frame's person mask, a grey picture; None where there are none.
        keypoints: (T, 19, 2) cocoplus points in [-1, 1]; None where they are to be taken from the body.
        sources: which frames may serve as the photo.
    """

    name: str
    root: Path
    pictures: tuple[str, ...]
    bodies: Bodies
    masks: tuple[str, ...] | None = None
    keypoints: Float32[ndarray, "T 19 2"] | None = None
    sources: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.bodies) != len(self.pictures):
            raise ShapeError(f"{self.name} has {len(self.pictures)} pictures and {len(self.bodies)} bodies")
        if self.keypoints is not None:
            check_shape(self.keypoints, f"the keypoints of {self.name}", (len(self), 19, 2))
        if not self.sources:
            object.__setattr__(self, "sources", tuple(range(len(self))))

    def __len__(self) -> int:
        return len(self.pictures)

    def read_picture(self, frame: int) -> RgbImage:
        """Read a frame.

        Raises:
            FileProblem: it is missing or cannot be decoded.
        """
        return read_picture(self.root, self.pictures[frame])

    def read_mask(self, frame: int) -> Float32[ndarray, "H W"] | None:
        """Read the person mask of a frame, 0 to 1; None where the data set has none.

        Raises:
            FileProblem: it is missing or cannot be decoded.
        """
        if self.masks is None:
            return None
        return read_image(self.root / self.masks[frame], upright=False)[..., 0].astype(np.float32) / 255

    def missing(self) -> list[str]:
        """Return the names of pictures that are not there."""
        return missing_pictures(self.root, [*self.pictures, *(self.masks or ())])


def split_clips(clips: Sequence[MotionClip], patterns: Sequence[str], share: float) -> tuple[list, list]:
    """Part clips into those to learn from and those to be judged by; a clip is one person and stays whole.

    Args:
        clips: all of them.
        patterns: names of clips to be judged by, with `*` for any letters.
        share: without patterns, the share of clips to be judged by, evenly spread.

    Raises:
        InputError: a pattern fits no clip, or nothing is left on one side.
    """
    idle = [pattern for pattern in patterns if not any(fnmatch(clip.name, pattern) for clip in clips)]
    if idle:
        raise InputError(f"no clip is called {', '.join(idle)}; there are {', '.join(clip.name for clip in clips)}")
    if patterns:
        judged = [any(fnmatch(clip.name, pattern) for pattern in patterns) for clip in clips]
    else:
        judged = [int((n + 1) * share) > int(n * share) for n in range(len(clips))]
    learned_from = [clip for clip, is_judged in zip(clips, judged, strict=True) if not is_judged]
    judged_by = [clip for clip, is_judged in zip(clips, judged, strict=True) if is_judged]
    if not learned_from:
        raise InputError(f"of {len(clips)} clips none is left to learn from; look at data.valid_clips")
    return learned_from, judged_by
