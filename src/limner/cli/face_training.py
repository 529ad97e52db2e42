"""The verbs train generator and train face, and the verb eval face."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.checks import InputError
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


@verb
def eval_face(
    results: Annotated[Path, typer.Argument(help="A folder of results.", show_default=False)],
    wanted: Annotated[
        Path, typer.Argument(help="A folder of wanted pictures, with the same names.", show_default=False)
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A json file for the scores of each picture.")
    ] = None,
    lpips: Annotated[Path | None, typer.Option(help="AlexNet as torchvision publishes it.")] = None,
    lpips_linear: Annotated[Path | None, typer.Option(help="The weights of LPIPS 0.1 for it.")] = None,
    recogniser: Annotated[Path | None, typer.Option(help="CurricularFace_Backbone.pth or its imported name.")] = None,
    inception: Annotated[Path | None, typer.Option(help="Weights of Inception, for FID.")] = None,
    maps: Annotated[bool, typer.Option("--maps", help="The folders hold label maps: accuracy and mIoU.")] = False,
    classes: Annotated[int, typer.Option(min=2, help="Classes of label maps.")] = 19,
    as_json: AsJson = False,
) -> None:
    """Compare aligned faces with wanted ones: L2, identity, and LPIPS and FID where their weights are given.

    Identity is by limner's own embedding unless --recogniser names the published one.
    """
    from limner import api

    if (lpips is None) != (lpips_linear is None):
        raise InputError("--lpips and --lpips-linear belong together: give both")
    with ProgressBar() as progress:
        if maps:
            means = api.evaluate_maps(results, wanted, classes=classes, progress=progress)
        else:
            scores = api.evaluate_faces(
                results,
                wanted,
                output,
                lpips=None if lpips is None or lpips_linear is None else (lpips, lpips_linear),
                recogniser=recogniser,
                inception=inception,
                progress=progress,
            )
            means = scores.means
    if as_json:
        print_json(means)
    else:
        typer.echo("\n".join(f"{name:20} {value:.4f}" for name, value in means.items()) if maps else scores.table())
