"""Which numbers a data set's bodies are judged by, each with its protocol and what is published for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from limner.body import SMPL, FastSMPL, load_body
from limner.checks import InputError
from limner.data import BodySamples, BodySource, read_silhouette, silhouette_files
from limner.metrics import (
    MeshScores,
    acceleration,
    align_by_root,
    jitter,
    mesh_scores,
    mesh_table,
    mpjpe,
    pa_mpjpe,
    pck_by_torso,
)
from limner.pose import SKELETONS
from limner.render import corners_from_vertices, rasterise
from limner.train.body_crops import crop_place, picture_cameras
from limner.train.body_data import crop_rule
from limner.train.body_settings import BodyConfig

_H36M_CLIP = re.compile(r"^S(9|11)_(?P<action>.+)_(?P<trial>\d)_cam(?P<camera>\d)$")
_CORRUPT = ("S11_Directions_1_cam0",)
# Human3.6M's regressor: the pelvis, and LSP's fourteen among its seventeen.
_H36M_ROWS = [0, 6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
_LSP_NAMES = SKELETONS["lsp14"].joints
_PUBLISHED_SILHOUETTES = {
    "HMR": (91.67, 0.87), "HMR, unpaired": (91.30, 0.86), "SMPLify": (91.89, 0.88),
}  # fmt: skip


@dataclass(frozen=True)
class BodyScores:
    """What a judgement found.

    Attributes:
        score: the one number that runs are compared by; larger is better.
        score_name: its name.
        numbers: all numbers by name; mm, percent.
        text: the tables for people, each with its protocol.
    """

    score: float
    score_name: str
    numbers: dict[str, float]
    text: str


@dataclass(frozen=True)
class Scored:
    """People with what was found and what is true, row by row.

    Attributes:
        found: LSP's joints, metres.
        true: LSP's joints, metres.
        has_true: who has them.
        start: LSP's joints of the body that the network starts from.
        pixels: cocoplus19, found, in pixels of the crop.
        true_pixels: cocoplus19, marked.
        seen: which are marked.
        vertex_errors: mm; NaN where unknown.
        clip: the film each row is a frame of; empty where rows are no films.
        frame: number of the frame.
    """

    found: Float[ndarray, "N 14 3"]
    true: Float[ndarray, "N 14 3"]
    has_true: Bool[ndarray, "N"]
    start: Float[ndarray, "N 14 3"]
    pixels: Float[ndarray, "N 19 2"]
    true_pixels: Float[ndarray, "N 19 2"]
    seen: Bool[ndarray, "N 19"]
    vertex_errors: Float[ndarray, "N"]
    clip: tuple[str, ...]
    frame: ndarray


def score_bodies(
    scored: Scored,
    theta: Float[ndarray, "N 85"],
    labels: Mapping[str, ndarray],
    source: BodySource,
    config: BodyConfig,
    layer: SMPL,
) -> BodyScores:
    """Return all numbers that the labels allow, with their protocols.

    Raises:
        InputError: nobody has labels, or the protocol does not fit the data set.
    """
    numbers: dict[str, float] = {}
    texts = [_head(source, config)]
    if _is_3dpw(source, config):
        texts.append(_threedpw(theta, labels, source, config, layer, numbers))
    elif scored.has_true.any():
        texts += [_in_space(scored, name, rows, numbers) for name, rows in _protocols(scored, source, config)]
    texts += _films(scored, config, numbers)
    texts += _in_picture(scored, numbers)
    if config.test.silhouettes:
        texts.append(_silhouettes(theta, source, config, numbers))
    if not numbers:
        raise InputError(f"{source.name} has no labels to judge bodies by")
    name = next(name for name in ("PA-MPJPE", "PCK@0.2", *numbers) if name in numbers)
    score = -numbers[name] if "MPJPE" in name else numbers[name]
    return BodyScores(score, f"-{name}" if "MPJPE" in name else name, numbers, "\n".join(texts))


def _head(source: BodySource, config: BodyConfig) -> str:
    crops = {"hmr": "crops as the original", "pytorch-hmr": "crops as pytorch_HMR", "affine": "the original's crops"}
    network = f"{config.network.name} at {config.network.size}x{config.network.size}"
    return f"{source.name}; {network}; body {config.body}; {crops[config.augment.kind]} round the annotated joints"


def _is_3dpw(source: BodySource, config: BodyConfig) -> bool:
    told = config.test.protocol
    return told == "3dpw" or (told == "auto" and source.name.startswith("3DPW"))


def _protocols(scored: Scored, source: BodySource, config: BodyConfig) -> list[tuple[str, ndarray]]:
    """The protocols that apply, and whose rows they count."""
    rows, told = np.flatnonzero(scored.has_true), config.test.protocol
    clips = [_H36M_CLIP.match(clip) for clip in scored.clip] if scored.clip else []
    is_h36m = bool(clips) and all(clips)
    if told in ("h36m-p1", "h36m-p2") and not is_h36m:
        raise InputError(
            f"test.protocol is {told}, but {source.name} does not name its films as S9_Directions_0_cam0 and the like"
        )
    if not is_h36m:
        usual = "3dhp" if source.name == "MPI-INF-3DHP test" else "lsp14"
        return [(usual if told == "auto" else told, rows)]
    kept = np.array([clip not in _CORRUPT for clip in scored.clip])
    frontal = np.array([found["camera"] == "3" and found["trial"] == "0" for found in clips if found])
    held = {"h36m-p1": rows[kept[rows]], "h36m-p2": rows[frontal[rows]]}
    return [(name, some) for name, some in held.items() if told in ("auto", name) and len(some)]


def _in_space(scored: Scored, protocol: str, rows: ndarray, numbers: dict[str, float]) -> str:
    scores = mesh_scores(scored.found[rows], scored.true[rows], protocol)
    prefix = "" if "MPJPE" not in numbers else f"{protocol} "
    numbers |= {prefix + name: value for name, value in scores.named.items()}
    lines = [mesh_table(scores), _start_line(scored, rows, numbers, prefix)]
    if protocol.startswith("h36m"):
        lines.append(_action_line(scored, rows, numbers, prefix))
    errors = scored.vertex_errors[rows]
    if np.isfinite(errors).any():
        numbers[f"{prefix}PVE"] = float(np.nanmean(errors))
        lines.append(
            f"PVE {numbers[f'{prefix}PVE']:.2f} mm; vertices from the pelvis, {np.isfinite(errors).sum()} bodies"
        )
    return "\n".join(lines)


def _start_line(scored: Scored, rows: ndarray, numbers: dict[str, float], prefix: str) -> str:
    plain, aligned = mpjpe(scored.start[rows], scored.true[rows]), pa_mpjpe(scored.start[rows], scored.true[rows])
    numbers[f"{prefix}start MPJPE"], numbers[f"{prefix}start PA-MPJPE"] = float(plain.mean()), float(aligned.mean())
    return f"the mean body for everybody: MPJPE {plain.mean():.2f}, PA-MPJPE {aligned.mean():.2f}"


def _action_line(scored: Scored, rows: ndarray, numbers: dict[str, float], prefix: str) -> str:
    """Means of the actions' means, as the original prints them beside those over all frames."""
    found = (_H36M_CLIP.match(scored.clip[row]) for row in rows)
    actions = np.array([match["action"] if match else "" for match in found])
    errors = {
        "MPJPE": mpjpe(scored.found[rows], scored.true[rows]),
        "PA-MPJPE": pa_mpjpe(scored.found[rows], scored.true[rows]),
    }
    parts = []
    for name, values in errors.items():
        mean = float(np.mean([values[actions == action].mean() for action in np.unique(actions)]))
        numbers[f"{prefix}{name}, mean of actions"] = mean
        parts.append(f"{name} {mean:.2f}")
    return f"mean of the means of {len(np.unique(actions))} actions: {', '.join(parts)}"


def _films(scored: Scored, config: BodyConfig, numbers: dict[str, float]) -> list[str]:
    """How calm films are: acceleration error over neighbouring frames, and jitter where the frame rate is known."""
    errors, jerks = [], []
    for clip in dict.fromkeys(name for name in scored.clip if name):
        rows = np.flatnonzero(
            [name == clip and known for name, known in zip(scored.clip, scored.has_true, strict=True)]
        )
        rows = rows[np.argsort(scored.frame[rows], kind="stable")]
        if len(rows) < 4:
            continue
        step = np.diff(scored.frame[rows])
        usable = np.concatenate([[True], step == np.median(step)])
        found, true = align_by_root(scored.found[rows]), align_by_root(scored.true[rows])
        errors.append(acceleration(found, true, usable))
        if config.test.frame_rate:
            jerks.append(jitter(found, config.test.frame_rate))
    if not errors or not sum(map(len, errors)):
        return []
    numbers["acceleration"] = float(np.concatenate(errors).mean())
    lines = [f"acceleration error {numbers['acceleration']:.2f} mm/frame^2; pelvis at rest, {len(errors)} films"]
    if jerks:
        numbers["jitter"] = float(np.nanmean(jerks))
        lines.append(f"jitter {numbers['jitter']:.2f} m/s^3 at {config.test.frame_rate:g} frames a second")
    return lines


def _in_picture(scored: Scored, numbers: dict[str, float]) -> list[str]:
    seen = scored.seen[:, :14]
    has_torso = seen[:, [2, 3, 8, 9]].all(1)
    if not has_torso.any():
        return []
    rows = np.flatnonzero(has_torso)
    scores = pck_by_torso(scored.pixels[rows, :14], scored.true_pixels[rows, :14], seen[rows], _LSP_NAMES)
    numbers["PCK@0.2"] = float(scores.mean)
    return [f"PCK@0.2 {scores.mean:.2f}; projected LSP joints within 0.2 torsos, {len(rows)} people with a whole torso"]


def _threedpw(
    theta: ndarray,
    labels: Mapping[str, ndarray],
    source: BodySource,
    config: BodyConfig,
    layer: SMPL,
    numbers: dict[str, float],
) -> str:
    """3DPW's own: truth from the model of each person's sex, joints by Human3.6M's regressor, the pelvis its row 0."""
    sexes = np.array(source.sex) if isinstance(source, BodySamples) else np.full(len(theta), "")
    true = np.zeros((len(theta), len(_H36M_ROWS), 3), np.float32)
    notes = []
    for sex, name in (("male", config.test.male), ("female", config.test.female), ("", "")):
        rows = np.flatnonzero(sexes == sex)
        if not len(rows):
            continue
        body = SMPL(load_body(name), skeletons=("h36m17",)) if name else layer
        true[rows] = _h36m_joints(body, labels["rotvec"][rows], labels["betas"][rows])
        if not name:
            notes.append(sex or "everybody")
    found = _h36m_joints(layer, theta[:, 3:75].reshape(-1, 24, 3), theta[:, 75:])
    scores: MeshScores = mesh_scores(found, true, "3dpw")
    numbers |= dict(scores.named)
    text = mesh_table(scores)
    if notes:
        text += (
            f"\nNOT COMPARABLE with what is published: the truth of {', '.join(notes)} stands on the body "
            f"{config.body}; name SMPL's own files as test.male and test.female"
        )
    return text


@torch.no_grad()
def _h36m_joints(body: SMPL, rotvec: ndarray, betas: ndarray) -> ndarray:
    parts = []
    for start in range(0, len(rotvec), 64):
        some = slice(start, start + 64)
        posed = body(torch.from_numpy(np.array(betas[some])), torch.from_numpy(np.array(rotvec[some])))
        parts.append(body.keypoints(posed.vertices, "h36m17")[:, _H36M_ROWS].numpy())
    return np.concatenate(parts)


def _silhouettes(theta: ndarray, source: BodySource, config: BodyConfig, numbers: dict[str, float]) -> str:
    """Foreground of LSP: pixels that agree, and F1 from counts over the whole set, mean of background and body."""
    if not isinstance(source, BodySamples):
        raise InputError("test.silhouettes belongs to LSP's pictures; name LSP as data.valid.root, part test")
    paths = silhouette_files(config.test.silhouettes, source.picture)
    fast = FastSMPL(load_body(config.body))
    counts = np.zeros((2, 2), np.int64)  # [true, found]
    for row, path in enumerate(paths):
        true = read_silhouette(path)
        drawn = _drawn(theta[row], source, row, config, fast, true.shape)
        counts += np.bincount(2 * true.ravel() + drawn.ravel(), minlength=4).reshape(2, 2)
    accuracy = 100 * float(np.trace(counts) / counts.sum())
    f1 = float(np.mean([2 * counts[i, i] / max(counts[i].sum() + counts[:, i].sum(), 1) for i in range(2)]))
    numbers |= {"silhouette accuracy": accuracy, "silhouette F1": f1}
    lines = [f"LSP silhouettes; {len(paths)} pictures; body over background; accuracy in percent, F1 mean of both"]
    rows = {"measured": (accuracy, f1), **_PUBLISHED_SILHOUETTES}
    width = max(map(len, rows))
    return "\n".join([*lines, *(f"{name:{width}}  {a:6.2f}  {f:.2f}" for name, (a, f) in rows.items())])


def _drawn(
    theta: ndarray, source: BodySamples, row: int, config: BodyConfig, fast: FastSMPL, size_hw: tuple[int, ...]
) -> Bool[ndarray, "H W"]:
    rule, size = crop_rule(config), (int(size_hw[0]), int(size_hw[1]))
    center, zoom = crop_place(source.person(row), rule)
    camera = picture_cameras(theta[None, :3].astype(np.float64), center, zoom, rule.size, size)[0]
    vertices, _ = fast(theta[None, 75:], theta[None, 3:75].reshape(1, 24, 3))
    corners = corners_from_vertices(vertices[0], fast.data.faces, camera.astype(np.float32))
    return rasterise(corners, size).face_index >= 0
