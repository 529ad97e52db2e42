"""What the training verbs share: their arguments, and what a run says while it runs."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(help="A file of configs/, or of your own.", show_default=False),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...", help="Settings that differ, such as optimiser.lr=1e-4.", show_default=False
    ),
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", help="The run's folder.  [default: the configuration's]", show_default=False)
]


def is_first() -> bool:
    """Whether this is the process that speaks; torchrun starts several."""
    return os.environ.get("RANK", "0") == "0"


class _Above(logging.Handler):
    """Prints what a run tells to standard error, above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(self.format(record), err=True)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Let the log of a run through while it runs."""
    logger = logging.getLogger("limner.train")
    handler, level = _Above(), logger.level
    if is_first():
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
