"""Whatever is wrong with an input or an output: one sentence, exit code 1, nothing half-written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Outcome

Run = Callable[..., Outcome]

PICTURES = (
    "missing.jpg",
    "empty.jpg",
    "text.jpg",
    "truncated.jpg",
    "corrupt.jpg",
    "truncated.png",
    "one_pixel.png",
    "huge.png",
    "nobody.png",
    "noise.png",
)
MOTIONS = (
    "missing.mp4",
    "empty.mp4",
    "text.mp4",
    "truncated.mp4",
    "corrupt.mp4",
    "text.bvh",
    "nan.npz",
    "no_frames.npz",
    "nothing.npz",
    "lonely.amc",
    "nobody.mp4",
)


def _nothing_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("verb", ["imitate", "view", "swap", "pose", "body"])
def test_bad_pictures(
    verb: str, name: str, run: Run, bad_pictures: dict[str, Path], dance_amc: Path, person_jpg: Path, tmp_path: Path
) -> None:
    picture = bad_pictures[name]
    words = {
        "imitate": (picture, dance_amc, "-o", tmp_path / "out.mp4"),
        "view": (picture, "-o", tmp_path / "out.mp4"),
        "swap": (picture, person_jpg, "-o", tmp_path / "out.png"),
        "pose": (picture, "-o", tmp_path / "out.json"),
        "body": (picture, "-o", tmp_path / "out.npz"),
    }[verb]
    outcome = run(verb, *words)
    assert outcome.code == 1, outcome.output
    assert name in outcome.sentence
    _nothing_left(tmp_path)


@pytest.mark.parametrize("name", MOTIONS)
def test_bad_motions(
    name: str, run: Run, bad_motions: dict[str, Path], small_person: Path, one_actor: None, tmp_path: Path
) -> None:
    outcome = run("imitate", small_person, bad_motions[name], "--size", 256, "-o", tmp_path / "out.mp4")
    assert outcome.code == 1, outcome.output
    assert name in outcome.sentence
    _nothing_left(tmp_path)


@pytest.mark.parametrize("verb", ["pose", "body"])
@pytest.mark.parametrize("name", [name for name in MOTIONS if name.endswith(".mp4")])
def test_bad_videos(verb: str, name: str, run: Run, bad_motions: dict[str, Path], tmp_path: Path) -> None:
    suffix = {"pose": ".json", "body": ".npz"}[verb]
    outcome = run(verb, bad_motions[name], "-o", tmp_path / f"out{suffix}")
    assert outcome.code == 1, outcome.output
    assert name in outcome.sentence
    _nothing_left(tmp_path)


@pytest.mark.parametrize("name", [name for name in MOTIONS if name.endswith(".mp4")])
def test_bad_videos_cannot_be_scored(name: str, run: Run, bad_motions: dict[str, Path]) -> None:
    outcome = run("eval", "motion", "--self", bad_motions[name])
    assert outcome.code == 1 and name in outcome.sentence


@pytest.mark.parametrize(
    ("verb", "output"),
    [("imitate", "out.mp4"), ("view", "out.mp4"), ("swap", "out.png"), ("pose", "out.json"), ("body", "out.npz")],
)
class TestOutputs:
    def _words(self, verb: str, person: Path, dance: Path) -> list[Path]:
        return {"imitate": [person, dance], "swap": [person, person]}.get(verb, [person])

    def test_folder_is_missing(
        self, verb: str, output: str, run: Run, person_jpg: Path, dance_amc: Path, tmp_path: Path
    ) -> None:
        outcome = run(verb, *self._words(verb, person_jpg, dance_amc), "-o", tmp_path / "nowhere" / output)
        assert outcome.code == 1 and "nowhere" in outcome.sentence
        _nothing_left(tmp_path)

    def test_folder_cannot_be_written(
        self, verb: str, output: str, run: Run, person_jpg: Path, dance_amc: Path, closed_folder: Path
    ) -> None:
        outcome = run(verb, *self._words(verb, person_jpg, dance_amc), "-o", closed_folder / output)
        assert outcome.code == 1 and str(closed_folder) in outcome.sentence

    def test_output_is_a_folder(
        self, verb: str, output: str, run: Run, person_jpg: Path, dance_amc: Path, tmp_path: Path
    ) -> None:
        (tmp_path / output).mkdir()
        outcome = run(verb, *self._words(verb, person_jpg, dance_amc), "-o", tmp_path / output)
        assert outcome.code == 1 and "folder" in outcome.sentence

    def test_suffix_is_unknown(
        self, verb: str, output: str, run: Run, person_jpg: Path, dance_amc: Path, tmp_path: Path
    ) -> None:
        outcome = run(verb, *self._words(verb, person_jpg, dance_amc), "-o", tmp_path / "out.docx")
        assert outcome.code == 1 and ".docx" in outcome.sentence
        _nothing_left(tmp_path)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written; to root every ordinary one is open, so there a part of the system serves."""
    if os.geteuid() == 0:
        yield Path("/proc")
        return
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_disk_is_full(run: Run, small_person: Path, dance_amc: Path, one_actor: None, full_disk: Path) -> None:
    (full_disk / "other").write_bytes(bytes(61_440))
    outcome = run("imitate", small_person, dance_amc, "--end", 0.5, "-o", full_disk / "out.mp4")
    assert outcome.code == 1 and "full" in outcome.sentence
    assert [path.name for path in full_disk.iterdir()] == ["other"]


def test_disk_is_full_for_numbers(run: Run, small_person: Path, full_disk: Path) -> None:
    (full_disk / "other").write_bytes(bytes(65_536))
    outcome = run("body", small_person, "-o", full_disk / "out.npz")
    assert outcome.code == 1 and "full" in outcome.sentence
    assert [path.name for path in full_disk.iterdir()] == ["other"]


def test_person_who_is_not_there(run: Run, small_person: Path, tmp_path: Path) -> None:
    for verb, name in (("pose", "out.json"), ("body", "out.npz"), ("view", "out.mp4")):
        outcome = run(verb, small_person, "--person", 7, "-o", tmp_path / name)
        assert outcome.code == 1 and "7" in outcome.sentence
    _nothing_left(tmp_path)


def test_body_that_is_not_there(run: Run, small_person: Path, tmp_path: Path) -> None:
    for name in ("smpl:nowhere.pkl", "fat"):
        outcome = run("body", small_person, "--body", name, "-o", tmp_path / "out.npz")
        assert outcome.code == 1 and name.split(":")[-1] in outcome.sentence
    _nothing_left(tmp_path)


def test_background_that_is_not_there(run: Run, small_person: Path, tmp_path: Path) -> None:
    outcome = run("view", small_person, "--background", "nowhere.jpg", "-o", tmp_path / "out.mp4")
    assert outcome.code == 1 and "nowhere.jpg" in outcome.sentence
    _nothing_left(tmp_path)


def test_parts_that_nobody_has(run: Run, small_person: Path, one_actor: None, tmp_path: Path) -> None:
    outcome = run("swap", small_person, small_person, "--parts", "wings", "-o", tmp_path / "out.png")
    assert outcome.code == 1 and "wings" in outcome.sentence


def test_transparency_that_the_output_cannot_keep(
    run: Run, small_person: Path, dance_amc: Path, tmp_path: Path
) -> None:
    outcome = run("imitate", small_person, dance_amc, "--background", "transparent", "-o", tmp_path / "out.mp4")
    assert outcome.code == 1 and "transparen" in outcome.sentence


def test_a_broken_file_in_a_folder_is_left_out(
    run: Run, small_person: Path, bad_pictures: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "good.png").write_bytes(small_person.read_bytes())
    (folder / "text.jpg").write_bytes(bad_pictures["text.jpg"].read_bytes())
    outcome = run("pose", folder, "-o", tmp_path / "out.json")
    assert outcome.code == 0 and "text.jpg" in outcome.output and (tmp_path / "out.json").exists()


@pytest.mark.parametrize("verb", [("pose",), ("body",), ("face", "align")], ids=" ".join)
def test_a_folder_of_broken_files_names_a_fault(
    run: Run, bad_pictures: dict[str, Path], tmp_path: Path, verb: tuple[str, ...]
) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(bad_pictures["text.jpg"].read_bytes())
    outcome = run(*verb, folder, "-o", tmp_path / ("out.json" if verb == ("pose",) else "out"))
    assert outcome.code == 1 and "a.jpg" in outcome.sentence and "(and 1 more)" in outcome.sentence
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.json").exists()


def test_an_empty_folder_has_nothing_to_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    outcome = run("pose", tmp_path / "album", "-o", tmp_path / "out.json")
    assert outcome.code == 1 and "album" in outcome.sentence
