"""Facts beside tensors, and the precision that a file is kept in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from limner.checks import InputError, WeightsError, check_known
from limner.weights import WeightRecord, check_precision, read_facts, save_weights

RECORD = WeightRecord("small", "", "one layer", "here", "MIT", "yes", "", (8, 6), "RGB")


def test_facts_come_back_as_they_were_kept(tmp_path: Path) -> None:
    facts = {"task": "invert", "psp": {"input_side": 64}}
    kept = save_weights(RECORD, {"weight": torch.ones(2, 3)}, tmp_path, facts=facts)
    assert read_facts(tmp_path / kept.file) == facts


def test_files_that_say_nothing_have_no_facts(tmp_path: Path) -> None:
    kept = save_weights(RECORD, {"weight": torch.ones(2, 3)}, tmp_path)
    save_file({"weight": torch.ones(1)}, tmp_path / "list.safetensors", {"limner": "[1, 2]"})
    assert read_facts(tmp_path / kept.file) == {}
    assert read_facts(tmp_path / "list.safetensors") == {}
    assert read_facts(tmp_path / "official.pth") == {}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(WeightsError, match=r"cut\.safetensors is no safetensors file that can be read"):
        read_facts(tmp_path / "cut.safetensors")


def test_another_precision_is_refused() -> None:
    check_precision("fp16")
    with pytest.raises(InputError, match="precision must be fp32 or fp16, got 'int8'"):
        check_precision("int8")


@pytest.mark.parametrize(("name", "hint"), [("hrnt", "did you mean 'hrnet'"), ("zzz", "known are hrnet, spin")])
def test_an_unknown_name_is_answered_with_the_nearest(name: str, hint: str) -> None:
    check_known("spin", ("hrnet", "spin"), "network is")
    with pytest.raises(InputError, match=f"no network is called '{name}'; {hint}"):
        check_known(name, ("hrnet", "spin"), "network is")
