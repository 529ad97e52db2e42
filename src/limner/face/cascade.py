"""MTCNN's cascade: from a picture to boxes and five points, with the published thresholds.

For identity scores that are to be compared with published ones, whose crops were made so. Otherwise `FaceFinder` finds
more.

Source: Zhang et al. 2016; the order of the steps as in eladrich/pixel2style2pixel `models/mtcnn`. Difference: where the
first network finds nothing the answer is empty; the published code fails there.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from limner.checks import WeightsError
from limner.face.finder import Faces, check_picture
from limner.face.mtcnn import (
    OutputNet,
    ProposalNet,
    RefineNet,
    cut_out,
    make_square,
    move_boxes,
    normalise,
    proposals,
    suppress,
)
from limner.face.pickles import read_pickled_npy
from limner.face.resample import resize_8bit
from limner.records import Boxes
from limner.types import RgbImage
from limner.weights import file_path, load_strictly, read_checkpoint

_LEAST_FACE, _CELL, _FACTOR = 20.0, 12, 0.707
_THRESHOLDS = (0.15, 0.25, 0.35)
_NMS = 0.7
_NMS_SCALE = 0.5
_NETWORKS: tuple[tuple[str, type[nn.Module]], ...] = (("pnet", ProposalNet), ("rnet", RefineNet), ("onet", OutputNet))


class MtcnnFinder:
    """The three networks and what happens between them.

    Args:
        networks: of proposals, of refinement, of output, in evaluation mode.
    """

    def __init__(self, networks: tuple[ProposalNet, RefineNet, OutputNet]) -> None:
        self._networks = networks

    @classmethod
    def load(cls, weights: str | Path = "mtcnn") -> MtcnnFinder:
        """Return the finder with the published weights.

        Args:
            weights: the folder of pnet.npy, rnet.npy and onet.npy, or the name that they were imported by.

        Raises:
            WeightsError: they were not imported, are damaged, or belong to other networks.
            FileProblem: a file of the folder is missing.
        """
        folder = Path(weights)
        state = read_mtcnn(folder) if folder.is_dir() else read_checkpoint(file_path(str(weights)))
        made = []
        for name, kind in _NETWORKS:
            network = kind().eval().requires_grad_(False)
            own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            load_strictly(network, own, f"MTCNN's {name}")
            made.append(network)
        return cls(cast(tuple[ProposalNet, RefineNet, OutputNet], tuple(made)))

    @torch.inference_mode()
    def find(self, image: RgbImage) -> Faces:
        """Find faces and their five points, best first, as the published evaluation does.

        Raises:
            InputError: the picture is not RGB of 8 bits.
        """
        check_picture(image)
        boxes = self._propose(image)
        boxes = self._refine(image, boxes) if len(boxes) else boxes
        return self._finish(image, boxes) if len(boxes) else Faces(Boxes(np.zeros((0, 4)), np.zeros(0)), _no_points())

    def _propose(self, image: RgbImage) -> Float[ndarray, "N 5"]:
        found = []
        height, width = image.shape[:2]
        for scale in scales(height, width):
            size = int(np.ceil(width * scale)), int(np.ceil(height * scale))
            batch = torch.from_numpy(normalise(resize_8bit(image, size)))[None]
            offsets, probability = self._networks[0](batch)
            boxes = proposals(probability[0, 1].numpy(), offsets.numpy(), scale, _THRESHOLDS[0])
            found.append(boxes[suppress(boxes[:, :5], _NMS_SCALE)])
        boxes = np.vstack(found) if found else np.zeros((0, 9))
        boxes = boxes[suppress(boxes[:, :5], _NMS)]
        return _whole(make_square(move_boxes(boxes[:, :5], boxes[:, 5:])))

    def _refine(self, image: RgbImage, boxes: ndarray) -> Float[ndarray, "N 5"]:
        offsets, probability = (out.numpy() for out in self._networks[1](_patches(image, boxes, 24)))
        keep = np.flatnonzero(probability[:, 1] > _THRESHOLDS[1])
        boxes = np.hstack([boxes[keep, :4], probability[keep, 1:]])
        kept = suppress(boxes, _NMS)
        return _whole(make_square(move_boxes(boxes[kept], offsets[keep][kept])))

    def _finish(self, image: RgbImage, boxes: ndarray) -> Faces:
        points, offsets, probability = (out.numpy() for out in self._networks[2](_patches(image, boxes, 48)))
        keep = np.flatnonzero(probability[:, 1] > _THRESHOLDS[2])
        boxes = np.hstack([boxes[keep, :4], probability[keep, 1:]])
        sides = boxes[:, 2:4] - boxes[:, :2] + 1.0
        shares = points[keep].reshape(-1, 2, 5).transpose(0, 2, 1)
        five = boxes[:, None, :2] + sides[:, None] * shares
        boxes = move_boxes(boxes, offsets[keep])
        kept = suppress(boxes, _NMS, "min")
        return Faces(Boxes(boxes[kept, :4], boxes[kept, 4]), five[kept].astype(np.float32))


def scales(height: int, width: int) -> list[float]:
    """Return by how much the picture is shrunk for each look of the first network."""
    first = _CELL / _LEAST_FACE
    found: list[float] = []
    length = min(height, width) * first
    while length > _CELL:
        found.append(first * _FACTOR ** len(found))
        length *= _FACTOR
    return found


def read_mtcnn(folder: str | Path) -> dict[str, Tensor]:
    """Read the three published files, pnet.npy, rnet.npy and onet.npy, without running them.

    Returns:
        Tensors by their official keys below `pnet.`, `rnet.` and `onet.`.

    Raises:
        FileProblem: a file is missing.
        WeightsError: a file is damaged, or holds something else than arrays.
    """
    state: dict[str, Tensor] = {}
    for name, kind in _NETWORKS:
        arrays = read_pickled_npy(Path(folder) / f"{name}.npy")
        tensors = {key: torch.from_numpy(np.array(value, np.float32)) for key, value in arrays.items()}
        if tensors.keys() != kind().state_dict().keys():
            odd = sorted(tensors.keys() ^ kind().state_dict().keys())
            raise WeightsError(f"{name}.npy in {folder} belongs to another network: {', '.join(odd[:4])}")
        state |= {f"{name}.{key}": value for key, value in tensors.items()}
    return state


def _patches(image: RgbImage, boxes: ndarray, side: int) -> Tensor:
    return torch.from_numpy(cut_out(image, boxes, side))


def _whole(boxes: ndarray) -> ndarray:
    boxes[:, :4] = np.round(boxes[:, :4])
    return boxes


def _no_points() -> ndarray:
    return np.zeros((0, 5, 2), np.float32)
