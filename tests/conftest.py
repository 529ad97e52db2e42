"""Shared set-up of the tests: one thread, a fixed seed, the options of the parity run, and where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "2")

import numpy as np
import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", default=None, help="folder of parity cases (default: the shared set where present)")


@pytest.fixture(autouse=True)
def _one_thread_and_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures and motions; tests skip where it is absent, and fail where it is owed."""
    data = SHARED / "data"
    if not data.exists():
        skip_or_fail("the folder of real test data is not on this machine")
    return data


def skip_or_fail(reason: str) -> None:
    """Skip the test; with LIMNER_REQUIRE_SHARED=1, as CI sets it, fail it: there everything must be there and run."""
    if os.environ.get("LIMNER_REQUIRE_SHARED") == "1":
        pytest.fail(f"{reason}, and LIMNER_REQUIRE_SHARED=1 asks for it")
    pytest.skip(reason)
