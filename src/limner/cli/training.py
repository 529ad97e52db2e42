"""What the verbs that train and judge share: their arguments, how they go, and what a run says while it runs."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.checks import InputError
from limner.cli.choices import AsJson
from limner.cli.outcome import print_json, verb
from limner.cli.progress import ProgressBar

if TYPE_CHECKING:
    from limner.train import RunOutcome

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
Check = Annotated[bool, typer.Option("--check", help="Print the whole configuration and train nothing.")]
JudgedRun = Annotated[Path | None, typer.Option(help="The folder of a run.", show_default=False)]
Which = Annotated[str, typer.Option(help="Which weights of the run: best or last.")]
JudgedWeights = Annotated[
    Path | None, typer.Option(help="A checkpoint to judge by --config instead of a run.", show_default=False)
]


@dataclass(frozen=True)
class Training:
    """What a verb trains.

    Attributes:
        settings: the whole configuration.
        train: the recipe, called with the settings, the run's folder and what watches.
        tell: says what the run came to.
    """

    settings: Any
    train: Callable[..., RunOutcome]
    tell: Callable[[RunOutcome], str]


@dataclass(frozen=True)
class Judging:
    """What a verb judges.

    Attributes:
        load: reads a configuration.
        load_of_run: reads that of a run's folder.
        evaluate: judges; called with the settings, the run's folder, weights, which of them, and what watches.
        report: what is printed of the scores as JSON; in words it is their text.
    """

    load: Callable[[Path, list[str]], Any]
    load_of_run: Callable[[Path, list[str]], Any]
    evaluate: Callable[..., Any]
    report: Callable[[Any], dict[str, Any]]


def training_verb(prepare: Callable[[Path | None, list[str]], Training]) -> Callable[..., None]:
    """Make the verb that trains what `prepare` reads; its name and its help are the function's."""

    @verb
    def train_it(
        overrides: Overrides = None,
        *,
        config: Config = None,
        run: RunFolder = None,
        check: Check = False,
        as_json: AsJson = False,
    ) -> None:
        from limner import train

        training = prepare(config, overrides or [])
        if check:
            typer.echo(train.to_yaml(training.settings), nl=False)
            return
        with ProgressBar() as progress, told():
            outcome = training.train(training.settings, run, watch=progress)
        if is_first() and as_json:
            print_json(outcome)
        elif is_first():
            typer.echo(training.tell(outcome))

    train_it.__name__, train_it.__doc__ = prepare.__name__, prepare.__doc__
    return train_it


def judging_verb(prepare: Callable[[], Judging]) -> Callable[..., None]:
    """Make the verb that judges as `prepare` says; its name and its help are the function's."""

    @verb
    def judge_it(
        overrides: Overrides = None,
        *,
        run: JudgedRun = None,
        which: Which = "best",
        config: Config = None,
        weights: JudgedWeights = None,
        as_json: AsJson = False,
    ) -> None:
        judging = prepare()
        if (run is None) == (config is None) or (config is not None and weights is None):
            raise InputError("name either a run with --run, or a network with --config and its --weights")
        read, path = (judging.load_of_run, run) if run is not None else (judging.load, config)
        assert path is not None, "one of the two is named"
        settings = read(path, overrides or [])
        if which not in ("best", "last"):
            raise InputError(f"--which must be best or last, got {which!r}")
        with ProgressBar() as progress:
            scores = judging.evaluate(settings, run, weights=weights, which=which, watch=progress)
        if is_first() and as_json:
            print_json(judging.report(scores))
        elif is_first():
            typer.echo(scores.text)

    judge_it.__name__, judge_it.__doc__ = prepare.__name__, prepare.__doc__
    return judge_it


def best_score(outcome: RunOutcome) -> str:
    """Say where a run is, how far it came and how good it was."""
    return f"{outcome.folder}: {how_far(outcome)}, best score {outcome.best:.4g}"


def how_far(outcome: RunOutcome) -> str:
    """Say how long a run was."""
    return f"{outcome.epochs} epochs, {outcome.steps} steps"


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
