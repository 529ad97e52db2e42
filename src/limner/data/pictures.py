"""Pictures of a data set, in a folder or in a zip file.

A name such as `images/val2017.zip@/000000000139.jpg` stands for a file inside a zip file, as the official experiment
files write it; `train.tfrecord@/120:4096` stands for 4096 bytes of a file from byte 120 on.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from limner.checks import FileProblem, check_file
from limner.media import decode_image, read_image
from limner.types import RgbImage

_IN_ZIP = "@/"
_SPANNED = ".tfrecord"


def read_picture(root: str | Path, name: str) -> RgbImage:
    """Read a picture of a data set as stored; annotations count the stored rows and columns.

    Args:
        root: the folder that `name` starts from.
        name: the picture, with `@/` after the name of a zip file that holds it.

    Raises:
        FileProblem: there is no such picture, or it cannot be decoded.
    """
    archive, _, inside = name.rpartition(_IN_ZIP)
    if not archive:
        return read_image(Path(root) / name, upright=False)
    path = Path(root) / archive
    content = _read_span(path, inside) if path.suffix == _SPANNED else _read_member(path, inside)
    return decode_image(content, f"{inside} in {archive}", upright=False)


def missing_pictures(root: str | Path, names: Iterable[str]) -> list[str]:
    """Return the names that lead to no file, each once, in order; a folder or a zip file is listed once."""
    listings: dict[str, frozenset[str]] = {}
    missing: dict[str, None] = {}
    for name in names:
        archive, _, inside = name.rpartition(_IN_ZIP)
        if archive.endswith(_SPANNED):
            continue  # the name was made from the file itself
        folder, file = (archive, inside) if archive else os.path.split(name)
        if folder not in listings:
            listings[folder] = _listing(Path(root) / folder, is_zip=bool(archive))
        if file not in listings[folder]:
            missing[name] = None
    return list(missing)


def is_zipped(root: str | Path, folder: str) -> bool:
    """Whether the pictures of `folder` below `root` lie in a zip file of that name instead."""
    return not (Path(root) / folder).is_dir() and (Path(root) / f"{folder}.zip").is_file()


def _listing(path: Path, *, is_zip: bool) -> frozenset[str]:
    if is_zip:
        return frozenset(_members(path, os.getpid())) if path.is_file() else frozenset()
    return frozenset(entry.name for entry in os.scandir(path)) if path.is_dir() else frozenset()


def _read_span(path: Path, span: str) -> bytes:
    start, _, length = span.partition(":")
    with check_file(path, "file of pictures").open("rb") as file:
        file.seek(int(start))
        return file.read(int(length))


def _read_member(path: Path, inside: str) -> bytes:
    try:
        return _archive(path, os.getpid()).read(_members(path, os.getpid())[inside])
    except KeyError:
        raise FileProblem(f"{path} holds no picture {inside}") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as problem:
        raise FileProblem(f"{inside} in {path} cannot be read: {problem}") from None


@lru_cache(maxsize=8)
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    """The open zip file; one for each process, because a file position shared by forked processes jumps."""
    check_file(path, "zip file of pictures")
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise FileProblem(f"{path} is no zip file, or a damaged one") from None


@lru_cache(maxsize=8)
def _members(path: Path, process: int) -> dict[str, str]:
    """Names in a zip file; also without their folders, because the zip files that COCO hands out have one inside."""
    full = [name for name in _archive(path, process).namelist() if not name.endswith("/")]
    return {name.rsplit("/", 1)[-1]: name for name in full} | {name: name for name in full}
