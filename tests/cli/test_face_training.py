"""The verbs train generator, train face and eval face, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from limner.cli.app import app
from limner.media import write_image
from tests.train.faces import SMALL_ENCODER, SMALL_GENERATOR, draw_faces

run = CliRunner().invoke


def test_a_generator_then_its_encoder_then_scores(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    faces = draw_faces(tmp_path / "faces")
    given = [f"data.root={faces}", *SMALL_GENERATOR, "loop.epochs=1", "--run", str(tmp_path / "generator")]
    done = run(app, ["train", "generator", *given])
    assert done.exit_code == 0, done.output
    assert "1 epochs, 3 steps, best distance" in done.output
    generator = tmp_path / "generator" / "best-generator.safetensors"
    given = [f"data.target={faces}", f"network.generator={generator}", *SMALL_ENCODER, "loop.epochs=1"]
    done = run(app, ["train", "face", *given, "--run", str(tmp_path / "face"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["steps"] == 2


def test_settings_are_shown(tmp_path: Path) -> None:
    shown = run(app, ["train", "face", "--check", "task=colourisation"])
    assert shown.exit_code == 0 and "task: colourisation" in shown.output
    refused = run(app, ["train", "face", "--check", "tsk=colourisation"])
    assert refused.exit_code == 1 and "did you mean task?" in refused.output


def test_scores_of_folders(tmp_path: Path) -> None:
    for folder, value in (("a", 0), ("b", 51)):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "1.png", np.full((32, 32, 3), value, np.uint8), synthetic=False)
    done = run(app, ["eval", "face", str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "scores.json")])
    assert done.exit_code == 0, done.output
    assert "0.1600" in done.output and "1 without a face" in done.output
    kept = json.loads((tmp_path / "scores.json").read_text())
    assert kept["each"]["1.png"]["l2"] == pytest.approx(0.16, rel=1e-4)


def test_overlap_of_folders_of_maps(tmp_path: Path) -> None:
    for folder, value in (("a", 3), ("b", 3)):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "1.png", np.full((8, 8, 3), value, np.uint8), synthetic=False)
    done = run(app, ["eval", "face", str(tmp_path / "a"), str(tmp_path / "b"), "--maps", "--json"])
    assert json.loads(done.stdout) == {"accuracy": 1.0, "miou": 1.0, "iou eye_glasses": 1.0}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{a}", "{a}/nothing"], "there is no folder"),
        (["{a}", "{a}", "--lpips", "x.pth"], "belong together"),
        (["{a}", "{b}"], "picture without a partner"),
        (["{a}", "{a}", "--inception", "{a}/1.png"], "weight file"),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    for folder, name in (("a", "1.png"), ("b", "2.png")):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / name, np.zeros((8, 8, 3), np.uint8), synthetic=False)
    done = run(app, ["eval", "face", *[word.format(a=tmp_path / "a", b=tmp_path / "b") for word in words]])
    assert done.exit_code == 1 and sentence in done.output and "Traceback" not in done.output
