"""Errors that limner raises, and the shape checks of its doors.

Every error carries one sentence that says what was wrong, what was given and what to do; the command line prints that
sentence and nothing else. Each type is also the built-in error that a caller would expect.
"""

import difflib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any


class LimnerError(Exception):
    """The root of every error that limner raises on purpose; its text is one sentence for a person."""


class InputError(LimnerError, ValueError):
    """A value, a picture, a video or a motion that cannot be used."""


class ShapeError(InputError):
    """An array of another shape than the door accepts.

    Attributes:
        expected: the accepted shape, as written in the message.
        actual: the shape that came.
    """

    def __init__(self, message: str, *, expected: str = "", actual: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class FileProblem(LimnerError, OSError):
    """A file that is missing, empty, corrupt, of the wrong kind, or cannot be written."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NobodyFound(InputError):
    """No person in the picture or the video."""


class WeightsError(LimnerError, ValueError):
    """A weight file that lacks keys, has too many, has the wrong checksum, or holds code."""


class MissingExtra(LimnerError, ImportError):
    """An optional dependency is asked for by name and is not installed."""


def check_shape(array: Any, name: str, shape: Sequence[int | str]) -> None:
    """Raise `ShapeError` unless `array.shape` fits `shape`.

    Strings in `shape` stand for any length, equal strings for equal lengths.
    """
    actual = tuple(int(n) for n in array.shape)
    lengths: dict[str, int] = {}
    fits = len(actual) == len(shape)
    if fits:
        for given, wanted in zip(actual, shape, strict=True):
            if isinstance(wanted, str):
                fits &= lengths.setdefault(wanted, given) == given
            else:
                fits &= given == int(wanted)  # while a network is traced its lengths are tensors
    if not fits:
        expected = "(" + ", ".join(str(n) for n in shape) + ")"
        raise ShapeError(f"{name} must have shape {expected}, got {actual}", expected=expected, actual=actual)


def name_hint(name: str, known: Collection[str]) -> str:
    """Return the end of a message that refuses `name`: the nearest of `known`, or all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def check_known(name: str, known: Collection[str], what: str) -> None:
    """Raise `InputError` unless `name` is one of `known`; the message offers the nearest one.

    `what` stands before the name in the message, as in "pose network is".
    """
    if name not in known:
        raise InputError(f"no {what} called {name!r}; {name_hint(name, known)}")


def check_file(path: str | Path, what: str) -> Path:
    """Return `path` as a `Path`, or raise `FileProblem` when there is no readable, non-empty file.

    `what` names the kind of file in the message.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise FileProblem(f"no {what} at {path}: the file does not exist")
        if path.is_dir():
            raise FileProblem(f"{path} is a folder; a {what} is needed")
        if path.stat().st_size == 0:
            raise FileProblem(f"{path} is empty; a {what} is needed")
    except PermissionError:
        raise FileProblem(f"{path} may not be read: permission denied") from None
    return path
