"""The verb eval: how good the results are, measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.cli.choices import AsJson, Body, Person, Size
from limner.cli.outcome import print_json, verb
from limner.cli.progress import ProgressBar
from limner.types import PainterName

if TYPE_CHECKING:
    from limner.api import ClipScores

app = typer.Typer(help="Measure results against real pictures.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Measure results against real pictures."""


@app.command()
@verb
def motion(
    *,
    videos: Annotated[
        list[Path] | None,
        typer.Option(
            "--self", metavar="VIDEO", help="A video to imitate with its own first frame.", show_default=False
        ),
    ] = None,
    cross: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="VIDEO", help="A video whose motion the people of --self also imitate.", show_default=False
        ),
    ] = None,
    iper: Annotated[Path | None, typer.Option(help="iPER's folder, for --protocol.", show_default=False)] = None,
    protocol: Annotated[
        Path | None, typer.Option(help="One of iPER's protocol files (json).", show_default=False)
    ] = None,
    views: Annotated[int, typer.Option(min=1, help="The protocol's photos for so many views.")] = 1,
    body: Body = "free",
    size: Size = None,
    person: Person = 0,
    max_frames: Annotated[int | None, typer.Option(min=2, help="Stop after so many frames of each video.")] = None,
    painter: Annotated[
        PainterName,
        typer.Option(help="composite, slim (scored beside the composite), or auto: slim where it is there."),
    ] = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the slim network, such as a run's best.", show_default=False)
    ] = None,
    lpips: Annotated[Path | None, typer.Option(help="torchvision's AlexNet, for LPIPS.", show_default=False)] = None,
    lpips_linear: Annotated[
        Path | None, typer.Option(help="LPIPS' own weights for AlexNet, version 0.1.", show_default=False)
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(help="Inception v3 (torchvision's, or FID's own), for FID and IS.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let people imitate themselves and others, and score every frame.

    Self-imitation: SSIM and PSNR (dB) over the frame and inside the person's mask, LPIPS or the distance of our face
    network's features, likeness of face and clothes; beside two trivial answers, the first frame repeated and the empty
    background. Cross-imitation: likeness of face and clothes to the photo. --self and --cross may be given several
    times. FID and IS come with --inception.
    """
    from limner import api

    if not videos and protocol is None:
        raise typer.BadParameter("name a video with --self, or iPER's folder and protocol with --iper and --protocol")
    with ProgressBar() as progress:
        scores = api.evaluate_motion(
            videos or [],
            cross=cross or [],
            iper=iper,
            protocol=protocol,
            views=views,
            body=body,
            size=size,
            person=person,
            max_frames=max_frames,
            painter=painter,
            weights=weights,
            lpips=lpips,
            lpips_linear=lpips_linear,
            inception=inception,
            progress=progress,
        )
    if as_json:
        print_json([_plain_clip(clip) for clip in scores.clips])
    else:
        typer.echo(scores.table())


def _plain_clip(clip: ClipScores) -> dict[str, Any]:
    """Numbers that were not taken are null."""
    frames = {
        name: [[value if math.isfinite(value) else None for value in row] for row in rows.tolist()]
        for name, rows in clip.scores.items()
    }
    return {
        "clip": clip.name,
        "kind": clip.kind,
        "answers": list(clip.answers),
        "means": clip.means,
        "frames": frames,
    }
