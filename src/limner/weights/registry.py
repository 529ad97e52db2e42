"""The records of the weight files: read from the cards beside this module, checked by checksum before first use."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Literal

from limner.checks import WeightsError

_FILES = Path(__file__).parent / "files"
_CARDS = Path(__file__).parent / "cards"


@dataclass(frozen=True)
class WeightRecord:
    """What has to be known to use a weight file, and to be allowed to.

    Attributes:
        name: how the rest of limner asks for it.
        file: its name inside the package.
        network: what it computes.
        source: where it was published.
        licence: the licence's SPDX name.
        commercial: whether the licence lets it be used commercially.
        sha256: the checksum of the file, in hexadecimal.
        input_hw: height and width of the input in pixels.
        normalisation: the range that 0..255 is mapped to, and the order of the channels.
        notes: anything that a user of the network must know; the card in words says more.
    """

    name: str
    file: str
    network: str
    source: str
    licence: str
    commercial: Literal["yes", "no", "unknown"]
    sha256: str
    input_hw: tuple[int, int]
    normalisation: str
    notes: str = ""


def list_weights() -> list[WeightRecord]:
    """Return the records of all weight files, sorted by name."""
    return list(_records().values())


def weight_record(name: str) -> WeightRecord:
    """Return the record of the weight file called `name`.

    Raises:
        WeightsError: there is no such name; the message offers the nearest one.
    """
    records = _records()
    if name not in records:
        near = difflib.get_close_matches(name, records, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(records)}"
        raise WeightsError(f"no weights are called {name!r}; {hint}")
    return records[name]


@cache
def file_path(name: str) -> Path:
    """Return where the weight file called `name` lies, after checking it once per process.

    Raises:
        WeightsError: there is no such name, the file is missing, or its checksum differs from the record's.
    """
    record = weight_record(name)
    path = _FILES / record.file
    try:
        digest = _sha256(path)
    except OSError as error:
        raise WeightsError(
            f"the weights {name} cannot be read at {path} ({error.strerror}): install limner again"
        ) from error
    if digest != record.sha256:
        raise WeightsError(
            f"the weights {name} at {path} are damaged: the checksum is {digest[:12]}..., "
            f"{record.sha256[:12]}... was expected; install limner again"
        )
    return path


@cache
def _records() -> dict[str, WeightRecord]:
    records = [_read_card(path) for path in sorted(_CARDS.glob("*.json"))]
    return {record.name: record for record in sorted(records, key=lambda record: record.name)}


def _read_card(path: Path) -> WeightRecord:
    card = json.loads(path.read_text(encoding="utf-8"))
    known = {field.name for field in fields(WeightRecord)}
    if unknown := sorted(set(card) - known):
        raise WeightsError(f"the weight card {path.name} has fields that mean nothing: {', '.join(unknown)}")
    try:
        return WeightRecord(**{**card, "input_hw": tuple(card["input_hw"])})
    except (KeyError, TypeError) as error:
        raise WeightsError(f"the weight card {path.name} is incomplete: {error}") from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
