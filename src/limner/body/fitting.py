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

from limner.body import blas, initial, lie
from limner.body.energy import Energy, State, Weights
from limner.body.observations import Observations, bone_matrix, levelled
from limner.body.smoothing import fill_gaps, fill_rotations
from limner.body.silhouette import trace
from limner.body.smpl import BodyData
from limner.body.smpl_fast import FastSMPL
from limner.body.sparse_body import SparseBody

__all__ = ["fit", "fit_outline", "minimise", "odd_ones_out", "standing_feet"]

_log = logging.getLogger(__name__)
_OUTLINE_ROUNDS = 4
_FEET = ("ankle", "heel", "big_toe")
_STEPS_ALONE = 14
_STEPS_TOGETHER = 30


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


def _seen_directions(body: SparseBody, observations: Observations) -> dict[str, ndarray]:
    """Return the start's bone directions by name: the world landmarks', or lifted from the picture."""
    names = bone_matrix(observations.names)[2]
    if observations.directions is not None:
        return {name: observations.directions[:, n] for n, name in enumerate(names)}
    return _lifted(body, observations, names)


def _lifted(body: SparseBody, observations: Observations, names: list[str]) -> dict[str, ndarray]:
    """Return bone directions from the picture alone: the torso turned as its width says, limbs in the picture's plane."""
    rest = _rest_bones(body, observations)
    flat = blas.einsum("bk,tkc->tbc", observations.bones, observations.xy)
    length = {name: np.linalg.norm(rest[name]) for name in names}
    flat_length = np.linalg.norm(flat, axis=-1)
    seen = np.array([length[name] for name in names])
    # The largest picture-to-body ratio of the long bones is the scale: foreshortening only makes bones shorter.
    long = [
        n for n, name in enumerate(names) if name in ("torso", "left_thigh", "right_thigh", "left_shin", "right_shin")
    ]
    scale = np.maximum((flat_length / seen)[:, long].max(1), 1e-6)
    directions = {}
    for n, name in enumerate(names):
        vector = np.concatenate([flat[:, n] / scale[:, None], np.zeros((len(flat), 1))], axis=1)
        if name in ("hips", "shoulders"):
            vector[:, 2] = np.sqrt(np.maximum(length[name] ** 2 - (vector[:, :2] ** 2).sum(-1), 0))
        directions[name] = vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6)
    directions.pop("face", None)
    return directions


def _rest_bones(body: SparseBody, observations: Observations) -> dict[str, ndarray]:
    rest = body.pose(np.tile(np.eye(3), (1, 24, 1, 1)), np.zeros(body.num_betas)).points[0]
    vectors = observations.bones @ rest
    return dict(zip(bone_matrix(observations.names)[2], vectors, strict=True))


def _start(body: SparseBody, observations: Observations, directions: dict[str, ndarray]) -> State:
    rotmats = initial.rotations_from_directions(body, directions, _rest_bones(body, observations))
    betas = np.zeros(body.num_betas)
    camera = initial.camera_from_points(body.pose(rotmats, betas).points, observations)
    return State(rotmats, betas, camera)


def _alone(body: SparseBody, observations: Observations, state: State, weights: Weights) -> State:
    """Fit every frame for itself with the mean shape: first tolerant of far keypoints, then strict."""
    for cut, steps in ((25.0, 6), (weights.keypoint_cut, _STEPS_ALONE)):
        loose = replace(weights, keypoint_cut=cut, acceleration=0.0)
        energy = Energy(body, observations, loose, np.exp(state.camera[:, 0]))
        state = minimise(energy, state, steps, with_betas=False, together=False)
    return state


def odd_ones_out(rotmats: Float[ndarray, "T 3 3"], visible: Bool[ndarray, "T"], reach: int) -> Bool[ndarray, "T"]:
    """Return the frames whose rotation most of the visible frames within `reach` contradict, by more than a radian."""
    odd = np.zeros(len(rotmats), dtype=bool)
    for t in np.flatnonzero(visible):
        near = np.arange(max(t - reach, 0), min(t + reach + 1, len(rotmats)))
        near = near[visible[near] & (near != t)]
        cosine = (np.einsum("tab,ab->t", rotmats[near], rotmats[t]) - 1) / 2
        odd[t] = len(near) > 1 and (cosine < np.cos(1.0)).mean() > 0.6
    return odd


def _bridged(state: State, visible: ndarray) -> State:
    """Fill the frames without the person from those around them."""
    if visible.all() or not visible.any():
        return state
    return replace(
        state,
        rotmats=fill_rotations(state.rotmats, visible),
        camera=fill_gaps(state.camera, visible),
    )


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


def fit(body: SparseBody, observations: Observations, weights: Weights | None = None) -> State:
    """Fit rotations, shape and camera to what is seen of one person.

    Args:
        body: the points of the body that the keypoints mean, in their order.
        observations: keypoints of one person in T frames.
        weights: of the terms; the defaults suit BlazePose's keypoints.
    """
    with blas.one_thread():
        return _fitted(body, observations, weights or Weights())


def _fitted(body: SparseBody, observations: Observations, weights: Weights) -> State:
    video = observations.frame_rate is not None and len(observations) > 2
    observations = levelled(observations)
    state = _start(body, observations, _seen_directions(body, observations))
    state = _alone(body, observations, state, weights)
    visible = observations.visible
    if video:
        reach = max(round(0.25 * observations.frame_rate), 2)
        visible = visible & ~odd_ones_out(state.rotmats[:, 0], visible, reach)
    state = _bridged(state, visible)
    if video:
        weights = replace(weights, acceleration=weights.acceleration or 10.0)
    scale = np.full(len(observations), np.exp(np.median(state.camera[:, 0])))
    energy = Energy(body, observations, weights, scale)
    if video:
        energy.still = standing_feet(observations, scale)
    return minimise(energy, state, _STEPS_TOGETHER, with_betas=True, together=True)
