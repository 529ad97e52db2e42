"""All that is wrong with an annotation file, gathered and told in one message before any work starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from limner.checks import InputError

SHOWN_PLACES = 8
"""Places named for each kind of fault in the message; `DatasetError.faults` has all."""


class DatasetError(InputError):
    """An annotation file that cannot be used as it is; the message names every kind of fault in it.

    Attributes:
        faults: the places of each kind of fault, such as {"box without area": ("annotation 7",)}.
    """

    def __init__(self, message: str, faults: dict[str, tuple[str, ...]] | None = None) -> None:
        super().__init__(message)
        self.faults = faults or {}


class Faults:
    """A list that grows while a file is read.

    Args:
        path: the file, for the message.
        lenient: let pass what the published loaders let pass, and note only what makes reading impossible.
    """

    def __init__(self, path: str | Path, *, lenient: bool = False) -> None:
        self._path = path
        self._lenient = lenient
        self._places: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, what: str, place: str) -> None:
        """Note a fault that makes reading impossible."""
        self._places[what].append(place)

    def add_unless_lenient(self, what: str, places: Iterable[str]) -> None:
        """Note faults of one kind that the published loaders let pass."""
        if not self._lenient:
            self._places[what].extend(places)
            if not self._places[what]:
                del self._places[what]

    def __bool__(self) -> bool:
        return bool(self._places)

    def error(self) -> DatasetError:
        """Return the error that tells all of them."""
        parts = [f"{what}: {_listed(places)}" for what, places in self._places.items()]
        total = sum(len(places) for places in self._places.values())
        count = "one fault" if total == 1 else f"{total} faults"
        message = f"{self._path} has {count}, mend or remove them first: {'; '.join(parts)}"
        return DatasetError(message, {what: tuple(places) for what, places in self._places.items()})

    def raise_if_any(self) -> None:
        """Raise `DatasetError` with all faults, if there are any."""
        if self:
            raise self.error()


def _listed(places: list[str]) -> str:
    more = len(places) - SHOWN_PLACES
    return ", ".join(places[:SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
