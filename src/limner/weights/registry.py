"""The records of the weight files: read from cards, checked by checksum before first use.

Cards lie beside this module, and for weights that the user imported in a folder outside the package: `$LIMNER_WEIGHTS`,
else the operating system's folder for a user's data.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Literal

from limner.checks import InputError, WeightsError, name_hint
from limner.types import LicenceName

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


def weights_folder() -> Path:
    """Return the folder of the weights that the user imported; it need not exist."""
    if asked := os.environ.get("LIMNER_WEIGHTS"):
        return Path(asked)
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return root / "limner" / "weights"


def list_weights() -> list[WeightRecord]:
    """Return the records of all weight files, the package's and the user's, sorted by name."""
    return [record for _, (record, _) in sorted(_everything().items())]


def weight_record(name: str) -> WeightRecord:
    """Return the record of the weight file called `name`.

    Raises:
        WeightsError: there is no such name; the message offers the nearest one.
    """
    return _found(name)[0]


def file_path(name: str) -> Path:
    """Return where the weight file called `name` lies, after checking it once per process.

    Raises:
        WeightsError: there is no such name, the file is missing, or its checksum differs from the record's.
    """
    record, folder = _found(name)
    path = folder / record.file
    remedy = "install limner again" if folder == _FILES else f"import them again: limner weights import {name} FILE"
    try:
        digest = _checksum_of(path, path.stat().st_mtime_ns, record.sha256)
    except OSError as error:
        raise WeightsError(f"the weights {name} cannot be read at {path} ({error.strerror}): {remedy}") from error
    if digest != record.sha256:
        raise WeightsError(
            f"the weights {name} at {path} are damaged: the checksum is {digest[:12]}..., "
            f"{record.sha256[:12]}... was expected; {remedy}"
        )
    return path


def imported_path(name: str, licence: LicenceName, *, source: str, given: str = "FILE") -> Path:
    """Return where published weights lie that the user imported, once it is clear that they may be used.

    Args:
        name: of the weights.
        licence: what they are meant for.
        source: what to get, and from whom.
        given: what the command that imports them is given.

    Raises:
        WeightsError: they were not imported yet, which the message helps with, are damaged, or may not be used.
    """
    try:
        record = weight_record(name)
    except WeightsError:
        raise WeightsError(
            f"the weights {name} are not here yet: get {source}, then limner weights import {name} {given}"
        ) from None
    check_licence(record, licence)
    return file_path(name)


def check_licence(record: WeightRecord, licence: LicenceName) -> None:
    """Refuse weights that may not be used for what is meant.

    Raises:
        InputError: there is no such purpose.
        WeightsError: commercial use is meant, and the record does not say that it is allowed.
    """
    if licence not in ("any", "commercial"):
        raise InputError(f"licence must be any or commercial, got {licence!r}")
    if licence == "commercial" and record.commercial != "yes":
        reason = "do not allow" if record.commercial == "no" else "are not known to allow"
        raise WeightsError(
            f"the terms of the weights {record.name} {reason} commercial use ({record.licence}): "
            f"take others, see limner weights show {record.name}"
        )


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@cache
def _checksum_of(path: Path, changed_ns: int, wanted: str) -> str:
    """Look once per process, and again after the file or its record has changed."""
    return checksum(path)


def _found(name: str) -> tuple[WeightRecord, Path]:
    known = _everything()
    if name not in known:
        raise WeightsError(f"no weights are called {name!r}; {name_hint(name, known)}")
    return known[name]


def _everything() -> dict[str, tuple[WeightRecord, Path]]:
    """Every record by name, with the folder of its file; a user's weights cannot take a name of the package's."""
    own = weights_folder()
    users = [_read_card(path) for path in sorted(own.glob("*.json"))]
    return {
        **{record.name: (record, own) for record in users},
        **{name: (record, _FILES) for name, record in _records().items()},
    }


@cache
def _records() -> dict[str, WeightRecord]:
    records = [_read_card(path) for path in sorted(_CARDS.glob("*.json"))]
    return {record.name: record for record in sorted(records, key=lambda record: record.name)}


def _read_card(path: Path) -> WeightRecord:
    try:
        card = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, OSError) as error:
        raise WeightsError(f"the weight card {path} cannot be read: {error}") from error
    known = {field.name for field in fields(WeightRecord)}
    if unknown := sorted(set(card) - known):
        raise WeightsError(f"the weight card {path.name} has fields that mean nothing: {', '.join(unknown)}")
    try:
        return WeightRecord(**{**card, "input_hw": tuple(card["input_hw"])})
    except (KeyError, TypeError) as error:
        raise WeightsError(f"the weight card {path.name} is incomplete: {error}") from error
