"""The verb body: 3D bodies of people in many pictures and videos, into one npz file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.api.inputs import FilesReport, Inputs, Progress, Source, attempt, follow, gather, nobody
from limner.api.overlays import Overlays
from limner.body import BodyPredictor, FastSMPL, fit_keypoints, load_body
from limner.media import check_output, open_video, read_image, written_beside
from limner.people import Locator
from limner.records import Bodies, Keypoints
from limner.render import over, shade
from limner.types import RgbImage


def body(
    inputs: Inputs,
    output: str | Path,
    *,
    person: int | None = None,
    body: str = "free",
    draw: str | Path | None = None,
    progress: Progress | None = None,
) -> FilesReport:
    """Find people and write their 3D bodies.

    Args:
        inputs: pictures, folders and videos.
        output: the npz file. Its arrays have a row for each person in each picture or frame: `global_orient` (N, 3) and
            `body_pose` (N, 69) axis-angle in radians, `betas` (N, S), `weak_camera` (N, 3), `transl` (N, 3) metres in
            camera axes (depth, which such a camera does not know, is 0), `joints` (N, 24, 3) metres in camera axes with
            `transl` added, `size_hw` (N, 2) of the picture, `image`, `frame`, `person`; and `body_model`.
        person: which person, 0 the largest; None takes everybody in a picture, and in a video follows the largest.
        body: "free", or "smpl:PATH".
        draw: a folder for overlays, made if need be: a picture or a video for each input.
        progress: called after every picture and frame.

    Returns:
        What was done. Broken files found in a folder are left out with a warning.

    Raises:
        FileProblem: a file cannot be read, or the output cannot be written.
        NobodyFound: no input shows anybody, or not so many people.
    """
    started = time.monotonic()
    output = check_output(output, (".npz",))
    sources = gather(inputs)
    job = _BodyJob(person, body, Overlays(draw), progress)
    for number, source in enumerate(sources):
        job.frames += attempt(source, job.read_video if source.kind == "video" else job.read_picture, job.warnings)
        if progress is not None and len(sources) > 1:
            progress(number + 1, len(sources), "files")
    if not job.found:
        raise nobody(sources, person)
    with written_beside(output) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **_arrays(job.found, job.model, body))
    return FilesReport(
        output,
        job.pictures,
        job.frames,
        sum(len(found.bodies) for found in job.found),
        job.empty,
        job.warnings,
        time.monotonic() - started,
    )


class _Found:
    """The bodies of one source, and which frame and person each row is."""

    def __init__(self, source: Source, bodies: Bodies, frames: list[int], people: list[int]) -> None:
        self.source, self.bodies, self.frames, self.people = source, bodies, frames, people


class _BodyJob:
    """What gathers while one file after the other is read."""

    def __init__(self, person: int | None, name: str, overlays: Overlays, progress: Progress | None) -> None:
        self.found: list[_Found] = []
        self.warnings: list[str] = []
        self.pictures = self.frames = self.empty = 0
        self._data = load_body(name)
        self.model = FastSMPL(self._data)
        self._person, self._name, self._overlays, self._progress = person, name, overlays, progress
        self._predictor = BodyPredictor.load(name)
        self._locator = Locator.load()

    def read_picture(self, source: Source) -> int:
        image = read_image(source.path)
        people = self._locator.locate(image)
        numbers = list(range(len(people)))
        chosen = numbers if self._person is None else numbers[self._person : self._person + 1]
        self.pictures += 1
        if not chosen:
            self.empty += 1
            self.warnings.append(str(nobody([source], self._person)))
            return 0
        bodies = self._predictor.predict(image, people[chosen], person=None)
        self.found.append(_Found(source, bodies, [0] * len(chosen), chosen))
        self._overlays.picture(source, lambda: self._drawn(image, bodies))
        return 0

    def read_video(self, source: Source) -> int:
        video = open_video(source.path)
        followed = follow(source, self._person or 0, self._progress)
        seen = [frame for frame, keypoints in enumerate(followed) if keypoints is not None]
        self.empty += len(followed) - len(seen)
        if len(seen) < len(followed):
            self.warnings.append(
                f"nobody found in {len(followed) - len(seen)} of {len(followed)} frames of {source.path}"
            )
        if not seen:
            return len(followed)
        clip, valid = Keypoints.of_clip(followed)
        fitted = fit_keypoints(clip, video.size_hw, frame_rate=video.frame_rate, body=self._name, valid=valid)
        bodies = fitted[valid]
        self.found.append(_Found(source, bodies, seen, [self._person or 0] * len(seen)))
        row_of = {frame: row for row, frame in enumerate(seen)}

        def overlay(frame: int, image: RgbImage) -> RgbImage:
            return self._drawn(image, bodies[[row_of[frame]]]) if frame in row_of else image

        self._overlays.video(source, overlay)
        return len(followed)

    def _drawn(self, image: RgbImage, bodies: Bodies) -> RgbImage:
        vertices, _ = self.model(bodies.betas, bodies.rotvec)
        for one, camera in zip(vertices[::-1], bodies.weak_camera[::-1], strict=True):
            image = over(shade(one, self._data.faces, camera, image.shape[:2]), image, opacity=0.9)
        return image


def _arrays(found: list[_Found], model: FastSMPL, name: str) -> dict[str, Any]:
    rotvec: Float32[ndarray, "N 24 3"] = np.concatenate([one.bodies.rotvec for one in found])
    betas = np.concatenate([one.bodies.betas for one in found])
    camera = np.concatenate([one.bodies.weak_camera for one in found])
    transl = np.concatenate([camera[:, 1:], np.zeros_like(camera[:, :1])], axis=1)
    _, joints = model(betas, rotvec)
    return {
        "global_orient": rotvec[:, 0],
        "body_pose": rotvec[:, 1:].reshape(len(rotvec), 69),
        "betas": betas,
        "weak_camera": camera,
        "transl": transl,
        "joints": joints + transl[:, None],
        "size_hw": np.array([one.bodies.size_hw for one in found for _ in one.frames], np.int32),
        "image": np.array([one.source.path.as_posix() for one in found for _ in one.frames]),
        "frame": np.array([frame for one in found for frame in one.frames], np.int32),
        "person": np.array([person for one in found for person in one.people], np.int32),
        "body_model": np.array(name),
    }
