"""DeepFashion pairs as Liquid Warping GAN uses them: two pictures of a person with their face maps and the flow.

Layout: `img_256/`, `pairs_{train,test}.pkl` (a list of [source, target]), and beside it
`{train,test}_256_v2_max_bbox_dp_hmr_pairs_results/*.pkl`, which sorted by name go with the list one by one.
Source: Liu et al. 2016 (DeepFashion); svip-lab/impersonator `data/fashion_dataset.py`. Parity: pairs whose source shows
a side or the back, told by the path, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int32
from numpy import ndarray

from limner.body import read_pickle, read_pickled
from limner.checks import FileProblem
from limner.data.faults import Faults
from limner.data.pictures import read_picture
from limner.types import RgbImage

_HIDDEN_VIEWS = ("side", "back")


@dataclass(frozen=True)
class FashionPair:
    """Two pictures of one person, and what the published fit says of them.

    Attributes:
        source, target: the pictures.
        source_faces, target_faces: (H, W) who owns each pixel of the body, -1 for none.
        source_from_target: (H, W, 2) the flow.
    """

    source: RgbImage
    target: RgbImage
    source_faces: Int32[ndarray, "H W"]
    target_faces: Int32[ndarray, "H W"]
    source_from_target: Float32[ndarray, "H W 2"]


@dataclass(frozen=True)
class FashionPairs:
    """The pairs of a part.

    Attributes:
        root: the data set's folder.
        names: pictures of each pair below `img_256`.
        results: the file of each pair's fit.
    """

    root: Path
    names: tuple[tuple[str, str], ...]
    results: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> FashionPair:
        """Read a pair.

        Raises:
            FileProblem: a picture or the fit is missing, or the fit is not what it should be.
            WeightsError: the fit's file holds more than arrays.
        """
        source, target = (read_picture(self.root / "img_256", name) for name in self.names[index])
        path = self.results[index]
        kept = read_pickle(path)
        faces = [_face_map(kept.get(name), name, path) for name in ("from_face_index_map", "to_face_index_map")]
        flow = kept.get("T")
        if not isinstance(flow, ndarray) or flow.shape != (*faces[1].shape, 2):
            raise FileProblem(f"{path} holds no flow T of shape {(*faces[1].shape, 2)}")
        return FashionPair(source, target, faces[0], faces[1], flow.astype(np.float32))


def _face_map(given: object, name: str, path: Path) -> Int32[ndarray, "H W"]:
    if not isinstance(given, ndarray) or given.ndim not in (2, 3):
        raise FileProblem(f"{path} holds no {name} of two or three axes")
    # The nearest face comes first where several were kept.
    return (given if given.ndim == 2 else given[..., 0]).astype(np.int32)


def read_deepfashion(root: str | Path, part: Literal["train", "test"] = "train") -> FashionPairs:
    """List the pairs of a part.

    Raises:
        FileProblem: the list is missing.
        DatasetError: the list and its results do not go together; the message has all faults.
        WeightsError: the list's file holds more than names.
    """
    root = Path(root)
    path = root / f"pairs_{part}.pkl"
    listed = read_pickled(path)
    results = sorted((root / f"{part}_256_v2_max_bbox_dp_hmr_pairs_results").glob("*.pkl"))
    faults = Faults(path)
    if not isinstance(listed, (list, tuple)) or not all(len(pair) == 2 for pair in listed):
        faults.add("it is no list of pairs of names", path.name)
        raise faults.error()
    if len(results) != len(listed):
        faults.add("pairs and results differ in number", f"{len(listed)} pairs, {len(results)} results")
    names = [(str(source), str(target)) for source, target in listed]
    missing = sorted({name for pair in names for name in pair if not (root / "img_256" / name).is_file()})
    for name in missing:
        faults.add("pictures that are not there", name)
    faults.raise_if_any()
    kept = [n for n, (source, _) in enumerate(names) if not any(view in source for view in _HIDDEN_VIEWS)]
    return FashionPairs(root, tuple(names[n] for n in kept), tuple(results[n] for n in kept))
