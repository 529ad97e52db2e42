"""The import of published weights by name, whichever room's networks they belong to."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from limner.checks import check_known
from limner.types import PrecisionName
from limner.weights import WeightRecord

ROOMS = ("limner.pose", "limner.body", "limner.motion", "limner.face")
"""The rooms with published weights; each has a mapping `PUBLISHED` by name and a function `import_weights`."""


def import_weights(name: str, path: str | Path, *, precision: PrecisionName = "fp32") -> WeightRecord:
    """Check a published file and keep it, converted, for use by name.

    Args:
        name: of the published weights, such as hrnet-w32-coco.
        path: the file as it was downloaded; for tables that are several files, their folder.
        precision: fp16 halves the file that is kept.

    Raises:
        InputError: there are no such published weights; the message offers the nearest name.
        FileProblem: there is no such file, or the weights folder cannot be written.
        WeightsError: the file is damaged, holds code, or belongs to another network.
    """
    homes = {known: home for home in map(import_module, ROOMS) for known in home.PUBLISHED}
    check_known(name, homes, "published weights are")
    kept: WeightRecord = homes[name].import_weights(name, path, precision=precision)
    return kept
