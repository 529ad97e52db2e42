"""The record: taking some of the rows, generic skeletons, and pictures as stored."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from limner.checks import FileProblem, InputError, ShapeError
from limner.data import PoseSamples, missing_pictures, read_picture, read_samples
from limner.media import encode_image
from limner.pose import SKELETONS, Skeleton


def samples(count: int = 4, skeleton: Skeleton = SKELETONS["coco17"]) -> PoseSamples:
    joints = len(skeleton)
    return PoseSamples(
        name="made up",
        root=Path("nowhere"),
        picture=tuple(f"{i}.jpg" for i in range(count)),
        image_id=np.arange(count),
        center=np.full((count, 2), 50.0),
        scale=np.full((count, 2), 0.5),
        joints=np.full((count, joints, 2), 50.0),
        visible=np.ones((count, joints)),
        score=np.ones(count),
        skeleton=skeleton,
    )


def test_rows_are_taken_by_slice_list_and_mask() -> None:
    everyone = samples()
    assert everyone[1:3].picture == ("1.jpg", "2.jpg")
    assert everyone[[3, 0]].image_id.tolist() == [3, 0]
    assert everyone[np.array([True, False, False, True])].picture == ("0.jpg", "3.jpg")
    with pytest.raises(InputError, match="list"):
        everyone[2]  # type: ignore[index]


def test_a_record_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(ShapeError, match="made up"):
        PoseSamples(**{**vars(samples()), "scale": np.ones((3, 2))})


def test_only_people_whose_joints_lie_about_their_crop_are_typical() -> None:
    some = samples()
    some.joints[1] += 60
    some.visible[2] = 0
    assert some.typical().tolist() == [0, 3]


def test_upper_joints_and_weights_of_a_skeleton_of_ones_own_go_by_name() -> None:
    own = Skeleton("horse", ("nose", "left_knee", "right_knee", "left_wrist", "right_wrist"), ())  # type: ignore[arg-type]
    assert samples(skeleton=own).upper_joints == (0, 3, 4)
    assert samples(skeleton=own).joint_weights == (1.0, 1.2, 1.2, 1.5, 1.5)
    assert samples().upper_joints == tuple(range(11)) and samples().joint_weights[9] == 1.5


def _turned_jpeg() -> bytes:
    """A JPEG of 30 x 40 that a camera marked as lying on its side."""
    plain = encode_image(np.zeros((30, 40, 3), np.uint8), ".jpg", synthetic=False)
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    return plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]


def test_orientation_marks_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(_turned_jpeg())
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("val2017/a.jpg", _turned_jpeg())
    assert read_picture(tmp_path, "a.jpg").shape == (30, 40, 3)
    # The zip files that COCO hands out have their folder inside.
    assert read_picture(tmp_path, "z.zip@/a.jpg").shape == (30, 40, 3)


def test_missing_pictures_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("in.jpg", b"x")
    names = ["a.jpg", "b.jpg", "z.zip@/in.jpg", "z.zip@/out.jpg", "no.zip@/x.jpg", "b.jpg"]
    assert missing_pictures(tmp_path, names) == ["b.jpg", "z.zip@/out.jpg", "no.zip@/x.jpg"]


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("empty.jpg", b"")
    (tmp_path / "bad.zip").write_bytes(io.BytesIO(b"PK" + bytes(30)).getvalue())
    for name, message in (
        ("z.zip@/empty.jpg", "empty"),
        ("z.zip@/none.jpg", "holds no picture"),
        ("bad.zip@/x.jpg", "no zip file"),
        ("none.jpg", "does not exist"),
    ):
        with pytest.raises(FileProblem, match=message):
            read_picture(tmp_path, name)


def test_a_folder_of_no_known_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"joints\.mat"):
        read_samples(tmp_path)
    with pytest.raises(FileProblem, match="nothing is there"):
        read_samples(tmp_path / "none")
