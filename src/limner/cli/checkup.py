"""The verb doctor: what is installed, what is missing, and how to mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.outcome import FAILED, print_json, verb


@verb
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Tell what is installed, which weights are there, what is missing and how to mend it.

    Exits with 1 when something that every verb needs is missing or damaged; a missing extra is no fault.
    """
    from limner import api

    findings = api.doctor()
    if as_json:
        print_json(findings)
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            typer.echo(f"{finding.state:<8}{finding.what:<{width}}  {finding.detail}")
            if finding.mend:
                typer.echo(f"{'':<8}{'':<{width}}  -> {finding.mend}")
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(FAILED)
