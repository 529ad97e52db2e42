"""Silhouettes of LSP's test pictures (UPi-S1h), for judging: which pixels show the person.

Layout: `data/lsp/im1001_segmentation.png` (or the same names in the folder itself), a pixel of the person above 0.
Source: Lassner et al. 2017 (Unite the People); nkolot/SPIN `eval.py`.
"""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Bool
from numpy import ndarray

from limner.checks import FileProblem
from limner.data.faults import Faults
from limner.media import read_image

_NAME = "{stem}_segmentation.png"


def silhouette_files(root: str | Path, pictures: tuple[str, ...], *, check: bool = True) -> list[Path]:
    """Return the silhouette of each picture of LSP.

    Args:
        root: the folder with `data/lsp`, or with the files themselves.
        pictures: such as `images/im1001.jpg`.
        check: raise on missing ones; False leaves them out.

    Raises:
        DatasetError: some are missing; all in one message.
        FileProblem: there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileProblem(f"no silhouettes at {root}: there is no such folder")
    folder = root / "data" / "lsp" if (root / "data" / "lsp").is_dir() else root
    paths = [folder / _NAME.format(stem=Path(name).stem) for name in pictures]
    faults = Faults(root, lenient=not check)
    faults.add_unless_lenient("silhouette missing", [path.name for path in paths if not path.is_file()])
    faults.raise_if_any()
    return [path for path in paths if path.is_file()]


def read_silhouette(path: str | Path) -> Bool[ndarray, "H W"]:
    """Read one: True on the person.

    Raises:
        FileProblem: the file is missing or no picture.
    """
    return read_image(path, upright=False).max(2) > 0
