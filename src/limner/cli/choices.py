"""Arguments and options that several verbs share, and the readers of their values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from limner.types import LicenceName, RuntimeName

Output: TypeAlias = Annotated[Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)]
Person: TypeAlias = Annotated[int, typer.Option(min=0, help="Which person: 0 is the largest, 1 the next, and so on.")]
Body: TypeAlias = Annotated[str, typer.Option(help="Whose body: free, or smpl:PATH to a file of yours.")]
Size: TypeAlias = Annotated[
    int | None, typer.Option(min=256, max=1024, help="Longer side of the output in pixels.  [default: as the photo]")
]
Background: TypeAlias = Annotated[
    str | None,
    typer.Option(help="A picture, a colour (white, #20a040), or transparent.  [default: the photo's, filled in]"),
]
Runtime: TypeAlias = Annotated[RuntimeName, typer.Option(help="Who runs a heatmap network.")]
Licence: TypeAlias = Annotated[
    LicenceName, typer.Option(help="commercial: refuse weights that are not known to allow commercial use.")
]
Inputs: TypeAlias = Annotated[
    list[Path], typer.Argument(metavar="INPUT...", help="Pictures, folders, videos.", show_default=False)
]
Smooth: TypeAlias = Annotated[float, typer.Option(min=0, help="Smooth videos over time without lag; 1 is usual.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def read_rate(text: str) -> Fraction:
    """Read a frame rate such as 30, 29.97 (which stands for 30000/1001) or 30000/1001."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"{text!r} is no frame rate; write 30, 29.97 or 30000/1001") from None
    if not 1 <= rate <= 240:
        raise typer.BadParameter(f"{text} frames a second is outside 1 to 240")
    # Broadcast rates are written with two or three decimals, and are meant as n * 1000 / 1001.
    broadcast = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return broadcast if "." in text and abs(broadcast - rate) < Fraction(1, 200) else rate


def read_numbers(text: str | None) -> list[float] | None:
    """Read numbers set apart by commas; None stays None."""
    if text is None:
        return None
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of numbers; write them with commas: 0,90,180") from None


def read_words(text: str) -> tuple[str, ...]:
    """Read words set apart by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def command_of(
    run: Callable[[dict[str, Any]], None], parameters: Sequence[inspect.Parameter], *, name: str, text: str | None
) -> Callable[..., None]:
    """Return a command that hands what was given to `run`, by the names of its parameters.

    Args:
        run: what the command does.
        parameters: its arguments and options, as typer reads them.
        name: its name.
        text: its help.
    """

    def command(**given: Any) -> None:
        run(given)

    command.__name__, command.__doc__ = name, text
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
