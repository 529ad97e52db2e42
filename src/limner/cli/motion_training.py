"""The verb train motion."""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.choices import AsJson
from limner.cli.outcome import print_json, verb
from limner.cli.progress import ProgressBar
from limner.cli.training import Config, Overrides, RunFolder, is_first, told


@verb
def train_motion(
    overrides: Overrides = None,
    *,
    config: Config = None,
    run: RunFolder = None,
    check: Annotated[bool, typer.Option("--check", help="Print the whole configuration and train nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a network that paints people in new poses: Liquid Warping, published or slim.

    The run's folder gets the configuration, the log, the checkpoint and the best weights. A run whose folder has a
    checkpoint goes on from it, to the same numbers. Ctrl-C writes one and stops. Several devices: torchrun
    --nproc-per-node N --no-python limner train motion ...
    """
    from limner import train

    settings = train.load_motion_config(config, overrides or ())
    if check:
        typer.echo(train.to_yaml(settings), nl=False)
        return
    with ProgressBar() as progress, told():
        outcome = train.train_motion(settings, run, watch=progress)
    if not is_first():
        return
    if as_json:
        print_json(outcome)
    else:
        typer.echo(f"{outcome.weights}: {outcome.epochs} epochs, {outcome.steps} steps, best score {outcome.best:.4g}")
