"""COCO and its format: whose boxes, which order, what is dropped, and every fault in one message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.checks import FileProblem, InputError
from limner.data import DatasetError, read_coco, read_keypoint_json

from .conftest import person, tree, write_pictures, zip_folder

Write = Callable[[dict[str, Any]], Path]


def test_people_come_in_the_order_of_the_pictures_with_clipped_boxes(coco: Write) -> None:
    outside = person(3, 1, bbox=[-4, 10, 30, 60])
    samples = read_coco(coco(tree([person(1, 2), person(2, 3), outside])), image_hw=(256, 192))
    assert samples.image_id.tolist() == [1, 2, 3]
    assert samples.picture[0] == "images/val2017/000000000001.jpg"
    # x = -4 is moved to 0 with its width less one kept; the bottom is cut at row 47.
    np.testing.assert_allclose(samples.center[0], [14.5, 28.5])
    np.testing.assert_allclose(samples.scale[0], np.array([29 * 1.0, 29 * 4 / 3]).clip([37 * 0.75, 37]) / 200 * 1.25)
    assert samples.visible[1].tolist() == [min(k % 3, 1) for k in range(17)]
    np.testing.assert_array_equal(samples.joints[1, 2], [12, 13])


def test_crowds_and_people_without_joints_are_left_out_silently(coco: Write) -> None:
    people = [person(1, 1), person(2, 1, iscrowd=1, keypoints=[]), person(3, 2, keypoints=[0] * 51, bbox=[0, 0, 0, 0])]
    assert len(read_coco(coco(tree(people)))) == 1


def test_all_faults_are_in_one_message(coco: Write) -> None:
    people = [
        person(1, 1, bbox=[5, 5, 0, 0]),
        person(2, 1, keypoints=[1, 2, 2] * 16),
        person(3, 2, keypoints=[float("nan"), 1, 2] * 17),
        {"id": 4, "image_id": 2, "category_id": 1, "bbox": [1, 1, 5, 5]},
        person(5, 77),
        person(6, 4),
        person(6, 4, keypoints=[1, 2, 5] * 17),
        person(8, 1, bbox=[70, 1, 5, 5]),
    ]
    with pytest.raises(DatasetError) as caught:
        read_coco(coco(tree(people, num_images=4)))
    message = str(caught.value)
    for part in (
        "without area: annotation 1",
        "48 instead of 51 numbers: annotation 2",
        "not finite (NaN or infinite): annotation 3",
        "'area' missing: annotation 4",
        "'keypoints' missing: annotation 4",
        "no picture in the file: annotation 5",
        "id given twice: annotation 6",
        "visibility other than 0, 1, 2: annotation 6",
        "outside the picture: annotation 8",
        "images/val2017/000000000004.jpg",
    ):
        assert part in message
    assert "\n" not in message and len(caught.value.faults) == 10


def test_many_places_of_one_fault_are_counted_in_the_message_and_kept_in_the_error(coco: Write) -> None:
    people = [person(i, 1, bbox=[1, 1, 0, 5]) for i in range(1, 31)]
    with pytest.raises(DatasetError, match=r"annotation 8 and 22 more") as caught:
        read_coco(coco(tree(people)))
    assert len(caught.value.faults["box or person without area"]) == 30


def test_the_lenient_reader_drops_what_the_published_one_drops(coco: Write) -> None:
    people = [person(1, 1, area=0.0), person(2, 1, bbox=[70, 1, 5, 5]), person(3, 9), person(4, 4)]
    root = coco(tree(people, num_images=4))
    with pytest.raises(DatasetError, match=r"no picture in the file: annotation 3$"):
        read_coco(root, check=False)
    people.pop(2)
    path = root / "annotations" / "person_keypoints_val2017.json"
    path.write_text(json.dumps(tree(people, num_images=4)))
    assert read_coco(root, check=False).image_id.tolist() == [4]


def test_detections_keep_their_order_and_their_boxes(coco: Write, tmp_path: Path) -> None:
    found = [
        {"image_id": 3, "category_id": 1, "bbox": [-10, 0, 30, 40], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.1},
        {"image_id": 1, "category_id": 2, "bbox": [0, 0, 10, 10], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 12, 16], "score": 0.3},
    ]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found))
    samples = read_coco(coco(tree([person(1, 1)])), detections=path, min_box_score=0.2)
    assert samples.image_id.tolist() == [3, 1] and samples.score.tolist() == [0.9, 0.3]
    np.testing.assert_allclose(samples.center, [[5, 20], [6, 8]])
    assert samples.visible.all() and not samples.joints.any() and "found.json" in samples.boxes


def test_faults_of_detections_are_gathered_too(coco: Write, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(
        json.dumps(
            [
                {"image_id": 1, "category_id": 1, "bbox": [0, 0, 0, 0], "score": 0.5},
                {"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5},
                {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1], "score": None},
                {"image_id": 1},
            ]
        )
    )
    with pytest.raises(DatasetError) as caught:
        read_coco(coco(tree([])), detections=path)
    assert str(caught.value).startswith(f"{path} has ") and len(caught.value.faults) == 7


@pytest.mark.parametrize("has_folder", [False, True])
def test_pictures_are_read_from_a_zip_file_as_from_a_folder(coco: Write, has_folder: bool) -> None:
    root = coco(tree([person(1, 2)]))
    plain = read_coco(root)
    zip_folder(root / "images" / "val2017")
    if has_folder:
        (root / "images" / "val2017").mkdir()
    zipped = read_coco(root, zipped=True if has_folder else None)
    assert zipped.picture == ("images/val2017.zip@/000000000002.jpg",)
    assert zipped.read_picture(0).shape == (48, 64, 3)
    assert plain.picture[0].endswith(zipped.picture[0].split("@")[1])


def test_names_of_the_older_and_the_test_sets(tmp_path: Path) -> None:
    path, found = tmp_path / "a.json", tmp_path / "d.json"
    path.write_text(json.dumps(tree([person(1, 2)])))
    found.write_text(json.dumps([{"image_id": 2, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1}]))
    old = read_coco(tmp_path, "val2014", annotations=path, check=False)
    assert old.picture == ("images/val2014/COCO_val2014_000000000002.jpg",)
    test = read_coco(tmp_path, "test-dev2017", annotations=path, detections=found, zipped=True, check=False)
    assert test.picture == ("images/test2017.zip@/000000000002.jpg",)
    with pytest.raises(InputError, match="detections"):
        read_coco(tmp_path, "test-dev2017", annotations=path)


OWN = {
    "images": [{"id": 7, "file_name": "x.png", "width": 40, "height": 30}],
    "categories": [
        {"id": 3, "name": "horse", "keypoints": ["Left Ear", "right ear", "nose"], "skeleton": [[1, 3], [2, 3]]},
        {"id": 4, "name": "grass"},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 3,
            "bbox": [1, 2, 20, 20],
            "area": 90,
            "keypoints": [3, 4, 2, 9, 4, 1, 6, 9, 0],
        },
        {"id": 2, "image_id": 7, "category_id": 4, "bbox": [0, 0, 9, 9], "area": 9},
    ],
}


def own_set(folder: Path, **changes: Any) -> Path:
    (folder / "horses.json").write_text(json.dumps({**OWN, **changes}))
    write_pictures(folder / "images", ["x.png"], (30, 40))
    return folder / "horses.json"


def test_a_set_of_ones_own_brings_its_skeleton(tmp_path: Path) -> None:
    samples = read_keypoint_json(own_set(tmp_path))
    assert samples.skeleton.joints == ("left_ear", "right_ear", "nose")
    assert samples.skeleton.flip_pairs == ((0, 1),) and samples.skeleton.limbs == ((0, 2), (1, 2))
    assert samples.visible.tolist() == [[1, 1, 0]] and samples.image_id.tolist() == [7]
    assert samples.read_picture(0).shape == (30, 40, 3)


def test_a_set_of_ones_own_may_lie_in_a_zip_file(tmp_path: Path) -> None:
    path = own_set(tmp_path)
    zip_folder(tmp_path / "images")
    assert read_keypoint_json(path, tmp_path / "images.zip").read_picture(0).shape == (30, 40, 3)


def test_joints_without_partner_and_wrong_limbs_are_faults(tmp_path: Path) -> None:
    category = {"id": 3, "name": "horse", "keypoints": ["left_ear", "nose", "nose"], "skeleton": [[0, 9]]}
    with pytest.raises(
        DatasetError, match=r"left_ear without its mirror partner.*one name|one name.*left_ear"
    ) as caught:
        read_keypoint_json(own_set(tmp_path, categories=[category]))
    assert "counted from 1 to 3" in str(caught.value)


def test_values_of_any_kind_are_faults_and_no_crash(coco: Write) -> None:
    junk = [None, "x", [1], {}, 10**30, True, -1]
    people = [person(i, 1, **{field: value}) for i, field in enumerate(person(1, 1)) for value in junk]
    annotations = tree([*people, None, 7])
    annotations["images"] += [None, {"id": 10**30, "width": 1, "height": 1}, {"id": [], "width": 1, "height": 1}]
    annotations["categories"][0]["skeleton"] = 5
    with pytest.raises(DatasetError) as caught:
        read_coco(coco(annotations))
    nameless = ("image in row 3", "annotation in row 56", "annotation in row 57")
    assert caught.value.faults["no record of named fields"] == nameless


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "no readable json"),
        ("[1, 2]", "not in COCO's format"),
        ('{"images": []}', "not in COCO's format"),
        ('{"images": [], "annotations": [], "categories": []}', "0 categories with keypoints"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises((FileProblem, InputError), match=re.escape(message)):
        read_keypoint_json(path)


def test_no_annotated_person_gives_an_empty_set(coco: Write) -> None:
    samples = read_coco(coco(tree([])))
    assert len(samples) == 0 and samples.joints.shape == (0, 17, 2)
    assert len(samples.typical()) == 0 and len(samples[[]]) == 0
