"""The verb train body, and the verb eval body."""

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
    from limner.train import BodyConfig


@verb
def train_body(
    overrides: Overrides = None,
    *,
    config: Config = None,
    run: RunFolder = None,
    check: Annotated[bool, typer.Option("--check", help="Print the whole configuration and train nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network that reads shape and pose off a picture: HMR, published or light.

    Data sets are mixed: marked joints alone teach as well, with an adversary that knows how people move. The run's
    folder gets the configuration, the log, the checkpoint and the best weights. A run whose folder has a checkpoint
    goes on from it, to the same numbers. Ctrl-C writes one and stops. Several devices: torchrun --nproc-per-node N
    --no-python limner train body ...
    """
    from limner import train

    settings = train.load_body_config(config, overrides or ())
    if check:
        typer.echo(train.to_yaml(settings), nl=False)
        return
    with ProgressBar() as progress, told():
        outcome = train.train_body(settings, run, watch=progress)
    if not is_first():
        return
    if as_json:
        print_json(outcome)
    else:
        typer.echo(f"{outcome.folder}: {outcome.epochs} epochs, {outcome.steps} steps, best score {outcome.best:.4g}")


@verb
def eval_body(
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
    """Judge a network that reads bodies: MPJPE, PA-MPJPE, PVE, 3D-PCK, AUC, and for films acceleration and jitter.

    The protocol of the data set (Human3.6M P1 and P2, MPI-INF-3DHP, 3DPW, LSP's silhouettes) is printed with each
    number, and what is published beside it. KEY=VALUE changes whom it is judged by, such as data.valid.root=my/3DPW or
    test.silhouettes=FOLDER.
    """
    from limner import train

    settings = _judged_config(run, config, weights, overrides or [])
    if which not in ("best", "last"):
        raise InputError(f"--which must be best or last, got {which!r}")
    with ProgressBar() as progress:
        scores = train.evaluate_body(settings, run, weights=weights, which=which, watch=progress)
    if not is_first():
        return
    if as_json:
        told_scores = {"score": scores.score, "measure": scores.score_name, "numbers": plain(scores.numbers)}
        print_json({**told_scores, "protocol": scores.text.splitlines()})
    else:
        typer.echo(scores.text)


def _judged_config(run: Path | None, config: Path | None, weights: Path | None, overrides: list[str]) -> BodyConfig:
    from limner import train

    if (run is None) == (config is None) or (config is not None and weights is None):
        raise InputError("name either a run with --run, or a network with --config and its --weights")
    if run is None:
        return train.load_body_config(config, overrides)
    return train.body_config_of_run(run, overrides)
