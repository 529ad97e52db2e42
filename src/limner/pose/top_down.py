"""From boxes to joints: every person of a picture through a heatmap network at once.

Source: Xiao et al. 2018, Sun et al. 2019; leoxiaobin/deep-high-resolution-net.pytorch `lib/core/function.py` (the flip
test) and `demo/inference.py` (boxes of a detector are neither clipped nor shrunk).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.checks import InputError
from limner.pose.crop import crop_from_box, crop_matrix, cut_out, normalise
from limner.pose.heatmaps import DecodingName, Peaks, decode, flip_average, peaked
from limner.pose.models import PoseModel
from limner.pose.skeletons import SKELETONS
from limner.records import Boxes, Keypoints
from limner.runtime import load_network
from limner.types import PostProcess, RgbImage, RuntimeName

_METHODS: dict[str, DecodingName] = {"published": "quarter", "dark": "dark"}
_AT_ONCE = 64  # crops in one call: a crowd must not take all memory


class HeatmapPredictor:
    """A heatmap network, ready to find the joints of people whose boxes are known."""

    def __init__(
        self,
        model: PoseModel,
        *,
        runtime: RuntimeName = "auto",
        flip_test: bool = True,
        decoding: PostProcess = "published",
        threads: int | None = None,
    ) -> None:
        """Make the network ready.

        Raises:
            InputError: there is no such decoding or runtime.
            MissingExtra: the runtime is not installed.
        """
        if decoding not in _METHODS:
            raise InputError(f"no decoding is called {decoding!r}; there are {', '.join(_METHODS)}")
        self.table = model.table
        self._flip_test, self._method = flip_test, _METHODS[decoding]
        self._network = load_network(
            model.network, input_shape=(-1, 3, *model.table.input_hw), runtime=runtime, threads=threads
        )

    def predict(self, image: RgbImage, boxes: Boxes) -> Keypoints:
        """Return the joints of the people in `boxes`, a row each.

        Scores are the maxima of the heatmaps, cut to 0..1.
        """
        peaks = self.peaks(image, boxes.xyxy)
        return Keypoints(peaks.xy, np.clip(peaks.score, 0, 1), self.table.skeleton)

    def peaks(self, image: RgbImage, boxes_xyxy: Float32[ndarray, "N 4"]) -> Peaks:
        """Return the joints in pixels, and the raw maxima of their heatmaps."""
        height, width = self.table.input_hw
        boxes_xywh = np.concatenate([boxes_xyxy[:, :2], np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 1)], axis=1)
        center, scale = crop_from_box(boxes_xywh, width / height)
        if not len(boxes_xyxy):
            joints = len(SKELETONS[self.table.skeleton])
            return Peaks(np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32))
        heatmaps = self._heatmaps(self._crops(image, center, scale))
        return decode(heatmaps, center, scale, method=self._method, sigma=self.table.sigma)

    def _crops(self, image: RgbImage, center: ndarray, scale: ndarray) -> Float32[ndarray, "N 3 h w"]:
        size, as_bgr = self.table.input_hw, self.table.as_bgr
        matrices = crop_matrix(center, scale, size)
        return np.stack([normalise(cut_out(image, matrix, size), as_bgr=as_bgr) for matrix in matrices])

    def _heatmaps(self, crops: Float32[ndarray, "N 3 h w"]) -> Float32[ndarray, "N J h w"]:
        """The flip test puts each crop and its mirror image into one batch."""
        if not self._flip_test:
            return self._run(crops)
        both = self._run(np.concatenate([crops, crops[..., ::-1]]))
        count = len(crops)
        return flip_average(both[:count], both[count:], SKELETONS[self.table.skeleton].flip_pairs)

    def _run(self, crops: Float32[ndarray, "N 3 h w"]) -> Float32[ndarray, "N J h w"]:
        parts = [self._network(crops[start : start + _AT_ONCE])[0] for start in range(0, len(crops), _AT_ONCE)]
        raw = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return peaked(raw, self.table.sigma) if self.table.is_logits else raw
