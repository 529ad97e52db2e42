"""Folders of pictures: listed, parted, paired by name, and CelebAMask-HQ's parts merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from limner.checks import FileProblem, InputError, ShapeError
from limner.data import DatasetError, merge_parts, pair_folders, part_folder, read_folder, write_maps
from limner.media import read_image, write_image


def _pictures(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, np.full((4, 5, 3), number, np.uint8), synthetic=False)
    return folder


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    root = _pictures(tmp_path, "b/2.png", "a.PNG", "b/1.jpg")
    (root / ".hidden.png").write_bytes(b"no picture")
    (root / "notes.txt").write_text("nothing")
    folder = read_folder(root)
    assert folder.names == ("a.PNG", "b/1.jpg", "b/2.png")
    assert int(folder.read(0)[0, 0, 0]) == 1
    assert folder[[2, 0]].names == ("b/2.png", "a.PNG")


@pytest.mark.parametrize("make", [False, True])
def test_an_empty_or_missing_folder_is_named(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "pictures"
    if make:
        folder.mkdir()
    with pytest.raises(FileProblem, match="holds no picture" if make else "there is no folder"):
        read_folder(folder)


def test_pairs_go_by_name_and_not_by_place(tmp_path: Path) -> None:
    sources = read_folder(_pictures(tmp_path / "s", "z/1_edges.png", "a.png"))
    targets = read_folder(_pictures(tmp_path / "t", "a.jpg", "z/1.jpg"))
    source, target = pair_folders(sources, targets)
    assert source.names == ("a.png", "z/1_edges.png") and target.names == ("a.jpg", "z/1.jpg")


def test_all_that_has_no_partner_is_named_at_once(tmp_path: Path) -> None:
    sources = read_folder(_pictures(tmp_path / "s", "1.png", "2.png", "2.jpg"))
    targets = read_folder(_pictures(tmp_path / "t", "2.png", "3.png"))
    with pytest.raises(DatasetError, match=r"3 faults.*2\.jpg, 2\.png.*1\.png, 3\.png"):
        pair_folders(sources, targets)


def test_parts_are_runs_of_neighbours_that_do_not_meet(tmp_path: Path) -> None:
    folder = read_folder(_pictures(tmp_path, *[f"{number:03d}.png" for number in range(40)]))
    train, valid = part_folder(folder, 0.25, block=5)
    assert not set(train.names) & set(valid.names)
    assert len(train) + len(valid) == 40 and len(valid) == 10
    assert part_folder(folder, 0) == (folder, folder)


def test_too_few_to_part(tmp_path: Path) -> None:
    folder = read_folder(_pictures(tmp_path, "1.png"))
    with pytest.raises(InputError, match="cannot be parted"):
        part_folder(folder, 0.1)


def _part(root: Path, name: str, rows: slice, side: int = 6) -> None:
    drawn = np.zeros((side, side, 3), np.uint8)
    drawn[rows] = 255
    (root / "0").mkdir(parents=True, exist_ok=True)
    write_image(root / "0" / name, drawn, synthetic=False)


def test_later_parts_lie_over_earlier_ones(tmp_path: Path) -> None:
    _part(tmp_path, "00007_hair.png", slice(0, 3))
    _part(tmp_path, "00007_skin.png", slice(2, 6))
    labels = merge_parts(tmp_path, 7)
    assert labels[:, 0].tolist() == [13, 13, 13, 1, 1, 1]


def test_maps_are_written_once(tmp_path: Path) -> None:
    _part(tmp_path / "parts", "00000_skin.png", slice(0, 2))
    _part(tmp_path / "parts", "00001_nose.png", slice(0, 2))
    assert write_maps(tmp_path / "parts", tmp_path / "maps") == 2
    assert int(read_image(tmp_path / "maps" / "1.png")[0, 0, 0]) == 2
    before = (tmp_path / "maps" / "0.png").stat().st_mtime_ns
    write_maps(tmp_path / "parts", tmp_path / "maps")
    assert (tmp_path / "maps" / "0.png").stat().st_mtime_ns == before


def test_faults_of_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"no part of face 3, such as 00003_skin\.png"):
        merge_parts(tmp_path, 3)
    with pytest.raises(FileProblem, match="holds no parts"):
        write_maps(tmp_path, tmp_path / "maps")
    _part(tmp_path, "00002_skin.png", slice(0, 2))
    _part(tmp_path, "00002_hair.png", slice(0, 2), side=8)
    with pytest.raises(ShapeError, match="8"):
        merge_parts(tmp_path, 2)
