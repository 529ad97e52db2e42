"""Scores of faces: distance to the wanted picture, whether it is the same person, and label maps.

Pictures are compared at 256 pixels in [-1, 1]. Published figures (Richardson et al. 2021, table 1, inversion of
CelebA-HQ's test faces) stand beside those that are taken in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Integer
from numpy import ndarray
from torch import Tensor, nn

from limner.checks import InputError, check_shape
from limner.face import FaceEmbedder, FaceFinder, MtcnnFinder, face_tensor, warp_arcface
from limner.metrics.published_images import frechet_distance
from limner.types import RgbImage

PUBLISHED_INVERSION = {"identity": 0.56, "lpips": 0.17, "l2": 0.03}
"""Pixel2style2pixel's own inversion of CelebA-HQ's test faces; identity by CurricularFace, LPIPS by AlexNet."""

_RECOGNISER_RANGE = 127.5


@dataclass(frozen=True)
class FaceScores:
    """Scores of a set of faces.

    Attributes:
        each: of every picture by name; a score that could not be taken is missing.
        fid: Frechet distance of Inception's features; None without its weights.
        num_without_face: pairs in which a face was not found, so that identity leaves them out.
        protocol: how each score was taken, by its name.
    """

    each: Mapping[str, Mapping[str, float]]
    fid: float | None
    num_without_face: int
    protocol: Mapping[str, str]

    @property
    def means(self) -> dict[str, float]:
        """Mean of each score over the pictures that have it, and FID."""
        names = dict.fromkeys(name for scores in self.each.values() for name in scores)
        means = {
            name: float(np.mean([scores[name] for scores in self.each.values() if name in scores])) for name in names
        }
        return means if self.fid is None else {**means, "fid": self.fid}

    def table(self) -> str:
        """Return the means, one a line, with their protocol and the published figure where there is one."""
        lines = [f"{len(self.each)} pictures"]
        for name, value in self.means.items():
            beside = f"; published {PUBLISHED_INVERSION[name]}" if self._is_published(name) else ""
            lines.append(f"{name:10} {value:8.4f}  {self.protocol[name]}{beside}")
        if self.num_without_face:
            lines.append(f"{self.num_without_face} without a face in one of the pictures; identity leaves them out")
        return "\n".join(lines)

    def _is_published(self, name: str) -> bool:
        return name in PUBLISHED_INVERSION and not (name == "identity" and "CurricularFace" not in self.protocol[name])


@dataclass
class FaceJudge:
    """Compares results with wanted pictures, one pair after the other.

    Attributes:
        lpips: `limner.losses.Lpips` with weights, or None.
        recogniser: `limner.face.ir_101()` with CurricularFace's weights; None takes the package's own embedding.
        inception: `limner.metrics.Inception` with weights, for FID, or None.
        mtcnn: finds the five points as the published evaluation does; None takes FaceMesh.
        has_faces: whether identity is measured at all.
    """

    lpips: nn.Module | None = None
    recogniser: nn.Module | None = None
    inception: nn.Module | None = None
    mtcnn: MtcnnFinder | None = None
    has_faces: bool = True
    _each: dict[str, dict[str, float]] = field(default_factory=dict)
    _features: tuple[list[ndarray], list[ndarray]] = field(default_factory=lambda: ([], []))
    _faceless: int = 0
    _embedder: FaceEmbedder | None = None
    _finder: FaceFinder | MtcnnFinder | None = None

    @torch.no_grad()
    def add(self, name: str, result: RgbImage, wanted: RgbImage) -> dict[str, float]:
        """Compare a pair; return its scores."""
        x, y = face_tensor(result)[None], face_tensor(wanted)[None]
        scores = {"l2": float((x - y).square().mean())}
        if self.lpips is not None:
            scores["lpips"] = float(self.lpips(x, y))
        if self.has_faces:
            likeness = self._likeness(result, wanted)
            self._faceless += likeness is None
            scores |= {} if likeness is None else {"identity": likeness}
        if self.inception is not None:
            for kept, picture in zip(self._features, (x, y), strict=True):
                kept.append(self.inception(picture)[0].numpy()[0])
        self._each[name] = scores
        return scores

    def scores(self) -> FaceScores:
        """Return the scores of all pairs so far.

        Raises:
            InputError: there is no pair.
        """
        if not self._each:
            raise InputError("there is no pair of pictures to be judged by")
        results, wanted = (np.array(kept) for kept in self._features)
        fid = frechet_distance(results, wanted) if len(results) > 1 else None
        by = "CurricularFace's cosine" if self.recogniser is not None else "cosine of dlib's 128 numbers, our embedding"
        protocol = {
            "l2": "mean square at 256 pixels in [-1, 1]",
            "lpips": "LPIPS 0.1 on AlexNet at 256 pixels",
            "identity": f"{by}, faces aligned by five points of {'FaceMesh' if self.mtcnn is None else 'MTCNN'}",
            "fid": "Frechet distance of Inception's pooled features",
        }
        return FaceScores(dict(self._each), fid, self._faceless, protocol)

    def _likeness(self, result: RgbImage, wanted: RgbImage) -> float | None:
        vectors = [self._vector(picture) for picture in (result, wanted)]
        if vectors[0] is None or vectors[1] is None:
            return None
        a, b = (vector / np.linalg.norm(vector) for vector in vectors)
        return float(a @ b)

    def _vector(self, picture: RgbImage) -> Float32[ndarray, "D"] | None:
        self._finder = self._finder or self.mtcnn or FaceFinder.load()
        faces = self._finder.find(picture)
        if not len(faces):
            return None
        if self.recogniser is None:
            self._embedder = self._embedder or FaceEmbedder.load()
            return self._embedder.embed(picture, faces.five[:1])[0]
        chip, _ = warp_arcface(picture, faces.five[0])
        pixels = torch.from_numpy(chip.astype(np.float32).transpose(2, 0, 1))
        features: Tensor = self.recogniser(pixels[None] / _RECOGNISER_RANGE - 1)
        return features[0].numpy()


def map_scores(labels: Integer[ndarray, "H W"], wanted: Integer[ndarray, "H W"], num_classes: int) -> dict[str, Any]:
    """Return what a label map has in common with the wanted one.

    Args:
        labels: a class for each pixel.
        wanted: of the same size.
        num_classes: classes are 0..num_classes - 1.

    Returns:
        `accuracy`, the share of equal pixels; `iou` (K,), intersection over union of each class, nan where neither map
        has it; `miou`, its mean over the classes that either has.

    Raises:
        ShapeError: the maps differ in size.
        InputError: a map has a class that there is not.
    """
    check_shape(wanted, "wanted", labels.shape)
    largest, least = max(int(labels.max()), int(wanted.max())), min(int(labels.min()), int(wanted.min()))
    if least < 0 or largest >= num_classes:
        raise InputError(f"label maps of {num_classes} classes may hold 0..{num_classes - 1}, got {least}..{largest}")
    joint = np.bincount(labels.ravel().astype(int) * num_classes + wanted.ravel(), minlength=num_classes**2)
    joint = joint.reshape(num_classes, num_classes)
    union = joint.sum(axis=0) + joint.sum(axis=1) - joint.diagonal()
    iou = np.where(union > 0, joint.diagonal() / np.maximum(union, 1), np.nan)
    return {"accuracy": float(joint.trace() / joint.sum()), "iou": iou, "miou": float(np.nanmean(iou))}
