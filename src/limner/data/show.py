"""What a data set looks like, and what is wrong with it: samples drawn with their labels, and a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from limner.checks import FileProblem, InputError
from limner.data.faults import DatasetError
from limner.data.samples import PIXEL_STD, PoseSamples
from limner.data.sources import read_samples
from limner.media import write_image
from limner.pose import draw_keypoints
from limner.records import Keypoints
from limner.types import RgbImage

TILE_HEIGHT = 512
"""Height of a drawn crop in pixels, whatever the person's size: labels must be readable."""
LEGEND_WIDTH = 190

_MARGIN = 1.15  # what is drawn reaches this much beyond the crop, whose border is drawn too
_LIGHT, _DARK, _BORDER = (245, 245, 245), (20, 20, 20), (230, 70, 70)


@dataclass(frozen=True)
class DataReport:
    """What was found.

    Attributes:
        name: the data set, or its path where it could not be read.
        num_samples: people that can be used.
        num_pictures: pictures that they are in.
        labelled: share of the people who have each joint, by its name.
        notes: what is odd but usable.
        faults: places of each kind of fault; empty where training could start.
        problem: the sentence that training would stop with; empty where it could start.
        drawn: the pictures written.
    """

    name: str
    num_samples: int = 0
    num_pictures: int = 0
    labelled: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""
    drawn: tuple[Path, ...] = ()

    def text(self) -> str:
        """The report for people."""
        lines = [f"{self.name}: {self.num_samples} people in {self.num_pictures} pictures"]
        if self.labelled:
            shares = [f"{joint} {100 * share:.0f}%" for joint, share in self.labelled.items()]
            lines.append(f"labelled: {', '.join(shares)}")
        lines += [f"note: {note}" for note in self.notes]
        for what, places in self.faults.items():
            lines += [f"fault: {what}, {len(places)} times", *(f"    {place}" for place in places)]
        if self.problem and not self.faults:
            lines.append(f"fault: {self.problem}")
        lines.append("not usable as it is" if self.problem else "nothing is wrong with the annotations")
        return "\n".join(lines)


def show(
    path: str | Path,
    output: str | Path | None = None,
    part: str | None = None,
    *,
    images: str | Path | None = None,
    count: int = 16,
    seed: int = 0,
    image_hw: tuple[int, int] = (256, 192),
) -> DataReport:
    """Draw samples of a data set with their labels, and report what is wrong with it.

    Args:
        path: a data set's folder or a json file in COCO's keypoint format; see `read_samples`.
        output: the folder for the drawings, made if it is not there; None draws nothing.
        part: val2017, train, ...; None takes the validation part where there is one.
        images: for a json file, the folder or zip file of its pictures.
        count: how many people to draw, chosen at random.
        seed: of the choice.
        image_hw: the network's input in pixels, whose crop is drawn.

    Returns:
        The report. People who can be read are drawn although others have faults.

    Raises:
        FileProblem: there is nothing at the path, or the output cannot be written.
        InputError: the part does not exist, or `count` is negative.
    """
    if count < 0:
        raise InputError(f"count must be 0 or more, got {count}")
    samples: PoseSamples | None
    faults: Mapping[str, tuple[str, ...]] = {}
    sentence = ""
    try:
        samples = read_samples(path, part, images=images, image_hw=image_hw)
    except DatasetError as problem:
        samples, faults, sentence = _readable(path, part, images, image_hw), problem.faults, str(problem)
    if samples is None:
        return DataReport(str(path), faults=faults, problem=sentence)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(samples))[:count])
    drawn, notes = ([], []) if output is None else _draw(samples, chosen, Path(output))
    shares = (samples.visible > 0).mean(axis=0) if len(samples) else np.zeros(len(samples.skeleton))
    return DataReport(
        name=samples.name,
        num_samples=len(samples),
        num_pictures=len(set(samples.picture)),
        labelled=dict(zip(samples.skeleton.joints, shares.tolist(), strict=True)),
        notes=tuple(_notes(samples) + notes),
        faults=faults,
        problem=sentence,
        drawn=tuple(drawn),
    )


def _readable(
    path: str | Path, part: str | None, images: str | Path | None, image_hw: tuple[int, int]
) -> PoseSamples | None:
    try:
        return read_samples(path, part, images=images, image_hw=image_hw, check=False)
    except DatasetError:
        return None


def _notes(samples: PoseSamples) -> list[str]:
    if not len(samples):
        return ["nobody can be used"]
    seen = samples.visible > 0
    away = np.abs(samples.joints - samples.center[:, None]) > samples.scale[:, None] * PIXEL_STD / 2
    outside = int((seen & away.any(axis=2)).sum())
    lone = int((seen.sum(axis=1) < 3).sum())
    never = [joint for joint, any_ in zip(samples.skeleton.joints, seen.any(axis=0), strict=True) if not any_]
    notes = [f"{outside} labelled joints lie outside their person's crop"] if outside else []
    notes += [f"{lone} people have fewer than three labelled joints"] if lone else []
    return notes + ([f"never labelled: {', '.join(never)}"] if never else [])


def _draw(samples: PoseSamples, chosen: ndarray, output: Path) -> tuple[list[Path], list[str]]:
    """Write one picture for each chosen person; say which of their pictures cannot be read."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileProblem(f"{output} cannot be made a folder: {problem.strerror}") from None
    drawn: list[Path] = []
    notes: dict[str, None] = {}
    for row in chosen:
        try:
            image = samples.read_picture(int(row))
        except (FileProblem, InputError) as problem:
            notes[str(problem)] = None
            continue
        path = output / f"{row:06d}_{Path(samples.picture[row]).stem}.png"
        # The pictures are photos with lines on them: nothing in them was made by a model.
        write_image(path, draw_sample(image, samples, int(row)), synthetic=False)
        drawn.append(path)
    return drawn, list(notes)


def draw_sample(image: RgbImage, samples: PoseSamples, row: int) -> RgbImage:
    """Return the surroundings of one person's crop with its border, limbs, joint numbers, and their names beside it."""
    side = np.maximum(samples.scale[row] * PIXEL_STD * _MARGIN, 1)
    zoom = TILE_HEIGHT / side[1]
    size = (max(round(side[0] * zoom), 1), TILE_HEIGHT)
    start = samples.center[row] - side / 2
    matrix = np.array([[zoom, 0, -start[0] * zoom], [0, zoom, -start[1] * zoom]])
    tile = cv2.warpAffine(np.ascontiguousarray(image), matrix, size, flags=cv2.INTER_AREA)
    first, last = (np.rint(corner).astype(int).tolist() for corner in _crop_corners(samples, row, start, zoom))
    cv2.rectangle(tile, first, last, _BORDER, 1, cv2.LINE_AA)
    points, seen = (samples.joints[row] - start) * zoom, samples.visible[row] > 0
    points = np.where(seen[:, None], points, 0)
    labels = Keypoints(points[None], seen[None].astype(np.float32), samples.skeleton.name)
    tile = draw_keypoints(tile, labels, min_score=0.5, skeleton=samples.skeleton)
    for number in np.flatnonzero(seen):
        _write(tile, str(number), (points[number] + (6, -6)))
    return np.concatenate([tile, _legend(samples, row)], axis=1)


def _crop_corners(
    samples: PoseSamples, row: int, start: Float64[ndarray, "2"], zoom: float
) -> tuple[Float64[ndarray, "2"], Float64[ndarray, "2"]]:
    half = samples.scale[row] * PIXEL_STD / 2
    return (samples.center[row] - half - start) * zoom, (samples.center[row] + half - start) * zoom


def _legend(samples: PoseSamples, row: int) -> RgbImage:
    joints = samples.skeleton.joints
    panel = np.full((TILE_HEIGHT, LEGEND_WIDTH, 3), 255, np.uint8)
    step = min(24, (TILE_HEIGHT - 16) // max(len(joints), 1))
    for number, joint in enumerate(joints):
        colour = _DARK if samples.visible[row, number] else (190, 190, 190)
        place = (8, 16 + number * step)
        cv2.putText(panel, f"{number} {joint}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
    return panel


def _write(image: RgbImage, text: str, place: Float64[ndarray, "2"]) -> None:
    corner = np.rint(place).astype(int).tolist()
    for colour, width in ((_DARK, 3), (_LIGHT, 1)):
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, width, cv2.LINE_AA)
