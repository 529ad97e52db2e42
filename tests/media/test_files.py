"""Files and folders appear whole under their names, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.checks import FileProblem
from limner.media import written_beside


def write_folder(path: Path, **meanwhile: str) -> None:
    """Write a folder of one file; what comes into the folder while that is done is told by name."""
    with written_beside(path) as temporary:
        temporary.mkdir()
        (temporary / "made.txt").write_text("made")
        for name, text in meanwhile.items():
            path.mkdir(exist_ok=True)
            (path / name).write_text(text)


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "new")
    assert (tmp_path / "new" / "made.txt").read_text() == "made" and len(list(tmp_path.iterdir())) == 1


def test_what_comes_into_the_folder_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", drawn="drawn")
    assert sorted(file.name for file in (tmp_path / "empty").iterdir()) == ["drawn", "made.txt"]
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_is_written_over(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"made\.txt came to stand there"):
        write_folder(tmp_path / "taken", **{"made.txt": "another's"})
    assert (tmp_path / "taken" / "made.txt").read_text() == "another's" and len(list(tmp_path.iterdir())) == 1


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), written_beside(tmp_path / "file.txt") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
