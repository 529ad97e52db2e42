"""The verb eval: how good the results are, measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limner.checks import InputError
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


@app.command()
@verb
def face(
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
