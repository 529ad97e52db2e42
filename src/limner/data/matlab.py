"""MATLAB files of the older data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import scipy.io

from limner.checks import FileProblem, check_file


def read_mat(path: str | Path, names: Sequence[str]) -> list[Any]:
    """Return the variables called `names` of a MATLAB file.

    Raises:
        FileProblem: the file is missing, no MATLAB file of version 5 to 7, or lacks a variable.
    """
    path = check_file(path, "MATLAB file")
    try:
        held = scipy.io.loadmat(path, variable_names=list(names))
    except NotImplementedError:
        raise FileProblem(f"{path} is a MATLAB file of version 7.3; save it with -v7") from None
    except Exception as problem:  # scipy's reader raises whatever a damaged byte leads it to
        raise FileProblem(f"{path} is no readable MATLAB file: {problem}") from None
    missing = [name for name in names if name not in held]
    if missing:
        raise FileProblem(f"{path} lacks {', '.join(missing)}; it is another MATLAB file than expected")
    return [held[name] for name in names]
