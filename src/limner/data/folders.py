"""Folders of pictures without annotations: one folder, or a source and a target folder whose files belong together."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.checks import FileProblem, InputError
from limner.data.faults import Faults
from limner.media import read_image
from limner.types import RgbImage

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class PictureFolder:
    """Pictures of a folder and all folders in it, in the order of their paths.

    Attributes:
        root: the folder.
        names: paths below it, with forward slashes.
    """

    root: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, places: Sequence[int]) -> PictureFolder:
        return PictureFolder(self.root, tuple(self.names[place] for place in places))

    def read(self, index: int) -> RgbImage:
        """Read a picture.

        Raises:
            FileProblem: it is gone or cannot be decoded.
        """
        return read_image(self.root / self.names[index])


def read_folder(root: str | Path) -> PictureFolder:
    """List the pictures of a folder; hidden files are left out.

    Raises:
        FileProblem: there is no such folder, or no picture in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileProblem(f"there is no folder {root}")
    found = sorted(
        Path(place, name).relative_to(root).as_posix()
        for place, _, files in os.walk(root)
        for name in files
        if not name.startswith(".") and name.lower().endswith(PICTURE_SUFFIXES)
    )
    if not found:
        raise FileProblem(f"{root} holds no picture ({', '.join(PICTURE_SUFFIXES)})")
    return PictureFolder(root, tuple(found))


def pair_folders(source: PictureFolder, target: PictureFolder) -> tuple[PictureFolder, PictureFolder]:
    """Return both folders in one order: files belong together whose paths are the same but for the suffix.

    The ending `_edges` of a sketch's name does not count.

    Raises:
        DatasetError: a picture has no partner, or several; all are named.

    Difference: the published loader pairs the sorted lists by place, so that one missing file mixes up all after it.
    """
    faults = Faults(f"the pair of folders {source.root} and {target.root}")
    sources, targets = _by_stem(source, faults), _by_stem(target, faults)
    for stem in sorted(sources.keys() ^ targets.keys()):
        faults.add("picture without a partner", sources.get(stem) or targets[stem])
    faults.raise_if_any()
    order = sorted(sources)
    return (
        PictureFolder(source.root, tuple(sources[stem] for stem in order)),
        PictureFolder(target.root, tuple(targets[stem] for stem in order)),
    )


def part_folder(folder: PictureFolder, share: float, block: int = 20) -> tuple[PictureFolder, PictureFolder]:
    """Part pictures into those to learn from and those to be judged by, in runs of neighbours.

    A share of nought takes all for both.

    Raises:
        InputError: one part is empty.
    """
    if not share:
        return folder, folder
    run = max(1, min(block, int(len(folder) * share)))
    kept = [index for index in range(len(folder)) if _ends(index // run, share)]
    rest = sorted(set(range(len(folder))) - set(kept))
    if not kept or not rest:
        raise InputError(f"{len(folder)} pictures of {folder.root} cannot be parted by a share of {share}")
    return folder[rest], folder[kept]


def _ends(block: int, share: float) -> bool:
    return int((block + 1) * share) > int(block * share)


def _by_stem(folder: PictureFolder, faults: Faults) -> dict[str, str]:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for name in folder.names:
        places[name.rpartition(".")[0].removesuffix("_edges")].append(name)
    _note_doubles(places.values(), faults)
    return {stem: names[0] for stem, names in places.items()}


def _note_doubles(groups: Iterable[list[str]], faults: Faults) -> None:
    for names in groups:
        if len(names) > 1:
            faults.add("pictures of one name", ", ".join(names))
