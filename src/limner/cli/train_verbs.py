"""The verb train, and the verb eval of what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.checks import InputError
from limner.cli.choices import AsJson
from limner.cli.outcome import plain, print_json, verb
from limner.cli.progress import ProgressBar
from limner.cli.training import Config, Overrides, RunFolder, is_first, told

if TYPE_CHECKING:
    from limner.train import PoseConfig, PoseScores

app = typer.Typer(help="Train networks.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Train networks."""


@app.command(no_args_is_help=True)
@verb
def pose(
    overrides: Overrides = None,
    *,
    config: Config = None,
    run: RunFolder = None,
    check: Annotated[bool, typer.Option("--check", help="Print the whole configuration and train nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network that finds joints: HRNet or SimpleBaseline.

    --config also takes the experiment files of HRNet's authors as they are (DATASET, MODEL, TRAIN, ...), and KEY=VALUE
    their keys in capitals.
    The run's folder gets the configuration, the log, the checkpoint and the best weights. A run whose folder has a
    checkpoint goes on from it, to the same numbers. Ctrl-C writes one and stops. Several devices: torchrun
    --nproc-per-node N --no-python limner train pose ...
    """
    from limner import train

    settings = train.load_pose_config(config, overrides or ())
    if check:
        typer.echo(train.to_yaml(settings), nl=False)
        return
    with ProgressBar() as progress, told():
        outcome = train.train_pose(settings, run, watch=progress)
    if not is_first():
        return
    if as_json:
        print_json(outcome)
    else:
        typer.echo(f"{outcome.folder}: {outcome.epochs} epochs, {outcome.steps} steps, best score {outcome.best:.4g}")


@verb
def eval_pose(
    overrides: Overrides = None,
    *,
    run: Annotated[Path | None, typer.Option(help="The folder of a run.", show_default=False)] = None,
    which: Annotated[str, typer.Option(help="Which weights of the run: best or last.")] = "best",
    config: Config = None,
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint to judge by --config instead of a run.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a trained pose network by its data set's own score: AP, PCKh or PCK.

    The table says how it was taken: boxes, flip test, decoding; and what is published for that network. KEY=VALUE
    changes it, such as test.flip=false or data.detections=FILE.
    """
    from limner import train

    settings = _judged_config(run, config, weights, overrides or [])
    if which not in ("best", "last"):
        raise InputError(f"--which must be best or last, got {which!r}")
    with ProgressBar() as progress:
        scores = train.evaluate_pose(settings, run, weights=weights, which=which, watch=progress)
    if is_first():
        _tell(scores, as_json)


def _judged_config(run: Path | None, config: Path | None, weights: Path | None, overrides: list[str]) -> PoseConfig:
    from limner import train

    if (run is None) == (config is None) or (config is not None and weights is None):
        raise InputError("name either a run with --run, or a network with --config and its --weights")
    if run is None:
        return train.load_pose_config(config, overrides)
    return train.config_of_run(run, overrides)


def _tell(scores: PoseScores, as_json: bool) -> None:
    if as_json:
        print_json({"score": scores.score, "measure": scores.score_name, **plain(scores.numbers)})
    else:
        typer.echo(scores.text)
