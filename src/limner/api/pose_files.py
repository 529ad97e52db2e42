"""The verb pose: joints of people in many pictures and videos, into one file or folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy import ndarray

from limner.api.inputs import FilesReport, Inputs, Progress, Source, gather, nobody, read_all
from limner.api.overlays import Overlays
from limner.api.pose_formats import Entry, Shown, check_pose_output, joints_to_write, write_poses
from limner.checks import InputError
from limner.media import open_video, read_image
from limner.people import track_person
from limner.pose import PeopleTracker, PosePredictor, convert, draw_keypoints, draw_openpose, smooth_track
from limner.records import Boxes, Keypoints
from limner.types import LicenceName, PoseFormat, PostProcess, RgbImage, RuntimeName, SkeletonName

_SEEN = 0.3  # least score of a joint that counts for the box of an entry


def pose(
    inputs: Inputs,
    output: str | Path,
    *,
    person: int | None = None,
    weights: str | Path = "default",
    skeleton: SkeletonName | None = None,
    format: PoseFormat = "limner",
    draw: str | Path | None = None,
    skeleton_only: bool = False,
    smooth: float = 0.0,
    flip_test: bool = True,
    decoding: PostProcess = "published",
    runtime: RuntimeName = "auto",
    licence: LicenceName = "any",
    progress: Progress | None = None,
) -> FilesReport:
    """Find people and write their 2D joints.

    Args:
        inputs: pictures, folders and videos.
        output: what to write, by `format`.
        person: which person, 0 the largest; None takes everybody, and numbers them through a video.
        weights: "default", or what `PosePredictor.load` takes.
        skeleton: the joints to write; None for the format's, else the network's own.
        format: "limner": a json file, a list of `Entry`: `box_xyxy` surrounds the joints that are seen, `score` is the
            mean over the joints, each joint is x, y, score. "coco": COCO's result list. "openpose": a folder with a
            file for each picture and frame. "csv": a row for each person.
        draw: a folder for overlays, made if need be: a picture or a video for each input.
        skeleton_only: draw OpenPose's coloured skeletons on black instead, pictures as PNG.
        smooth: how much to smooth videos over time, without lag: 0 not at all, 1 is usual.
        flip_test: average a heatmap network with its view of the mirrored picture.
        decoding: "published", or "dark" for the unbiased maximum of heatmaps.
        runtime: who runs a heatmap network.
        licence: "commercial" refuses weights that are not known to allow commercial use.
        progress: called after every picture and frame.

    Returns:
        What was done. Broken files found in a folder are left out with a warning.

    Raises:
        FileProblem: a file cannot be read, or the output cannot be written.
        InputError: an option is none of those there are, or does not go with another.
        NobodyFound: no input shows anybody, or not so many people.
        WeightsError: there are no such weights, or they may not be used.
    """
    started = time.monotonic()
    output, wanted = check_pose_output(output, format), joints_to_write(skeleton, format)
    if not smooth >= 0:
        raise InputError(f"smooth must be at least 0, got {smooth}")
    if skeleton_only and draw is None:
        raise InputError("skeleton_only says what to draw; name a folder to draw in")
    sources = gather(inputs)
    overlays = Overlays(draw, picture_suffix=".png" if skeleton_only else ".jpg")
    predictor = PosePredictor.load(weights, runtime=runtime, flip_test=flip_test, decoding=decoding, licence=licence)
    job = _PoseJob(
        predictor, wanted, person, overlays=overlays, skeleton_only=skeleton_only, smooth=smooth, progress=progress
    )
    job.frames = read_all(sources, job.read_picture, job.read_video, warnings=job.warnings, progress=progress)
    if not job.entries:
        raise nobody(sources, person, job.warnings)
    write_poses(output, job.entries, job.shown, format)
    return FilesReport(
        output, job.pictures, job.frames, len(job.entries), job.empty, job.warnings, time.monotonic() - started
    )


class _PoseJob:
    """What gathers while one file after the other is read."""

    def __init__(
        self,
        predictor: PosePredictor,
        skeleton: SkeletonName | None,
        person: int | None,
        *,
        overlays: Overlays,
        skeleton_only: bool,
        smooth: float,
        progress: Progress | None,
    ) -> None:
        self.entries: list[Entry] = []
        self.shown: list[Shown] = []
        self.warnings: list[str] = []
        self.pictures = self.frames = self.empty = 0
        self._predictor, self._person = predictor, person
        # People are kept in the network's own joints, which hold more than what is written or drawn may do.
        self._skeleton: SkeletonName = predictor.skeleton if skeleton is None else skeleton
        self._overlays, self._skeleton_only = overlays, skeleton_only
        self._smooth, self._progress = smooth, progress

    def read_picture(self, source: Source) -> int:
        image = read_image(source.path)
        found = self._predictor.predict(image, skeleton=self._predictor.native_skeleton)
        rows = range(len(found))
        chosen = list(rows if self._person is None else rows[self._person : self._person + 1])
        self.pictures += 1
        self.shown.append(Shown(image=source.path.as_posix(), frame=0, is_video=False))
        if not chosen:
            self.empty += 1
            self.warnings.append(str(nobody([source], self._person)))
        written = convert(found, self._skeleton)
        self.entries += [_entry(source, 0, number, written[[number]]) for number in chosen]
        self._overlays.picture(source, lambda: self._drawn(image, [found[chosen]] if chosen else []))
        return 0

    def read_video(self, source: Source) -> int:
        frames = list(self._everybody(source) if self._person is None else self._one_person(source, self._person))
        if self._smooth > 0:
            frames = smoothed(frames, float(open_video(source.path).frame_rate), self._smooth)
        for frame, people in enumerate(frames):
            self.shown.append(Shown(image=source.path.as_posix(), frame=frame, is_video=True))
            self.entries += [
                _entry(source, frame, number, convert(row, self._skeleton)) for number, row in sorted(people.items())
            ]
        unseen = sum(not people for people in frames)
        self.empty += unseen
        if unseen:
            self.warnings.append(f"nobody found in {unseen} of {len(frames)} frames of {source.path}")

        def overlay(frame: int, image: RgbImage) -> RgbImage:
            return self._drawn(image, list(frames[frame].values()) if frame < len(frames) else [])

        self._overlays.video(source, overlay)
        return len(frames)

    def _everybody(self, source: Source) -> Iterator[dict[int, Keypoints]]:
        video = open_video(source.path)
        tracker = PeopleTracker(self._predictor, frame_rate=float(video.frame_rate))
        for index, people in enumerate(tracker.track(video.frames())):
            yield people
            self._tell(index, video.num_frames, source)

    def _one_person(self, source: Source, person: int) -> Iterator[dict[int, Keypoints]]:
        """The locator follows the person; a heatmap network looks where it says."""
        video = open_video(source.path)
        held: dict[int, RgbImage] = {}  # the tracker answers up to five frames late

        def frames() -> Iterator[RgbImage]:
            for index, image in enumerate(video.frames()):
                held[index] = image
                yield image

        for index, found, _ in track_person(frames(), person, locator=self._predictor.locator):
            image = held.pop(index)
            yield {} if found is None else {person: self._of_landmarks(image, found)}
            self._tell(index, video.num_frames, source)

    def _of_landmarks(self, image: RgbImage, found: Keypoints) -> Keypoints:
        if self._predictor.network is None:
            return found
        box = np.array(_box(found.xy[0], found.score[0]))
        return self._predictor.predict(image, Boxes(box[None], np.ones(1)))

    def _drawn(self, image: RgbImage, people: list[Keypoints]) -> RgbImage:
        """Return the picture, or black, with everybody drawn on it."""
        if self._skeleton_only and not people:
            return np.zeros_like(image)
        if not people:
            return image
        everybody = Keypoints(
            np.concatenate([rows.xy for rows in people]),
            np.concatenate([rows.score for rows in people]),
            people[0].skeleton,
        )
        if self._skeleton_only:
            return draw_openpose(image.shape[:2], everybody)
        return draw_keypoints(image, convert(everybody, self._skeleton))

    def _tell(self, index: int, total: int | None, source: Source) -> None:
        if self._progress is not None:
            self._progress(index + 1, total, source.path.name)


def smoothed(frames: list[dict[int, Keypoints]], frame_rate: float, strength: float) -> list[dict[int, Keypoints]]:
    """Return the people of a video, by number in each frame, with their joints smoothed over time."""
    result: list[dict[int, Keypoints]] = [dict(people) for people in frames]
    for number in sorted({number for people in frames for number in people}):
        clip, valid = Keypoints.of_clip([people.get(number) for people in frames])
        xy = smooth_track(clip.xy, valid, frame_rate, strength=strength)
        for frame in np.flatnonzero(valid):
            result[frame][number] = replace(frames[frame][number], xy=xy[[frame]])
    return result


def _entry(source: Source, frame: int, number: int, keypoints: Keypoints) -> Entry:
    xy, score = keypoints.xy[0], keypoints.score[0]
    return Entry(
        image=source.path.as_posix(),
        frame=frame,
        person=number,
        box_xyxy=_box(xy, score),
        score=round(float(score.mean()), 4),
        skeleton=keypoints.skeleton,
        keypoints=[[round(float(value), 3) for value in (*point, s)] for point, s in zip(xy, score, strict=True)],
    )


def _box(xy: ndarray, score: ndarray) -> list[float]:
    seen = xy[score > _SEEN] if (score > _SEEN).any() else xy
    return [round(float(value), 3) for value in np.concatenate([seen.min(axis=0), seen.max(axis=0)])]
