"""The verb pose: joints of people in many pictures and videos, into one json file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy import ndarray

from limner.api.inputs import FilesReport, Inputs, Progress, Source, attempt, follow, gather, nobody
from limner.api.overlays import Overlays
from limner.checks import InputError
from limner.media import check_output, read_image, written_beside
from limner.people import Locator
from limner.pose import SKELETONS, PosePredictor, convert, draw_keypoints
from limner.records import Keypoints
from limner.types import RgbImage, SkeletonName


class Entry(TypedDict):
    """One person in one picture or frame, as the json file holds it; coordinates in pixels."""

    image: str
    frame: int
    person: int
    box_xyxy: list[float]
    score: float
    skeleton: SkeletonName
    keypoints: list[list[float]]


def pose(
    inputs: Inputs,
    output: str | Path,
    *,
    person: int | None = None,
    skeleton: SkeletonName = "coco17",
    draw: str | Path | None = None,
    progress: Progress | None = None,
) -> FilesReport:
    """Find people and write their 2D joints.

    Args:
        inputs: pictures, folders and videos.
        output: the json file: a list of `Entry`. `box_xyxy` surrounds the joints that are seen, `score` is the mean
            over the joints, each joint is x, y, score.
        person: which person, 0 the largest; None takes everybody in a picture, and in a video follows the largest.
        skeleton: the joints to write.
        draw: a folder for overlays, made if need be: a picture or a video for each input.
        progress: called after every picture and frame.

    Returns:
        What was done. Broken files found in a folder are left out with a warning.

    Raises:
        FileProblem: a file cannot be read, or the output cannot be written.
        NobodyFound: no input shows anybody, or not so many people.
    """
    started = time.monotonic()
    output = check_output(output, (".json",))
    if skeleton not in SKELETONS:
        raise InputError(f"no skeleton is called {skeleton!r}; there are {', '.join(SKELETONS)}")
    job = _PoseJob(person, skeleton, Overlays(draw), progress)
    sources = gather(inputs)
    for number, source in enumerate(sources):
        job.frames += attempt(source, job.read_video if source.kind == "video" else job.read_picture, job.warnings)
        if progress is not None and len(sources) > 1:
            progress(number + 1, len(sources), "files")
    if not job.entries:
        raise nobody(sources, person)
    with written_beside(output) as temporary:
        temporary.write_text(_lines(job.entries), encoding="utf-8")
    return FilesReport(
        output, job.pictures, job.frames, len(job.entries), job.empty, job.warnings, time.monotonic() - started
    )


class _PoseJob:
    """What gathers while one file after the other is read."""

    def __init__(
        self, person: int | None, skeleton: SkeletonName, overlays: Overlays, progress: Progress | None
    ) -> None:
        self.entries: list[Entry] = []
        self.warnings: list[str] = []
        self.pictures = self.frames = self.empty = 0
        self._person, self._skeleton, self._overlays, self._progress = person, skeleton, overlays, progress
        self._locator = Locator.load()
        self._predictor = PosePredictor(self._locator)

    def read_picture(self, source: Source) -> int:
        image = read_image(source.path)
        keypoints = self._predictor.predict(image, skeleton=self._skeleton)
        chosen = (
            range(len(keypoints)) if self._person is None else range(len(keypoints))[self._person : self._person + 1]
        )
        self.pictures += 1
        if not chosen:
            self.empty += 1
            self.warnings.append(str(nobody([source], self._person)))
        self.entries += [_entry(source, 0, number, keypoints) for number in chosen]
        self._overlays.picture(source, lambda: draw_keypoints(image, keypoints[list(chosen)]))
        return 0

    def read_video(self, source: Source) -> int:
        followed = follow(source, self._person or 0, self._progress)
        converted = [None if seen is None else convert(seen, self._skeleton) for seen in followed]
        for frame, keypoints in enumerate(converted):
            if keypoints is None:
                self.empty += 1
            else:
                self.entries.append(_entry(source, frame, 0, keypoints, number=self._person or 0))
        unseen = converted.count(None)
        if unseen:
            self.warnings.append(f"nobody found in {unseen} of {len(converted)} frames of {source.path}")

        def overlay(frame: int, image: RgbImage) -> RgbImage:
            keypoints = converted[frame] if frame < len(converted) else None
            return image if keypoints is None else draw_keypoints(image, keypoints)

        self._overlays.video(source, overlay)
        return len(converted)


def _entry(source: Source, frame: int, row: int, keypoints: Keypoints, *, number: int | None = None) -> Entry:
    xy, score = keypoints.xy[row], keypoints.score[row]
    return Entry(
        image=source.path.as_posix(),
        frame=frame,
        person=row if number is None else number,
        box_xyxy=_box(xy, score),
        score=round(float(score.mean()), 4),
        skeleton=keypoints.skeleton,
        keypoints=[[round(float(value), 3) for value in (*point, s)] for point, s in zip(xy, score, strict=True)],
    )


def _box(xy: ndarray, score: ndarray) -> list[float]:
    seen = xy[score > 0.3] if (score > 0.3).any() else xy
    return [round(float(value), 3) for value in np.concatenate([seen.min(axis=0), seen.max(axis=0)])]


def _lines(entries: list[Entry]) -> str:
    """JSON with one person a line, which people can read and other tools can split."""

    def encoded() -> Iterator[str]:
        for entry in entries:
            plain: dict[str, Any] = dict(entry)
            yield json.dumps(plain, ensure_ascii=False, allow_nan=False)

    return "[\n" + ",\n".join(encoded()) + "\n]\n"
