"""The verbs train generator and train face, and the verb eval face."""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.choices import AsJson
from limner.cli.outcome import print_json, verb
from limner.cli.progress import ProgressBar
from limner.cli.training import Config, Overrides, RunFolder, is_first, told

Check = Annotated[bool, typer.Option("--check", help="Print the whole configuration and train nothing.")]


@verb
def generator(
    overrides: Overrides = None,
    *,
    config: Config = None,
    run: RunFolder = None,
    check: Check = False,
    as_json: AsJson = False,
) -> None:
    """Train a StyleGAN2 generator on a folder of pictures: limner train generator data.root=FOLDER.

    The run's folder gets the configuration, the log, sheets of samples, the checkpoint and the best weights. A run
    whose folder has a checkpoint goes on from it, to the same numbers. Several devices: torchrun --nproc-per-node N
    --no-python limner train generator ...
    """
    from limner import train

    settings = train.load_config(train.GeneratorTrainConfig, config, overrides or ())
    if check:
        typer.echo(train.to_yaml(settings), nl=False)
        return
    with ProgressBar() as progress, told():
        outcome = train.train_generator(settings, run, watch=progress)
    if is_first() and as_json:
        print_json(outcome)
    elif is_first():
        typer.echo(
            f"{outcome.folder}: {outcome.epochs} epochs, {outcome.steps} steps, best distance {-outcome.best:.4g}"
        )


@verb
def face(
    overrides: Overrides = None,
    *,
    config: Config = None,
    run: RunFolder = None,
    check: Check = False,
    as_json: AsJson = False,
) -> None:
    """Train pixel2style2pixel over a StyleGAN2 generator: task=TASK network.generator=FILE data.target=FOLDER.

    Tasks are inversion, frontalisation, sketch, segmentation, super_resolution, colourisation, inpainting, toonify,
    paired and other_domain. The run's folder gets the configuration, the log, sheets of results, the checkpoint and the
    best weights, which load as a published checkpoint does. A run whose folder has a checkpoint goes on from it.
    """
    from limner import train

    settings = train.load_config(train.FaceTrainConfig, config, overrides or ())
    if check:
        typer.echo(train.to_yaml(settings), nl=False)
        return
    with ProgressBar() as progress, told():
        outcome = train.train_face(settings, run, watch=progress)
    if is_first() and as_json:
        print_json(outcome)
    elif is_first():
        done = f"{outcome.epochs} epochs, {outcome.steps} steps"
        typer.echo(f"{outcome.folder}: {done}, best loss {-outcome.best:.4g}")
