"""Any folder of videos as motion data: people are followed, bodies fitted and masks kept, once, in a cache.

The cache of a video holds a folder for each person who comes, in the order of their coming: `%05d.jpg` and
`%05d-mask.png` for every kept frame, and `bodies.npz`. A person is written whole or not at all, so that a preparation
that was stopped goes on after the last person. The folder is named after the video's content: a video that moves or
changes is told from the others.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from numpy import ndarray

from limner.body import BodyPredictor
from limner.checks import FileProblem, InputError
from limner.data.motion_clips import MotionClip
from limner.media import Video, open_video, write_image, written_beside
from limner.motion import resize_photo
from limner.people import Sighting, refine_mask, watch_person
from limner.records import Bodies, Keypoints

Progress = Callable[[int, int | None, str], None]

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
FEWEST_FRAMES = 6
_SURE = 0.4  # score of a landmark that is seen
_ANKLES, _HEAD_AND_HIPS = (27, 28), (0, 11, 12, 23, 24)  # of blazepose33: nose, shoulders, hips
_VERSION = 4  # raised when what is kept changes its meaning
_DONE, _BODIES = "done.json", "bodies.npz"


@dataclass(frozen=True)
class PrepareOptions:
    """How videos are prepared; a cache made otherwise is another cache.

    Attributes:
        size: longer side of the kept pictures in pixels; None for the video's own, within 256 to 1024.
        frames_per_second: kept at most; bodies are fitted to all frames.
        body: "free" or "smpl:PATH".
    """

    size: int | None = None
    frames_per_second: float = 5.0
    body: str = "free"


def read_videos(
    path: str | Path,
    cache: str | Path | None = None,
    options: PrepareOptions | None = None,
    *,
    progress: Progress | None = None,
) -> list[MotionClip]:
    """Read the people of a video, or of all videos in a folder; what was prepared before is taken from the cache.

    Args:
        path: a video, or a folder of videos.
        cache: the folder to keep what is prepared; None for `.limner-cache` beside the videos.
        options: how to prepare.
        progress: called as `(done, total, what)`.

    Returns:
        One clip for each person who is seen for long enough.

    Raises:
        FileProblem: there is no video, one cannot be read, or the cache cannot be written.
        InputError: nobody is seen in any of them.
    """
    path, options = Path(path), options or PrepareOptions()
    videos = _videos(path)
    root = Path(cache) if cache is not None else (path if path.is_dir() else path.parent) / ".limner-cache"
    clips = [clip for video in videos for clip in _read_video(video, root, options, progress)]
    if not clips:
        raise InputError(f"nobody is seen for {FEWEST_FRAMES} frames in the {len(videos)} videos at {path}")
    return clips


def _videos(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileProblem(f"no videos at {path}: nothing is there")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise FileProblem(f"{path} holds no videos ({', '.join(VIDEO_SUFFIXES)})")
    return found


def _read_video(path: Path, root: Path, options: PrepareOptions, progress: Progress | None) -> list[MotionClip]:
    folder = root / f"{path.stem}-{_digest(path, options)}"
    if not (folder / _DONE).exists():
        _prepare(path, folder, options, progress)
    people = sorted(file.parent for file in folder.glob(f"*/{_BODIES}"))
    return [_read_person(person, f"{path.stem}/{person.name}", options.body) for person in people]


def _digest(path: Path, options: PrepareOptions) -> str:
    digest = hashlib.sha256(repr((_VERSION, options)).encode())
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as problem:
        raise FileProblem(f"{path} cannot be read: {problem.strerror}") from None
    return digest.hexdigest()[:12]


def _read_person(folder: Path, name: str, body: str) -> MotionClip:
    with np.load(folder / _BODIES) as kept:
        height, width = (int(side) for side in kept["size_hw"])
        bodies = Bodies(kept["rotvec"], kept["betas"], kept["weak_camera"], (height, width), body)
        numbers = [f"{number:05d}" for number in kept["frame"]]
    return MotionClip(name, folder, tuple(f"{n}.jpg" for n in numbers), bodies, tuple(f"{n}-mask.png" for n in numbers))


def _prepare(path: Path, folder: Path, options: PrepareOptions, progress: Progress | None) -> None:
    video = open_video(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileProblem(f"the cache {folder} cannot be made: {problem.strerror}; name another") from None
    begin = max((_end_of(person.parent) for person in folder.glob(f"*/{_BODIES}")), default=0)
    while (seen := _follow(video, begin, options.size, progress)) is not None:
        whole = _whole(seen)
        if len(whole.track) >= FEWEST_FRAMES:
            _keep_person(video, whole, folder, options)
        begin = seen.end
    with written_beside(folder / _DONE) as marker:
        marker.write_text(json.dumps({"video": path.name, "version": _VERSION}), encoding="utf-8")


def _end_of(folder: Path) -> int:
    with np.load(folder / _BODIES) as kept:
        return int(kept["end"])


def _follow(video: Video, begin: int, size: int | None, progress: Progress | None) -> Sighting | None:
    """Follow whoever comes next; None where nobody does. Frames are counted from the video's first."""
    frames = (resize_photo(frame, size) for frame in islice(video.frames(), begin, None))
    watched = (
        None
        if progress is None
        else lambda done: progress(begin + done, video.num_frames, f"watching {video.path.name}")
    )
    seen = watch_person(frames, video.frame_rate, progress=watched)
    return None if seen is None else replace(seen, first=begin + seen.first, end=begin + seen.end)


def _whole(seen: Sighting) -> Sighting:
    """The longest run of frames that show the person from head to foot: a shape fitted to half of one misleads."""
    shown = [found is not None and _is_whole(found) for found in seen.track]
    ends = [
        n for n, (one, after) in enumerate(zip(shown, [*shown[1:], False], strict=True), start=1) if one and not after
    ]
    begins = [n for n, (before, one) in enumerate(zip([False, *shown[:-1]], shown, strict=True)) if one and not before]
    begin, end = max(zip(begins, ends, strict=True), key=lambda run: run[1] - run[0], default=(0, 0))
    return replace(seen, first=seen.first + begin, track=seen.track[begin:end], masks=seen.masks[begin:end])


def _is_whole(found: Keypoints) -> bool:
    score = found.score[0]
    return bool(score[list(_ANKLES)].max() > _SURE and score[list(_HEAD_AND_HIPS)].min() > _SURE)


def _keep_person(video: Video, seen: Sighting, folder: Path, options: PrepareOptions) -> None:
    """Fit the bodies and write the person's folder, whole or not at all."""
    pictures = list(_kept_frames(video, seen, options))
    clip, valid = Keypoints.of_clip(seen.track)
    size_hw = pictures[0][1].shape[:2]
    predictor = BodyPredictor.for_painting(options.body)
    bodies = predictor.fit_clip(clip, None, size_hw=size_hw, frame_rate=video.frame_rate, valid=valid)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".person-") as name:
        beside = Path(name) / "person"
        beside.mkdir()
        for number, frame, mask in pictures:
            write_image(beside / f"{number:05d}.jpg", frame, synthetic=False)
            soft = np.rint(refine_mask(frame, mask.astype(np.float32) / 255) * 255).astype(np.uint8)
            write_image(beside / f"{number:05d}-mask.png", np.dstack([soft] * 3), synthetic=False)
        rows = np.array([number - seen.first for number, _, _ in pictures])
        kept = bodies[rows]
        np.savez_compressed(
            beside / _BODIES,
            rotvec=kept.rotvec,
            betas=kept.betas,
            weak_camera=kept.weak_camera,
            size_hw=size_hw,
            frame=rows + seen.first,
            end=seen.end,
        )
        shutil.move(beside, folder / f"{seen.first:05d}")


def _kept_frames(video: Video, seen: Sighting, options: PrepareOptions) -> Iterable[tuple[int, ndarray, ndarray]]:
    step = max(1, round(Fraction(video.frame_rate) / Fraction(options.frames_per_second)))
    last = seen.first + len(seen.track)
    for number, frame in enumerate(islice(video.frames(), seen.first, last), start=seen.first):
        mask = seen.masks[number - seen.first]
        if (number - seen.first) % step == 0 and mask is not None and (mask > 127).any():
            yield number, resize_photo(frame, options.size), mask
