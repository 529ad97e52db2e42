"""What a fit minimises: every term's residuals with their derivatives, in units of the spread one expects of it.

Terms of one frame: keypoints (Geman-McClure), bone directions of the world landmarks (Geman-McClure), limits of the
joints, the pose prior, the shape prior, a network's prediction. Terms across frames: acceleration of points and of
rotations and speed of points (all pseudo-Huber: still points are held, fast ones let go), the camera's scale, and feet
that stand.

Unknowns of a frame: log s, u, v of x = s X + u, then a small turn of every active joint in its own axes.

Sources: Bogo et al. 2016 (SMPLify) for reprojection, limits and priors; the rest is our own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.body import blas, lie
from limner.body.anchor import Anchor
from limner.body.limits import ACTIVE_JOINTS, joint_limits, plain_prior, standing_spread
from limner.body.observations import SPREAD, Observations, bone_matrix
from limner.body.pose_components import pose_components
from limner.body.silhouette import Outline
from limner.body.solver import NormalEquations
from limner.body.sparse_body import PosedPoints, SparseBody

__all__ = ["Energy", "State", "Weights"]

_ACTIVE = np.array(ACTIVE_JOINTS)
_TURNS = slice(3, 3 + 3 * len(ACTIVE_JOINTS))
_STAND_CUT = 4.0  # spreads from standing at which a pose counts as another one
_OUTLINE_SPREAD = 0.02  # metres between the outline of a body and of its mask
_OUTLINE_POINTS = 60  # independent pieces that an outline has, however many vertices lie on it
_UPRIGHT = ("torso", "thigh", "shin")
_UPRIGHT_SPREAD = 0.08  # lean of a standing torso, as a share of its length
_BETAS_MOST, _BETAS_PAST = 3.0, 0.3  # shape numbers beyond the first are no person; the second says how dearly
_LIMIT_SPREAD = 0.03  # radians a joint may pass its limit for the price of one spread


@dataclass(frozen=True)
class State:
    """What the fit moves: rotations relative to the parents, one set of betas, and (log s, u, v) of every frame."""

    rotmats: Float[ndarray, "T 24 3 3"]
    betas: Float[ndarray, "S"]
    camera: Float[ndarray, "T 3"]

    def moved(self, step: Float[ndarray, "T D"], step_betas: Float[ndarray, "S"]) -> State:
        """Return the state after a step; turns are applied in the joints' own axes."""
        rotmats = self.rotmats.copy()
        turns = np.clip(step[:, _TURNS], -1.0, 1.0).reshape(len(step), -1, 3)
        rotmats[:, _ACTIVE] = rotmats[:, _ACTIVE] @ lie.exp(turns)
        camera = self.camera + np.concatenate([np.clip(step[:, :1], -0.5, 0.5), step[:, 1:3]], axis=1)
        return State(rotmats, self.betas + step_betas, camera)

    def at(self, frames: slice | ndarray) -> State:
        """Return the state of some of the frames."""
        return State(self.rotmats[frames], self.betas, self.camera[frames])

    def chosen(self, other: State, better: ndarray) -> State:
        """Return this state with the frames of `other` where `better`."""
        rotmats = np.where(better[:, None, None, None], other.rotmats, self.rotmats)
        return State(rotmats, self.betas, np.where(better[:, None], other.camera, self.camera))


@dataclass(frozen=True)
class Weights:
    """How much each term counts; spreads are in metres, radians and seconds.

    Attributes:
        keypoint: multiplies the spread of keypoints.
        keypoint_cut: spreads at which a keypoint starts to be taken for a mistake.
        direction: multiplies the spread of bone directions.
        direction_cut: spreads at which a direction starts to be taken for a mistake.
        prior: multiplies the plain pose prior.
        mixture: multiplies the energy of the pose mixture.
        betas: spread of the betas.
        acceleration: metres a second squared that cost one spread; 0 leaves all terms across frames out.
        turning: radians a second squared that cost one spread.
        speed: metres a second that cost one spread.
        zoom: relative change of the camera's scale a second.
        zoom_change: change of that a second.
        contact: metres a second at which a standing foot may slide.
    """

    keypoint: float = 0.7
    keypoint_cut: float = 8.5
    direction: float = 0.7
    direction_cut: float = 6.0
    prior: float = 0.3
    mixture: float = 0.5
    betas: float = 2.0
    acceleration: float = 10.0
    turning: float = 60.0
    speed: float = 5.0
    zoom: float = 0.5
    zoom_change: float = 2.0
    contact: float = 0.02


class Energy:
    """The sum of all terms for one person in T frames, and its derivatives.

    Args:
        body: the points that the keypoints touch, in the order of the keypoints.
        observations: what is seen.
        weights: of the terms.
        scale: (T,) the camera's scale by which distances in the picture become metres; fixed while a minimum is
            sought.
    """

    def __init__(self, body: SparseBody, observations: Observations, weights: Weights, scale: ndarray) -> None:
        self.body, self.seen, self.weights, self.scale = body, observations, weights, scale
        self.spread = np.array([SPREAD.get(name, 1.0) for name in observations.names]) * weights.keypoint
        self.confidence = observations.confidence * body.present
        rest = body.pose(np.tile(np.eye(3), (1, 24, 1, 1)), np.zeros(body.num_betas)).points[0]
        self.rest = rest
        self.bone_length = np.linalg.norm(observations.bones @ rest, axis=-1)
        names = bone_matrix(observations.names)[2]
        self.upright = observations.bones[[n for n, name in enumerate(names) if name.endswith(_UPRIGHT)]]
        self.stand_spread = standing_spread()
        self.low, self.high = joint_limits()
        self.mean, self.prior_spread = plain_prior()
        self.components = pose_components()
        self.still: ndarray | None = None
        self.outline: Outline | None = None
        self.anchor: Anchor | None = None
        self.num_unknowns = _TURNS.stop

    def cost(self, state: State) -> Float[ndarray, "T"]:
        """Return the energy by frames; a term across frames counts for the first of them."""
        return self._gather(state, None)

    def linearise(self, state: State) -> tuple[Float[ndarray, "T"], NormalEquations]:
        """Return the energy and its normal equations."""
        normal = NormalEquations(len(self.seen), self.num_unknowns, self.body.num_betas)
        return self._gather(state, normal), normal

    def _gather(self, state: State, normal: NormalEquations | None) -> ndarray:
        posed = self.body.pose(state.rotmats, state.betas)
        sums = _Sums(normal, np.zeros(len(self.seen)))
        if normal is not None:
            sums.turns = self.body.by_rotations(posed, _ACTIVE)
            sums.betas = self.body.by_betas(posed)
        self._keypoints(state, posed, sums)
        if self.seen.directions is not None:
            self._directions(posed, sums)
        self._upright(posed, sums)
        if self.outline is not None:
            self._outline(state, self.outline, sums)
        self._joints(state, sums)
        if self.weights.mixture > 0:
            self._mixture(state, sums)
        self._shape(state, sums)
        if self.anchor is not None:
            self.anchor.add_pose(state.rotmats, sums.cost, normal)
            self.anchor.add_shape(state.betas, sums.cost, normal)
        if self.weights.acceleration > 0 and len(self.seen) > 2:
            self._across(state, posed, sums)
        return sums.cost

    def _keypoints(self, state: State, posed: PosedPoints, sums: _Sums) -> None:
        scale = np.exp(state.camera[:, :1, None])
        flat = posed.points[..., :2]
        unit = 1 / (self.scale[:, None, None] * self.spread[:, None])
        residual = (scale * flat + state.camera[:, None, 1:] - self.seen.xy) * unit
        shape = (len(flat), -1)
        weight, cost = _geman_mcclure(residual, self.confidence**2, self.weights.keypoint_cut)
        sums.cost += cost
        if sums.normal is None:
            return
        rows = np.zeros((*flat.shape, self.num_unknowns))
        rows[..., 0] = scale * flat * unit
        rows[..., 0, 1], rows[..., 1, 2] = unit[..., 0], unit[..., 0]
        rows[..., _TURNS] = (scale * unit)[..., None] * sums.turns[:, :, :2]
        by_betas = (scale * unit)[..., None] * sums.betas[:, :, :2]
        sums.normal.add(
            residual.reshape(shape),
            rows.reshape(*residual.reshape(shape).shape, -1),
            by_betas.reshape(*residual.reshape(shape).shape, -1),
            np.repeat(weight, 2, axis=1),
        )

    def _directions(self, posed: PosedPoints, sums: _Sums) -> None:
        spread = self.seen.bone_spread * self.bone_length * self.weights.direction
        # Depth is what the world landmarks are asked for; the picture itself tells x and y better.
        axes = np.array([0.5, 0.5, 1.0])
        vector = blas.einsum("bk,tkc->tbc", self.seen.bones, posed.points)
        unit = axes / spread[:, None]
        residual = (vector - self.bone_length[:, None] * self.seen.directions) * unit
        weight, cost = _geman_mcclure(residual, self.seen.bone_confidence**2, self.weights.direction_cut)
        sums.cost += cost
        if sums.normal is None:
            return
        rows = np.zeros((*residual.shape, self.num_unknowns))
        rows[..., _TURNS] = blas.einsum("bk,tkcd->tbcd", self.seen.bones, sums.turns) * unit[..., None]
        by_betas = blas.einsum("bk,tkcs->tbcs", self.seen.bones, sums.betas) * unit[..., None]
        count = (len(residual), residual.shape[1] * 3)
        sums.normal.add(
            residual.reshape(count),
            rows.reshape(*count, -1),
            by_betas.reshape(*count, -1),
            np.repeat(weight, 3, axis=1),
        )

    def _outline(self, state: State, outline: Outline, sums: _Sums) -> None:
        posed = outline.body.pose(state.rotmats, state.betas)
        scale = np.exp(state.camera[:, :1])
        unit = 1 / (self.scale[:, None] * _OUTLINE_SPREAD)
        flat = scale[..., None] * posed.points[..., :2]
        residual = (((flat + state.camera[:, None, 1:]) * outline.normal).sum(-1) - outline.target) * unit
        # Cloth stands off the body, the body never out of the cloth.
        cloth = outline.gap > 0
        sure = min(1.0, _OUTLINE_POINTS / len(cloth)) * np.where(cloth, 0.35, 1.0)
        weight, cost = _geman_mcclure(residual[..., None], sure, np.where(cloth, 2.0, 4.0))
        sums.cost += cost
        if sums.normal is None:
            return
        rows = np.zeros((*residual.shape, self.num_unknowns))
        rows[..., 0] = (flat * outline.normal).sum(-1) * unit
        rows[..., 1:3] = outline.normal * unit[..., None]
        across = (scale * unit)[..., None] * outline.normal  # (1, P, 2)
        turns = outline.body.by_rotations(posed, _ACTIVE)[:, :, :2]
        rows[..., _TURNS] = (turns * across[..., None]).sum(2)
        by_betas = (outline.body.by_betas(posed)[:, :, :2] * across[..., None]).sum(2)
        sums.normal.add(residual, rows, by_betas, weight)

    def _joints(self, state: State, sums: _Sums) -> None:
        joints = _ACTIVE[1:]
        rotvec = lie.log(state.rotmats[:, joints])
        past = rotvec - np.clip(rotvec, self.low[joints], self.high[joints])
        limit = past / _LIMIT_SPREAD
        prior = (rotvec - self.mean[joints]) / self.prior_spread[joints] * np.sqrt(self.weights.prior)
        stand = (rotvec - self.mean[joints]) / self.stand_spread[joints]
        share = _STAND_CUT**2 / (_STAND_CUT**2 + stand**2)
        sums.cost += 0.5 * (limit**2 + prior**2 + share * stand**2).sum((1, 2))
        if sums.normal is None:
            return
        turn = lie.inverse_right_jacobian(rotvec)  # (T, J, 3, 3)
        # These terms are diagonal in the rotation vector: one weight and one pull an angle.
        weight = self.weights.prior / self.prior_spread[joints] ** 2 + (past != 0) / _LIMIT_SPREAD**2
        weight += share**2 / self.stand_spread[joints] ** 2
        pull = limit / _LIMIT_SPREAD + prior * np.sqrt(self.weights.prior) / self.prior_spread[joints]
        pull += share**2 * stand / self.stand_spread[joints]
        blocks = blas.einsum("tjab,tja,tjac->tjbc", turn, weight, turn)
        for n in range(len(joints)):
            columns = slice(6 + 3 * n, 9 + 3 * n)
            sums.normal.diagonal[:, columns, columns] += blocks[:, n]
        sums.normal.gradient[:, 6:] += blas.einsum("tjab,tja->tjb", turn, pull).reshape(len(rotvec), -1)

    def _mixture(self, state: State, sums: _Sums) -> None:
        """Pull the pose towards the nearest of the mixture's components, joints together."""
        joints = _ACTIVE[1:]
        rotvec = lie.log(state.rotmats[:, joints])
        away = rotvec.reshape(len(rotvec), 1, -1) - self.components.means  # (T, C, 57)
        energies = 0.5 * (blas.einsum("tca,cab->tcb", away, self.components.precisions) * away).sum(-1)
        nearest = (energies + self.components.offsets).argmin(1)
        rows = np.arange(len(rotvec))
        share = self.weights.mixture
        sums.cost += share * (energies + self.components.offsets)[rows, nearest]
        if sums.normal is None:
            return
        precision = share * self.components.precisions[nearest]
        pull = blas.matmul(precision, away[rows, nearest][..., None])
        turn = np.zeros((len(rotvec), 3 * len(joints), 3 * len(joints)))
        jacobian = lie.inverse_right_jacobian(rotvec)
        for n in range(len(joints)):
            columns = slice(3 * n, 3 * n + 3)
            turn[:, columns, columns] = jacobian[:, n]
        back = turn.transpose(0, 2, 1)
        sums.normal.diagonal[:, 6:, 6:] += blas.matmul(blas.matmul(back, precision), turn)
        sums.normal.gradient[:, 6:] += blas.matmul(back, pull)[..., 0]

    def _upright(self, posed: PosedPoints, sums: _Sums) -> None:
        """Hold a torso or leg upright that nearly is: a lean of some degrees to or from the viewer is not seen."""
        if not len(self.upright):
            return
        unit = 1 / (_UPRIGHT_SPREAD * np.linalg.norm(self.upright @ self.rest, axis=-1))
        residual = posed.points[..., 2] @ self.upright.T * unit
        weight, cost = _geman_mcclure(residual[..., None], np.ones((1, 1)), _STAND_CUT)
        sums.cost += cost
        if sums.normal is None:
            return
        rows = np.zeros((*residual.shape, self.num_unknowns))
        rows[..., _TURNS] = blas.einsum("bk,tkd->tbd", self.upright, sums.turns[:, :, 2]) * unit[:, None]
        by_betas = blas.einsum("bk,tks->tbs", self.upright, sums.betas[:, :, 2]) * unit[:, None]
        sums.normal.add(residual, rows, by_betas, weight)

    def _shape(self, state: State, sums: _Sums) -> None:
        # The shape's prior counts once a frame: what pulls at the shape (perspective, clothes, another idea of where a
        # hip is) is the same in every frame, so many frames are no better evidence than one.
        share = len(self.seen) / self.weights.betas**2
        past = state.betas - np.clip(state.betas, -_BETAS_MOST, _BETAS_MOST)
        hinge = len(self.seen) / _BETAS_PAST**2
        sums.cost += 0.5 * (share * (state.betas**2).sum() + hinge * (past**2).sum()) / len(self.seen)
        if sums.normal is not None:
            sums.normal.corner += np.diag(share + hinge * (past != 0))
            sums.normal.gradient_betas += share * state.betas + hinge * past

    def _across(self, state: State, posed: PosedPoints, sums: _Sums) -> None:
        rate = self.seen.frame_rate or 30.0
        size = self.scale[:, None, None]
        place = posed.points.copy()
        place[..., :2] += state.camera[:, None, 1:] / size
        rows = None
        if sums.normal is not None:
            rows = np.zeros((*place.shape, self.num_unknowns))
            rows[..., 0, 1] = rows[..., 1, 2] = 1 / size[..., 0]
            rows[..., _TURNS] = sums.turns
        used = np.flatnonzero(self.spread < 0.1)
        place, rows = place[:, used], None if rows is None else rows[:, :, :, :][:, used]
        sums.across(place, rows, (1.0, -2.0, 1.0), rate**2 / self.weights.acceleration)
        sums.across(place, rows, (-1.0, 1.0), rate / self.weights.speed)
        self._turning(state, sums, rate)
        self._zoom(state, sums, rate)
        if self.still is not None:
            still = self.still[:, used]
            feet = np.flatnonzero(still.any(0))
            flat = place[:, feet, :2]
            rows = None if rows is None else rows[:, feet, :2]
            sums.across(flat, rows, (-1.0, 1.0), rate / self.weights.contact, still[:, feet])

    def _turning(self, state: State, sums: _Sums, rate: float) -> None:
        joints = state.rotmats[:, _ACTIVE]
        step = lie.log(joints[:-1].transpose(0, 1, 3, 2) @ joints[1:])
        unit = rate**2 / self.weights.turning
        residual = (step[1:] - step[:-1]) * unit
        weight, cost = _pseudo_huber(residual, 1.0)
        sums.cost[: len(cost)] += cost
        if sums.normal is None:
            return
        # For small turns between frames a step of a joint adds to its rotation vector as it is.
        count = (len(joints), 3 * len(_ACTIVE))
        rows = np.zeros((*count, self.num_unknowns))
        rows[:, np.arange(count[1]), 3 + np.arange(count[1])] = unit
        sums.normal.add_across(residual.reshape(-1, count[1]), rows, np.repeat(weight, 3, axis=1), (1.0, -2.0, 1.0))

    def _zoom(self, state: State, sums: _Sums, rate: float) -> None:
        """Let the camera's scale drift slowly: somebody may walk away, but does not jump."""
        for order, stencil, unit in (
            (1, (-1.0, 1.0), rate / self.weights.zoom),
            (2, (1.0, -2.0, 1.0), rate**2 / self.weights.zoom_change),
        ):
            residual = np.diff(state.camera[:, :1], order, axis=0) * unit
            sums.cost[: len(residual)] += 0.5 * residual[:, 0] ** 2
            if sums.normal is not None:
                rows = np.zeros((len(self.seen), 1, self.num_unknowns))
                rows[:, 0, 0] = unit
                sums.normal.add_across(residual, rows, np.ones_like(residual), stencil)


@dataclass
class _Sums:
    """What one pass over the terms gathers, and the derivatives of the points they share."""

    normal: NormalEquations | None
    cost: ndarray
    turns: ndarray = field(default_factory=lambda: np.zeros(0))
    betas: ndarray = field(default_factory=lambda: np.zeros(0))

    def across(
        self,
        place: ndarray,
        rows: ndarray | None,
        stencil: tuple[float, ...],
        unit: float,
        confidence: ndarray | float = 1.0,
    ) -> None:
        """Add a difference over frames of points (T, K, C), pseudo-Huber in the length of each point's difference."""
        count = len(place) - len(stencil) + 1
        residual = unit * sum(share * place[i : i + count] for i, share in enumerate(stencil))
        weight, cost = _pseudo_huber(residual, confidence)
        self.cost[:count] += cost
        if self.normal is None or rows is None:
            return
        channels = place.shape[2]
        self.normal.add_across(
            residual.reshape(count, -1),
            unit * rows.reshape(len(rows), -1, rows.shape[-1]),
            np.repeat(weight, channels, axis=1),
            stencil,
        )


def _geman_mcclure(residual: ndarray, confidence: ndarray, cut: float | ndarray) -> tuple[ndarray, ndarray]:
    """Return the weight of each point (T, K) and the cost by frames, for residuals (T, K, C)."""
    squared = (residual**2).sum(-1)
    share = cut**2 / (cut**2 + squared)
    return confidence * share**2, 0.5 * (confidence * squared * share).sum(1)


def _pseudo_huber(residual: ndarray, confidence: ndarray | float) -> tuple[ndarray, ndarray]:
    """Return the weight of each point (T, K) and the cost by frames: square below one spread, straight above."""
    root = np.sqrt(1 + (residual**2).sum(-1))
    return confidence / root, (confidence * (root - 1)).sum(1)
