"""Checkpoint files: everything comes back, nothing in them can act, and damage has a sentence."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from limner.checks import FileProblem, WeightsError
from limner.train.checkpoint import (
    Stored,
    network_tensors,
    optimiser_content,
    random_state,
    read_stored,
    restore_network,
    restore_optimiser,
    restore_random_state,
    write_stored,
)

CPU = torch.device("cpu")


def stepped(kind: type, **settings) -> tuple[nn.Module, torch.optim.Optimizer]:
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = kind(network.parameters(), **settings)
    network(torch.ones(1, 3, 5, 5)).sum().backward()
    optimiser.step()
    return network, optimiser


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (torch.optim.Adam, {"lr": 0.1, "betas": (0.8, 0.99)}),
        (torch.optim.AdamW, {"lr": 1 / 3, "amsgrad": True}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (torch.optim.SGD, {"lr": 0.1}),
    ],
)
def test_network_and_optimiser_come_back(tmp_path: Path, kind: type, settings: dict) -> None:
    network, optimiser = stepped(kind, **settings)
    tensors, facts = optimiser_content("optimiser.network", optimiser)
    write_stored(tmp_path / "x.safetensors", Stored({**network_tensors("network", network), **tensors}, {"o": facts}))
    stored = read_stored(tmp_path / "x.safetensors")
    other = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    again = kind(other.parameters(), **{**settings, "lr": 1.0})
    restore_network("network", other, stored)
    restore_optimiser("optimiser.network", again, stored, stored.facts["o"])
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert again.param_groups[0]["lr"] == settings["lr"]
    for (weight, values), kept in zip(again.state.items(), optimiser.state.values(), strict=True):
        assert values.keys() == kept.keys()
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                assert torch.equal(value, kept[name]) and value.stride() == weight.stride()


def test_facts_keep_every_digit(tmp_path: Path) -> None:
    facts = {"third": 1 / 3, "tiny": 5e-324, "list": [1, None, "é"]}
    write_stored(tmp_path / "x.safetensors", Stored({"a": torch.zeros(0)}, facts))
    assert {k: v for k, v in read_stored(tmp_path / "x.safetensors").facts.items() if k != "format"} == facts


def test_random_states_come_back() -> None:
    state = random_state(CPU)
    drawn = torch.rand(5)
    torch.manual_seed(99)
    restore_random_state(state, CPU)
    assert torch.equal(torch.rand(5), drawn)


def test_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_stored(tmp_path / "x.safetensors", Stored({"a": torch.zeros(1)}, {}))
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "x.safetensors")}
    assert len(modes) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_another_network_is_named() -> None:
    stored = Stored(network_tensors("network", nn.Conv2d(3, 4, 3)), {})
    with pytest.raises(WeightsError, match=r"another network than the configuration: .*size mismatch"):
        restore_network("network", nn.Conv2d(3, 5, 3), stored)
    with pytest.raises(WeightsError, match="Missing key"):
        restore_network("network", nn.Sequential(nn.Conv2d(3, 4, 3)), stored)


def test_another_optimiser_is_named() -> None:
    _, optimiser = stepped(torch.optim.SGD, lr=0.1)
    tensors, facts = optimiser_content("optimiser.network", optimiser)
    other = torch.optim.SGD(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).parameters(), lr=0.1)
    with pytest.raises(WeightsError, match="another optimiser"):
        restore_optimiser("optimiser.network", other, Stored(tensors, {}), facts)


def test_files_of_another_kind_or_version_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "newer.safetensors", {"limner": json.dumps({"format": 999})})
    for name in ("foreign", "newer"):
        with pytest.raises(WeightsError, match="no checkpoint of this version"):
            read_stored(tmp_path / f"{name}.safetensors")
    with pytest.raises(FileProblem, match="does not exist"):
        read_stored(tmp_path / "nowhere.safetensors")


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    class Actor:
        def __reduce__(self):
            return (Path(tmp_path / "acted").touch, ())

    torch.save({"a": Actor()}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="truncated or damaged"):
        read_stored(tmp_path / "x.safetensors")
    assert not (tmp_path / "acted").exists()
