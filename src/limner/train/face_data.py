"""What a pixel2style2pixel run learns from: pairs of what comes in and what is to come out, for each task."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from limner.data import PictureFolder, pair_folders, part_folder, read_folder
from limner.face import face_tensor, grey, label_tensor, low_resolution, sketch_edges, sketch_tensor
from limner.train.face_settings import FaceDataSection, FaceTrainConfig
from limner.types import RgbImage

_HOLE_CORNERS = 3
_FLIP, _SOURCE_FLIP, _FACTOR, _HOLE = 3, 4, 5, 6  # which random numbers of a sample these are


@dataclass(frozen=True)
class FacePairs:
    """Pairs of pictures as samples; random numbers come from the seed, the epoch and the index alone.

    Attributes:
        config: of the run.
        target: what is to come out.
        source: what comes in; None makes it of the target.
        varies: whether pictures are mirrored, and holes and factors drawn anew in each epoch.
    """

    config: FaceTrainConfig
    target: PictureFolder
    source: PictureFolder | None
    varies: bool = True

    def __len__(self) -> int:
        return len(self.target)

    def sample(self, index: int, epoch: int) -> dict[str, Tensor]:
        """Return `source` (C, S, S) as the task feeds it, and `target` (3, S, S) in [-1, 1].

        Raises:
            FileProblem: a picture is gone or cannot be decoded.
            InputError: a label map has classes that there are not.
        """
        epoch = epoch if self.varies else 0
        task, side = self.config.task, self.config.loss.side
        picture = self.target.read(index)
        if task in ("inversion", "toonify", "other_domain", "frontalisation") and self._drawn(index, epoch, _FLIP):
            picture = np.ascontiguousarray(picture[:, ::-1])
        target = face_tensor(picture, side)
        if self.source is not None:
            return {"source": self._given(self.source.read(index), index, epoch), "target": target}
        return {"source": self._made(picture, target, index, epoch), "target": target}

    def _given(self, picture: RgbImage, index: int, epoch: int) -> Tensor:
        task, data, side = self.config.task, self.config.data, self.config.loss.side
        if task == "segmentation":
            return label_tensor(picture[..., 0], data.classes, data.label_resize, side)
        if task == "sketch":
            return sketch_tensor(picture, side)
        return self._made(picture, face_tensor(picture, side), index, epoch)

    def _made(self, picture: RgbImage, tensor: Tensor, index: int, epoch: int) -> Tensor:
        """What the task makes of a picture; inversion and its kin leave it as it is."""
        task, side = self.config.task, self.config.loss.side
        numbers = self._numbers(index, epoch, _HOLE)
        if task == "sketch":
            return sketch_tensor(sketch_edges(picture), side)
        if task == "frontalisation" and self._drawn(index, epoch, _SOURCE_FLIP):
            return tensor.flip(2)
        if task == "super_resolution":
            factor = int(self._numbers(index, epoch, _FACTOR).choice(self.config.data.factors))
            return face_tensor(low_resolution(picture, factor), side)
        if task == "colourisation":
            return face_tensor(np.repeat(grey(picture)[..., None], 3, axis=2), side)
        if task == "inpainting":
            return tensor * torch.from_numpy(~draw_hole(side, numbers))
        return tensor

    def _drawn(self, index: int, epoch: int, which: int) -> bool:
        return self.varies and bool(self._numbers(index, epoch, which).random() < 0.5)

    def _numbers(self, index: int, epoch: int, which: int) -> np.random.Generator:
        return np.random.default_rng([self.config.loop.seed, epoch, index, which])


def draw_hole(side: int, numbers: np.random.Generator) -> ndarray:
    """Return a (side, side) triangle of truth values that covers from a tenth of a picture to about a third."""
    while True:
        corners = numbers.uniform(0, side - 1, (_HOLE_CORNERS, 2)).round().astype(np.int32)
        hole = cv2.fillPoly(np.zeros((side, side), np.uint8), [corners], 1).astype(bool)
        if 0.1 <= hole.mean() <= 0.35:
            return hole


def read_face_data(config: FaceTrainConfig) -> tuple[FacePairs, FacePairs]:
    """Return what is learned from and what is judged by.

    Raises:
        FileProblem: a folder is missing or has no pictures.
        DatasetError: sources and targets do not belong together.
        InputError: a part is empty.
    """
    data = config.data
    source, target = _folders(data.source, data.target, data)
    if data.valid_target:
        return FacePairs(config, target, source), _judged(config, *_folders(data.valid_source, data.valid_target, data))
    train, valid = part_folder(target, data.valid_share)
    if source is None:
        return FacePairs(config, train, None), _judged(config, None, valid)
    of_train, of_valid = part_folder(source, data.valid_share)
    return FacePairs(config, train, of_train), _judged(config, of_valid, valid)


def _judged(config: FaceTrainConfig, source: PictureFolder | None, target: PictureFolder) -> FacePairs:
    return FacePairs(config, target, source, varies=False)


def _folders(source: str, target: str, data: FaceDataSection) -> tuple[PictureFolder | None, PictureFolder]:
    targets = read_folder(target)
    sources = None
    if source:
        sources, targets = pair_folders(read_folder(source), targets)
    if not data.limit or data.limit >= len(targets):
        return sources, targets
    places = np.linspace(0, len(targets) - 1, data.limit).round().astype(int).tolist()
    return None if sources is None else sources[places], targets[places]
