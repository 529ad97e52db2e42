"""The verb data: what a data set looks like, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli import synthetic_verb
from limner.cli.choices import AsJson
from limner.cli.outcome import FAILED, plain, print_json, verb

app = typer.Typer(help="Look at data sets before training on them.", no_args_is_help=True)
app.add_typer(synthetic_verb.app, name="make")


@app.callback()
def options() -> None:
    """Look at data sets before training on them."""


@app.command()
@verb
def show(
    path: Annotated[
        Path,
        typer.Argument(metavar="DATASET", help="Its folder, or a json file in COCO's format.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder for the drawings.", show_default=False)
    ] = None,
    *,
    part: Annotated[
        str | None, typer.Option(help="val2017, train, ...  [default: the validation part, else all]")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="For a json file: the folder or zip file of its pictures.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="How many people to draw.")] = 16,
    seed: Annotated[int, typer.Option(help="Which people: another number chooses others.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw people of a data set with their joints, and report all that is wrong with it.

    DATASET is the folder of MPII, COCO, LSP or LSP-extended, or any json file in COCO's keypoint format. Leaves with 1
    where training on it would stop.
    """
    from limner import data

    report = data.show(path, output, part, images=images, count=count, seed=seed)
    if as_json:
        print_json(plain(report))
    else:
        typer.echo(report.text())
    if report.problem:
        raise typer.Exit(FAILED)


@app.command("celeba-maps")
@verb
def celeba_maps(
    parts: Annotated[Path, typer.Argument(help="The folder CelebAMask-HQ-mask-anno.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder for the maps.", show_default=False)],
) -> None:
    """Merge CelebAMask-HQ's parts of faces into label maps, as train face and eval face read them.

    Maps that are there already stay, so that a broken run goes on.
    """
    from limner import data

    typer.echo(f"{output}: {data.write_maps(parts, output)} label maps")
