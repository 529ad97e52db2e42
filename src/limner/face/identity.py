"""How alike two faces are: the angle between their embeddings."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.face.embedding import FaceEmbedder
from limner.face.finder import FaceFinder
from limner.types import RgbImage


class IdentityScore:
    """Compares faces by dlib's network, each brought onto its chip by its own points.

    Args:
        embedder: the network.
        finder: finds the points where none are given.
    """

    def __init__(self, embedder: FaceEmbedder, finder: FaceFinder) -> None:
        self._embedder, self._finder = embedder, finder

    @classmethod
    def load(cls, *, finder: FaceFinder | None = None) -> IdentityScore:
        """Return a score with the networks of the package."""
        return cls(FaceEmbedder.load(), finder or FaceFinder.load())

    def __call__(self, first: RgbImage, second: RgbImage, five: Float[ndarray, "5 2"] | None = None) -> float | None:
        """Return the cosine between the faces of two aligned crops of one size: 1 for the same picture.

        Args:
            first: RGB.
            second: RGB.
            five: where the points of the first lie, if that is known.

        Returns:
            None where either shows no face.
        """
        a, b = self._numbers(first, five), self._numbers(second, None)
        if a is None or b is None:
            return None
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    def _numbers(self, image: RgbImage, five: ndarray | None) -> ndarray | None:
        if five is None:
            faces = self._finder.find(image, smallest=1 / 4)
            if not len(faces):
                return None
            five = faces.five[0]
        numbers: ndarray = self._embedder.embed(image, np.asarray(five)[None])[0]
        return numbers


@cache
def default_identity() -> IdentityScore:
    """Return the score with the networks of the package, read once."""
    return IdentityScore.load()
