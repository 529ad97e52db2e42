"""Scores of one made frame beside the real one: likeness of pixels, of features, of the face and of the clothes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32
from numpy import ndarray
from torch import Tensor

from limner.checks import InputError
from limner.face import FaceEmbedder, FaceFinder
from limner.losses import Lpips
from limner.metrics import (
    Inception,
    cosine_similarity,
    frechet_distance,
    inception_score,
    psnr,
    ssim,
    stripe_features,
    stripe_likeness,
)
from limner.types import RgbImage

FACE_SIDE = 128
"""Side in pixels of the square round the person that the face network's features are compared on."""


@dataclass(frozen=True)
class ScoreOptions:
    """What is measured beside SSIM and PSNR; all files are the user's own.

    Attributes:
        lpips: torchvision's AlexNet; LPIPS is then taken instead of the distance of our own network's features.
        lpips_linear: the published weights of its layers, version 0.1; needed with `lpips`.
        inception: Inception v3, torchvision's or the one ported for FID; FID and IS are then taken.
    """

    lpips: str | Path | None = None
    lpips_linear: str | Path | None = None
    inception: str | Path | None = None

    def __post_init__(self) -> None:
        if (self.lpips is None) != (self.lpips_linear is None):
            raise InputError("LPIPS needs two files: AlexNet (--lpips) and the weights of its layers (--lpips-linear)")


@dataclass(frozen=True)
class RealFrame:
    """A frame as it was filmed.

    Attributes:
        image: RGB.
        mask: where the person is.
        five: points of their face; None where it is not seen.
        face: its embedding.
    """

    image: RgbImage
    mask: Bool[ndarray, "H W"]
    five: Float32[ndarray, "5 2"] | None
    face: Float32[ndarray, "128"] | None


class FrameScorer:
    """Measures frames; loads its networks when they are first needed."""

    def __init__(self, options: ScoreOptions | None = None) -> None:
        self.options = options or ScoreOptions()
        if self.options.lpips is not None and self.options.lpips_linear is not None:
            self._lpips: Lpips | None = Lpips("alex")
            self._lpips.load_parts(self.options.lpips, self.options.lpips_linear)
            self._lpips.eval()
        else:
            self._lpips = None
        self._inception = None if self.options.inception is None else Inception.load(self.options.inception)[0]

    @cached_property
    def finder(self) -> FaceFinder:
        """Who finds faces."""
        return FaceFinder.load()

    @cached_property
    def embedder(self) -> FaceEmbedder:
        """Who tells faces apart."""
        return FaceEmbedder.load()

    @property
    def distance_name(self) -> str:
        """What the distance of features is called: LPIPS only where it is LPIPS."""
        return "face_net_distance" if self._lpips is None else "lpips"

    def real(self, image: RgbImage, mask: Bool[ndarray, "H W"], *, with_face: bool = True) -> RealFrame:
        """Take down what a real frame shows; faces are looked for within the person's box alone."""
        five = self._face_within(image, mask) if with_face else None
        face = None if five is None else self.embedder.embed(image, five[None])[0]
        return RealFrame(image, mask, five, face)

    def score(self, made: RgbImage, real: RealFrame) -> dict[str, float]:
        """Compare a made frame with the real one; a face that is not seen scores not a number.

        Faces are compared at the place of the real one, clothes within the real person's mask, so that all answers are
        asked the same.
        """
        return {
            "ssim_frame": ssim(made, real.image),
            "psnr_frame": psnr(made, real.image),
            "ssim_mask": ssim(made, real.image, real.mask),
            "psnr_mask": psnr(made, real.image, real.mask),
            self.distance_name: self._distance(made, real),
            "face": self._face_likeness(made, real),
            "clothes": stripe_likeness(stripe_features(made, real.mask), stripe_features(real.image, real.mask)),
        }

    def _face_likeness(self, made: RgbImage, real: RealFrame) -> float:
        """The cosine of the embeddings of a made face, at the place of the real one, and the real one."""
        if real.five is None or real.face is None:
            return float("nan")
        return cosine_similarity(self.embedder.embed(made, real.five[None]), real.face[None])

    def same_face(self, one: RealFrame, other: RealFrame) -> float:
        """Return the cosine of the embeddings of two faces that were found."""
        if one.face is None or other.face is None:
            raise InputError("both frames must show a face to be compared")
        return cosine_similarity(one.face[None], other.face[None])

    def same_clothes(self, one: RealFrame, other: RealFrame) -> float:
        """Return how alike two persons are dressed, each within their own mask."""
        return stripe_likeness(stripe_features(one.image, one.mask), stripe_features(other.image, other.mask))

    @torch.inference_mode()
    def features(self, image: RgbImage) -> tuple[Float32[ndarray, "2048"], Float32[ndarray, "classes"]] | None:
        """Return Inception's pooled features and logits of a frame; None without its weights."""
        if self._inception is None:
            return None
        features, logits = self._inception(_signed(image))
        return features[0].numpy(), logits[0].numpy()

    def _face_within(self, image: RgbImage, mask: Bool[ndarray, "H W"]) -> Float32[ndarray, "5 2"] | None:
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        if not len(rows):
            return None
        top, left = max(0, rows[0] - 8), max(0, columns[0] - 8)
        part = np.ascontiguousarray(image[top : rows[-1] + 9, left : columns[-1] + 9])
        faces = self.finder.find(part)
        return None if not len(faces) else (faces.five[0] + np.float32([left, top])).astype(np.float32)

    @torch.inference_mode()
    def _distance(self, made: RgbImage, real: RealFrame) -> float:
        if self._lpips is not None:
            return float(self._lpips(_signed(made), _signed(real.image)))
        pair = [_square_round(image, real.mask) for image in (made, real.image)]
        maps = [self.embedder.maps(torch.from_numpy(one.transpose(2, 0, 1)[None].astype(np.float32))) for one in pair]
        return float(sum(_unit_gap(one, other) for one, other in zip(*maps, strict=True)))


def _signed(image: RgbImage) -> Tensor:
    return torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1)


def _unit_gap(one: Tensor, other: Tensor) -> float:
    """The mean squared gap of features of length one at each pixel, as LPIPS has it, all channels alike."""
    one, other = (x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10) for x in (one, other))
    return float((one - other).square().sum(dim=1).mean())


def _square_round(image: RgbImage, mask: Bool[ndarray, "H W"]) -> RgbImage:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    half = max(8, int(max(rows[-1] - rows[0], columns[-1] - columns[0]) * 0.55))
    middle = (int(rows[0] + rows[-1]) // 2, int(columns[0] + columns[-1]) // 2)
    padded = cv2.copyMakeBorder(image, half, half, half, half, cv2.BORDER_REPLICATE)
    part = padded[middle[0] : middle[0] + 2 * half, middle[1] : middle[1] + 2 * half]
    return cv2.resize(part, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)


Features = list[tuple[ndarray, ndarray]]


def set_scores(made: Features, real: Features) -> Mapping[str, float]:
    """Compare two sets of frames by Inception's features: FID, and IS by both definitions.

    `is_published` is taken over the pooled features, as the published scores of motion are; `is` over class logits.
    """
    scores = {}
    if made:
        features, logits = (np.stack(rows) for rows in zip(*made, strict=True))
        scores = {"is": inception_score(logits), "is_published": inception_score(features)}
        if len(made) > 1 and len(real) > 1:
            scores["fid"] = frechet_distance(features, np.stack([row for row, _ in real]))
    return scores
