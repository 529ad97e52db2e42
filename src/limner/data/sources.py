"""Which data set lies at a path, told by its files."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from limner.checks import FileProblem, InputError
from limner.data.coco import read_coco, read_keypoint_json
from limner.data.lsp import LspPart, read_lsp
from limner.data.mpii import read_mpii
from limner.data.samples import PoseSamples


def read_samples(
    path: str | Path,
    part: str | None = None,
    *,
    images: str | Path | None = None,
    image_hw: tuple[int, int] = (256, 192),
    check: bool = True,
) -> PoseSamples:
    """Read the data set at a path: MPII, COCO, LSP, LSP-extended, or a file in COCO's keypoint format.

    Data sets of bodies, see `read_bodies`, come as people with the joints of cocoplus19.

    Args:
        path: the data set's folder, or a json file.
        part: val2017, train, valid, test, ...; None takes the validation part where there is one, else all.
        images: for a json file, the folder or zip file of its pictures.
        image_hw: the network's input in pixels, whose aspect the crops get.
        check: raise on everything that is wrong with the annotations.

    Raises:
        FileProblem: there is nothing at the path, or nothing that is known.
        DatasetError: the annotations have faults; the message has all of them.
        InputError: the part does not exist.
    """
    path = Path(path)
    if not path.exists():
        raise FileProblem(f"no data set at {path}: nothing is there")
    if path.is_file():
        return read_keypoint_json(path, images, image_hw=image_hw, check=check)
    if (path / "annot").is_dir():
        parts = sorted(file.stem for file in (path / "annot").glob("*.json"))
        return read_mpii(path, _chosen(part, parts, "valid", path), check=check)
    found = sorted((path / "annotations").glob("person_keypoints_*.json"))
    if found:
        parts = [file.stem.removeprefix("person_keypoints_") for file in found]
        return read_coco(path, _chosen(part, parts, "val2017", path), image_hw=image_hw, check=check)
    if (path / "joints.npz").exists() or (path / "joints.mat").exists():
        return read_lsp(path, cast(LspPart, part or "all"), image_hw=image_hw, check=check)
    from limner.data.body_sources import is_body_set, read_bodies

    if is_body_set(path):
        return read_bodies(path, part, check=check).as_pose()
    raise FileProblem(
        f"{path} is no data set that limner knows: it needs annot/*.json (MPII), annotations/person_keypoints_*.json "
        "(COCO), joints.mat or joints.npz (LSP), annot.h5, S1/Seq1/annot.mat (MPI-INF-3DHP), sequenceFiles (3DPW) or "
        "*.tfrecord; for COCO's format elsewhere name the json file"
    )


def is_pose_set(root: Path) -> bool:
    """Whether a folder holds a data set with joints in the picture alone: MPII, COCO, LSP or LSP-extended."""
    files = any((root / name).exists() for name in ("joints.npz", "joints.mat"))
    return files or (root / "annot").is_dir() or any((root / "annotations").glob("person_keypoints_*.json"))


def _chosen(part: str | None, parts: list[str], usual: str, path: Path) -> str:
    if not parts:
        raise FileProblem(f"{path} holds no annotation file")
    if part is None:
        return usual if usual in parts else parts[0]
    if part not in parts:
        raise InputError(f"{path} has no part {part!r}; it has {', '.join(parts)}")
    return part
