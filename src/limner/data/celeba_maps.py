"""Label maps of CelebAMask-HQ: one picture for each part of each face, merged into one map of classes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from limner.checks import FileProblem, ShapeError
from limner.media import read_image, write_image

# The parts' names in the files, in the order of the classes 1..18; a later part lies over an earlier one.
PARTS = (
    "skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck cloth"
).split()
FACES_A_FOLDER = 2000
PART_SIDE = 512


def merge_parts(root: str | Path, face: int) -> UInt8[ndarray, "H W"]:
    """Return the classes of a face, 0 the background and 1..18 the parts, in the order of `limner.face.LABELS`.

    Args:
        root: the folder `CelebAMask-HQ-mask-anno`, with folders 0, 1, ... of 2000 faces each.
        face: its number.

    Raises:
        FileProblem: the face has no part, or one cannot be read.
        ShapeError: its parts differ in size.

    Source: Lee et al. 2020 (CelebAMask-HQ), the official merging of its parts.
    """
    folder = Path(root) / str(face // FACES_A_FOLDER)
    labels: UInt8[ndarray, "H W"] | None = None
    for number, part in enumerate(PARTS, start=1):
        path = folder / f"{face:05d}_{part}.png"
        if not path.exists():
            continue
        drawn = read_image(path)[..., 0]
        if labels is None:
            labels = np.zeros(drawn.shape, np.uint8)
        if drawn.shape != labels.shape:
            raise ShapeError(f"{path} has {drawn.shape[::-1]} pixels, other parts of the face {labels.shape[::-1]}")
        labels[drawn > 127] = number
    if labels is None:
        raise FileProblem(f"{folder} holds no part of face {face}, such as {face:05d}_skin.png")
    return labels


def write_maps(root: str | Path, output: str | Path) -> int:
    """Merge the parts of all faces into maps `<number>.png` in a folder, which the recipes read; return how many.

    Maps that are there already stay, so that a broken run can go on.

    Raises:
        FileProblem: there is no face below `root`, or a file cannot be read or written.
    """
    faces = sorted({int(path.name[:5]) for path in Path(root).glob("*/*_*.png") if path.name[:5].isdigit()})
    if not faces:
        raise FileProblem(f"{root} holds no parts such as 0/00000_skin.png")
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    for face in faces:
        path = output / f"{face}.png"
        if not path.exists():
            write_image(path, cv2.cvtColor(merge_parts(root, face), cv2.COLOR_GRAY2RGB), synthetic=False)
    return len(faces)
