"""PCK, PCKh and the area under their curve: how many joints lie near enough to where they are.

In a table for people every score stands with its protocol; see `limner.metrics.reports`.

Sources: Yang and Ramanan 2013 (PCK); Andriluka et al. 2014 (PCKh, the MPII set);
leoxiaobin/deep-high-resolution-net.pytorch `lib/dataset/mpii.py` for the rows of the MPII table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Num
from numpy import ndarray

from limner.checks import InputError, check_shape

# Joints of each row of a table, by their names in the skeletons; a row is the plain mean of those that are there. LSP's
# head has two joints; MPII's neck is called upper_neck and stays out of its head, as published.
_ROWS: dict[str, tuple[str, ...]] = {
    "Head": ("head_top", "neck"),
    "Shoulder": ("left_shoulder", "right_shoulder"),
    "Elbow": ("left_elbow", "right_elbow"),
    "Wrist": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ankle": ("left_ankle", "right_ankle"),
}

HEAD_SHARE = 0.6
"""The head size of PCKh is this share of the diagonal of the head box."""
PCKH_THRESHOLD = 0.5
PUBLISHED_FINE_THRESHOLD = float(np.arange(0, 0.51, 0.01)[11])
"""0.11: the row that is published as Mean@0.1 is the eleventh of thresholds counted from 0 in steps of 0.01."""

_MPII_UNCOUNTED = ("pelvis", "thorax")


@dataclass(frozen=True)
class PckhScores:
    """PCKh in percent, as the MPII tables print it.

    Attributes:
        joints: score of each joint, in the skeleton's order; NaN where no picture shows it.
        rows: Head to Ankle: plain means of left and right.
        mean: joints weighted by how often they are seen, pelvis and thorax left out.
        mean_at_011: the same at 0.11 head sizes, which the published tables call Mean@0.1.
        mean_at_010: the same at 0.10 head sizes.
    """

    joints: Float64[ndarray, "K"]
    rows: Mapping[str, float]
    mean: float
    mean_at_011: float
    mean_at_010: float

    def named(self) -> dict[str, float]:
        """The nine numbers of the published table under its names; Mean@0.1 is the score at 0.11."""
        return {**self.rows, "Mean": self.mean, "Mean@0.1": self.mean_at_011}


def pckh(
    predicted: Num[ndarray, "N K 2"],
    annotated: Num[ndarray, "N K 2"],
    visible: Bool[ndarray, "N K"],
    head_boxes: Num[ndarray, "N 2 2"],
    joints: Sequence[str],
) -> PckhScores:
    """Score joints by the size of the head.

    Args:
        predicted: joints (x, y) in pixels, in the same frame as `annotated`; MPII's annotations count pixels from 1.
        annotated: where they are.
        visible: which joints are annotated; the others do not count.
        head_boxes: two opposite corners (x, y) of each head.
        joints: names of the K joints, as in `limner.pose.SKELETONS["mpii16"]`.

    Returns:
        Scores in percent. A joint that no picture shows is NaN, and with it the means that it enters.

    Raises:
        ShapeError: the numbers of people or joints differ.
        InputError: there is nobody to score, or a head has no size.

    Source: Andriluka et al. 2014. Parity: a hit lies at most 0.5 * 0.6 head diagonals away; for Mean@0.1 see
        `PUBLISHED_FINE_THRESHOLD`.
    """
    check_shape(head_boxes, "head_boxes", (len(annotated), 2, 2))
    heads = np.linalg.norm(head_boxes[:, 1].astype(float) - head_boxes[:, 0], axis=1) * HEAD_SHARE
    thresholds = np.array([PCKH_THRESHOLD, PUBLISHED_FINE_THRESHOLD, 0.1])
    share = 100 * pck(predicted, annotated, visible, heads, thresholds, joints=joints)
    counted = np.array([joint not in _MPII_UNCOUNTED for joint in joints])
    weight = np.where(counted, visible.sum(axis=0), 0)
    weight = weight / max(weight.sum(), 1)
    means = (share[:, counted] * weight[counted]).sum(axis=1)
    return PckhScores(share[0], _table_rows(share[0], joints), *(float(mean) for mean in means))


def pck(
    predicted: Num[ndarray, "N K 2"],
    annotated: Num[ndarray, "N K 2"],
    visible: Bool[ndarray, "N K"],
    size: Num[ndarray, "N"],
    thresholds: Num[ndarray, "T"],
    *,
    joints: Sequence[str] | None = None,
) -> Float64[ndarray, "T K"]:
    """Return the share of each joint's annotations that a prediction comes near.

    Args:
        predicted: joints (x, y) in pixels.
        annotated: where they are.
        visible: which joints are annotated.
        size: what distances are measured by, for each person, in pixels; such as the head or the torso.
        thresholds: largest distance of a hit, in sizes, itself included.
        joints: names of the joints, whose number is then checked.

    Returns:
        Shares from 0 to 1; NaN for a joint that nobody shows.
    """
    count = len(joints) if joints is not None else "K"
    check_shape(annotated, "annotated", ("N", count, 2))
    check_shape(predicted, "predicted", annotated.shape)
    check_shape(visible, "visible", annotated.shape[:2])
    check_shape(size, "size", (len(annotated),))
    if not len(annotated):
        raise InputError("there is nobody to score: the list of people is empty")
    if not (np.asarray(size) > 0).all():
        raise InputError(f"{int((~(np.asarray(size) > 0)).sum())} people have no size to measure distances by")
    distance = np.linalg.norm(predicted.astype(float) - annotated, axis=2) / np.asarray(size, float)[:, None]
    seen = np.asarray(visible, bool)
    near = (distance[None] <= np.asarray(thresholds, float)[:, None, None]) & seen
    shown = seen.sum(axis=0)
    return np.where(shown, near.sum(axis=1) / np.maximum(shown, 1), np.nan)


@dataclass(frozen=True)
class PckScores:
    """PCK in percent with the torso as its measure.

    Attributes:
        joints: score of each joint; NaN where no picture shows it.
        rows: Head to Ankle.
        mean: all annotated joints alike.
        auc: area under the curve of the mean from 0 to the threshold, in percent of its greatest value.
        threshold: largest distance of a hit, in torsos.
        num_people: people scored.
        num_without_torso: people left out, whose torso is not annotated.
    """

    joints: Float64[ndarray, "K"]
    rows: Mapping[str, float]
    mean: float
    auc: float
    threshold: float
    num_people: int
    num_without_torso: int

    def named(self) -> dict[str, float]:
        """The numbers of the table by name."""
        return {**self.rows, "Mean": self.mean, "AUC": self.auc}


def torso_size(
    annotated: Num[ndarray, "N K 2"], visible: Bool[ndarray, "N K"], joints: Sequence[str]
) -> Float64[ndarray, "N"]:
    """Return the longer line from a shoulder to the opposite hip, in pixels; NaN where neither is annotated."""
    check_shape(annotated, "annotated", ("N", len(joints), 2))
    lines = []
    for shoulder, hip in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")):
        ends = [joints.index(shoulder), joints.index(hip)]
        length = np.linalg.norm(annotated[:, ends[0]].astype(float) - annotated[:, ends[1]], axis=1)
        lines.append(np.where(visible[:, ends].all(axis=1) & (length > 0), length, -1.0))
    longer = np.max(lines, axis=0)
    return np.where(longer > 0, longer, np.nan)


def pck_by_torso(
    predicted: Num[ndarray, "N K 2"],
    annotated: Num[ndarray, "N K 2"],
    visible: Bool[ndarray, "N K"],
    joints: Sequence[str],
    *,
    threshold: float = 0.2,
) -> PckScores:
    """Score joints by the size of the torso, as on LSP.

    Args:
        predicted: joints (x, y) in pixels.
        annotated: where they are.
        visible: which joints are annotated.
        joints: their names, as in `limner.pose.SKELETONS["lsp14"]`.
        threshold: largest distance of a hit in torsos (`torso_size`).

    Returns:
        Scores in percent. The area under the curve is taken by trapezia in steps of 0.01 torsos.

    Raises:
        ShapeError: the numbers of people or joints differ.
        InputError: nobody's torso is annotated.
    """
    torso = torso_size(annotated, visible, joints)
    known = np.isfinite(torso)
    if not known.any():
        raise InputError(
            f"none of {len(torso)} people has a shoulder and the opposite hip annotated, so PCK has no measure"
        )
    steps = np.linspace(0, threshold, max(round(threshold / 0.01), 1) + 1)
    seen = np.asarray(visible, bool)[known]
    share = 100 * pck(predicted[known], annotated[known], seen, torso[known], steps, joints=joints)
    curve = np.nansum(share * seen.sum(axis=0), axis=1) / max(seen.sum(), 1)
    auc = float((curve[1:] + curve[:-1]).sum() / 2 / (len(steps) - 1))
    rows = _table_rows(share[-1], joints)
    return PckScores(share[-1], rows, float(curve[-1]), auc, threshold, int(known.sum()), int((~known).sum()))


def _table_rows(share: Float64[ndarray, "K"], joints: Sequence[str]) -> dict[str, float]:
    rows = {}
    for row, members in _ROWS.items():
        places = [joints.index(joint) for joint in members if joint in joints]
        if places:
            rows[row] = float(share[places].mean())
    return rows
