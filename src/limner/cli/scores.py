"""The verb eval: how good the results are, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limner.cli.choices import AsJson, Body, Person, Size
from limner.cli.outcome import plain, print_json, verb
from limner.cli.progress import ProgressBar

app = typer.Typer(help="Measure results against real pictures.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Measure results against real pictures."""


@app.command()
@verb
def motion(
    *,
    videos: Annotated[
        list[Path],
        typer.Option(
            "--self", metavar="VIDEO", help="A video to imitate with its own first frame.", show_default=False
        ),
    ],
    body: Body = "free",
    size: Size = None,
    person: Person = 0,
    max_frames: Annotated[int | None, typer.Option(min=2, help="Stop after so many frames of each video.")] = None,
    as_json: AsJson = False,
) -> None:
    """Imitate a video with its own first frame and compare every frame with the real one.

    SSIM and PSNR (dB) over the frame and inside the person's mask, beside two trivial answers: the first frame
    repeated, and the empty background. --self may be given several times.
    """
    from limner import api

    with ProgressBar() as progress:
        scores = api.evaluate_self(
            videos, body=body, size=size, person=person, max_frames=max_frames, progress=progress
        )
    if as_json:
        print_json([{**plain(clip), "means": clip.means} for clip in scores.clips])
    else:
        typer.echo(scores.table())
