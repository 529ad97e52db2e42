"""The verb data make synthetic: people that limner draws itself, with exact labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.choices import AsJson
from limner.cli.outcome import plain, print_json, verb
from limner.cli.progress import ProgressBar

app = typer.Typer(help="Make data sets.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Make data sets."""


@app.command()
@verb
def synthetic(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the data set.", show_default=False)],
    *,
    count: Annotated[int, typer.Option(min=1, help="How many people.")] = 1000,
    side: Annotated[int, typer.Option(min=16, help="Of the square pictures, pixels.")] = 224,
    seed: Annotated[int, typer.Option(help="Another number makes other people.")] = 0,
    motions: Annotated[
        Path | None,
        typer.Option(help="A motion file or a folder of them (npz, BVH, amc).  [default: limner's pose prior]"),
    ] = None,
    garments: Annotated[
        Path | None, typer.Option(help="A folder of photos of clothes lying flat.  [default: cloth is made up]")
    ] = None,
    backgrounds: Annotated[
        Path | None, typer.Option(help="A folder of photos.  [default: backgrounds are made up]")
    ] = None,
    body: Annotated[str, typer.Option(help='"free" or "smpl:PATH".')] = "free",
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Draw people in random clothes, poses, places and light, with masks and exact labels of joints and bodies.

    The same command goes on where it was interrupted. `limner data show OUTPUT` looks at it, `limner train pose` and
    `limner train body` learn from it.
    """
    from limner import data

    people = data.SyntheticPeople(
        seed=seed, count=count, side=side, body=body, motions=motions, garments=garments, backgrounds=backgrounds
    )
    with ProgressBar() as progress:
        report = data.write_people(people, output, workers=workers, progress=progress)
    if as_json:
        print_json(plain(report))
    else:
        typer.echo(f"{report.folder}: {report.count} people, {report.made} of them drawn now")
