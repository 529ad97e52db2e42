"""The verb weights: which weight files there are, whether they are whole, what may be done with them; import."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from limner.checks import WeightsError
from limner.cli.outcome import FAILED, print_json, verb
from limner.types import LicenceName, PrecisionName
from limner.weights import file_path, list_weights, weight_record, weights_folder

app = typer.Typer(help="List, check, explain and import weight files.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Licence = Annotated[LicenceName, typer.Option(help="commercial: only those that are known to allow commercial use.")]


@app.callback()
def options() -> None:
    """List, check, explain and import weight files."""


@app.command("list")
@verb
def list_all(licence: Licence = "any", as_json: AsJson = False) -> None:
    """List the weight files: name, network, licence, and whether they may be used commercially."""
    records = [record for record in list_weights() if licence == "any" or record.commercial == "yes"]
    if as_json:
        print_json(records)
        return
    rows = [("NAME", "NETWORK", "LICENCE", "COMMERCIAL")]
    rows += [(record.name, record.network, record.licence, record.commercial) for record in records]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        typer.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


@app.command()
@verb
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of `limner weights list`.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one weight file."""
    record = weight_record(name)
    if as_json:
        print_json(record)
        return
    for field in dataclasses.fields(record):
        typer.echo(f"{field.name:<14}{getattr(record, field.name)}")


@app.command()
@verb
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Names to check; none checks all.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the weight files against their checksums; exit 1 if one is missing or damaged."""
    problems = {name: _problem(name) for name in names or [record.name for record in list_weights()]}
    if as_json:
        print_json([{"name": name, "whole": not problem, "problem": problem} for name, problem in problems.items()])
    else:
        for name, problem in problems.items():
            typer.echo(f"{name}: {problem or 'whole'}")
    if any(problems.values()):
        raise typer.Exit(FAILED)


@app.command("import")
@verb
def import_file(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Which published weights, such as hrnet-w32-coco.", show_default=False),
    ],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The file as downloaded; for tables their folder.", show_default=False),
    ],
    *,
    precision: Annotated[PrecisionName, typer.Option(help="fp16 halves the file that is kept.")] = "fp32",
    as_json: AsJson = False,
) -> None:
    """Check a published checkpoint and keep it, converted, for use by name.

    Nothing in the file is run; it must fit the network key by key. Weights are kept in $LIMNER_WEIGHTS, else in the
    user's data folder.
    """
    from limner.api import import_weights

    record = import_weights(name, file, precision=precision)
    if as_json:
        print_json(record)
    else:
        typer.echo(f"{weights_folder() / record.file}: {record.network}, sha256 {record.sha256[:12]}...")


def _problem(name: str) -> str:
    """What is wrong with a weight file; empty where nothing is. A name that nobody knows is the caller's error."""
    weight_record(name)
    try:
        file_path(name)
    except WeightsError as error:
        return str(error)
    return ""
