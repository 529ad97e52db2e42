"""How near a predicted body comes to the true one: errors of joints and vertices, and how calm they are in time.

In: points (..., K, 3) in METRES, predicted and true in the same order. Out: millimetres; PCK and AUC in percent. Which
joints, from where to measure and which frames belong to a protocol: see `MESH_PROTOCOLS`.
Source: Kanazawa et al. 2018, section 4; akanazawa/hmr `src/benchmark/eval_util.py`; Mehta et al. 2017 (3D-PCK, AUC);
Kanazawa et al. 2019 (acceleration error); Flash and Hogan 1985 (jerk).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Float64
from numpy import ndarray

from limner.checks import InputError, ShapeError, check_shape

__all__ = [
    "MESH_PROTOCOLS", "MeshProtocol", "MeshScores", "acceleration", "align_by_root", "align_similar", "auc_3d",
    "jitter", "mesh_scores", "mesh_table", "mpjpe", "pa_mpjpe", "pck_3d", "pve",
]  # fmt: skip

Points = Float[ndarray, "*rows K 3"]
Errors = Float64[ndarray, "*rows"]

LSP_HIPS = (2, 3)
PCK_MM = 150.0
_MM = 1000.0
# Thresholds of the published area under the curve: 0 to 150 mm in steps of 5.
_AUC_STEPS = 31


def align_by_root(points: Points, root: tuple[int, ...] = LSP_HIPS) -> Points:
    """Return points relative to the middle of some of them.

    Args:
        points: in any unit.
        root: rows whose middle is the pelvis: both hips in LSP's order, or the pelvis itself.

    Raises:
        ShapeError: there are fewer points than the rows named.
    """
    _check(points, points)
    if max(root) >= points.shape[-2]:
        raise ShapeError(f"there are {points.shape[-2]} points, and the root asks for rows {root}")
    return points - points[..., list(root), :].mean(-2, keepdims=True)


def align_similar(points: Float[ndarray, "*rows K D"], target: Float[ndarray, "*rows K D"]) -> ndarray:
    """Move, turn and scale points as near to the target as can be; never mirrored. In two or three dimensions.

    Source: Umeyama 1991; akanazawa/hmr `compute_similarity_transform`. Difference: many sets at once; points that all
        coincide, which have no scale, go to the target's middle.
    """
    check_shape(target, "target", tuple(points.shape))
    points, target = np.asarray(points, np.float64), np.asarray(target, np.float64)
    middle = target.mean(-2, keepdims=True)
    x, y = points - points.mean(-2, keepdims=True), target - middle
    u, _, vt = np.linalg.svd(x.swapaxes(-1, -2) @ y)
    signs = np.ones(u.shape[:-1])
    signs[..., -1] = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    rotation = (u * signs[..., None, :]) @ vt  # acts on rows
    spread = (x * x).sum((-1, -2))
    turned = x @ rotation
    scale = (turned * y).sum((-1, -2)) / np.where(spread > 0, spread, 1)
    return scale[..., None, None] * turned + middle


def mpjpe(predicted: Points, true: Points, root: tuple[int, ...] | None = LSP_HIPS) -> Errors:
    """Return each body's mean joint error in mm, both aligned by their roots; `None` leaves them where they are.

    Raises:
        ShapeError: the shapes differ, or are no points in space.
    """
    _check(predicted, true)
    if root is not None:
        predicted, true = align_by_root(predicted, root), align_by_root(true, root)
    return _distances(predicted, true).mean(-1)


def pa_mpjpe(predicted: Points, true: Points) -> Errors:
    """Return each body's mean joint error in mm after the best similarity transform ("reconstruction error").

    Raises:
        ShapeError: the shapes differ, or are no points in space.
    """
    _check(predicted, true)
    return _distances(align_similar(predicted, true), true).mean(-1)


def pve(
    predicted: Points,
    true: Points,
    predicted_root: Float[ndarray, "*rows 3"] | None = None,
    true_root: Float[ndarray, "*rows 3"] | None = None,
) -> Errors:
    """Return each body's mean vertex error in mm.

    Args:
        predicted: vertices.
        true: vertices of the same mesh.
        predicted_root: the pelvis to measure from; None measures where the bodies stand.
        true_root: the true one's.

    Raises:
        ShapeError: the shapes differ, or are no points in space.
        InputError: one root is given and the other is not.
    """
    _check(predicted, true)
    if (predicted_root is None) != (true_root is None):
        raise InputError("vertices are measured from both roots or from none; give both")
    if predicted_root is not None and true_root is not None:
        predicted, true = predicted - predicted_root[..., None, :], true - true_root[..., None, :]
    return _distances(predicted, true).mean(-1)


def pck_3d(predicted: Points, true: Points, *, threshold_mm: float = PCK_MM) -> float:
    """Return the percentage of joints nearer than a threshold; align the points beforehand. NaN without any.

    Raises:
        ShapeError: the shapes differ, or are no points in space.
    """
    _check(predicted, true)
    distances = _distances(predicted, true)
    return float(100 * (distances < threshold_mm).mean()) if distances.size else float("nan")


def auc_3d(predicted: Points, true: Points, *, threshold_mm: float = PCK_MM) -> float:
    """Return the mean of `pck_3d` over 31 thresholds from 0 to the given one, in percent. NaN without points.

    Raises:
        ShapeError: the shapes differ, or are no points in space.

    Source: Mehta et al. 2017 (`mpii_compute_3d_pck`), thresholds every 5 mm.
    """
    _check(predicted, true)
    distances = _distances(predicted, true)
    steps = np.linspace(0, threshold_mm, _AUC_STEPS)
    return float(100 * np.mean([(distances < step).mean() for step in steps])) if distances.size else float("nan")


def acceleration(
    predicted: Float[ndarray, "T K 3"], true: Float[ndarray, "T K 3"], valid: Bool[ndarray, "T"] | None = None
) -> Float64[ndarray, "M"]:
    """Return the acceleration error of each inner frame, in mm per frame squared, as the video literature gives it.

    Args:
        predicted: joints, frame by frame.
        true: joints.
        valid: frames that count; a difference counts when all of its three frames do. None for all.

    Raises:
        ShapeError: the shapes differ, or are no frames of points in space.
    """
    _check(predicted, true)
    check_shape(predicted, "predicted", ("T", "K", 3))
    gap = np.diff(np.asarray(predicted, np.float64) - np.asarray(true, np.float64), n=2, axis=0)
    errors = _MM * np.linalg.norm(gap, axis=-1).mean(-1)
    if valid is None:
        return errors
    check_shape(valid, "valid", (len(predicted),))
    return errors[valid[:-2] & valid[1:-1] & valid[2:]]


def jitter(joints: Float[ndarray, "T K 3"], frame_rate: Fraction | float) -> float:
    """Return the mean size of the third derivative, in m/s^3; 0 for what accelerates evenly. NaN under four frames.

    Raises:
        ShapeError: there are no frames of points in space.
        InputError: the frame rate is not positive.
    """
    check_shape(joints, "joints", ("T", "K", 3))
    if not frame_rate > 0:
        raise InputError(f"a frame rate must be positive, got {frame_rate}")
    jerk = np.diff(np.asarray(joints, np.float64), n=3, axis=0) * float(frame_rate) ** 3
    return float(np.linalg.norm(jerk, axis=-1).mean()) if jerk.size else float("nan")


def _check(predicted: ndarray, true: ndarray) -> None:
    check_shape(predicted, "predicted", (*predicted.shape[:-2], "K", 3))
    check_shape(true, "true", tuple(predicted.shape))


def _distances(predicted: ndarray, true: ndarray) -> Float64[ndarray, "*rows K"]:
    return _MM * np.linalg.norm(np.asarray(predicted, np.float64) - np.asarray(true, np.float64), axis=-1)


@dataclass(frozen=True)
class MeshProtocol:
    """How a published figure is taken.

    Attributes:
        title: in one line, as it stands above a table.
        joints: in which order and number.
        root: rows of the joints whose middle is the pelvis.
        frames: which frames count.
        published: figures by method and then by name of the score; mm and percent.
    """

    title: str
    joints: str
    root: tuple[int, ...]
    frames: str
    published: Mapping[str, Mapping[str, float]]


MESH_PROTOCOLS = {
    "h36m-p1": MeshProtocol(
        "Human3.6M, protocol 1",
        "14 joints, LSP order",
        LSP_HIPS,
        "S9 and S11, all cameras and trials, every fifth frame; (S11, Directions, trial 1, camera 0) left out",
        {
            "HMR": {"MPJPE": 87.97, "PA-MPJPE": 58.1},
            "HMR, unpaired": {"MPJPE": 106.84, "PA-MPJPE": 67.45},
            "HMR, released weights": {"MPJPE": 86.20, "PA-MPJPE": 58.47, "median": 79.47, "PA median": 52.95},
        },
    ),
    "h36m-p2": MeshProtocol(
        "Human3.6M, protocol 2",
        "14 joints, LSP order",
        LSP_HIPS,
        "S9 and S11, camera 3, trial 0, every fifth frame",
        {
            "HMR": {"PA-MPJPE": 56.8},
            "HMR, unpaired": {"PA-MPJPE": 66.5},
            "SMPLify": {"PA-MPJPE": 82.3},
            "SPIN": {"PA-MPJPE": 41.1},
        },
    ),
    "3dhp": MeshProtocol(
        "MPI-INF-3DHP test set",
        "14 joints, LSP order",
        LSP_HIPS,
        "2929 valid frames of 6 people",
        {
            "HMR": {"3D-PCK": 72.9, "AUC": 36.5, "MPJPE": 124.2},
            "HMR, after alignment": {"3D-PCK": 86.3, "AUC": 47.8, "MPJPE": 89.8},
            "HMR, unpaired": {"3D-PCK": 59.6, "AUC": 27.9, "MPJPE": 169.5},
            "HMR, unpaired, after alignment": {"3D-PCK": 77.1, "AUC": 40.7, "MPJPE": 113.2},
        },
    ),
    "3dpw": MeshProtocol(
        "3DPW test set",
        "14 joints by the Human3.6M regressor",
        (0,),
        "all valid people; truth from the model of their sex",
        {"HMR": {"MPJPE": 128.1, "PA-MPJPE": 81.3}, "SPIN": {"MPJPE": 98.6, "PA-MPJPE": 59.2}},
    ),
    "lsp14": MeshProtocol("joints in space", "14 joints, LSP order", LSP_HIPS, "all that were given", {}),
}
"""Named protocols; "lsp14" is for any other data."""


@dataclass(frozen=True)
class MeshScores:
    """Scores of many bodies under a protocol.

    Attributes:
        protocol: its name in `MESH_PROTOCOLS`.
        num_bodies: how many there were.
        named: scores by name; mm, and percent for 3D-PCK and AUC.
    """

    protocol: str
    num_bodies: int
    named: Mapping[str, float]


def mesh_scores(predicted: Float[ndarray, "N K 3"], true: Float[ndarray, "N K 3"], protocol: str) -> MeshScores:
    """Score joints under a protocol; choosing its frames is the caller's part.

    Args:
        predicted: metres.
        true: metres, same order. For "3dpw" row 0 of both must be the pelvis, which is not scored.
        protocol: a name of `MESH_PROTOCOLS`.

    Raises:
        InputError: there is no such protocol, or there is nobody.
        ShapeError: the shapes differ, or are no points in space.
    """
    if protocol not in MESH_PROTOCOLS:
        raise InputError(f"there is no protocol {protocol!r}; there are {', '.join(MESH_PROTOCOLS)}")
    check_shape(predicted, "predicted", ("N", "K", 3))
    _check(predicted, true)
    if not len(predicted):
        raise InputError("there is nobody to score")
    root = MESH_PROTOCOLS[protocol].root
    predicted, true = align_by_root(predicted, root), align_by_root(true, root)
    if root == (0,):
        predicted, true = predicted[:, 1:], true[:, 1:]
    errors, aligned = mpjpe(predicted, true, None), pa_mpjpe(predicted, true)
    named = {
        "MPJPE": errors.mean(), "median": np.median(errors),
        "PA-MPJPE": aligned.mean(), "PA median": np.median(aligned),
        "3D-PCK": pck_3d(predicted, true), "AUC": auc_3d(predicted, true),
    }  # fmt: skip
    return MeshScores(protocol, len(predicted), {name: float(value) for name, value in named.items()})


def mesh_table(scores: MeshScores) -> str:
    """Return the protocol, the scores, and the published figures under it."""
    protocol = MESH_PROTOCOLS[scores.protocol]
    rows = {"measured": scores.named, **protocol.published}
    widths = [max(len(name), 7) for name in scores.named]
    first = max(len(name) for name in rows)
    head = f"{protocol.title}; {protocol.joints}; root: middle of {protocol.root}; {protocol.frames}"
    lines = [f"{head}; {scores.num_bodies} bodies; mm, 3D-PCK at {PCK_MM:g} mm and AUC in percent"]
    lines.append(" " * first + "".join(f"  {name:>{w}}" for name, w in zip(scores.named, widths, strict=True)))
    for title, row in rows.items():
        cells = [f"{row[name]:.2f}" if name in row else "-" for name in scores.named]
        lines.append(f"{title:{first}}" + "".join(f"  {cell:>{w}}" for cell, w in zip(cells, widths, strict=True)))
    return "\n".join(lines)
