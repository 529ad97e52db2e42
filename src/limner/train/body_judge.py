"""How good an HMR network is: bodies of everybody in a data set, their errors in space and in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import HMR, SMPL, FastSMPL, load_body
from limner.data import BodySamples, BodySource
from limner.pose import SKELETONS, draw_keypoints
from limner.records import Keypoints
from limner.render import over, shade
from limner.train.body_crops import cut_sample
from limner.train.body_data import PlainCrops, crop_rule, looks_of
from limner.train.body_protocols import BodyScores, Scored, score_bodies
from limner.train.body_settings import BodyConfig
from limner.train.machine import Machine
from limner.train.order import judged_batches
from limner.train.run import Watch
from limner.types import RgbImage

_CHUNK = 64  # bodies posed at a time
_LABELS = ("keypoints", "joints", "has_joints", "rotvec", "betas", "has_smpl")
_SHAPES = {"keypoints": (19, 3), "joints": (14, 3), "has_joints": (), "rotvec": (24, 3), "betas": (10,), "has_smpl": ()}


@dataclass(frozen=True)
class Found:
    """Bodies of people, with what is known of them.

    Attributes:
        rows: whose, in the source.
        theta: found: camera over the crop, axis-angles (the root without the turn of a turned base), betas.
        labels: `keypoints`, `joints`, `has_joints`, `rotvec`, `betas`, `has_smpl` of the same people, over the crop.
        start: the theta that the network starts from, which is its answer for somebody it sees nothing of.
    """

    rows: ndarray
    theta: Float32[ndarray, "N 85"]
    labels: dict[str, ndarray]
    start: Float32[ndarray, "85"]


@torch.no_grad()
def predict_bodies(
    network: HMR,
    source: BodySource,
    config: BodyConfig,
    machine: Machine,
    *,
    rows: ndarray | None = None,
    watch: Watch | None = None,
) -> Found:
    """Find the bodies of people; processes share the work.

    Args:
        network: on the machine's device; left in evaluation mode.
        source: of the people.
        config: of the run.
        machine: device and processes.
        rows: whom to take; None takes everybody.
        watch: called after every batch.

    Raises:
        FileProblem: a picture is missing or cannot be decoded.
    """
    network.eval()
    rows = np.arange(len(source)) if rows is None else rows
    crops = PlainCrops(source, crop_rule(config), rows, looks_of(config))
    found = np.zeros((len(rows), 85), np.float32)
    labels = {name: np.zeros((len(rows), *shape), np.float32) for name, shape in _SHAPES.items()}
    read = judged_batches(crops, config.test.batch, machine, workers=config.data.workers, watch=watch)
    for part, batch in read:
        with machine.autocast():
            theta = network(batch[config.network.table.takes]).float()
        found[part] = theta.cpu().numpy()
        for name in _LABELS:
            labels[name][part] = batch[name].cpu().numpy()
    everybody = {name: machine.joined(array) for name, array in {"theta": found, **labels}.items()}
    start = network.regressor.mean_theta.detach().cpu().numpy()[None].copy()
    turned = config.network.table.turn_base
    return Found(rows, _plain_base(everybody.pop("theta"), turned), everybody, _plain_base(start, turned)[0])


def _plain_base(theta: Float32[ndarray, "N 85"], turned: bool) -> Float32[ndarray, "N 85"]:
    """Take the turn of the base into the root, so that any body poses it."""
    if turned and len(theta):
        root = Rotation.from_rotvec(theta[:, 3:6]) * Rotation.from_matrix(np.diag([1.0, -1.0, -1.0]))
        theta[:, 3:6] = root.as_rotvec()
    return theta


def judge_bodies(found: Found, source: BodySource, config: BodyConfig, fast: FastSMPL) -> BodyScores:
    """Score bodies by what their data set allows.

    Args:
        found: from `predict_bodies`.
        source: of the people.
        config: of the run.
        fast: the body, for vertices.

    Raises:
        InputError: there is nobody with labels to be judged by, or the protocol does not fit the data set.
        FileProblem: silhouettes or the bodies of 3DPW are missing.
    """
    layer = SMPL(load_body(config.body), skeletons=("cocoplus19", "h36m17"))
    labels = found.labels
    keypoints = _posed(layer, found.theta, "cocoplus19")
    told = _posed(layer, _theta_of(labels), "cocoplus19")[:, :14]
    is_given = labels["has_joints"] > 0
    camera = found.theta[:, None, :3]
    scored = Scored(
        found=keypoints[:, :14],
        true=np.where(is_given[:, None, None], labels["joints"], told),
        has_true=is_given | (labels["has_smpl"] > 0),
        start=np.repeat(_posed(layer, found.start[None], "cocoplus19")[:, :14], len(keypoints), 0),
        pixels=_pixels(camera[..., :1] * (keypoints[..., :2] + camera[..., 1:]), config.network.size),
        true_pixels=_pixels(labels["keypoints"][..., :2], config.network.size),
        seen=labels["keypoints"][..., 2] > 0,
        vertex_errors=_vertex_errors(found, fast),
        clip=source.clip if isinstance(source, BodySamples) else (),
        frame=source.frame if isinstance(source, BodySamples) else np.zeros(len(found.rows), np.int64),
    )
    return score_bodies(scored, found.theta, labels, source, config, layer)


def _theta_of(labels: dict[str, ndarray]) -> Float32[ndarray, "N 85"]:
    count = len(labels["betas"])
    return np.concatenate([np.ones((count, 3)), labels["rotvec"].reshape(count, 72), labels["betas"]], 1).astype(
        np.float32
    )


@torch.no_grad()
def _posed(layer: SMPL, theta: Float32[ndarray, "N 85"], skeleton: str) -> Float32[ndarray, "N K 3"]:
    parts = []
    for start in range(0, max(len(theta), 1), _CHUNK):
        rows = torch.from_numpy(np.ascontiguousarray(theta[start : start + _CHUNK]))
        posed = layer(rows[:, 75:], rows[:, 3:75].unflatten(1, (24, 3)))
        parts.append(layer.keypoints(posed.vertices, skeleton).numpy())
    return np.concatenate(parts)


def _pixels(points: ndarray, size: int) -> ndarray:
    return (points + 1) * size / 2


def _vertex_errors(found: Found, fast: FastSMPL) -> ndarray:
    """Mean distance of vertices, both measured from the pelvis, mm; NaN for people without SMPL's numbers."""
    errors = np.full(len(found.rows), np.nan)
    known = np.flatnonzero(found.labels["has_smpl"] > 0)
    for start in range(0, len(known), _CHUNK):
        rows = known[start : start + _CHUNK]
        theta = found.theta[rows]
        made, joints = fast(theta[:, 75:], theta[:, 3:75].reshape(-1, 24, 3))
        true, true_joints = fast(found.labels["betas"][rows], found.labels["rotvec"][rows])
        gap = (made - joints[:, :1]) - (true - true_joints[:, :1])
        errors[rows] = 1000 * np.linalg.norm(gap, axis=-1).mean(-1)
    return errors


def draw_bodies(found: Found, source: BodySource, config: BodyConfig, fast: FastSMPL, count: int) -> RgbImage:
    """Return a sheet of crops: the picture, the body found over it, and its labels: the true body, or marked joints."""
    chosen = np.linspace(0, len(found.rows) - 1, min(count, len(found.rows))).round().astype(int)
    rule = crop_rule(config)
    columns = []
    for place in chosen:
        sample = cut_sample(source.person(int(found.rows[place])), rule, None)
        pixels = sample["image"][:: -1 if rule.is_bgr else 1].transpose(1, 2, 0)
        crop = np.ascontiguousarray(np.rint((pixels + 1) * 127.5).clip(0, 255).astype(np.uint8))
        theta = found.theta[place]
        rows = [crop, _with_body(crop, theta, fast), _with_labels(crop, sample, theta, fast)]
        columns.append(np.concatenate(rows, axis=0))
    return np.concatenate(columns, axis=1)


def _with_body(crop: RgbImage, theta: ndarray, fast: FastSMPL) -> RgbImage:
    camera = theta[:3].astype(np.float32).copy()
    if camera[0] <= 1e-3:
        return crop  # a network that has learned nothing yet may put people behind the viewer
    camera[1:] += (
        1 / len(crop) / camera[0]
    )  # the crop's frame counts from a pixel's corner, the picture's from its middle
    vertices, _ = fast(theta[None, 75:], theta[None, 3:75].reshape(1, 24, 3))
    return over(shade(vertices[0], fast.data.faces, camera, crop.shape[:2]), crop, opacity=0.85)


def _with_labels(crop: RgbImage, sample: dict, theta: ndarray, fast: FastSMPL) -> RgbImage:
    points = sample["keypoints"]
    if sample["has_smpl"] > 0:
        camera = _fitted_camera(sample, fast)
        return _with_body(crop, np.concatenate([camera, sample["rotvec"].reshape(-1), sample["betas"]]), fast)
    seen = points[:, 2] > 0
    xy = np.where(seen[:, None], _pixels(points[:, :2], len(crop)), 0)
    large = cv2.resize(crop, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    drawn = draw_keypoints(
        large, Keypoints(2 * xy[None], seen[None].astype(np.float32), "cocoplus19"), skeleton=SKELETONS["cocoplus19"]
    )
    return cv2.resize(drawn, crop.shape[1::-1], interpolation=cv2.INTER_AREA)


def _fitted_camera(sample: dict, fast: FastSMPL) -> ndarray:
    """The weak camera under which the true body has its marked joints: least squares of (s, s tx, s ty)."""
    vertices, _ = fast(sample["betas"][None], sample["rotvec"][None])
    body = (fast.data.keypoint_regressors["cocoplus19"] @ vertices[0])[:, :2]
    points = sample["keypoints"]
    seen = points[:, 2] > 0
    rows = np.concatenate([body[seen].T.reshape(-1, 1), np.kron(np.eye(2), np.ones((int(seen.sum()), 1)))], 1)
    s, x, y = np.linalg.lstsq(rows, points[seen, :2].T.reshape(-1), rcond=None)[0]
    return np.array([s, x / s, y / s]) if s > 1e-3 else np.zeros(3)
