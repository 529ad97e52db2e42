"""Weights: which weight files there are, where they lie, and what may be done with them.

In: the name of a weight file. Out: its path, checked against its checksum once per process, and its record (network,
source, licence, input size, normalisation, notes). One JSON card per file lies in `cards/`, beside a card in words.
Files that may be shipped lie in `files/`, those that a user imported in a folder of the user's; nothing is ever
downloaded and no pickle is ever executed.
"""

from limner.weights.checkpoints import LoadReport, load_strictly, read_checkpoint, read_content, source_name
from limner.weights.registry import (
    WeightRecord,
    check_licence,
    file_path,
    imported_path,
    list_weights,
    weight_record,
    weights_folder,
)
from limner.weights.store import check_precision, read_facts, save_weights

__all__ = [
    "LoadReport",
    "WeightRecord",
    "check_licence",
    "check_precision",
    "file_path",
    "imported_path",
    "list_weights",
    "load_strictly",
    "read_checkpoint",
    "read_content",
    "read_facts",
    "save_weights",
    "source_name",
    "weight_record",
    "weights_folder",
]
