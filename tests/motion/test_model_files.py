"""The published files by name: import, strict loading, face tables, and what is said where something is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.api import import_weights
from limner.checks import FileProblem, InputError, WeightsError
from limner.motion import PUBLISHED, LiquidWarpingGenerator, SphereFace, model_files
from limner.motion.face_tables import read_atlas, read_face_tables
from limner.motion.model_files import load_face_tables, load_published
from limner.weights import list_weights

from .smpl_like import TINY

OBJ = "v 0 0 0\nvt 0.25 0.75\nvt 0.5 1\nvt 0 0\nvn 0 0 1\nf 1/1/1 2/2/1 3/3/1\nf 3/3/1 2/2/1 1/1/1\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> type:
    """A generator that imports in no time in place of the published size."""

    class Small(LiquidWarpingGenerator):
        def __init__(self) -> None:
            super().__init__(TINY)

    monkeypatch.setitem(PUBLISHED, "lwgan-iper", replace(PUBLISHED["lwgan-iper"], build=Small))
    return Small


def tables(folder: Path, **changed: str) -> Path:
    """A folder of face tables of two faces."""
    files = {
        "mapper.txt": OBJ,
        "smpl_part_info.json": json.dumps({"00_head": {"face": [0], "vertex": []}, "01_torso": {"face": [1]}}),
        "head.json": json.dumps({"face": [0]}),
        "front_facial.json": json.dumps({"face": []}),
    }
    folder.mkdir()
    for name, text in {**files, **changed}.items():
        (folder / name).write_text(text)
    return folder


def test_a_checkpoint_is_kept_by_name(tmp_path: Path, small: type) -> None:
    torch.manual_seed(0)
    network = small()
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, tmp_path / "G.pth")
    record = import_weights("lwgan-iper", tmp_path / "G.pth")
    assert record.commercial == "unknown" and "lwgan-iper" in [one.name for one in list_weights()]
    loaded = load_published("lwgan-iper", small)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in network.state_dict().items())
    assert not loaded.training and not any(value.requires_grad for value in loaded.parameters())
    with pytest.raises(WeightsError, match="commercial use"):
        load_published("lwgan-iper", small, licence="commercial")


def test_another_networks_file_is_refused(tmp_path: Path, small: type) -> None:
    torch.save(torch.nn.Conv2d(3, 3, 1).state_dict(), tmp_path / "G.pth")
    with pytest.raises(WeightsError):
        import_weights("lwgan-iper", tmp_path / "G.pth")
    assert not (tmp_path / "weights").exists()


def test_unknown_names_offer_the_nearest() -> None:
    for name, near in (("lwgan-inpaint", "lwgan-inpainter"), ("hrnet-w32-coca", "hrnet-w32-coco")):
        with pytest.raises(InputError, match=f"did you mean '{near}'"):
            import_weights(name, "file.pth")


def test_a_name_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="no SphereFace"):
        load_published("lwgan-inpainter", SphereFace)


def test_face_tables_are_kept_and_read_again(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="limner weights import lwgan-face-tables FOLDER"):
        load_face_tables()
    import_weights("lwgan-face-tables", tables(tmp_path / "pretrains"))
    read, kept = read_face_tables(tmp_path / "pretrains"), load_face_tables()
    np.testing.assert_array_equal(read.uv, kept.uv)
    np.testing.assert_allclose(read.uv[0], [[0.25, 0.25], [0.5, 0], [0, 1]])
    assert {name: list(faces) for name, faces in kept.parts.items()} == {"00_head": [0], "01_torso": [1]}
    assert list(kept.head) == [0] and list(kept.facial) == []


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("mapper.txt", "f 1//1 2//1 3//1\n", WeightsError),
        ("mapper.txt", "nothing", WeightsError),
        ("mapper.txt", OBJ + "f 1/9/1 2/2/1 3/3/1\n", WeightsError),
        ("head.json", "[1, 2]", WeightsError),
        ("head.json", "{", WeightsError),
        ("head.json", '{"face": [7]}', WeightsError),
        ("front_facial.json", '{"face": ["a"]}', WeightsError),
        ("smpl_part_info.json", '{"00_head": {"face": [0]}}', WeightsError),
        ("smpl_part_info.json", "{}", WeightsError),
        ("smpl_part_info.json", "", FileProblem),
    ],
)
def test_bad_face_tables_are_refused(tmp_path: Path, name: str, text: str, error: type) -> None:
    with pytest.raises(error):
        read_face_tables(tables(tmp_path / "pretrains", **{name: text}))


def test_missing_face_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"mapper\.txt"):
        read_face_tables(tmp_path / "nowhere")
    folder = tables(tmp_path / "pretrains")
    (folder / "head.json").unlink()
    with pytest.raises(FileProblem, match=r"head\.json"):
        read_face_tables(folder)
    with pytest.raises(FileProblem):
        read_atlas(folder / "none.txt")


def test_every_published_name_says_its_file() -> None:
    assert len(PUBLISHED) == 8 and all(known.file and known.title for known in PUBLISHED.values())
    assert set(model_files.GENERATORS) < set(PUBLISHED)
