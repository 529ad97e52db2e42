"""Export: files that give what the network gives, and nothing kept where they do not."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.body import HMR, load_hmr_model
from limner.pose import PUBLISHED, PoseTable, build_network, hrnet_config
from limner.runtime import load_network

from .conftest import Outcome

Run = Callable[..., Outcome]
TINY = hrnet_config(2, num_modules=(1, 1, 1), num_blocks=1, first_blocks=1, first_planes=2)


@pytest.fixture
def official_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A tiny network in the place of HRNet-W32."""
    known = dataclasses.replace(PUBLISHED["hrnet-w32-coco"], table=PoseTable(TINY, (64, 32), "coco17"))
    monkeypatch.setitem(PUBLISHED, "hrnet-w32-coco", known)
    monkeypatch.setenv("LIMNER_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / known.file
    torch.save(build_network(TINY).state_dict(), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_import_then_export_to_openvino(run: Run, official_file: Path, folder: Path) -> None:
    assert run("weights", "import", "hrnet-w32-coco", official_file, "--precision", "fp16").code == 0
    assert "hrnet-w32-coco" in run("weights", "list").output
    assert "hrnet-w32-coco" not in run("weights", "list", "--licence", "commercial").output
    assert "whole" in run("weights", "verify", "hrnet-w32-coco").output
    outcome = run("export", "hrnet-w32-coco", "-o", folder / "a.xml", "--format", "openvino", "--json")
    report = json.loads(outcome.output)
    assert report["difference"] < 1e-4 * report["largest"] and report["input_shape"] == [-1, 3, 64, 32]
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "a.xml"]
    assert load_network(folder / "a.xml")(np.zeros((3, 3, 64, 32), np.float32))[0].shape == (3, 17, 16, 8)


def test_what_differs_is_not_kept(run: Run, official_file: Path, folder: Path) -> None:
    words = ("--format", "openvino", "--tolerance", 0)
    outcome = run("export", official_file, "-o", folder / "a.xml", *words)
    assert outcome.code == 1 and "differs from the network" in outcome.sentence
    assert list(folder.iterdir()) == []
    assert run("export", official_file, "-o", folder / "a.onnx", "--licence", "commercial").code == 1


def test_export_to_onnx(run: Run, official_file: Path, folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    outcome = run("export", official_file, "-o", folder / "a.onnx")
    assert outcome.code == 0 and "differs by at most" in outcome.output, outcome.output
    assert [path.name for path in folder.iterdir()] == ["a.onnx"]
    batch = np.random.default_rng(0).normal(size=(5, 3, 64, 32)).astype(np.float32)
    by_file = load_network(folder / "a.onnx", runtime="onnxruntime", threads=1)(batch)[0]
    np.testing.assert_allclose(by_file, load_network(folder / "a.onnx", runtime="openvino")(batch)[0], atol=1e-4)
    network = build_network(TINY)
    network.load_official(official_file)
    shape = (-1, 3, 64, 32)
    for _ in range(2):  # the second is read from where the first was kept
        by_module = load_network(network, input_shape=shape, runtime="onnxruntime", threads=1)
        assert by_module.input_shape == shape
        np.testing.assert_allclose(by_module(batch)[0], by_file, atol=1e-5)


@pytest.mark.parametrize(("format", "suffix"), [("openvino", ".xml"), ("onnx", ".onnx")])
def test_the_light_body_network(run: Run, folder: Path, format: str, suffix: str) -> None:
    if format == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    outcome = run("export", "hmr-light", "-o", folder / f"a{suffix}", "--format", format, "--json")
    report = json.loads(outcome.output)
    assert report["difference"] < 1e-4 * report["largest"] and report["input_shape"] == [-1, 33, 6]
    landmarks = np.random.default_rng(1).normal(size=(3, 33, 6)).astype(np.float32)
    wanted = load_hmr_model("hmr-light").network(torch.from_numpy(landmarks)).numpy()
    np.testing.assert_allclose(load_network(folder / f"a{suffix}")(landmarks)[0], wanted, atol=1e-4)


def test_a_body_network_that_openvino_cannot_express(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Inexpressible(HMR):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.linalg.lstsq(super().forward(image)[:, :, None], torch.ones(2, 85, 1)).solution[:, 0]

    monkeypatch.setattr("limner.body.models.HMR", Inexpressible)
    outcome = run("export", "hmr-light", "-o", folder / "a.xml", "--format", "openvino")
    assert outcome.code == 1 and "OpenVINO cannot run this Inexpressible" in outcome.sentence
    assert list(folder.iterdir()) == []


def test_a_name_of_nothing_gets_the_nearest(run: Run, folder: Path) -> None:
    outcome = run("export", "hmr-lite", "-o", folder / "a.onnx")
    assert outcome.code == 1 and "did you mean 'hmr-light'?" in outcome.sentence
    assert list(folder.iterdir()) == []


def test_without_the_extra_a_sentence_says_what_to_install(
    run: Run, official_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    outcome = run("export", official_file, "-o", folder / "a.onnx")
    assert outcome.code == 1 and "pip install 'limner[export]'" in outcome.sentence
    assert list(folder.iterdir()) == []
