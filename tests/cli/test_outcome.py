"""Sentences, exit codes, JSON, the bar, and the readers of values."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import typer

from limner.checks import FileProblem, InputError
from limner.cli import progress
from limner.cli.choices import read_numbers, read_rate, read_words
from limner.cli.outcome import counted, plain, print_json, sentence, verb


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("the picture\n is small"), "the picture is small"),
        (FileProblem("no photo at a.jpg"), "no photo at a.jpg"),
        (OSError(errno.ENOSPC, "No space left on device", "out.mp4"), "out.mp4: No space left on device"),
        (MemoryError(), "there is not enough memory; try a smaller --size"),
        (ZeroDivisionError("oh"), "a fault of limner's own, ZeroDivisionError: oh; LIMNER_DEBUG=1 shows where"),
    ],
)
def test_a_sentence_for_every_error(error: Exception, words: str) -> None:
    assert sentence(error) == words


def _raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return verb(fail)


@pytest.mark.parametrize(("error", "code"), [(InputError("bad"), 1), (KeyError("bug"), 1), (KeyboardInterrupt(), 130)])
def test_errors_become_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(typer.Exit) as caught:
        _raising(error)()
    assert caught.value.exit_code == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_wrong_usage_and_exits_pass_through() -> None:
    for error in (typer.BadParameter("no"), typer.Exit(3)):
        with pytest.raises(type(error)):
            _raising(error)()


def test_debugging_shows_the_error_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_DEBUG", "1")
    with pytest.raises(InputError):
        _raising(InputError("bad"))()


@dataclass
class _Record:
    output: Path
    rate: Fraction
    scores: np.ndarray
    best: float


def test_records_become_json_that_every_parser_reads(capsys: pytest.CaptureFixture) -> None:
    print_json(_Record(Path("a/b.mp4"), Fraction(30000, 1001), np.float32([[0.5, np.nan]]), float("inf")))
    assert json.loads(capsys.readouterr().out) == {
        "output": "a/b.mp4",
        "rate": "30000/1001",
        "scores": [[0.5, None]],
        "best": None,
    }


def test_plain_keeps_what_json_knows() -> None:
    values = {"a": [True, None, 1, 2.5, "x", {"b": (1, 2)}]}
    assert plain(values) == {"a": [True, None, 1, 2.5, "x", {"b": [1, 2]}]}


def test_counted() -> None:
    assert [counted(n, "person", "people") for n in (0, 1, 2)] == ["", "1 person", "2 people"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("30", 30), ("29.97", Fraction(30000, 1001)), ("23.976", Fraction(24000, 1001)), ("12.5", Fraction(25, 2)),
     ("30000/1001", Fraction(30000, 1001)), ("25.0", 25)],
)  # fmt: skip
def test_frame_rates(text: str, rate: Fraction) -> None:
    assert read_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "0", "1/0", "-30", "1000", "nan"])
def test_what_is_no_frame_rate(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_rate(text)


def test_numbers_and_words() -> None:
    assert read_numbers(None) is None and read_numbers("0, 90,-45.5") == [0, 90, -45.5]
    assert read_words("torso, arms,") == ("torso", "arms")
    with pytest.raises(typer.BadParameter):
        read_numbers("0;90")


class _Terminal:
    is_terminal = True


def test_the_bar_waits_two_seconds_and_only_shows_where_a_person_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.ProgressBar() as bar:
        clock[0] = 9.0
        bar(1, 3, "frames")
        assert bar._progress is None  # the test's output is no terminal
        clock[0] = 0.0
        bar._start, bar._console = 0.0, progress.Console(force_terminal=True, stderr=True)
        clock[0] = 1.9
        bar(2, 3, "frames")
        assert bar._progress is None
        clock[0] = 2.1
        bar(3, 3, "frames")
        bar(1, None, "sound")
        assert bar._progress is not None
        assert [task.description for task in bar._progress.tasks] == ["frames", "sound"]
