"""The face of every frame repaired by an encoder and its generator, kept where it is clearly more like the photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import NobodyFound
from limner.face import FaceEditor, FaceEmbedder, FaceFinder, Faces, cut_square, paste_face
from limner.media import read_image
from limner.records import Boxes
from limner.types import LicenceName, RgbImage

_ALIGNED_SIDE = 256
_LEAST_GAIN = 0.02  # of likeness; less comes and goes from frame to frame, and so would the face
_GROWTH = 0.5  # of the head's box on each side, so that the finder sees what surrounds a face


class FaceRepair:
    """Repairs the face in one frame after another: a `limner.motion.FacePass`.

    Args:
        editor: aligned faces to better ones.
        photo: the person's photo, by whose largest face likeness is measured.

    Attributes:
        frames: how many were given.
        repaired: how many faces became clearly more like the photo's, and were kept.

    Raises:
        NobodyFound: the photo shows no face.
    """

    def __init__(self, editor: FaceEditor, photo: RgbImage) -> None:
        self._editor, self._finder, self._embedder = editor, FaceFinder.load(), FaceEmbedder.load()
        faces = self._finder.find(photo)
        if not len(faces):
            raise NobodyFound("no face was found in the photo, so that no repaired one can be compared with it")
        self._wanted = self._vector(photo, faces)
        self.frames = self.repaired = 0

    @classmethod
    def load(cls, weights: str | Path, photo: str | Path, *, licence: LicenceName = "any") -> FaceRepair:
        """Load the editor's weights and the photo.

        Args:
            weights: what `FaceEditor.load` takes.
            photo: the person's photo.
            licence: "commercial" refuses weights that are not known to allow commercial use.

        Raises:
            WeightsError: there are no such weights, or they are of another kind.
            FileProblem: a file is missing or cannot be read.
            NobodyFound: the photo shows no face.
        """
        return cls(FaceEditor.load(weights, licence=licence), read_image(photo))

    def __call__(self, frame: RgbImage, box: Float32[ndarray, "4"]) -> RgbImage:
        """Return the frame with a face clearly more like the photo's, or as it was.

        Args:
            frame: RGB.
            box: of the head: left, top, right, bottom in pixels.
        """
        self.frames += 1
        faces = self._find(frame, box)
        if not len(faces):
            return frame
        aligned = cut_square(frame, faces.quads[0], _ALIGNED_SIDE)
        pasted = paste_face(frame, self._editor.invert(aligned).image, faces)
        before, after = (float(self._vector(picture, faces) @ self._wanted) for picture in (frame, pasted))
        if after - before < _LEAST_GAIN:
            return frame
        self.repaired += 1
        return pasted

    def _find(self, frame: RgbImage, box: Float32[ndarray, "4"]) -> Faces:
        """The largest face near the head, in the frame's pixels."""
        low, high = np.asarray(box[:2], np.float64), np.asarray(box[2:], np.float64)
        grown = _GROWTH * (high - low)
        size = np.array(frame.shape[1::-1])
        left, top = np.floor(np.clip(low - grown, 0, size)).astype(int)
        right, bottom = np.ceil(np.clip(high + grown, 0, size)).astype(int)
        if min(right - left, bottom - top) < 2:
            return Faces(Boxes(np.zeros((0, 4)), np.zeros(0)), np.zeros((0, 5, 2), np.float32))
        found = self._finder.find(np.ascontiguousarray(frame[top:bottom, left:right]))[:1]
        shift = np.array([left, top, 0], np.float32)
        mesh = None if found.mesh is None else found.mesh + shift
        boxes = Boxes(found.boxes.xyxy + np.tile(shift[:2], 2), found.boxes.score)
        return Faces(boxes, found.five + shift[:2], mesh)

    def _vector(self, picture: RgbImage, faces: Faces) -> Float32[ndarray, "128"]:
        """A face's embedding, of length one."""
        vector = self._embedder.embed(picture, faces.five[:1])[0]
        return vector / np.linalg.norm(vector)
