"""The verb face: what is done with faces in pictures and videos, one verb below it for each task.

The verbs share most of their options; each is made of the shared ones and its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from limner.cli.choices import AsJson, Inputs, Licence, command_of, read_numbers
from limner.cli.outcome import counted, print_json, verb, warn
from limner.cli.progress import ProgressBar

if TYPE_CHECKING:
    from limner.api import FacePlace, FaceReport

app = typer.Typer(help="Change, make and align faces (pixel2style2pixel, StyleGAN2).", no_args_is_help=True)

Region = Literal["face", "square"]
Source = Literal["invert", "frontalise", "sketch", "segments", "upscale", "colourise"]

_SHARED: dict[str, tuple[Any, Any]] = {
    "inputs": (Inputs, ...),
    "output": (
        Annotated[
            Path, typer.Option("--output", "-o", metavar="DIR", help="A folder, made if need be.", show_default=False)
        ],
        ...,
    ),
}
_PLACE: dict[str, tuple[Any, Any]] = {
    "face": (
        Annotated[
            int | None,
            typer.Option(min=0, help="Which face, 0 the largest.  [default: all of a picture, the largest of a video]"),
        ],
        None,
    ),
    "points": (
        Annotated[
            str | None,
            typer.Option(metavar="X,Y,...", help="Five points by hand: eyes, nose, corners of the mouth, in pixels."),
        ],
        None,
    ),
    "smooth": (Annotated[float, typer.Option(min=0, help="Frames of a video that alignment is smoothed over.")], 1.0),
}
_RESULT: dict[str, tuple[Any, Any]] = {
    "aligned": (Annotated[bool, typer.Option("--aligned", help="Inputs are aligned faces; look for none.")], False),
    "beside": (Annotated[bool, typer.Option("--beside", help="Put the source left of each result.")], False),
    "save_styles": (Annotated[bool, typer.Option("--save-styles", help="Also write the styles, as npz.")], False),
    "truncation": (Annotated[float, typer.Option(min=0, max=1, help="How far from the mean face.")], 1.0),
    "weights": (
        Annotated[str, typer.Option(help="Imported weights, a run's folder, or a checkpoint of pSp, e4e, ReStyle.")],
        "default",
    ),
    "licence": (Licence, "any"),
}
_PASTE: dict[str, tuple[Any, Any]] = {
    "paste": (Annotated[bool, typer.Option("--paste", help="Lay results back into their pictures.")], False),
    "region": (Annotated[Region, typer.Option(help="What is pasted: the face, or the whole aligned square.")], "face"),
    "match": (Annotated[bool, typer.Option("--match/--no-match", help="Make pasted colours fit.")], True),
    "refine": (Annotated[int, typer.Option(min=0, help="Steps of refinement after the encoder.")], 0),
    "lpips": (
        Annotated[
            str | None,
            typer.Option(metavar="ALEXNET,LINEAR", help="For --refine: torchvision's AlexNet and LPIPS 0.1's weights."),
        ],
        None,
    ),
    "generator": (
        Annotated[str | None, typer.Option(help="A second generator that paints, such as a drawn one.")],
        None,
    ),
    "blend_side": (
        Annotated[
            int | None, typer.Option("--blend", help="With --generator: smaller maps than this stay the first's.")
        ],
        None,
    ),
}
_JSON: dict[str, tuple[Any, Any]] = {"as_json": (AsJson, False)}

_ROWS = Annotated[str | None, typer.Option(help="Rows of styles, such as 8-17 or 4,5,6.")]
_SOURCE = Annotated[Source, typer.Option(help="What the encoder is shown.")]
_OWN: dict[str, dict[str, tuple[Any, Any]]] = {
    "upscale": {
        "factors": (
            Annotated[
                str | None,
                typer.Option("--factor", help="Shrink by 1, 2, 4 .. 32 first; several with commas.  [default: not]"),
            ],
            None,
        )
    },
    "inpaint": {
        "mask": (
            Annotated[
                Path | None,
                typer.Option(help="White where to fill, of the input's size.  [default: what is transparent]"),
            ],
            None,
        )
    },
    "mix": {
        "rows": (_ROWS, None),
        "alpha": (
            Annotated[float | None, typer.Option(min=0, max=1, help="Share of the other style.  [default: 1]")],
            None,
        ),
        "styles": (
            Annotated[
                list[Path] | None,
                typer.Option("--style", help="A face or a file of styles to take; may be repeated.  [default: random]"),
            ],
            None,
        ),
        "count": (Annotated[int, typer.Option(min=1, max=1000, help="How many results.")], 1),
        "seed": (Annotated[int, typer.Option(help="Of random styles.")], 0),
        "source": (_SOURCE, "invert"),
    },
    "edit": {
        "direction": (
            Annotated[Path, typer.Option(help="A direction of styles: npy, npz or pt.", show_default=False)],
            ...,
        ),
        "strengths": (Annotated[str, typer.Option("--strength", help="How far to go; several with commas.")], "1"),
        "rows": (_ROWS, None),
        "source": (_SOURCE, "invert"),
    },
}
_HELP = {
    "invert": "Show the faces as the generator makes them.",
    "frontalise": "Turn the faces to the viewer.",
    "sketch": "Make faces of drawings, dark on white.",
    "segments": "Make faces of label maps in the order of CelebAMask-HQ.",
    "upscale": "Give faces the detail that they lack.",
    "colourise": "Give grey faces colours.",
    "inpaint": "Fill holes in faces.",
    "toonify": "Draw the faces by a second generator, or weights that were trained with one.",
    "mix": "Replace some rows of the faces' styles by random or given ones.",
    "edit": "Move the faces along a direction of styles.",
}
_DRAWN = ("sketch", "segments")


def _command(name: str) -> Callable[..., None]:
    """Make the verb of a task: its signature, from which the command line is read, and what it does."""
    drawn = name in _DRAWN
    fields = _SHARED | ({} if drawn else _PLACE) | _RESULT | ({} if drawn else _PASTE) | _OWN.get(name, {}) | _JSON
    parameters = [
        inspect.Parameter(
            field,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=annotation,
            default=inspect.Parameter.empty if default is ... else default,
        )
        for field, (annotation, default) in fields.items()
    ]
    return verb(command_of(partial(_run, name), parameters, name=name, text=_HELP[name]))


def _run(name: str, given: dict[str, Any]) -> None:
    from limner import api

    lpips = given.get("lpips")
    parts = [] if lpips is None else lpips.split(",")
    if lpips is not None and len(parts) != 2:
        raise typer.BadParameter(f"{lpips!r} must name two files with a comma: AlexNet's and LPIPS's own")
    options = api.FaceOptions(
        source=given.get("source", "invert"),
        factors=tuple(_integers(given.get("factors")) or ()),
        mask=given.get("mask"),
        rows=read_rows(given.get("rows")),
        alpha=given.get("alpha"),
        styles=tuple(given.get("styles") or ()),
        count=given.get("count", 1),
        seed=given.get("seed", 0),
        direction=given.get("direction"),
        strengths=tuple(read_numbers(given.get("strengths")) or (1.0,)),
        truncation=given["truncation"],
        refine=given.get("refine", 0),
        lpips=(parts[0], parts[1]) if parts else None,
    )
    with ProgressBar() as progress:
        report = api.face(
            name,  # type: ignore[arg-type]
            given["inputs"],
            given["output"],
            weights=given["weights"],
            generator=given.get("generator"),
            blend_side=given.get("blend_side"),
            options=options,
            place=_place(given),
            licence=given["licence"],
            progress=progress,
        )
    _tell(report, as_json=given["as_json"])


for _name in _HELP:
    app.command(_name)(_command(_name))


@app.callback()
def options() -> None:
    """Change, make and align faces (pixel2style2pixel, StyleGAN2)."""


@app.command()
@verb
def align(
    inputs: Inputs,
    *,
    output: _SHARED["output"][0],
    size: Annotated[int, typer.Option(min=16, max=4096, help="Side of the crops in pixels.")] = 256,
    face: _PLACE["face"][0] = None,
    points: _PLACE["points"][0] = None,
    smooth: _PLACE["smooth"][0] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Cut faces out by FFHQ's rule, upright and of one size, for encoders or for training."""
    from limner import api

    place = _place({"face": face, "points": points, "smooth": smooth})
    with ProgressBar() as progress:
        report = api.align(inputs, output, side=size, place=place, progress=progress)
    _tell(report, as_json=as_json)


def read_rows(text: str | None) -> tuple[int, ...] | None:
    """Read rows such as 8-17 or 4,5,6; None stays None."""
    if text is None:
        return None
    rows: list[int] = []
    for word in text.split(","):
        first, dash, last = word.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise typer.BadParameter(f"{text!r} names no rows; write 8-17 or 4,5,6")
        rows += range(int(first), int(last if dash else first) + 1)
    return tuple(rows)


def _integers(text: str | None) -> list[int] | None:
    numbers = read_numbers(text)
    if numbers is not None and any(number != int(number) for number in numbers):
        raise typer.BadParameter(f"{text!r} is no list of whole numbers; write them with commas: 4,8")
    return None if numbers is None else [int(number) for number in numbers]


def _place(given: dict[str, Any]) -> FacePlace:
    from limner import api

    kept = ("face", "aligned", "paste", "region", "match", "beside", "save_styles", "smooth")
    return api.FacePlace(points=read_numbers(given.get("points")), **{key: given[key] for key in kept if key in given})


def _tell(report: FaceReport, *, as_json: bool) -> None:
    warn(report.warnings)
    if as_json:
        print_json(report)
        return
    for result in report.results:
        words = [] if result.identity is None else [f"identity {result.identity:.3f}"]
        if result.refinement is not None:
            before, after = result.refinement.before, result.refinement.after
            words += [f"{key} {before[key]:.4f} -> {after[key]:.4f}" for key in before]
        typer.echo(f"{result.output}: {', '.join(words) or 'written'}")
    read = " and ".join(word for word in (counted(report.pictures, "picture"), counted(report.frames, "frame")) if word)
    typer.echo(f"{report.output}: {counted(report.faces, 'face')} in {read}, {report.seconds:.1f} s")
