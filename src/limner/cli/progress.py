"""A bar for what takes longer than two seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PATIENCE_S = 2.0


class ProgressBar:
    """A callback `(done, total, what)` for the functions of `limner.api`, and the bar that it moves.

    The bar appears on standard error once `PATIENCE_S` have passed, and only where a person looks at it.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, done: int, total: int | None, what: str) -> None:
        """Show that `done` of `total` steps of `what` are over; `total` None where nobody knows."""
        if self._progress is None:
            if not self._console.is_terminal or time.monotonic() - self._start < PATIENCE_S:
                return
            self._progress = _bar(self._console)
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
