"""COCO keypoints, and any data set in COCO's keypoint format with a skeleton of its own.

Annotations: `images` (id, file_name, width, height), `annotations` (id, image_id, category_id, bbox x y w h, area,
keypoints x y v, iscrowd) and `categories` (id, name, keypoints, skeleton). Detection files: a list of image_id,
category_id, bbox, score. Pixels count from 0.

Source: leoxiaobin/deep-high-resolution-net.pytorch `lib/dataset/coco.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from limner.checks import InputError
from limner.data.faults import DatasetError, Faults
from limner.data.json_files import is_number, lacks, numbers, read_json
from limner.data.pictures import is_zipped, missing_pictures
from limner.data.samples import PoseSamples
from limner.pose import SKELETONS, Skeleton, crop_from_box

Record = dict[str, Any]

_IMAGE_FIELDS = ("id", "width", "height")
_PERSON_FIELDS = ("id", "image_id", "category_id", "bbox", "area", "keypoints")
_DETECTION_FIELDS = ("image_id", "category_id", "bbox", "score")


def read_coco(
    root: str | Path,
    image_set: str = "val2017",
    *,
    image_hw: tuple[int, int] = (256, 192),
    detections: str | Path | None = None,
    min_box_score: float = 0.0,
    zipped: bool | None = None,
    annotations: str | Path | None = None,
    check: bool = True,
) -> PoseSamples:
    """Read a set of COCO keypoints in its official layout.

    Args:
        root: the folder with `annotations` and `images`.
        image_set: such as train2017 or val2017; one with "test" in its name has no annotated people and needs
            `detections`.
        image_hw: the network's input in pixels, whose aspect the crops get.
        detections: a detection file; its boxes are taken, unclipped, instead of the annotated ones.
        min_box_score: detections below it are left out (TEST.IMAGE_THRE).
        zipped: whether the pictures lie in `images/<set>.zip`; None looks.
        annotations: another annotation file than the set's.
        check: raise on everything that is wrong; False keeps or skips silently what the published loader does.

    Returns:
        One row a person. Boxes are clipped to the picture and lose a pixel on the way, as published; crowds and people
        without joints are left out. Detected people have joints (0, 0) that are marked visible.

    Raises:
        DatasetError: the file has faults; the message has all of them.
        FileProblem: a file is missing or no json.
    """
    root = Path(root)
    test = "test" in image_set
    kind = "image_info" if test else "person_keypoints"
    path = Path(annotations) if annotations else root / "annotations" / f"{kind}_{image_set}.json"
    folder = f"images/{'test2017' if test else image_set}"
    start = f"{folder}.zip@/" if (is_zipped(root, folder) if zipped is None else zipped) else f"{folder}/"
    prefix = f"COCO_{image_set}_" if "2014" in image_set else ""
    if test and detections is None:
        raise InputError(f"{image_set} has no annotated people; give a file of detections")
    file = _File(path, read_json(path, "annotation file"), Faults(path, lenient=not check))
    file.read_images(lambda image: f"{start}{prefix}{image['id']:012d}.jpg", named=False)
    skeleton, category = (SKELETONS["coco17"], 1) if test else file.skeleton_of("person")
    reader = _Reader(file, f"COCO {image_set}", root, skeleton, category, image_hw, check)
    return reader.annotated() if detections is None else reader.detected(Path(detections), min_box_score)


def read_keypoint_json(
    annotations: str | Path,
    images: str | Path | None = None,
    *,
    category: str | None = None,
    image_hw: tuple[int, int] = (256, 192),
    detections: str | Path | None = None,
    min_box_score: float = 0.0,
    check: bool = True,
) -> PoseSamples:
    """Read any data set in COCO's keypoint format; its category tells the skeleton.

    Args:
        annotations: the json file.
        images: the folder or zip file that the `file_name`s start from; None looks for `images` beside the file or
            beside its folder, and else takes the file's folder.
        category: the name of the category; None takes the only one that has keypoints.
        image_hw: the network's input in pixels, whose aspect the crops get.
        detections: a detection file, whose boxes are taken instead of the annotated ones.
        min_box_score: detections below it are left out.
        check: see `read_coco`.

    Returns:
        One row a person; see `read_coco`. Joints called left_... and right_... are mirror partners. A category with the
        joints of a skeleton in the registry gets that one.

    Raises:
        DatasetError: the file has faults; the message has all of them.
        FileProblem: a file is missing or no json.
        InputError: no category has keypoints, or several have and none is named.
    """
    path = Path(annotations)
    file = _File(path, read_json(path, "annotation file"), Faults(path, lenient=not check))
    root = _images_beside(path) if images is None else Path(images)
    root, start = (root.parent, f"{root.name}@/") if root.suffix.lower() == ".zip" else (root, "")
    file.read_images(lambda image: f"{start}{image['file_name']}", named=True)
    skeleton, number = file.skeleton_of(category)
    reader = _Reader(file, path.stem, root, skeleton, number, image_hw, check)
    return reader.annotated() if detections is None else reader.detected(Path(detections), min_box_score)


def _images_beside(path: Path) -> Path:
    choices = [folder / "images" for folder in (path.parent, path.parent.parent)]
    return next((folder for folder in choices if folder.is_dir()), path.parent)


@dataclass
class _File:
    """A parsed annotation file, its faults, and its pictures by number."""

    path: Path
    tree: Any
    faults: Faults

    def __post_init__(self) -> None:
        wanted = ("images", "categories") if "annotations" not in self.tree else ("images", "categories", "annotations")
        if not isinstance(self.tree, dict) or not all(isinstance(self.tree.get(name), list) for name in wanted):
            raise DatasetError(
                f"{self.path} is not in COCO's format: it needs the lists images, annotations, categories"
            )
        self.images: dict[Any, Record] = {}
        self.names: dict[Any, str] = {}

    def read_images(self, name_of: Callable[[Record], str], *, named: bool) -> None:
        """Take the list of pictures up; `named` where the name of the file comes from the list."""
        for row, image in enumerate(self.tree["images"]):
            place = f"image {image['id']}" if isinstance(image, dict) and "id" in image else f"image in row {row}"
            if lacks(image, (*_IMAGE_FIELDS, "file_name") if named else _IMAGE_FIELDS, place, self.faults):
                continue
            if not isinstance(image["id"], (int, str) if named else int) or not _fits_id(image["id"]):
                self.faults.add("picture's id is no whole number of at most twelve digits", place)
                continue
            if image["id"] in self.images:
                self.faults.add_unless_lenient("id given twice", [place])
            if not (is_number(image["width"]) and is_number(image["height"])):
                self.faults.add("width or height is no number", place)
                continue
            self.images[image["id"]] = image
            self.names[image["id"]] = name_of(image)

    def skeleton_of(self, category: str | None) -> tuple[Skeleton, int]:
        """The skeleton and number of the category called so, or of the only one that has keypoints."""
        records = [record for record in self.tree["categories"] if isinstance(record, dict) and "id" in record]
        fits = [r for r in records if (r.get("name") == category if category else r.get("keypoints"))]
        if len(fits) != 1:
            names = ", ".join(repr(r.get("name")) for r in records) or "none"
            what = f"categories called {category!r}" if category else "categories with keypoints"
            raise DatasetError(f"{self.path} has {len(fits)} {what} and needs one; its categories: {names}")
        if "keypoints" not in fits[0]:
            # Cut-down files of people often leave the joints' names out; they can only be COCO's.
            return SKELETONS["coco17"], fits[0]["id"]
        if not isinstance(fits[0]["keypoints"], list):
            raise DatasetError(f"{self.path}: the keypoints of its category must be a list of names")
        return _skeleton(fits[0], self.faults), fits[0]["id"]


def _skeleton(category: Record, faults: Faults) -> Skeleton:
    place = f"category {category.get('name', category['id'])!r}"
    joints = tuple(str(joint).strip().lower().replace(" ", "_").replace("-", "_") for joint in category["keypoints"])
    known = next((skeleton for skeleton in SKELETONS.values() if skeleton.joints == joints), None)
    if known is not None:
        return known
    if len(set(joints)) != len(joints):
        faults.add("two joints of one name", place)
    for joint in joints:
        for side, other in (("left_", "right_"), ("right_", "left_")):
            if joint.startswith(side) and other + joint.removeprefix(side) not in joints:
                faults.add(f"joint {joint} without its mirror partner", place)
    limbs = category.get("skeleton") or []
    if not isinstance(limbs, list) or any(
        numbers(limb, 2) or not all(1 <= end <= len(joints) for end in limb) for limb in limbs
    ):
        faults.add(f"limbs that are no pairs of joints counted from 1 to {len(joints)}", place)
        limbs = []
    name = str(category.get("name", "own"))
    return Skeleton(name, joints, tuple((int(a) - 1, int(b) - 1) for a, b in limbs))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Reader:
    """People of one category out of a parsed file."""

    file: _File
    name: str
    root: Path
    skeleton: Skeleton
    category: Any
    image_hw: tuple[int, int]
    check: bool

    def annotated(self) -> PoseSamples:
        people = [person for person in self._people() if self._is_sound(person)]
        self._check_pictures(p["image_id"] for p in people if any(number > 0 for number in p["keypoints"]))
        self.file.faults.raise_if_any()
        width = len(self.skeleton)
        joints = _array([p["keypoints"] for p in people], 3 * width).reshape(len(people), width, 3)
        box, kept = self._clipped(people)
        places = np.flatnonzero(kept & ((joints > 0).any(axis=(1, 2))))
        rows = self._in_order_of_pictures([people[i]["image_id"] for i in places], places)
        ids = [people[i]["image_id"] for i in rows]
        visible = np.clip(joints[rows, :, 2], 0, 1)
        return self._samples(ids, box[rows], joints[rows, :, :2], visible, np.ones(len(rows)), "annotated boxes")

    def _people(self) -> list[Record]:
        """Annotations of the category that are no crowds and have every field."""
        found = []
        for row, person in enumerate(self.file.tree.get("annotations", [])):
            place = _place(person, row)
            if isinstance(person, dict) and person.get("iscrowd", 0):
                continue
            if isinstance(person, dict) and person.get("category_id", self.category) != self.category:
                continue
            if not lacks(person, _PERSON_FIELDS, place, self.file.faults):
                found.append(person)
        self._check_ids(found)
        return found

    def _check_ids(self, people: list[Record]) -> None:
        counts = Counter(str(person["id"]) for person in people)
        twice = [f"annotation {number}" for number, count in counts.items() if count > 1]
        self.file.faults.add_unless_lenient("id given twice", twice)

    def _is_sound(self, person: Record) -> bool:
        """Note what is wrong with one annotation; tell whether it can be read at all."""
        faults, place = self.file.faults, _place(person, 0)
        wrong = {
            "keypoints": numbers(person["keypoints"], 3 * len(self.skeleton)),
            "bbox": numbers(person["bbox"], 4),
            "area": "" if is_number(person["area"]) else "no finite number",
        }
        for field, problem in wrong.items():
            if problem:
                faults.add(f"{field} with {problem}" if field != "area" else f"area that is {problem}", place)
        if not isinstance(person["image_id"], (int, str)) or person["image_id"] not in self.file.images:
            faults.add("image_id of no picture in the file", place)
            return False
        if any(wrong.values()):
            return False
        if self.check and any(number > 0 for number in person["keypoints"]):
            self._check_box(person, place)
            if not set(person["keypoints"][2::3]) <= {0, 1, 2}:
                faults.add("visibility other than 0, 1, 2", place)
        return True

    def _check_box(self, person: Record, place: str) -> None:
        image = self.file.images[person["image_id"]]
        x, y, w, h = person["bbox"]
        if w <= 0 or h <= 0 or person["area"] <= 0:
            self.file.faults.add("box or person without area", place)
        elif x >= image["width"] or y >= image["height"] or x + w <= 0 or y + h <= 0:
            self.file.faults.add("box outside the picture", place)

    def _check_pictures(self, image_ids: Iterable[Any]) -> None:
        if self.check:
            names = [self.file.names[image_id] for image_id in dict.fromkeys(image_ids)]
            self.file.faults.add_unless_lenient(
                f"picture missing below {self.root}", missing_pictures(self.root, names)
            )

    def _clipped(self, people: list[Record]) -> tuple[Float64[ndarray, "N 4"], ndarray]:
        """Boxes inside their pictures, and which of them are left.

        Parity: the last pixel of a box is where its side ends, so every box is one pixel smaller than annotated, and a
        box that begins left of the picture is moved, not cut.
        """
        x, y, w, h = _array([person["bbox"] for person in people], 4).T
        images = [self.file.images[person["image_id"]] for person in people]
        width = np.array([image["width"] for image in images], float)
        height = np.array([image["height"] for image in images], float)
        left, top = np.maximum(0, x), np.maximum(0, y)
        right = np.minimum(width - 1, left + np.maximum(0, w - 1))
        bottom = np.minimum(height - 1, top + np.maximum(0, h - 1))
        area = np.array([person["area"] for person in people], float)
        kept = (area > 0) & (right >= left) & (bottom >= top)
        return np.stack([left, top, right - left, bottom - top], axis=1), kept

    def _in_order_of_pictures(self, image_ids: list[Any], rows: ndarray) -> ndarray:
        order = {image_id: place for place, image_id in enumerate(self.file.images)}
        return rows[np.argsort([order[image_id] for image_id in image_ids], kind="stable")]

    def detected(self, path: Path, min_box_score: float) -> PoseSamples:
        records = read_json(path, "detection file")
        faults = Faults(path, lenient=not self.check)
        if not isinstance(records, list):
            raise DatasetError(
                f"{path} is no detection file: it must be a list of image_id, category_id, bbox and score"
            )
        kept = [r for row, r in enumerate(records) if self._is_wanted(r, f"row {row}", min_box_score, faults)]
        if faults:
            faults.raise_if_any()
        self._check_pictures(record["image_id"] for record in kept)
        self.file.faults.raise_if_any()
        box = _array([record["bbox"] for record in kept], 4)
        shape = (len(kept), len(self.skeleton))
        score = np.array([record["score"] for record in kept], float)
        ids = [record["image_id"] for record in kept]
        # Parity: nobody annotated these people, yet their joints count as visible; a loss over them means nothing.
        return self._samples(ids, box, np.zeros((*shape, 2)), np.ones(shape), score, f"detected boxes of {path.name}")

    def _is_wanted(self, record: Any, place: str, min_box_score: float, faults: Faults) -> bool:
        if lacks(record, _DETECTION_FIELDS, place, faults) or record["category_id"] != self.category:
            return False
        problem = numbers(record["bbox"], 4)
        if problem:
            faults.add(f"bbox with {problem}", place)
        elif self.check and (min(record["bbox"][2:]) < 0 or max(record["bbox"][2:]) == 0):
            faults.add("box without area", place)
        if not is_number(record["score"]):
            faults.add("score that is no finite number", place)
        elif not isinstance(record["image_id"], (int, str)) or record["image_id"] not in self.file.images:
            faults.add(f"image_id of no picture in {self.file.path.name}", place)
        else:
            return not problem and record["score"] >= min_box_score
        return False

    def _samples(
        self, ids: list[Any], box: ndarray, joints: ndarray, visible: ndarray, score: ndarray, boxes: str
    ) -> PoseSamples:
        center, scale = crop_from_box(box, self.image_hw[1] / self.image_hw[0])
        picture = tuple(self.file.names[image_id] for image_id in ids)
        places = {image_id: place for place, image_id in enumerate(self.file.images)}
        numbered = [image_id if isinstance(image_id, int) else places[image_id] for image_id in ids]
        return PoseSamples(
            name=self.name,
            root=self.root,
            picture=picture,
            image_id=np.array(numbered, np.int64),
            center=center,
            scale=scale,
            joints=joints,
            visible=visible,
            score=score,
            skeleton=self.skeleton,
            boxes=boxes,
        )


def _fits_id(number: int | str) -> bool:
    """Whether COCO's twelve digits hold the number of a picture; names of one's own always do."""
    return isinstance(number, str) or 0 <= number < 10**12


def _place(person: Any, row: int) -> str:
    return f"annotation {person['id']}" if isinstance(person, dict) and "id" in person else f"annotation in row {row}"


def _array(rows: list[list[float]], width: int) -> Float64[ndarray, "N W"]:
    return np.array(rows, np.float64).reshape(len(rows), width)
