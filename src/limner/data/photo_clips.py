"""Single photos and made-up people as motion data: clips of one frame, or of a few frames that never were filmed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy import ndarray

from limner.body import BodyPredictor
from limner.checks import FileProblem, InputError, NobodyFound
from limner.data.folders import read_folder
from limner.data.motion_clips import MotionClip
from limner.data.synthetic import SyntheticPeople
from limner.media import write_image
from limner.motion import resize_photo
from limner.people import Locator, refine_mask
from limner.records import Bodies
from limner.types import RgbImage

Progress = Callable[[int, int | None, str], None]

_BODIES = "bodies.npz"
_VERSION = 3  # raised when what is kept changes its meaning


def read_photos(
    root: str | Path,
    cache: str | Path,
    *,
    body: str = "free",
    size: int | None = None,
    progress: Progress | None = None,
) -> list[MotionClip]:
    """Read a folder of photos, each of one person; a photo without one is left out.

    Args:
        root: the folder; folders in it are searched too.
        cache: where bodies and masks are kept once they are found.
        body: "free" or "smpl:PATH".
        size: longer side of the kept pictures; None for the photo's own, within 256 to 1024.
        progress: called as `(done, total, what)`.

    Raises:
        FileProblem: there is no picture, one cannot be read, or the cache cannot be written.
        InputError: nobody is in any of them.
    """
    folder, clips = read_folder(root), []
    locator: Locator | None = None
    for index, name in enumerate(folder.names):
        photo = folder.read(index)
        kept = Path(cache) / f"photo-{_digest(photo, body, size)}"
        if not kept.exists():
            locator = locator or Locator.load()
            _keep_photo(resize_photo(photo, size), kept, body, locator)
        if (kept / _BODIES).exists():
            clips.append(_read_kept(kept, name, body))
        if progress is not None:
            progress(index + 1, len(folder), "looking for people in the photos")
    if not clips:
        raise InputError(f"nobody was found in the {len(folder)} photos at {root}")
    return clips


def _digest(photo: RgbImage, body: str, size: int | None) -> str:
    return hashlib.sha256(repr((_VERSION, photo.shape, body, size)).encode() + photo.tobytes()).hexdigest()[:16]


def _keep_photo(photo: RgbImage, kept: Path, body: str, locator: Locator) -> None:
    """Write a photo with its body and mask; an empty folder for one that shows nobody."""
    try:
        people = locator.locate(photo)
        alpha = refine_mask(photo, locator.mask(photo, people, 0)) if len(people) else None
        found = (
            None
            if alpha is None
            else BodyPredictor.for_painting(body, locator=locator).predict(photo, people, mask=alpha)
        )
    except NobodyFound:
        alpha, found = None, None
    if alpha is None or found is None:
        _write_clip(kept, [], [], None)
    else:
        _write_clip(kept, [photo], [alpha], found)


def read_synthetic(
    people: SyntheticPeople, count: int, cache: str | Path, *, frames: int = 5, progress: Progress | None = None
) -> list[MotionClip]:
    """Render so many made-up people, each in a few poses, and keep them.

    Args:
        people: who they are.
        count: how many.
        cache: where they are kept.
        frames: poses of each.
        progress: called as `(done, total, what)`.

    Raises:
        FileProblem: the cache cannot be written.
    """
    clips = []
    for index in range(count):
        digest = hashlib.sha256(repr((_VERSION, people, index, frames)).encode()).hexdigest()[:16]
        kept = Path(cache) / f"person-{digest}"
        if not kept.exists():
            shown = people.pair(index, frames=frames)
            rotvec, betas, camera = (
                np.stack([getattr(one, name) for one in shown]) for name in ("rotvec", "betas", "weak_camera")
            )
            bodies = Bodies(rotvec, betas, camera, shown[0].image.shape[:2], people.body)
            _write_clip(kept, [one.image for one in shown], [one.mask for one in shown], bodies)
        clips.append(_read_kept(kept, f"synthetic/{index}", people.body))
        if progress is not None:
            progress(index + 1, count, "making people up")
    return clips


def _write_clip(folder: Path, images: list[RgbImage], masks: list[ndarray], bodies: Bodies | None) -> None:
    """Write a clip's folder, whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".clip-") as name:
            beside = Path(name) / "clip"
            beside.mkdir()
            for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
                write_image(beside / f"{number:05d}.jpg", image, synthetic=False)
                grey = np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)
                write_image(beside / f"{number:05d}-mask.png", np.dstack([grey] * 3), synthetic=False)
            if bodies is not None:
                numbers = {"rotvec": bodies.rotvec, "betas": bodies.betas, "weak_camera": bodies.weak_camera}
                np.savez_compressed(beside / _BODIES, size_hw=bodies.size_hw, **numbers)
            shutil.move(beside, folder)
    except OSError as problem:
        raise FileProblem(f"the cache {folder.parent} cannot be written: {problem}") from None


def _read_kept(folder: Path, name: str, body: str) -> MotionClip:
    with np.load(folder / _BODIES) as kept:
        size_hw = int(kept["size_hw"][0]), int(kept["size_hw"][1])
        bodies = Bodies(kept["rotvec"], kept["betas"], kept["weak_camera"], size_hw, body)
    numbers = [f"{number:05d}" for number in range(len(bodies))]
    masks = tuple(f"{number}-mask.png" for number in numbers)
    return MotionClip(name, folder, tuple(f"{number}.jpg" for number in numbers), bodies, masks)
