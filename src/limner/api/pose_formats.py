"""What the verb pose writes: our json, COCO's results, OpenPose's folder of files, and csv."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypedDict

import numpy as np

from limner.checks import InputError
from limner.media import check_output, written_beside
from limner.metrics import image_id_of, mean_joint_score
from limner.pose import SKELETONS
from limner.types import PoseFormat, SkeletonName

_COCO_MIN_SCORE = 0.2  # the official IN_VIS_THRE
_OPENPOSE_VERSION = 1.3


class Entry(TypedDict):
    """One person in one picture or frame, as the json file holds it; coordinates in pixels."""

    image: str
    frame: int
    person: int
    box_xyxy: list[float]
    score: float
    skeleton: SkeletonName
    keypoints: list[list[float]]


class Shown(TypedDict):
    """One picture or frame that was looked at, with people or without."""

    image: str
    frame: int
    is_video: bool


Write: TypeAlias = Callable[[list[Entry], list[Shown], Path], None]


def check_pose_output(output: str | Path, format: PoseFormat) -> Path:
    """Check the output before any work is done.

    Raises:
        InputError: there is no such format, or the name does not suit it.
        FileProblem: the place cannot be written.
    """
    suffixes = {"limner": ".json", "coco": ".json", "openpose": "", "csv": ".csv"}
    if format not in suffixes:
        raise InputError(f"no format is called {format!r}; there are {', '.join(suffixes)}")
    return check_output(output, (suffixes[format],))


def joints_to_write(skeleton: SkeletonName | None, format: PoseFormat) -> SkeletonName | None:
    """Return the joints that a format holds; None for the network's own.

    Raises:
        InputError: there is no such skeleton, or the format cannot hold it.
    """
    if skeleton is not None and skeleton not in SKELETONS:
        raise InputError(f"no skeleton is called {skeleton!r}; there are {', '.join(SKELETONS)}")
    if format == "coco" and skeleton not in (None, "coco17"):
        raise InputError(f"COCO's results hold the joints of coco17, not those of {skeleton}")
    if format == "openpose" and skeleton not in (None, "openpose18", "openpose25"):
        raise InputError(f"OpenPose's files hold the joints of openpose25 or openpose18, not those of {skeleton}")
    own: dict[str, SkeletonName] = {"coco": "coco17", "openpose": "openpose25"}
    return own.get(format) if skeleton is None else skeleton


def write_poses(output: Path, entries: list[Entry], shown: list[Shown], format: PoseFormat) -> None:
    """Write everybody, whole or not at all.

    Raises:
        FileProblem: the output cannot be written.
    """
    writers: dict[str, Write] = {
        "limner": _write_own,
        "coco": _write_coco,
        "openpose": _write_openpose,
        "csv": _write_csv,
    }
    with written_beside(output) as temporary:
        writers[format](entries, shown, temporary)


def _write_own(entries: list[Entry], shown: list[Shown], path: Path) -> None:
    """JSON with one person a line, which people can read and other tools can split."""
    lines = [json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _write_coco(entries: list[Entry], shown: list[Shown], path: Path) -> None:
    """A result list; `image_id` is the number at the end of the picture's name, as COCO's are, else the place."""
    numbers = _image_ids(shown)
    results = []
    for entry in entries:
        joints = np.array(entry["keypoints"])
        results.append(
            {
                "image_id": numbers[entry["image"], entry["frame"]],
                "category_id": 1,
                "keypoints": [value for joint in entry["keypoints"] for value in joint],
                "score": round(float(mean_joint_score(joints[None, :, 2], _COCO_MIN_SCORE)[0]), 5),
                "file_name": Path(entry["image"]).name,
                "frame": entry["frame"],
                "track_id": entry["person"],
            }
        )
    path.write_text(json.dumps(results, sort_keys=True, indent=4, allow_nan=False), encoding="utf-8")


def _image_ids(shown: list[Shown]) -> dict[tuple[str, int], int]:
    """COCO's own numbers where every picture is named by one, else 1, 2, 3, ..."""
    places = [(one["image"], one["frame"]) for one in shown]
    try:
        own = [image_id_of(one["image"]) for one in shown if not one["is_video"]]
    except InputError:
        own = []
    numbers = own if len(set(own)) == len(places) else range(1, len(places) + 1)
    return dict(zip(places, numbers, strict=True))


def _write_openpose(entries: list[Entry], shown: list[Shown], folder: Path) -> None:
    """A file for each picture (NAME_keypoints.json) and frame (NAME_000000000000_keypoints.json), people or not."""
    folder.mkdir()
    people: dict[tuple[str, int], list[Entry]] = {}
    for entry in entries:
        people.setdefault((entry["image"], entry["frame"]), []).append(entry)
    stems = _stems(shown)
    empty = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "pose_keypoints_3d")
    for one in shown:
        found = [
            {
                "person_id": [entry["person"]],
                "pose_keypoints_2d": [
                    value for joint in entry["keypoints"] for value in (joint if joint[2] else (0, 0, 0))
                ],
                **{name: [] for name in empty},
            }
            for entry in people.get((one["image"], one["frame"]), [])
        ]
        number = f"_{one['frame']:012d}" if one["is_video"] else ""
        text = json.dumps({"version": _OPENPOSE_VERSION, "people": found}, allow_nan=False)
        (folder / f"{stems[one['image']]}{number}_keypoints.json").write_text(text, encoding="utf-8")


def _stems(shown: list[Shown]) -> dict[str, str]:
    """A name for each input; inputs of one name from several folders are numbered."""
    stems: dict[str, str] = {}
    for image in dict.fromkeys(one["image"] for one in shown):
        stem, number = Path(image).stem, 2
        while stem in stems.values():
            stem, number = f"{Path(image).stem}_{number}", number + 1
        stems[image] = stem
    return stems


def _write_csv(entries: list[Entry], shown: list[Shown], path: Path) -> None:
    """A row for each person; each joint has the columns NAME_x, NAME_y and NAME_score."""
    joints = SKELETONS[entries[0]["skeleton"]].joints
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        columns = [f"{joint}_{part}" for joint in joints for part in ("x", "y", "score")]
        writer.writerow(["image", "frame", "person", "score", "left", "top", "right", "bottom", *columns])
        for entry in entries:
            told = [entry["image"], entry["frame"], entry["person"], entry["score"], *entry["box_xyxy"]]
            writer.writerow([*told, *(value for joint in entry["keypoints"] for value in joint)])
