"""Files written beside their name and renamed when they are whole, and the check of an output before any work."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from limner.checks import FileProblem, InputError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif")
ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".mov", ".webm", "")
"""Kinds that keep transparency; "" stands for a folder of PNG pictures."""


def sequence_parts(path: Path) -> tuple[str, str] | None:
    """Split `frame_%05d.png` into a format string and its suffix; None when the name is no pattern of that kind."""
    name = path.name
    if "%" not in name or path.suffix.lower() not in PICTURE_SUFFIXES:
        return None
    try:
        if name % 7 == name % 8:
            return None
    except (TypeError, ValueError):
        return None
    return name, path.suffix.lower()


def numbered_files(path: Path) -> list[Path]:
    """List the files beside `path` that its pattern stands for, in no order."""
    pattern = re.sub(r"%0?\d*d", r"\\d+", re.escape(path.name).replace(r"\%", "%"))
    return [p for p in path.parent.glob("*") if re.fullmatch(pattern, p.name)]


def check_output(
    path: str | Path,
    suffixes: tuple[str, ...] = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES, ""),
    *,
    alpha: bool = False,
) -> Path:
    """Check an output before any work is done: its suffix, its folder, and that the folder can be written.

    Args:
        path: the file to be written; a name without suffix is a folder of pictures, `frame_%05d.png` a sequence.
        suffixes: what is accepted, lower case with the dot; "" stands for a folder.
        alpha: the output must keep transparency.

    Returns:
        The path.

    Raises:
        FileProblem: the folder is missing or cannot be written, or a folder stands where the file should go.
        InputError: the suffix is unknown, or cannot keep transparency.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        accepted = ", ".join(s or "a folder" for s in suffixes)
        raise InputError(f"{path} cannot be written: the suffix {suffix!r} is not one of {accepted}")
    if alpha and suffix not in ALPHA_SUFFIXES:
        kept = ", ".join(s for s in ALPHA_SUFFIXES if s in suffixes and s)
        raise InputError(f"{path} cannot keep transparency; use one of {kept}, or frames_%05d.png for a sequence")
    _check_parent(path)
    if path.is_dir() and (suffix or any(path.iterdir())):
        detail = "a folder stands there" if suffix else "the folder has files in it; name a new one"
        raise FileProblem(f"{path} cannot be written: {detail}")
    if sequence_parts(path) and numbered_files(path):
        # Fewer frames than last time would leave a mixture of two videos.
        raise FileProblem(f"{path} cannot be written: pictures of that pattern are there; remove them or name another")
    return path


def _check_parent(path: Path) -> None:
    parent = path.parent
    if not parent.is_dir():
        detail = "is not a folder" if parent.exists() else "does not exist; make it first"
        raise FileProblem(f"{path} cannot be written: the folder {parent} {detail}")
    try:
        # Asking for the permission bits is wrong on network and read-only file systems; a nameless file is the proof.
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as problem:
        raise write_problem(path, problem) from None


def write_problem(path: Path, problem: OSError) -> FileProblem:
    """Put an operating system's error into one sentence about `path`."""
    reasons = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EACCES: f"the folder {path.parent} may not be written",
        errno.EPERM: f"the folder {path.parent} may not be written",
        errno.EROFS: f"the folder {path.parent} is read-only",
        errno.ENAMETOOLONG: "the name is too long",
    }
    reason = reasons.get(problem.errno or 0, problem.strerror or str(problem))
    return FileProblem(f"{path} could not be written: {reason}")


def temporary_beside(path: Path) -> Path:
    """Return an unused hidden name in the folder of `path` with the same suffix."""
    return path.with_name(f".{path.stem[:80]}.{os.getpid()}-{secrets.token_hex(4)}.part{path.suffix}")


def remove_quietly(path: Path) -> None:
    """Remove a temporary file or folder, if it is there; the error that led here matters more than one here."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def put_into_place(made: Path, path: Path) -> None:
    """Give a finished file or folder its name; the files of a folder go into one that stands there.

    That one was empty when the work began. What came since, such as drawings of the same run, stays.

    Raises:
        OSError: the operating system refuses, or a name is taken.
    """
    if not (made.is_dir() and path.is_dir()):
        os.replace(made, path)
        return
    entries = sorted(made.iterdir())
    if taken := [entry.name for entry in entries if (path / entry.name).exists()]:
        raise FileExistsError(f"{', '.join(taken)} came to stand there meanwhile")
    for entry in entries:
        os.replace(entry, path / entry.name)
    made.rmdir()


@contextlib.contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; put it into place on success, remove it on any error and on Ctrl-C.

    Raises:
        FileProblem: the operating system refuses to write.
    """
    temporary = temporary_beside(path)
    try:
        yield temporary
        put_into_place(temporary, path)
    except FileProblem:
        raise
    except OSError as problem:
        raise write_problem(path, problem) from None
    finally:
        remove_quietly(temporary)
