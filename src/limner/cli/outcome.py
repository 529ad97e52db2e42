"""How a verb ends: exit codes, one sentence for a failure, and the report in words or as JSON."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import typer

from limner.checks import LimnerError

FAILED = 1
INTERRUPTED = 130

P = ParamSpec("P")


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command: any error becomes one sentence on standard error and an exit code.

    `LIMNER_DEBUG=1` lets errors through with their traceback.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except KeyboardInterrupt:
            _say("interrupted; nothing was left half-written")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, (typer.Exit, typer.BadParameter)) or os.environ.get("LIMNER_DEBUG") == "1":
                raise
            _say(sentence(error))
            raise typer.Exit(FAILED) from None

    return run


def sentence(error: Exception) -> str:
    """Return what went wrong in one line."""
    if isinstance(error, LimnerError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = "there is not enough memory; try a smaller --size"
    elif isinstance(error, OSError):
        text = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    else:
        text = f"a fault of limner's own, {type(error).__name__}: {error}; LIMNER_DEBUG=1 shows where"
    return " ".join(text.split())


def warn(warnings: list[str]) -> None:
    """Print warnings to standard error, one a line."""
    for warning in warnings:
        typer.echo(f"limner: warning: {warning}", err=True)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Say how many there are; nothing for none."""
    return f"{number} {one if number == 1 else many or one + 's'}" if number else ""


def print_json(record: Any) -> None:
    """Print a record or a list of records as JSON that any parser reads."""
    typer.echo(json.dumps(plain(record), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Return `value` in JSON's own types; numbers that are not finite become None, which JSON has a word for."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else _text(value)


def _text(value: Any) -> str:
    return value.as_posix() if isinstance(value, Path) else str(value)


def _say(text: str) -> None:
    typer.echo(f"limner: {text}", err=True)
