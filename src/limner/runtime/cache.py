"""The folder of converted and compiled networks: where it is, and how it is kept from growing without end.

Several processes share it. A file is put there whole, and what goes first is what was not used for longest; a reader
whose file goes meanwhile makes it anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from pathlib import Path

_logger = logging.getLogger(__name__)

_DEFAULT_MB = 2048.0
_YOUNG_S = 600.0  # what another process may be about to read, or has written only in part
_STALE_S = 86400.0  # leavings of processes that were killed


def cache_folder() -> Path | None:
    """Return the folder for compiled networks, made if need be; None where none can be written."""
    root = os.environ.get("LIMNER_CACHE") or Path.home() / ".cache" / "limner"
    folder = Path(root) / "networks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def mark_used(path: Path) -> None:
    """Remember that a file was of use now: not all file systems note when files are read."""
    with contextlib.suppress(OSError):
        os.utime(path)


def trim_cache(folder: Path | None) -> None:
    """Remove what was not used for longest until the folder holds no more than $LIMNER_CACHE_MB (2048).

    What was used within the last ten minutes stays in any case. The parts of a network (.xml, .bin) go together.
    """
    if folder is None:
        return
    now, networks, limit = time.time(), _networks(folder), 1e6 * _limit_mb()
    total = sum(size for _, size, _ in networks)
    for used, size, files in sorted(networks, key=lambda item: item[0]):
        if total <= limit or now - used < _YOUNG_S:
            break
        _remove(files)
        total -= size
    for path in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > _STALE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _networks(folder: Path) -> list[tuple[float, int, list[Path]]]:
    """When each network was used last, its bytes and its files."""
    found: dict[str, tuple[float, int, list[Path]]] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # .xml before .bin: who finds the .xml finds everything
        with contextlib.suppress(OSError):  # another process may have removed it
            facts = path.stat()
            if path.is_file() and not path.name.startswith("."):
                used, size, files = found.get(path.stem, (0.0, 0, []))
                latest = max(used, facts.st_mtime, facts.st_atime)
                found[path.stem] = (latest, size + facts.st_size, [*files, path])
    return list(found.values())


def _remove(files: list[Path]) -> None:
    for path in files:
        with contextlib.suppress(OSError):  # gone already, or open on a system that keeps open files
            path.unlink()


def _limit_mb() -> float:
    given = os.environ.get("LIMNER_CACHE_MB", "")
    try:
        limit = float(given) if given else _DEFAULT_MB
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        _logger.warning("LIMNER_CACHE_MB must be a number of megabytes, got %r; taken is %g", given, _DEFAULT_MB)
        return _DEFAULT_MB
    return limit
