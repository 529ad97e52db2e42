"""iPER: people who turn and move before a still camera, with SMPL's bodies.

Layout: `images/` or `images_HD/ACTOR/CLOTH/ACTION/*.jpg`, `smpls/ACTOR/CLOTH/ACTION/{pose_shape,kps}.pkl`, `train.txt`
and `val.txt` with lines like 001/9/1. The protocol of the evaluation is `read_iper_protocol`.
Source: Liu et al. 2019; svip-lab/impersonator `data/dataset.py`, `his_evaluators/evaluators/motion_imitation.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from limner.body import read_pickle
from limner.checks import FileProblem, LimnerError, check_file
from limner.data.faults import Faults
from limner.data.motion_clips import MotionClip
from limner.media import read_image
from limner.records import Bodies

SOURCE_FRAMES = 15
"""A clip's first frames show the front; photos are taken from them."""
_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_iper(
    root: str | Path,
    part: Literal["train", "val"] = "train",
    *,
    images: str = "images",
    body: str = "free",
) -> list[MotionClip]:
    """Read a part of iPER.

    Args:
        root: its folder.
        part: whose list of clips is read.
        images: the folder of pictures in it.
        body: the body model that the numbers are posed with, smpl:PATH.

    Raises:
        FileProblem: the list is missing.
        DatasetError: clips have faults; the message has all of them.
    """
    root = Path(root)
    names = _names(root / f"{part}.txt")
    faults = Faults(root / f"{part}.txt")
    clips = [clip for name in names if (clip := _read_clip(root, name, images, body, faults)) is not None]
    if not names:
        faults.add("it names no clip", f"{part}.txt")
    faults.raise_if_any()
    return clips


def _names(path: Path) -> list[str]:
    lines = check_file(path, "list of clips").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _read_clip(root: Path, name: str, images: str, body: str, faults: Faults) -> MotionClip | None:
    folder, smpls = root / images / name, root / "smpls" / name
    pictures = tuple(sorted(f.name for f in folder.glob("*") if f.suffix.lower() in _SUFFIXES))
    if not pictures:
        faults.add(f"no pictures below {images}", name)
        return None
    try:
        numbers = read_pickle(smpls / "pose_shape.pkl")
        keypoints = read_pickle(smpls / "kps.pkl") if (smpls / "kps.pkl").exists() else {}
    except LimnerError as error:
        faults.add(f"bodies that cannot be read ({error})", name)
        return None
    rows = _checked(numbers, {"cams": (3,), "pose": (72,), "shape": (10,)}, len(pictures), name, faults)
    points = _checked(keypoints, {"kps": (19, 2)}, len(pictures), name, faults) if keypoints else {}
    if rows is None or points is None:
        return None
    height, width = read_image(folder / pictures[0], upright=False).shape[:2]
    bodies = Bodies(rows["pose"].reshape(-1, 24, 3), rows["shape"], rows["cams"], (height, width), body)
    kept = tuple(range(min(SOURCE_FRAMES, len(pictures))))
    return MotionClip(name, folder, pictures, bodies, keypoints=points.get("kps"), sources=kept)


def _checked(
    content: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], count: int, name: str, faults: Faults
) -> dict[str, ndarray] | None:
    """Arrays of one row a picture, or None and what is wrong with them."""
    arrays = {}
    for key, shape in shapes.items():
        array = content.get(key)
        if not isinstance(array, ndarray) or array.shape != (count, *shape):
            found = "missing" if array is None else f"of shape {getattr(array, 'shape', '?')}"
            faults.add(f"{key} is not one row of {shape} a picture", f"{name} ({count} pictures, {found})")
        elif not np.isfinite(array).all():
            faults.add(f"{key} holds numbers that are not finite", name)
        else:
            arrays[key] = array.astype(np.float32)
    return arrays if len(arrays) == len(shapes) else None


@dataclass(frozen=True)
class ProtocolRun:
    """One line of the evaluation: a person, the frames that serve as photos, and what is imitated.

    Attributes:
        clip: the person's clip.
        sources: names of the frames that serve as photos.
        own: first and last frame of the same clip to imitate (self-imitation), inclusive.
        other: the clip to imitate (cross-imitation).
        other_span: its first and last frame, inclusive.
        flag_span: frames of the own clip that the pictures of cross-imitation are compared with as a set.
    """

    clip: str
    sources: tuple[str, ...]
    own: tuple[int, int]
    other: str = ""
    other_span: tuple[int, int] = (0, 0)
    flag_span: tuple[int, int] = (0, 0)


def read_iper_protocol(path: str | Path, views: int = 1) -> list[ProtocolRun]:
    """Read iPER's protocol file, with the photos for so many views.

    Args:
        path: a json file: {"val": {CLIP: {"source": {"1": [...], ...}, "self_imitation": {...}, ...}}}, or the inner
            table, or a list of such entries with their `vid_name`.
        views: how many photos serve; one of the file's own numbers.

    Raises:
        FileProblem: there is no such file, or it is no json.
        DatasetError: entries have faults; the message has all of them.
    """
    path = check_file(path, "protocol")
    try:
        tree = json.loads(path.read_bytes())
    except ValueError as error:
        raise FileProblem(f"{path} is no json file: {error}") from None
    faults = Faults(path)
    entries = _entries(tree)
    runs = [run for name, entry in entries.items() if (run := _run(name, entry, views, faults)) is not None]
    if not entries:
        faults.add("it holds no clip", path.name)
    faults.raise_if_any()
    return runs


def _entries(tree: Any) -> dict[str, Any]:
    if isinstance(tree, dict) and isinstance(tree.get("val"), (dict, list)):
        tree = tree["val"]
    if isinstance(tree, list):
        return {
            str(entry.get("vid_name", number)): entry for number, entry in enumerate(tree) if isinstance(entry, dict)
        }
    return tree if isinstance(tree, dict) else {}


def _run(name: str, entry: Any, views: int, faults: Faults) -> ProtocolRun | None:
    try:
        sources = entry["source"].get(str(views)) or entry["source"][f"s_n={views}"]
        own = _span(entry["self_imitation"]["range"])
        cross = entry.get("cross_imitation") or {}
        return ProtocolRun(
            name,
            tuple(str(source) for source in sources),
            own,
            str(cross.get("target", cross.get("name", ""))),
            _span(cross.get("range", (0, 0))),
            _span(entry.get("flag", own)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        faults.add(f"no source for {views} views, or no range to imitate", f"{name} ({type(error).__name__}: {error})")
        return None


def _span(given: Any) -> tuple[int, int]:
    first, last = (int(number) for number in given)
    if not 0 <= first <= last:
        raise ValueError(f"a range must rise, got {first} to {last}")
    return first, last
