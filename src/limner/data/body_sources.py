"""Which data set of bodies lies at a path, told by its files."""

from __future__ import annotations

from pathlib import Path

from limner.checks import FileProblem
from limner.data.annot_h5 import ANNOTATIONS, read_annot_h5
from limner.data.body_samples import BodySamples, bodies_from_pose
from limner.data.mpi_inf_3dhp import is_mpi_inf_3dhp, read_mpi_inf_3dhp
from limner.data.sources import is_pose_set, read_samples
from limner.data.synthetic_files import BODIES, read_people
from limner.data.tfrecords import is_tfrecords, read_tfrecords
from limner.data.threedpw import is_threedpw, read_threedpw

# Heights of a torso in the crops of people without an ankle, as the original's conversions have them.
_COCO_TORSO_PX = 75.0
_TORSO_PX = 56.0


def is_body_set(root: Path) -> bool:
    """Whether a folder holds a data set with bodies in space."""
    return is_mpi_inf_3dhp(root) or is_threedpw(root) or is_tfrecords(root) or (root / ANNOTATIONS).is_file()


def read_bodies(
    path: str | Path, part: str | None = None, *, images: str | Path | None = None, check: bool = True
) -> BodySamples:
    """Read the data set at a path: with joints or bodies in space, or with joints in the picture alone.

    Args:
        path: people of `limner data make synthetic`, MPI-INF-3DHP, 3DPW, a folder with `annot.h5`, a folder of the
            original HMR's TFRecords; or anything that `read_samples` knows (MPII, COCO, LSP, LSP-extended, a json
            file), from which the people that HMR can learn from are taken.
        part: train, valid, test, val2017, ...; None takes the part to learn from where bodies are in space (3DPW:
            test), else what `read_samples` takes.
        images: for a json file, the folder or zip file of its pictures.
        check: raise on everything that is wrong.

    Raises:
        FileProblem: there is nothing at the path, or nothing that is known.
        DatasetError: the annotations have faults; the message has all of them.
        InputError: the part does not exist.
        MissingExtra: the files are HDF5 and h5py is not installed.
    """
    root = Path(path)
    if not root.exists():
        raise FileProblem(f"no data set at {root}: nothing is there")
    if (root / BODIES).is_file():
        return read_people(root)
    if root.is_dir() and not is_pose_set(root):
        if is_mpi_inf_3dhp(root):
            return read_mpi_inf_3dhp(root, part or _part_of_3dhp(root), check=check)
        if is_threedpw(root):
            return read_threedpw(root, part or "test", check=check)
        if (root / ANNOTATIONS).is_file():
            return read_annot_h5(root, part or "train", check=check)
        if is_tfrecords(root):
            return read_tfrecords(root, part, check=check)
    samples = read_samples(root, part, images=images, check=check)
    is_coco = samples.skeleton.name == "coco17"
    # The original takes people of COCO with six joints; the others' are whole as they come.
    return bodies_from_pose(samples, min_joints=6 if is_coco else 5, torso_px=_COCO_TORSO_PX if is_coco else _TORSO_PX)


def _part_of_3dhp(root: Path) -> str:
    return "train" if any(root.glob("S[1-8]")) else "test"
