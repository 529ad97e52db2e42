"""Made-up people written to files, in COCO's layout with the labels of their bodies beside, and read back.

    images/synthetic/000000000000.jpg        the pictures
    masks/synthetic/000000000000.png         255 on the person
    annotations/person_keypoints_synthetic.json   cocoplus19 joints in COCO's format
    bodies.npz                               a row for each picture: rotvec, betas, weak_camera, joints, keypoints, ...
    people.json                              what the pictures were made from

Rows are gathered in parts of `_PART` people; a run that was killed goes on after the last whole part.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from limner.checks import FileProblem, InputError
from limner.data.body_samples import BodySamples, crop_of_people
from limner.data.synthetic import SyntheticPeople, SyntheticPerson
from limner.media import write_image, written_beside
from limner.pose import SKELETONS

__all__ = ["BODIES", "SyntheticReport", "read_people", "write_people"]

BODIES = "bodies.npz"
_MADE_FROM = "people.json"
_SET = "synthetic"
_PART = 64
_FIELDS = ("rotvec", "betas", "weak_camera", "joints", "xy", "score", "world", "box")
Watch = Callable[[int, int | None, str], None]


@dataclasses.dataclass(frozen=True)
class SyntheticReport:
    """What was written.

    Attributes:
        folder: where.
        count: people in the folder.
        made: of them, those that this run drew; the others were there.
    """

    folder: Path
    count: int
    made: int


def write_people(
    people: SyntheticPeople, folder: str | Path, *, workers: int = 1, progress: Watch | None = None
) -> SyntheticReport:
    """Write pictures and labels of made-up people; a folder that was left unfinished is gone on with.

    Args:
        people: who; all of them are written.
        folder: made if it is not there. It must hold people made in the same way, or nothing.
        workers: processes that draw.
        progress: called with how many are done.

    Raises:
        FileProblem: the folder cannot be written, or holds other files.
        InputError: the folder holds people of other settings, or `workers` below 1.
    """
    if workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    folder = Path(folder)
    _prepare(people, folder)
    parts = [folder / f"part_{first:08d}.npz" for first in range(0, len(people), _PART)]
    todo = [] if (folder / BODIES).exists() else [part for part in parts if not part.exists()]
    done = len(people) - sum(_size(people, part) for part in todo)
    made = 0
    for count in _drawn(people, todo, workers):
        made += count
        if progress is not None:
            progress(done + made, len(people), "people")
    if not (folder / BODIES).exists():
        _join(people, folder, parts)
    for part in parts:
        part.unlink(missing_ok=True)
    return SyntheticReport(folder, len(people), made)


def _prepare(people: SyntheticPeople, folder: Path) -> None:
    """Make the folders, or hold what is in them against the settings."""
    made_from = {key: str(value) if isinstance(value, Path) else value for key, value in vars(people).items()}
    made_from = json.loads(json.dumps({k: v for k, v in made_from.items() if k in _settings(people)}))
    record = folder / _MADE_FROM
    if record.exists():
        try:
            there = json.loads(record.read_bytes())
        except ValueError:
            raise FileProblem(f"{record} is no readable json; name a new folder") from None
        differ = sorted(key for key in {*made_from, *there} if made_from.get(key) != there.get(key))
        if differ:
            raise InputError(f"{folder} holds people made with other {', '.join(differ)}; name a new folder")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileProblem(f"{folder} cannot be written: other files are there; name a new folder")
    try:
        for kind in ("images", "masks"):
            (folder / kind / _SET).mkdir(parents=True, exist_ok=True)
        (folder / "annotations").mkdir(exist_ok=True)
    except OSError as problem:
        raise FileProblem(f"{folder} cannot be made: {problem.strerror}") from None
    _write_json(record, made_from)


def _settings(people: SyntheticPeople) -> set[str]:
    return {field.name for field in dataclasses.fields(people)}


def _write_json(path: Path, tree: Any) -> None:
    with written_beside(path) as temporary:
        temporary.write_text(json.dumps(tree), encoding="utf-8")


def _range(people: SyntheticPeople, part: Path) -> range:
    first = int(part.stem.removeprefix("part_"))
    return range(first, min(first + _PART, len(people)))


def _size(people: SyntheticPeople, part: Path) -> int:
    return len(_range(people, part))


def _drawn(people: SyntheticPeople, parts: list[Path], workers: int) -> Iterator[int]:
    """Draw parts, side by side where asked, and yield how many people each had."""
    if workers == 1 or len(parts) < 2:
        for part in parts:
            yield _draw_part(people, part)
        return
    # Forked processes would share locks of libraries that run threads.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_draw_part, [people] * len(parts), parts)


def _draw_part(people: SyntheticPeople, part: Path) -> int:
    """Write the pictures of a part, then its labels: a part with labels is whole."""
    rows: dict[str, list[ndarray]] = {name: [] for name in _FIELDS}
    for index in _range(people, part):
        person = people.sample(index)
        write_image(part.parent / "images" / _SET / f"{index:012d}.jpg", person.image)
        mask = np.rint(255 * person.mask).astype(np.uint8)
        write_image(part.parent / "masks" / _SET / f"{index:012d}.png", mask)
        for name, value in _row(person).items():
            rows[name].append(value)
    with written_beside(part) as temporary:
        np.savez(temporary, **{name: np.stack(values) for name, values in rows.items()})
    return len(_range(people, part))


def _row(person: SyntheticPerson) -> dict[str, ndarray]:
    keypoints = person.keypoints
    world = np.zeros((len(keypoints.xy[0]), 3), np.float32) if keypoints.world is None else keypoints.world[0]
    return {
        "rotvec": person.rotvec,
        "betas": person.betas,
        "weak_camera": person.weak_camera,
        "joints": person.joints,
        "xy": keypoints.xy[0],
        "score": keypoints.score[0],
        "world": world,
        "box": _box(person),
    }


def _box(person: SyntheticPerson) -> ndarray:
    """Return left, top, width, height of what is seen of the person; of the keypoints where nothing is."""
    rows, columns = np.nonzero(person.mask > 0.5)
    if not len(rows):
        low, high = person.keypoints.xy[0].min(0), person.keypoints.xy[0].max(0)
        return np.concatenate([low, np.maximum(high - low, 1)]).astype(np.float32)
    return np.array([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1], np.float32)


def _join(people: SyntheticPeople, folder: Path, parts: list[Path]) -> None:
    """Write the annotation file and last the bodies, whose file says that the set is whole."""
    loaded = [np.load(part, allow_pickle=False) for part in parts]
    arrays = {name: np.concatenate([part[name] for part in loaded]) for name in _FIELDS} if parts else {}
    _write_json(folder / "annotations" / f"person_keypoints_{_SET}.json", _annotations(people, arrays))
    with written_beside(folder / BODIES) as temporary:
        np.savez_compressed(temporary, **arrays, side=np.int64(people.side), body_model=np.str_(people.body))


def _annotations(people: SyntheticPeople, arrays: dict[str, ndarray]) -> dict[str, Any]:
    skeleton = SKELETONS["cocoplus19"]
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
    }
    side = people.side
    images = [{"id": n, "file_name": f"{_SET}/{n:012d}.jpg", "width": side, "height": side} for n in range(len(people))]
    return {
        "images": images,
        "annotations": [_annotation(arrays, n) for n in range(len(people))],
        "categories": [category],
    }


def _annotation(arrays: dict[str, ndarray], row: int) -> dict[str, Any]:
    visible = np.rint(2 * arrays["score"][row]).astype(int)
    points = np.concatenate([np.where(visible[:, None] > 0, arrays["xy"][row], 0), visible[:, None]], 1)
    box = [round(float(number), 2) for number in arrays["box"][row]]
    return {
        "id": row,
        "image_id": row,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": box,
        "area": box[2] * box[3],
        "num_keypoints": int((visible > 0).sum()),
        "keypoints": [
            int(number) if k % 3 == 2 else round(number, 2) for k, number in enumerate(points.ravel().tolist())
        ],
    }


def read_people(folder: str | Path) -> BodySamples:
    """Read what `write_people` wrote, as people with exact bodies; see `read_bodies`.

    Raises:
        FileProblem: the folder is unfinished, or its file of bodies is damaged.
    """
    path = Path(folder) / BODIES
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _FIELDS}
    except (ValueError, KeyError, EOFError, OSError) as problem:
        raise FileProblem(f"{path} cannot be read as bodies of made-up people: {problem}") from None
    count = len(arrays["rotvec"])
    weight = (arrays["score"] > 0).astype(np.float32)[..., None]
    keypoints = np.concatenate([arrays["xy"], weight], 2)
    center, scale = crop_of_people(keypoints)
    return BodySamples(
        "synthetic people",
        Path(folder),
        tuple(f"images/{_SET}/{n:012d}.jpg" for n in range(count)),
        keypoints,
        center,
        np.nan_to_num(scale, nan=1.0),
        joints=arrays["world"][:, :14],
        has_joints=np.ones(count, bool),
        rotvec=arrays["rotvec"],
        betas=arrays["betas"],
        has_smpl=np.ones(count, bool),
    )
