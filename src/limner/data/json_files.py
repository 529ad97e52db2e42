"""Reading annotation files in json, and plain checks of what is in them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limner.checks import FileProblem, check_file
from limner.data.faults import Faults


def read_json(path: str | Path, what: str) -> Any:
    """Read a json file; `what` names its kind in messages.

    Raises:
        FileProblem: the file is missing, empty, or no json.
    """
    path = check_file(path, what)
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise FileProblem(f"{path} is no readable json: {problem}") from None


def lacks(record: Any, fields: Sequence[str], place: str, faults: Faults) -> bool:
    """Note the fields that `record` lacks; tell whether there are any."""
    if not isinstance(record, dict):
        faults.add("no record of named fields", place)
        return True
    missing = [field for field in fields if field not in record]
    for field in missing:
        faults.add(f"field {field!r} missing", place)
    return bool(missing)


def numbers(value: Any, count: int) -> str:
    """Say what is wrong with a list that should hold `count` finite numbers; empty where nothing is."""
    if not isinstance(value, (list, tuple)) or len(value) != count:
        given = len(value) if isinstance(value, (list, tuple)) else type(value).__name__
        return f"{given} instead of {count} numbers"
    if not all(type(one) in (int, float) for one in value):
        return "entries that are no numbers"
    return "" if all(map(math.isfinite, value)) else "numbers that are not finite (NaN or infinite)"


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)
