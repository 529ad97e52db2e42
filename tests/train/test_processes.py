"""Several processes under torchrun do what one does with as many samples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from limner.train.order import epoch_order
from limner.train.resume import CHECKPOINT_FILE
from tests.train import tiny
from tests.train.test_loop import numbers
from tests.train.tiny import TinyConfig, tiny_loop, train_tiny


def torchrun(folder: Path, *words: str) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*launcher, tiny.__file__, str(folder), *words],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )


def assert_equal_runs(one: Path, two: Path) -> None:
    first, second = (load_file(folder / CHECKPOINT_FILE) for folder in (one, two))
    assert first.keys() == second.keys() - {"random.1"}
    for key in first:
        if not key.startswith("random."):
            # Sums are taken in another order: the worst of all numbers was off by 2.4e-7.
            torch.testing.assert_close(
                first[key], second[key], rtol=1e-5, atol=2e-6, msg=lambda text, key=key: f"{key}: {text}"
            )
    for alone, shared in zip(numbers(one), numbers(two), strict=True):
        assert alone.pop("kind") == shared.pop("kind")
        assert alone == pytest.approx(shared, rel=1e-4)


@pytest.mark.recipe
def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path) -> None:
    """With norms over both, a last step of two samples, and samples that count differently."""
    train_tiny(tmp_path / "one", TinyConfig(loop=tiny_loop(checkpoint_steps=2, batch=8)), dropout=0.0)
    done = torchrun(tmp_path / "two", "--batch", "4", "--dropout", "0")
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert_equal_runs(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_processes_of_which_one_was_killed_go_on(tmp_path: Path) -> None:
    one = train_tiny(tmp_path / "one", TinyConfig(loop=tiny_loop(checkpoint_steps=2, batch=8)), dropout=0.0)
    index = int(epoch_order(18, 1, 0)[12])
    words = ("--batch", "4", "--dropout", "0")
    assert torchrun(tmp_path / "two", *words, "--die", "1", str(index)).returncode != 0
    assert 0 < numbers(tmp_path / "two")[-1]["step"] < one.position.step
    assert torchrun(tmp_path / "two", *words).returncode == 0
    assert_equal_runs(tmp_path / "one", tmp_path / "two")
