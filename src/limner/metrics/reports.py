"""Tables of scores for people: every number beside its protocol and beside the published figure for that network.

Source: Sun et al. 2019 and Xiao et al. 2018, in the tables of leoxiaobin/deep-high-resolution-net.pytorch;
all with the flip test and the quarter-cell shift of the peaks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from limner.metrics.coco_eval import CocoScores
from limner.metrics.keypoints import PckhScores, PckScores

_COCO_COLUMNS = ("AP", "Ap .5", "AP .75", "AP (M)", "AP (L)", "AR")
_MPII_COLUMNS = ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean", "Mean@0.1")

_COCO_VAL = {
    ("pose-resnet-50", (256, 192)): (0.704, 0.886, 0.783, 0.671, 0.772, 0.763),
    ("pose-resnet-50", (384, 288)): (0.722, 0.893, 0.789, 0.681, 0.797, 0.776),
    ("pose-resnet-101", (256, 192)): (0.714, 0.893, 0.793, 0.681, 0.781, 0.771),
    ("pose-resnet-101", (384, 288)): (0.736, 0.896, 0.803, 0.699, 0.811, 0.791),
    ("pose-resnet-152", (256, 192)): (0.720, 0.893, 0.798, 0.687, 0.789, 0.778),
    ("pose-resnet-152", (384, 288)): (0.743, 0.896, 0.811, 0.705, 0.816, 0.797),
    ("hrnet-w32", (256, 192)): (0.744, 0.905, 0.819, 0.708, 0.810, 0.798),
    ("hrnet-w32", (384, 288)): (0.758, 0.906, 0.825, 0.720, 0.827, 0.809),
    ("hrnet-w48", (256, 192)): (0.751, 0.906, 0.822, 0.715, 0.818, 0.804),
    ("hrnet-w48", (384, 288)): (0.763, 0.908, 0.829, 0.723, 0.834, 0.812),
}
_MPII_VAL = {
    ("pose-resnet-50", (256, 256)): (96.4, 95.3, 89.0, 83.2, 88.4, 84.0, 79.6, 88.5, 34.0),
    ("pose-resnet-101", (256, 256)): (96.9, 95.9, 89.5, 84.4, 88.4, 84.5, 80.7, 89.1, 34.0),
    ("pose-resnet-152", (256, 256)): (97.0, 95.9, 90.0, 85.0, 89.2, 85.3, 81.3, 89.6, 35.0),
    ("hrnet-w32", (256, 256)): (97.1, 95.9, 90.3, 86.4, 89.1, 87.1, 83.3, 90.3, 37.7),
}


@dataclass(frozen=True)
class PublishedScores:
    """What the authors print for a network.

    Attributes:
        scores: by the names of our tables.
        protocol: how they were taken.
    """

    scores: Mapping[str, float]
    protocol: str


@dataclass(frozen=True)
class EvaluationProtocol:
    """How scores were taken; the words that stand above the table.

    Attributes:
        dataset: such as "COCO val2017" or "MPII valid".
        network: its name in `limner.pose.NETWORKS`, or any other.
        input_hw: the network's input in pixels.
        boxes: where the people's boxes come from, as `PoseSamples.boxes` says.
        flip_test: whether heatmaps are averaged with those of the mirrored picture.
        decoding: how peaks become joints.
        suppression: how doubles are dropped and scores are made; empty where nothing is.
    """

    dataset: str
    network: str
    input_hw: tuple[int, int]
    boxes: str
    flip_test: bool
    decoding: str
    suppression: str = ""

    def text(self) -> str:
        """The protocol in one line."""
        height, width = self.input_hw
        parts = [
            f"boxes: {self.boxes}",
            f"flip test: {'yes' if self.flip_test else 'no'}",
            f"decoding: {self.decoding}",
        ]
        parts += [f"people: {self.suppression}"] if self.suppression else []
        return f"{self.dataset}, {self.network} {height}x{width}; " + "; ".join(parts)


def published_scores(dataset: str, network: str, input_hw: tuple[int, int]) -> PublishedScores | None:
    """Return what is published for a network on a data set; None where nothing is.

    Args:
        dataset: "COCO val2017" or "MPII valid".
        network: such as hrnet-w32 or pose-resnet-50.
        input_hw: its input in pixels.
    """
    if dataset == "COCO val2017" and (network, input_hw) in _COCO_VAL:
        scores = dict(zip(_COCO_COLUMNS, _COCO_VAL[network, input_hw], strict=True))
        return PublishedScores(scores, "boxes of a person detector with AP 56.4, flip test, quarter-cell shift")
    if dataset == "MPII valid" and (network, input_hw) in _MPII_VAL:
        scores = dict(zip(_MPII_COLUMNS, _MPII_VAL[network, input_hw], strict=True))
        return PublishedScores(scores, "annotated centre and scale, flip test, quarter-cell shift")
    return None


def score_table(scores: CocoScores | PckhScores | PckScores, protocol: EvaluationProtocol) -> str:
    """Return the protocol, the scores, the published figure for that network, and what to know of them."""
    named = scores.named()
    digits = 4 if isinstance(scores, CocoScores) else 2
    published = published_scores(protocol.dataset, protocol.network, protocol.input_hw)
    widths = [max(len(name), 7) for name in named]
    lines = [
        protocol.text(),
        " " * 10 + "".join(f"  {name:>{width}}" for name, width in zip(named, widths, strict=True)),
        _row("measured", [named[name] for name in named], widths, digits),
    ]
    if published is not None:
        values = [published.scores.get(name, math.nan) for name in named]
        lines.append(_row("published", values, widths, 3 if isinstance(scores, CocoScores) else 1))
        lines.append(f"published with: {published.protocol}")
    else:
        lines.append(f"published: no figure for {protocol.network} of this input on {protocol.dataset}")
    return "\n".join([*lines, *_remarks(scores)])


def _row(title: str, values: list[float], widths: list[int], digits: int) -> str:
    cells = ["-" if math.isnan(value) else f"{value:.{digits}f}" for value in values]
    return f"{title:10}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _remarks(scores: CocoScores | PckhScores | PckScores) -> list[str]:
    if isinstance(scores, PckhScores):
        return [
            "PCKh: percent of annotated joints within 0.5 head sizes, a head size being 0.6 diagonals of the head box; "
            "Mean leaves pelvis and thorax out",
            "Mean@0.1 is taken at 0.11 head sizes, as the published column is; "
            f"at 0.10 the mean is {scores.mean_at_010:.2f}",
        ]
    if isinstance(scores, PckScores):
        left_out = f"; {scores.num_without_torso} people without one are left out" if scores.num_without_torso else ""
        return [
            f"PCK@{scores.threshold:g}: percent of annotated joints within {scores.threshold:g} torsos, a torso being "
            f"the longer line from a shoulder to the opposite hip, over {scores.num_people} people{left_out}",
            f"AUC: mean PCK from 0 to {scores.threshold:g} torsos, by trapezia in steps of 0.01",
        ]
    return ["AP and AR: COCO keypoint evaluation, OKS from 0.50 to 0.95, at most 20 people a picture"]
