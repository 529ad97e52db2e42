"""Keypoints from json: the list that limner writes, and the folders of OpenPose."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.checks import FileProblem, InputError, check_file
from limner.media.interpolation import check_frames
from limner.records import Keypoints
from limner.types import SkeletonName

_OPENPOSE = {75: "openpose25", 54: "openpose18"}


def read_keypoints(
    path: str | Path, *, frame_rate: Fraction | float = 30, person: int = 0
) -> tuple[Keypoints, Fraction]:
    """Read one person's keypoints through a video.

    Args:
        path: a json file with a list of `{frame, person, skeleton, keypoints: [[x, y, score], ...]}` as `limner pose`
            writes it (`frame` may be missing: the order counts then), or a folder of OpenPose's `*_keypoints.json`.
        frame_rate: neither states one.
        person: whose keypoints; the number in the file, or the place in OpenPose's list.

    Returns:
        Keypoints of every frame from the person's first to the last, pixels, and the frame rate. In frames between
        without this person the points lie on straight lines and have score 0.

    Raises:
        FileProblem: missing, empty, or not json.
        InputError: not such a list, no such person, an unknown skeleton, or numbers that are not finite.
    """
    path = Path(path)
    rows = _openpose_rows(path, person) if path.is_dir() else _rows(path, person)
    if not rows:
        raise InputError(f"{path} has no keypoints of person {person}")
    skeletons = {skeleton for _, skeleton, _ in rows}
    if len(skeletons) > 1 or not skeletons <= set(get_args(SkeletonName)):
        raise InputError(
            f"{path} has the skeletons {sorted(skeletons)}; one of {', '.join(get_args(SkeletonName))} is needed"
        )
    rows.sort(key=lambda row: row[0])
    frames = np.array([frame for frame, _, _ in rows])
    try:
        points = np.array([points for _, _, points in rows], dtype=np.float64).reshape(len(rows), -1, 3)
    except ValueError:
        raise InputError(f"{path} has keypoints that are not lists of [x, y, score] of one length") from None
    check_frames(points, path)
    return _on_every_frame(frames, points, skeletons.pop()), Fraction(frame_rate).limit_denominator(100_000)


def _on_every_frame(frames: ndarray, points: Float[ndarray, "R K 3"], skeleton: str) -> Keypoints:
    frames, rows = np.unique(frames, return_index=True)
    points = points[rows]
    wanted = np.arange(frames[0], frames[-1] + 1)
    flat = points[..., :2].reshape(len(points), -1)
    xy = np.stack([np.interp(wanted, frames, column) for column in flat.T], axis=1).reshape(len(wanted), -1, 2)
    score = np.zeros((len(wanted), points.shape[1]))
    score[frames - frames[0]] = points[..., 2]
    return Keypoints(xy, np.clip(score, 0, 1), skeleton)  # type: ignore[arg-type]


def _rows(path: Path, person: int) -> list[tuple[int, str, Any]]:
    content = _json(check_file(path, "keypoints file"))
    if isinstance(content, dict) and "people" in content:
        return _openpose_people(content, 0, person)
    if not isinstance(content, list) or not all(isinstance(entry, dict) and "keypoints" in entry for entry in content):
        raise InputError(f"{path} is not a list of keypoints such as limner pose writes")
    rows = []
    for order, entry in enumerate(entry for entry in content if int(entry.get("person") or 0) == person):
        frame = entry.get("frame")
        rows.append((order if frame is None else int(frame), str(entry.get("skeleton", "coco17")), entry["keypoints"]))
    return rows


def _openpose_rows(path: Path, person: int) -> list[tuple[int, str, Any]]:
    files = sorted(path.glob("*.json"))
    if not files:
        raise FileProblem(f"{path} is a folder without json files; a folder of OpenPose keypoints is needed")
    rows = []
    for frame, file in enumerate(files):
        content = _json(file)
        if not isinstance(content, dict) or "people" not in content:
            raise InputError(f"{file} is not a file of OpenPose keypoints")
        rows += _openpose_people(content, frame, person)
    return rows


def _openpose_people(content: dict[str, Any], frame: int, person: int) -> list[tuple[int, str, Any]]:
    people = content["people"]
    if person >= len(people):
        return []
    points = people[person].get("pose_keypoints_2d", [])
    return [(frame, _OPENPOSE.get(len(points), f"{len(points) // 3} points"), points)]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise FileProblem(f"{path} is not json, or it is truncated") from None
