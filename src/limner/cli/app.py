"""The command `limner` and its verbs."""

from __future__ import annotations

from typing import Annotated

import typer

from limner import __version__
from limner.cli import (
    checkup,
    data_verbs,
    export_verbs,
    face_verbs,
    jobs,
    scores,
    train_verbs,
    weight_verbs,
    writers,
)

app = typer.Typer(
    name="limner",
    help="Joints, bodies, motion transfer and faces for pictures of people.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"limner {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Joints, bodies, motion transfer and faces for pictures of people."""


app.command()(jobs.imitate)
app.command()(jobs.view)
app.command()(jobs.swap)
app.command()(writers.pose)
app.command()(writers.body)
app.command()(export_verbs.export)
app.command()(checkup.doctor)
app.add_typer(face_verbs.app, name="face")
app.add_typer(scores.app, name="eval")
app.add_typer(weight_verbs.app, name="weights")
app.add_typer(data_verbs.app, name="data")
app.add_typer(train_verbs.app, name="train")
scores.app.command("pose")(train_verbs.eval_pose)
scores.app.command("body")(train_verbs.eval_body)
