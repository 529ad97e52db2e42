"""Clips to score on: a person followed through a video or a folder of frames, with bodies, masks and a photo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from limner.api.inputs import Progress
from limner.body import BodyPredictor
from limner.checks import FileProblem, InputError, NobodyFound
from limner.media import open_video, read_image
from limner.motion import Actor, resize_photo
from limner.people import Sighting, refine_mask, watch_person
from limner.records import Bodies, Keypoints
from limner.types import RgbImage

IPER_RATE = Fraction(30)
_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Clip:
    """One person, frame by frame.

    Attributes:
        name: what to call it.
        frames: gives the frames anew, one at a time.
        bodies: one a frame.
        masks: one a frame, 0 to 255; None where the person was not seen.
        photo: the frame that serves as the photo.
        photo_alpha: the person's soft mask in it.
        photo_bodies: the body in it, one row.
        photo_keypoints: the landmarks in it.
        photo_at: which of the frames it is; -1 for none of them.
    """

    name: str
    frames: Callable[[], Iterable[RgbImage]]
    bodies: Bodies
    masks: list[UInt8[ndarray, "H W"] | None]
    photo: RgbImage
    photo_alpha: Float32[ndarray, "H W"]
    photo_bodies: Bodies
    photo_keypoints: Keypoints
    photo_at: int = 0

    def actor(self) -> Actor:
        """Make an actor of the photo."""
        return Actor.build(self.photo, self.photo_alpha, self.photo_bodies, keypoints=self.photo_keypoints)


def watch_clip(
    path: Path, body: str, size: int | None, person: int, max_frames: int | None, progress: Progress | None
) -> Clip:
    """Follow a person of a video from their first frame, which is the photo, until they are gone.

    Raises:
        NobodyFound: the video shows nobody.
        FileProblem: it cannot be read.
    """
    video = open_video(path)

    def frames(first: int = 0, count: int | None = None) -> Iterator[RgbImage]:
        for number, frame in enumerate(video.frames()):
            if count is not None and number >= first + count:
                return
            if number >= first:
                yield resize_photo(frame, size)

    seen = _follow(frames(), video.frame_rate, person, max_frames, (video.num_frames, video.path.name), progress)
    count = len(seen.track)
    return _clip(path.stem, lambda: frames(seen.first, count), seen, video.frame_rate, body, photo_at=0)


def read_protocol_clip(
    iper: Path,
    name: str,
    span: tuple[int, int],
    body: str,
    size: int | None,
    max_frames: int | None,
    *,
    photo: str | None = None,
    progress: Progress | None = None,
) -> Clip:
    """Read frames of a clip of iPER; the bodies are fitted by limner, so that SMPL's file is not needed.

    Args:
        iper: its folder.
        name: the clip, such as 001/9/1.
        span: first and last frame.
        body: the body model to fit.
        size: longer side of the frames.
        max_frames: so many at most.
        photo: name of the frame that serves as the photo; None for the first.
        progress: called with (done, total, what).

    Raises:
        FileProblem: the clip is not there, or shorter than the span.
        NobodyFound: it shows nobody.
    """
    folder = iper / "images" / name
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in _SUFFIXES)
    if span[1] >= len(files):
        raise FileProblem(f"{folder} has {len(files)} frames; the protocol asks for {span[0]} to {span[1]}")
    chosen = files[span[0] : span[1] + 1][:max_frames]
    wanted = None if photo is None else _named(files, photo, folder)
    if wanted is not None and wanted not in chosen:
        chosen = [wanted, *chosen]

    def frames() -> Iterator[RgbImage]:
        return (resize_photo(read_image(file), size) for file in chosen)

    seen = _follow(frames(), IPER_RATE, 0, None, (len(chosen), name), progress)
    kept = chosen[seen.first : seen.first + len(seen.track)]
    if wanted is not None and wanted not in kept:
        raise NobodyFound(f"nobody was found in {wanted}, the photo that the protocol names")
    at = 0 if wanted is None else kept.index(wanted)

    def shown() -> Iterator[RgbImage]:
        return (resize_photo(read_image(file), size) for file in kept)

    return _clip(name, shown, seen, IPER_RATE, body, photo_at=at)


def _named(files: list[Path], photo: str, folder: Path) -> Path:
    found = [file for file in files if file.name == photo or file.stem == Path(photo).stem]
    if not found:
        raise FileProblem(f"{folder} has no frame {photo}, which the protocol names as the photo")
    return found[0]


def _follow(
    frames: Iterable[RgbImage],
    rate: Fraction,
    person: int,
    max_frames: int | None,
    told: tuple[int | None, str],
    progress: Progress | None,
) -> Sighting:
    total, name = told
    watched = None if progress is None else lambda done: progress(done, total, f"watching {name}")
    seen = watch_person(frames, rate, person, max_frames=max_frames, progress=watched)
    if seen is None:
        raise NobodyFound(f"nobody was found in {name}; give a video that shows a person")
    return seen


def _clip(
    name: str, frames: Callable[[], Iterable[RgbImage]], seen: Sighting, rate: Fraction, body: str, *, photo_at: int
) -> Clip:
    keypoints, valid = Keypoints.of_clip(seen.track)
    photo = next(one for number, one in enumerate(frames()) if number == photo_at)
    mask = seen.masks[photo_at]
    if mask is None:
        raise InputError(f"the photo of {name} shows nobody")
    predictor = BodyPredictor.for_painting(body)
    bodies = predictor.fit_clip(keypoints, None, size_hw=photo.shape[:2], frame_rate=rate, valid=valid)
    alpha = refine_mask(photo, mask.astype(np.float32) / 255)
    row = slice(photo_at, photo_at + 1)
    return Clip(name, frames, bodies, seen.masks, photo, alpha, bodies[row], keypoints[row], photo_at)
