"""Fitting a body to one person's keypoints, all frames of a clip at once.

First every frame for itself, from the start that its bone directions give; then all together with one shape and
smoothness, by damped Gauss-Newton steps. See `energy` for what is minimised and `solver` for how.

Sources: Bogo et al. 2016 (SMPLify); Levenberg 1944 and Marquardt 1963 for the damping.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from limner.body import blas, lie
from limner.body.anchor import Anchor
from limner.body.energy import Energy, State, Weights
from limner.body.initial import starts
from limner.body.observations import Observations, levelled
from limner.body.silhouette import trace
from limner.body.smoothing import fill_gaps, fill_rotations
from limner.body.smpl import BodyData
from limner.body.smpl_fast import FastSMPL
from limner.body.sparse_body import SparseBody

__all__ = ["fit", "fit_outline", "minimise", "odd_ones_out", "standing_feet"]

_log = logging.getLogger(__name__)
_OUTLINE_ROUNDS = 4
_FEET = ("ankle", "heel", "big_toe")
_STEPS_ALONE = 14
_STEPS_TOGETHER = 30
_WINDOW, _OVERLAP, _SAMPLE = 300, 60, 150  # frames solved at once, shared by neighbours, and looked at for the shape


def minimise(energy: Energy, state: State, steps: int, *, with_betas: bool, together: bool) -> State:
    """Take up to `steps` damped Gauss-Newton steps, each only where it lowers the energy.

    Args:
        energy: what to lower.
        state: where to start.
        steps: at most this many.
        with_betas: move the shape too.
        together: frames hang together (by betas or smoothness), so a step is taken or refused for all of them.
    """
    damping = np.full(len(energy.seen), 1e-3)
    cost, normal = energy.linearise(state)
    for step in range(steps):
        trial = state.moved(*normal.solve(damping, with_betas=with_betas))
        last = step + 1 == steps
        new_cost, new_normal = (energy.cost(trial), normal) if last else energy.linearise(trial)
        better = np.full(len(cost), new_cost.sum() < cost.sum()) if together else new_cost < cost
        gain = np.where(better, cost - new_cost, 0).sum() / max(cost.sum(), 1e-9)
        damping = np.clip(np.where(better, damping * 0.3, damping * 8), 1e-7, 1e6)
        if better.all():
            state, cost, normal = trial, new_cost, new_normal
        elif better.any():
            state = state.chosen(trial, better)
            cost, normal = energy.linearise(state)
        if better.any() and gain < 2e-4:
            break
    return state


def standing_feet(observations: Observations, scale: Float[ndarray, "T"]) -> Float[ndarray, "T-1 K"]:
    """Return 1 where a keypoint of a foot stands still from one frame to the next, 0 where it moves, smooth between.

    Args:
        observations: keypoints in the picture frame and the frame rate.
        scale: of the camera, to turn distances into metres.
    """
    rate = observations.frame_rate or 30.0
    metres = observations.xy / scale[:, None, None]
    calm = gaussian_filter1d(metres, 0.06 * rate, axis=0, mode="nearest")
    speed = np.linalg.norm(np.diff(calm, axis=0), axis=-1) * rate
    sure = np.minimum(observations.confidence[1:], observations.confidence[:-1])
    feet = np.array([name.endswith(_FEET) for name in observations.names])
    return np.exp(-((speed / 0.2) ** 2)) * sure * feet


def odd_ones_out(rotmats: Float[ndarray, "T 3 3"], visible: Bool[ndarray, "T"], reach: int) -> Bool[ndarray, "T"]:
    """Return the frames whose rotation most of the visible frames within `reach` contradict, by more than a radian."""
    odd = np.zeros(len(rotmats), dtype=bool)
    for t in np.flatnonzero(visible):
        near = np.arange(max(t - reach, 0), min(t + reach + 1, len(rotmats)))
        near = near[visible[near] & (near != t)]
        cosine = (np.einsum("tab,ab->t", rotmats[near], rotmats[t]) - 1) / 2
        odd[t] = len(near) > 1 and (cosine < np.cos(1.0)).mean() > 0.6
    return odd


def fit_outline(
    body: SparseBody, observations: Observations, state: State, data: BodyData, mask: Float[ndarray, "H W"]
) -> State:
    """Bring a fitted body's outline to the person's mask, by shape, camera and pose; one picture.

    Args:
        body: as for `fit`.
        observations: one frame.
        state: what `fit` gave.
        data: the body whose outline it is.
        mask: of the person, 0 to 1, of the picture's size.
    """
    observations = levelled(observations)
    layer = FastSMPL(data)
    with blas.one_thread():
        for _ in range(_OUTLINE_ROUNDS):
            rotvec = lie.log(state.rotmats).astype(np.float32)
            vertices = layer(state.betas[None].astype(np.float32), rotvec)[0][0].astype(np.float64)
            energy = Energy(body, observations, Weights(), np.exp(state.camera[:, 0]))
            energy.outline = trace(data, vertices, state.camera[0], mask)
            if energy.outline is None:
                _log.info("too little of the mask's border lies near the body; its width is not used")
                return state
            state = minimise(energy, state, 6, with_betas=True, together=True)
    return state


def fit(
    body: SparseBody,
    observations: Observations,
    weights: Weights | None = None,
    anchor: Anchor | None = None,
) -> State:
    """Fit rotations, shape and camera to what is seen of one person.

    A long clip is solved in windows that overlap, with the shape of a sample of its frames, so memory stays flat.

    Args:
        body: the points of the body that the keypoints mean, in their order.
        observations: keypoints of one person in T frames; with a frame rate they are one clip.
        weights: of the terms; the defaults suit BlazePose's keypoints.
        anchor: a prediction for each frame, to start from and to stay near.
    """
    weights = weights or Weights()
    observations = levelled(observations)
    with blas.one_thread():
        if len(observations) <= _WINDOW:
            state = _alone(body, observations, weights, anchor)
            return _together(body, observations, _steadied(state, observations), weights, anchor, with_betas=True)
        windows = [slice(start, start + _WINDOW) for start in _starts(len(observations))]
        parts = [_alone(body, observations[window], weights, _of(anchor, window)) for window in windows]
        state = _joined(parts, len(observations))
        sample = np.linspace(0, len(observations) - 1, _SAMPLE).astype(int)
        still = replace(observations[sample], frame_rate=None)
        shaped = _together(body, still, state.at(sample), weights, _of(anchor, sample), with_betas=True)
        state = replace(_steadied(state, observations), betas=shaped.betas)
        parts = [
            _together(body, observations[window], state.at(window), weights, _of(anchor, window), with_betas=False)
            for window in windows
        ]
        return _joined(parts, len(observations))


def _of(anchor: Anchor | None, frames: slice | ndarray) -> Anchor | None:
    return None if anchor is None else anchor[frames]


def _starts(num_frames: int) -> list[int]:
    """Return where the windows of a long clip start; the last one ends with the clip."""
    step = _WINDOW - _OVERLAP
    return [min(start, num_frames - _WINDOW) for start in range(0, num_frames - _OVERLAP, step)]


def _joined(parts: list[State], num_frames: int) -> State:
    """Join windows into one clip, going from one to the next over all the frames they share."""
    whole = parts[0]
    for start, part in zip(_starts(num_frames)[1:], parts[1:], strict=True):
        shared = len(whole.camera) - start
        share = ((np.arange(shared) + 0.5) / shared)[:, None]
        old, new = whole.at(slice(start, None)), part.at(slice(0, shared))
        turn = lie.log(old.rotmats.swapaxes(-1, -2) @ new.rotmats)
        rotmats = old.rotmats @ lie.exp(turn * share[..., None])
        camera = old.camera + share * (new.camera - old.camera)
        whole = State(
            np.concatenate([whole.rotmats[:start], rotmats, part.rotmats[shared:]]),
            part.betas,
            np.concatenate([whole.camera[:start], camera, part.camera[shared:]]),
        )
    return whole


def _alone(body: SparseBody, observations: Observations, weights: Weights, anchor: Anchor | None) -> State:
    """Fit every frame for itself with the mean shape, from each start, and keep the better one."""
    best: tuple[State, ndarray] | None = None
    begun = list(starts(body, observations))
    if anchor is not None:
        begun.append(State(anchor.rotmats, np.zeros(body.num_betas), anchor.camera))
    for state in begun:
        # First tolerant of far keypoints, then strict.
        for cut, steps in ((25.0, 6), (weights.keypoint_cut, _STEPS_ALONE)):
            loose = replace(weights, keypoint_cut=cut, acceleration=0.0)
            energy = Energy(body, observations, loose, np.exp(state.camera[:, 0]))
            energy.anchor = anchor
            state = minimise(energy, state, steps, with_betas=False, together=False)
        cost = energy.cost(state)
        if observations.frame_rate is not None:
            # A person does not jump between two readings: the frames around have a say.
            cost = gaussian_filter1d(cost, 0.3 * observations.frame_rate, mode="nearest")
        if best is None:
            best = state, cost
        else:
            better = cost < best[1]
            best = best[0].chosen(state, better), np.minimum(cost, best[1])
    assert best is not None
    return best[0]


def _steadied(state: State, observations: Observations) -> State:
    """Fill the frames without the person, and those that face another way than all around, from their neighbours."""
    visible = observations.visible
    if observations.frame_rate is not None:
        reach = max(round(0.25 * observations.frame_rate), 2)
        visible = visible & ~odd_ones_out(state.rotmats[:, 0], visible, reach)
    if visible.all() or not visible.any():
        return state
    return replace(
        state,
        rotmats=fill_rotations(state.rotmats, visible),
        camera=fill_gaps(state.camera, visible),
    )


def _together(
    body: SparseBody,
    observations: Observations,
    state: State,
    weights: Weights,
    anchor: Anchor | None,
    *,
    with_betas: bool,
) -> State:
    """Fit all frames at once."""
    scale = np.full(len(observations), np.exp(np.median(state.camera[:, 0])))
    if observations.frame_rate is None or len(observations) < 3:
        weights = replace(weights, acceleration=0.0)
    energy = Energy(body, observations, weights, scale)
    energy.anchor = anchor
    if weights.acceleration > 0:
        energy.still = standing_feet(observations, scale)
    return minimise(energy, state, _STEPS_TOGETHER, with_betas=with_betas, together=True)
