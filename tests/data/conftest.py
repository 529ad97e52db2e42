"""Small data sets of every layout, with pictures of noise."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from limner.media import write_image
from limner.pose import SKELETONS

COCO_JOINTS = list(SKELETONS["coco17"].joints)


def write_pictures(folder: Path, names: list[str], size_hw: tuple[int, int] = (48, 64)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    for name in names:
        write_image(folder / name, noise, synthetic=False)


def zip_folder(folder: Path) -> None:
    """Replace a folder by a zip file of its name."""
    with zipfile.ZipFile(f"{folder}.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
            path.unlink()
    folder.rmdir()


def person(number: int, image: int, **changes: Any) -> dict[str, Any]:
    keypoints = [v for k in range(17) for v in (10 + k, 12 + 0.5 * k, k % 3)]
    base = {"id": number, "image_id": image, "category_id": 1, "bbox": [8, 10, 30, 20], "area": 300.0, "iscrowd": 0}
    return {**base, "keypoints": keypoints, "num_keypoints": 11, **changes}


def tree(people: list[dict[str, Any]], num_images: int = 3) -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "width": 64, "height": 48} for i in range(1, num_images + 1)]
    categories = [{"id": 1, "name": "person", "keypoints": COCO_JOINTS, "skeleton": [[6, 7]]}]
    return {"images": images, "annotations": people, "categories": categories}


@pytest.fixture
def coco(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Write a COCO folder of the set val2017 with three pictures; return its root."""

    def write(annotations: dict[str, Any]) -> Path:
        root = tmp_path / "coco"
        (root / "annotations").mkdir(parents=True)
        (root / "annotations" / "person_keypoints_val2017.json").write_text(json.dumps(annotations))
        write_pictures(root / "images" / "val2017", [f"{i:012d}.jpg" for i in range(1, 4)])
        return root

    return write


def mpii_person(image: str = "a.jpg", **changes: Any) -> dict[str, Any]:
    joints = [[10.0 + k, 20.0 + k / 2] for k in range(16)]
    return {"image": image, "center": [31.0, 21.0], "scale": 0.2, "joints": joints, "joints_vis": [1] * 16, **changes}


@pytest.fixture
def mpii(tmp_path: Path) -> Callable[..., Path]:
    """Write an MPII folder of the part valid with its ground truth; return its root."""

    def write(people: list[dict[str, Any]], num_truth: int | None = None) -> Path:
        root = tmp_path / "mpii"
        (root / "annot").mkdir(parents=True)
        (root / "annot" / "valid.json").write_text(json.dumps(people))
        write_pictures(root / "images", ["a.jpg", "b.jpg"])
        write_truth(root / "annot" / "gt_valid.mat", len(people) if num_truth is None else num_truth)
        return root

    return write


def write_truth(path: Path, count: int) -> None:
    names = "rank rkne rhip lhip lkne lank pelv thor neck head rwri relb rsho lsho lelb lwri".split()
    cells = np.empty((1, 16), object)
    cells[0] = names
    rng = np.random.default_rng(0)
    heads = np.stack([np.zeros((2, count)), np.full((2, count), 30.0)])
    scipy.io.savemat(
        path,
        {
            "jnt_missing": (rng.random((16, count)) < 0.2).astype(np.uint8),
            "pos_gt_src": rng.uniform(1, 60, (16, 2, count)),
            "headboxes_src": heads,
            "dataset_joints": cells,
        },
    )
