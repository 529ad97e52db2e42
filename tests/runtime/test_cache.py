"""The folder of compiled networks: bounded, oldest out first, whole networks, safe beside other processes."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.runtime import cache_folder, load_network
from limner.runtime.cache import mark_used, trim_cache

HOUR = 3600.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path))
    monkeypatch.setenv("LIMNER_CACHE_MB", "1")
    found = cache_folder()
    assert found == tmp_path / "networks"
    return found


def put(folder: Path, name: str, kilobytes: int, age_s: float) -> Path:
    path = folder / name
    path.write_bytes(bytes(1000 * kilobytes))
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_not_used_for_longest_goes_first(folder: Path) -> None:
    for age in range(1, 6):
        put(folder, f"{age}.npz", 300, age * HOUR)
    trim_cache(folder)
    assert names(folder) == ["1.npz", "2.npz", "3.npz"]
    mark_used(folder / "3.npz")
    put(folder, "0.npz", 300, 0.5 * HOUR)
    trim_cache(folder)
    assert names(folder) == ["0.npz", "1.npz", "3.npz"]


def test_a_folder_within_its_bound_is_left_alone(folder: Path) -> None:
    put(folder, "a.npz", 1000, 9 * HOUR)
    trim_cache(folder)
    assert names(folder) == ["a.npz"]


def test_the_parts_of_a_network_go_together(folder: Path) -> None:
    put(folder, "a.bin", 900, 3 * HOUR)
    put(folder, "a.xml", 10, 3 * HOUR)
    put(folder, "b.bin", 900, 4 * HOUR)
    put(folder, "b.xml", 10, HOUR)  # read lately
    trim_cache(folder)
    assert names(folder) == ["b.bin", "b.xml"]


def test_what_others_may_be_using_stays(folder: Path) -> None:
    put(folder, "a.npz", 900, 60)
    put(folder, "b.npz", 900, 1)
    beside = put(folder, ".b-77.npz", 900, 60)
    killed = put(folder, ".c-78.npz", 900, 48 * HOUR)
    trim_cache(folder)
    assert names(folder) == [beside.name, "a.npz", "b.npz"] and not killed.exists()


@pytest.mark.parametrize("said", ["much", "-1", "nan"])
def test_a_bound_that_is_no_number_is_told_and_the_usual_one_taken(
    folder: Path, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LIMNER_CACHE_MB", said)
    put(folder, "a.npz", 2000, 9 * HOUR)
    with caplog.at_level(logging.WARNING):
        trim_cache(folder)
    assert names(folder) == ["a.npz"] and "LIMNER_CACHE_MB must be a number" in caplog.text


def test_without_a_folder_there_is_nothing_to_do() -> None:
    assert trim_cache(None) is None


def test_loading_a_network_trims_and_marks(folder: Path) -> None:
    old = put(folder, "old.npz", 2000, 9 * HOUR)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1))
    batch = np.ones((1, 3, 8, 8), np.float32)
    first = load_network(module, input_shape=(1, 3, 8, 8), runtime="numba", threads=1)(batch)[0]
    (kept,) = folder.iterdir()
    assert not old.exists() and kept.suffix == ".npz"
    os.utime(kept, (time.time() - 9 * HOUR,) * 2)
    again = load_network(module, input_shape=(1, 3, 8, 8), runtime="numba", threads=1)(batch)[0]
    assert np.array_equal(first, again) and time.time() - kept.stat().st_mtime < HOUR
