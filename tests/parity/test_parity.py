"""Every parity case of a folder, through the adapter of its kind; a kind without an adapter fails."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ..conftest import skip_or_fail
from .adapters import ADAPTERS
from .cases import DEFAULT_CASES, OWN_CASES, Case, find_cases

HEAVY = 45_000_000  # numbers in a case's weights, above which filling them alone takes seconds


def _is_heavy(folder: Path) -> bool:
    keys = (Case(folder).spec.get("weights") or {}).get("keys") or ()
    return sum(math.prod(shape) for _, shape in keys) > HEAVY


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case_folder" not in metafunc.fixturenames:
        return
    given = metafunc.config.getoption("--cases")
    roots = [Path(given)] if given else [root for root in (DEFAULT_CASES, OWN_CASES) if root.exists()]
    folders = [folder for root in roots for folder in find_cases(root)]
    if not given:
        # Heavy ones run with --cases or when marks are chosen, as in -m slow.
        folders = [folder for folder in folders if metafunc.config.getoption("-m") or not _is_heavy(folder)]
    cases = [pytest.param(folder, marks=pytest.mark.slow if _is_heavy(folder) else ()) for folder in folders]
    metafunc.parametrize("case_folder", cases, ids=[f"{f.parent.name}/{f.name}" for f in folders])


def test_case(case_folder: Path) -> None:
    case = Case(case_folder)
    assert case.kind in ADAPTERS, f"no adapter for the kind {case.kind}"
    wrong = case.compare(ADAPTERS[case.kind](case))
    assert not wrong, "; ".join(wrong)


def test_default_cases_are_there_in_ci() -> None:
    if not DEFAULT_CASES.exists():
        skip_or_fail("the folder of parity cases is not on this machine")
    assert len(find_cases(DEFAULT_CASES)) >= 140
