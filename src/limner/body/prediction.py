"""Bodies of people as an HMR network sees them: a crop round each, one pass, the camera taken to the picture.

A network that takes landmarks lifts the locator's joints as they are, without a look at the picture.

Source: Kanazawa et al. 2018; the crop's size is the rule of akanazawa/hmr `demo.py`, from joints instead of boxes.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body.crop import network_input
from limner.body.landmarks import landmarks_in_crop, look_at_crop
from limner.body.models import HMRModel, load_hmr_model
from limner.checks import InputError, NobodyFound
from limner.pose import SKELETONS
from limner.records import Bodies, Keypoints
from limner.runtime import load_network
from limner.types import LicenceName, RgbImage, RuntimeName
from limner.weights import list_weights

__all__ = ["HMRPredictor", "crop_round"]

DEFAULT_WEIGHTS = "hmr-light"
"""The network that comes with limner."""

_SEEN = 0.2  # score above which a keypoint counts for the crop
_HEAD_M = 0.89  # how far the head's top lies beyond the ears, as a share of the way from the neck to the ears
_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "ear", "eye")
_BASE = Rotation.from_matrix(np.diag([1.0, -1.0, -1.0]))
_BATCH = 32


class HMRPredictor:
    """Predicts bodies with one network.

    Attributes:
        model: the network with its weights.
    """

    def __init__(self, model: HMRModel, *, runtime: RuntimeName = "auto", threads: int | None = None) -> None:
        self.model = model
        shape = model.config.input_shape
        # Three small layers: whatever compiles them takes longer than they do.
        chosen = "torch" if runtime == "auto" and model.config.takes == "landmarks" else runtime
        self._network = load_network(model.network, input_shape=shape, runtime=chosen, threads=threads)

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        licence: LicenceName = "any",
        runtime: RuntimeName = "auto",
        threads: int | None = None,
    ) -> HMRPredictor:
        """Load weights by name, run or file; see `load_hmr_model` and `limner.runtime.load_network`.

        Raises:
            WeightsError: there are no such weights, they are damaged, fit no network, or may not be used.
            FileProblem: there is no such file, or the run has no weights yet.
        """
        return cls(load_hmr_model(source, licence=licence), runtime=runtime, threads=threads)

    def predict(self, image: RgbImage, keypoints: Keypoints, body: str = "free") -> Bodies:
        """Predict the body of each person in a picture.

        Args:
            image: RGB.
            keypoints: a row for each person; they say where to look, and are what a network that takes landmarks
                lifts, if they are the locator's own.
            body: whose shape numbers the result is to have: those of another body are left out.

        Raises:
            NobodyFound: a person has fewer than two keypoints to look at.
        """
        size_hw = (image.shape[0], image.shape[1])
        if self.lifts(keypoints):
            return self.lift(keypoints, size_hw, body)
        places, side = self._places(keypoints), self.model.config.input_size
        if self.model.config.takes == "landmarks":
            made = [
                landmarks_in_crop(look_at_crop(image, center, side / zoom), center, side / zoom)
                for center, zoom in places
            ]
        else:
            is_bgr = self.model.config.channels == "bgr"
            made = [network_input(_cut(image, *place, side), bgr=is_bgr) for place in places]
        return self._bodies(made, places, size_hw, body)

    def lifts(self, keypoints: Keypoints) -> bool:
        """Tell whether these keypoints are all that the network needs: the locator's, with metres."""
        of_locator = keypoints.skeleton == "blazepose33" and keypoints.world is not None
        return self.model.config.takes == "landmarks" and of_locator

    def lift(self, keypoints: Keypoints, size_hw: tuple[int, int], body: str = "free") -> Bodies:
        """Predict the body of each row of keypoints, without a picture.

        Args:
            keypoints: of people in one picture, or of one person in the frames of a clip.
            size_hw: of the picture.
            body: as for `predict`.

        Raises:
            InputError: the network, or these keypoints, need the picture.
            NobodyFound: a row has fewer than two keypoints that are seen.
        """
        if not self.lifts(keypoints):
            raise InputError(f"{self.model.name} cannot lift keypoints of {keypoints.skeleton}: give the picture")
        places, side = self._places(keypoints), self.model.config.input_size
        made = [landmarks_in_crop(keypoints[[row]], center, side / zoom) for row, (center, zoom) in enumerate(places)]
        return self._bodies(made, places, size_hw, body)

    def _places(self, keypoints: Keypoints) -> list[tuple[ndarray, float]]:
        return [crop_round(keypoints[[row]], self.model.config.person_px) for row in range(len(keypoints))]

    def _bodies(
        self, made: list[ndarray], places: list[tuple[ndarray, float]], size_hw: tuple[int, int], body: str
    ) -> Bodies:
        """Run the network on what was made of each person, and take the cameras to the picture."""
        side = self.model.config.input_size
        # Small layers gain nothing by batches, and alone a body does not hang on who else is in the picture.
        batch = 1 if self.model.config.takes == "landmarks" else _BATCH
        parts = [np.stack(made[first : first + batch]) for first in range(0, len(made), batch)]
        theta = np.concatenate([self._network(part)[0] for part in parts]).astype(np.float64)
        cameras = [_camera(row[:3], *place, side, size_hw) for row, place in zip(theta, places, strict=True)]
        rotvec = theta[:, 3:75].reshape(-1, 24, 3)
        if self.model.config.turn_base:
            rotvec[:, 0] = (Rotation.from_rotvec(rotvec[:, 0]) * _BASE).as_rotvec()
        betas = theta[:, 75:] if self.knows_shape(body) else np.zeros_like(theta[:, 75:])
        return Bodies(rotvec, betas, np.array(cameras), size_hw, body)

    def knows_shape(self, body: str) -> bool:
        """Tell whether the network's shape numbers are those of a body."""
        return (body == "free") == (self.model.body == "free")


@cache
def shipped_network() -> HMRPredictor | None:
    """Return the network that comes with limner; None where its weights are not there."""
    if DEFAULT_WEIGHTS not in {record.name for record in list_weights()}:
        return None
    return HMRPredictor.load(DEFAULT_WEIGHTS)


def crop_round(keypoints: Keypoints, person_px: float) -> tuple[Float[ndarray, "2"], float]:
    """Return the middle of a person's crop in pixels of the picture, and its zoom: a diagonal of `person_px`.

    Args:
        keypoints: one row. The box goes round the limbs' joints and the head, whose top is put beyond the ears where
            the skeleton has none.
        person_px: diagonal of the box of joints in the crop.

    Raises:
        NobodyFound: fewer than two keypoints are seen.
    """
    names = SKELETONS[keypoints.skeleton].joints
    chosen = [n for n, name in enumerate(names) if name.endswith(_LIMBS) or name in ("nose", "neck", "head_top")]
    points = [keypoints.xy[0, n].astype(np.float64) for n in chosen if keypoints.score[0, n] > _SEEN]
    points += _head_top(keypoints, names)
    if len(points) < 2:
        raise NobodyFound("fewer than two joints of the person are seen; give a picture that shows more of them")
    low, high = np.min(points, 0), np.max(points, 0)
    return (low + high) / 2, person_px / max(float(np.linalg.norm(high - low)), 1.0)


def _head_top(keypoints: Keypoints, names: tuple[str, ...]) -> list[ndarray]:
    wanted = ("left_ear", "right_ear", "left_shoulder", "right_shoulder")
    if "head_top" in names or not all(name in names for name in wanted):
        return []
    rows = [names.index(name) for name in wanted]
    if keypoints.score[0, rows].min() <= _SEEN:
        return []
    ears, shoulders = (keypoints.xy[0, part].astype(np.float64).mean(0) for part in (rows[:2], rows[2:]))
    return [ears + _HEAD_M * 0.75 * (ears - shoulders)]


def _cut(image: RgbImage, center: Float[ndarray, "2"], zoom: float, side: int) -> RgbImage:
    """Cut a square whose middle is `center`; the picture's edge goes on beyond it."""
    # A warp takes four pixels at most; a picture that shrinks more is halved first, or it would flicker.
    halvings = max(0, math.floor(math.log2(1 / zoom))) if zoom < 1 else 0
    if halvings:
        new = tuple(max(1, length // 2**halvings) for length in image.shape[1::-1])
        factor = np.array(image.shape[1::-1]) / new
        image = cv2.resize(image, new, interpolation=cv2.INTER_AREA)
        center, zoom = (center + 0.5) / factor - 0.5, zoom * float(factor.mean())
    shift = side / 2 - zoom * np.asarray(center)
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _camera(
    camera: Float[ndarray, "3"], center: Float[ndarray, "2"], zoom: float, side: int, size_hw: tuple[int, int]
) -> Float[ndarray, "3"]:
    """Take a camera over a crop to the picture frame."""
    longer = max(size_hw)
    s = max(float(camera[0]), 1e-3) * side / (zoom * longer)
    middle = (2 * np.asarray(center) - (np.array(size_hw[::-1]) - 1)) / longer
    return np.array([s, *(camera[1:] + middle / s)])
