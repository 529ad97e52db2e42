"""Torch modules behind the runtime's door: the same numbers by OpenVINO and by torch, and what is kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from limner.checks import InputError
from limner.runtime import load_network
from limner.runtime.modules import kept_name


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.trunk(x)
        return self.head(y), y.mean(dim=(2, 3))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path))
    return tmp_path / "networks"


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    module = TwoHeads()
    for _ in range(3):
        module(torch.randn(4, 3, 8, 8))  # gives the norm statistics worth folding
    return module


def batch(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 3, 8, 6)).astype(np.float32)


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("twoheads-*"))


def test_openvino_gives_what_torch_gives(module: nn.Module) -> None:
    x = batch(2)
    eager = load_network(module, input_shape=x.shape, runtime="torch", threads=1)(x)
    fast = load_network(module, input_shape=x.shape, runtime="openvino", threads=1)(x)
    assert [output.shape for output in fast] == [(2, 2, 4, 3), (2, 4)]
    for one, other in zip(eager, fast, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_any_number_of_pictures_goes_through_one_network(module: nn.Module, runtime: str) -> None:
    network = load_network(module, input_shape=(-1, 3, 8, 6), runtime=runtime, threads=1)
    assert network.input_shape == (-1, 3, 8, 6)
    whole = network(batch(5))[0]
    np.testing.assert_allclose(network(batch(5)[:2])[0], whole[:2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_the_module_is_neither_changed_nor_watched(module: nn.Module, runtime: str) -> None:
    state = {key: value.clone() for key, value in module.state_dict().items()}
    network = load_network(module, input_shape=(1, 3, 8, 6), runtime=runtime, threads=1)
    before = network(batch(1))[0]
    assert module.training and all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    with torch.no_grad():
        module.head.bias.add_(1)
    np.testing.assert_array_equal(network(batch(1))[0], before)


def test_a_converted_network_is_kept_and_found_again(
    module: nn.Module, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_network(module, input_shape=(1, 3, 8, 6), runtime="openvino", threads=1)(batch(1))[0]
    files = kept(cache)
    assert [Path(name).suffix for name in files] == [".bin", ".xml"]
    monkeypatch.setattr("limner.runtime.modules.convert_module", None)
    np.testing.assert_array_equal(
        load_network(module, input_shape=(1, 3, 8, 6), runtime="openvino", threads=1)(batch(1))[0], first
    )
    assert kept(cache) == files and not list(cache.glob(".converting-*"))


def test_other_weights_shapes_layers_and_code_are_kept_apart(
    module: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name() -> str:
        return kept_name(module, (1, 3, 8, 6), ".npz")

    seen = [name(), kept_name(module, (2, 3, 8, 6), ".npz"), kept_name(module, (1, 3, 8, 6), ".npz", "converter 2")]
    assert name() == seen[0] and Path(seen[0]).suffix == ".npz"
    with torch.no_grad():
        module.head.bias.add_(1)
    seen.append(name())
    module.trunk[2] = nn.Hardtanh()
    seen.append(name())
    monkeypatch.setattr(TwoHeads, "forward", lambda self, x: self.head(self.trunk(x)))
    seen.append(name())
    assert len(set(seen)) == 6


def test_a_damaged_file_is_made_anew(module: nn.Module, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = load_network(module, input_shape=(1, 3, 8, 6), runtime="openvino", threads=1)(batch(1))[0]
    xml = next(cache.glob("twoheads-*.xml"))
    xml.write_text("<net")
    np.testing.assert_array_equal(
        load_network(module, input_shape=(1, 3, 8, 6), runtime="openvino", threads=1)(batch(1))[0], before
    )
    assert "made anew" in caplog.text and xml.stat().st_size > 100


def test_thread_counts_of_torch_are_put_back(module: nn.Module) -> None:
    network = load_network(module, input_shape=(1, 3, 8, 6), runtime="torch", threads=2)
    network(batch(1))
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "input_shape"),
        ({"input_shape": (1, 3, 8, 6), "threads": 0}, "at least 1"),
        ({"input_shape": (1, 3, 8, 6), "runtime": "tensorrt"}, "tensorrt"),
    ],
)
def test_impossible_wishes_are_refused(module: nn.Module, options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_network(module, **options)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_arrays_of_another_shape_are_refused(module: nn.Module, runtime: str) -> None:
    network = load_network(module, input_shape=(-1, 3, 8, 6), runtime=runtime, threads=1)
    with pytest.raises(InputError, match=r"\(-1, 3, 8, 6\), got \(1, 3, 6, 8\)"):
        network(np.zeros((1, 3, 6, 8), np.float32))


def test_torch_runs_no_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="modules"):
        load_network(tmp_path / "net.onnx", runtime="torch")
