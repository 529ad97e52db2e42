"""A body for programs that skin with four bones to a vertex: the skin, and morph targets for all that this leaves out.

Four bones are what every viewer can do. A body that blends more of them, or bends its shape with its pose (SMPL's pose
directions), differs from that by up to centimetres. The difference over a motion, undone by the skinning so that it is
added to the rest mesh, has few independent parts; these become morph targets with a weight in each frame.

Source: Loper et al. 2015 (SMPL); Lewis et al. 2000 (pose space deformation) for corrections in the rest pose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int64
from numpy import ndarray

from limner.body.lie import exp
from limner.body.smpl import BodyData
from limner.body.smpl_fast import FastSMPL
from limner.checks import InputError, check_shape

__all__ = ["Skin", "bind_skin"]

_BONES = 4
_TOLERANCE_M = 3e-4
_MOST_TARGETS = 48
_SAMPLE = 192  # frames that the targets are made from
_CHUNK = 32  # frames worked on at once


@dataclass(frozen=True, eq=False)
class Skin:
    """A shaped body at rest, how four bones carry each vertex, and what they leave out.

    Attributes:
        vertices: of the rest body, metres.
        joints: of the rest body, metres.
        bones: the joints that carry each vertex, the strongest first.
        weights: their shares, which sum to 1.
        targets: metres to add to the rest body, times the frame's weight.
        target_weights: of each frame.
    """

    vertices: Float32[ndarray, "V 3"]
    joints: Float32[ndarray, "24 3"]
    bones: Int64[ndarray, "V 4"]
    weights: Float32[ndarray, "V 4"]
    targets: Float32[ndarray, "M V 3"]
    target_weights: Float32[ndarray, "T M"]


def bind_skin(data: BodyData, betas: Float[ndarray, "S"], rotvec: Float[ndarray, "T 24 3"]) -> Skin:
    """Make the skin of one person through a motion.

    Args:
        data: the body.
        betas: the person's shape.
        rotvec: every frame's rotations; where the body turns and stands does not matter.

    Returns:
        A skin that meets the body layer within a millimetre in the frames that were sampled (all of the first 192).

    Raises:
        InputError: there is no frame.
    """
    check_shape(rotvec, "rotvec", ("T", 24, 3))
    if len(rotvec) == 0:
        raise InputError("a skin needs at least one frame")
    bones = np.argsort(-data.weights, axis=1, kind="stable")[:, :_BONES]
    weights = np.take_along_axis(data.weights, bones, axis=1)
    bones = np.where(weights > 0, bones, 0)  # glTF wants joint 0 where nothing is carried
    weights = weights / weights.sum(axis=1, keepdims=True)
    plain = np.zeros_like(data.weights)
    np.add.at(plain, (np.arange(len(bones))[:, None], bones), weights)
    model = FastSMPL(data)
    shape = np.asarray(betas, np.float32)[None]
    rest, joints = model(shape, np.zeros((1, 24, 3), np.float32))
    left_out = _LeftOut(model, FastSMPL(replace(data, weights=plain, posedirs=None)), shape, plain, rest[0])
    targets, target_weights = _targets(left_out, np.asarray(rotvec, np.float32), rest[0].shape)
    return Skin(rest[0], joints[0], bones.astype(np.int64), weights.astype(np.float32), targets, target_weights)


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """What the plain skin leaves out of the body, moved back into the rest pose."""

    model: FastSMPL
    plain_model: FastSMPL
    betas: Float32[ndarray, "1 S"]
    plain_weights: Float32[ndarray, "V 24"]
    rest: Float32[ndarray, "V 3"]

    def __call__(self, rotvec: Float32[ndarray, "T 24 3"], moved: ndarray) -> Float32[ndarray, "T M"]:
        """Return the missing metres of the vertices `moved`, three numbers each, in one row."""
        turned = rotvec.copy()
        turned[:, 0] = 0  # the root turns everything alike
        betas = np.repeat(self.betas, len(turned), axis=0)
        missing = self.model(betas, turned)[0][:, moved] - self.plain_model(betas, turned)[0][:, moved]
        blended = np.einsum("vj,tjab->tvab", self.plain_weights[moved], _world_rotmats(turned, self.model.data.parents))
        back = np.linalg.solve(blended, missing[..., None].astype(np.float64))
        return back[..., 0].reshape(len(turned), -1).astype(np.float32)

    def moved(self, rotvec: Float32[ndarray, "T 24 3"]) -> ndarray:
        """Return the vertices that the plain skin gets wrong in any of the frames."""
        wrong = np.zeros(len(self.rest), bool)
        turned = rotvec.copy()
        turned[:, 0] = 0
        for part in _chunks(turned):
            betas = np.repeat(self.betas, len(part), axis=0)
            missing = self.model(betas, part)[0] - self.plain_model(betas, part)[0]
            wrong |= (np.abs(missing).max(axis=(0, 2))) > _TOLERANCE_M / 10
        return np.flatnonzero(wrong)


def _targets(
    left_out: _LeftOut, rotvec: Float32[ndarray, "T 24 3"], shape: tuple[int, ...]
) -> tuple[Float32[ndarray, "M V 3"], Float32[ndarray, "T M"]]:
    """Take the strongest directions of what is left out until what remains cannot be seen."""
    sample = rotvec[np.unique(np.linspace(0, len(rotvec) - 1, _SAMPLE).astype(int))]
    moved = left_out.moved(sample)
    if len(moved) == 0:
        return np.zeros((0, *shape), np.float32), np.zeros((len(rotvec), 0), np.float32)
    table = np.concatenate([left_out(part, moved) for part in _chunks(sample)])
    # A sample has fewer frames than the body has numbers, so the directions come from products of frames.
    strength, mixes = np.linalg.eigh(table.astype(np.float64) @ table.T)
    directions = (mixes[:, ::-1].T @ table)[:_MOST_TARGETS]
    directions = directions[strength[::-1][: len(directions)] > 1e-12]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    kept = _enough(table, directions)
    directions = directions[:kept]
    weights = np.concatenate([left_out(part, moved) @ directions.T for part in _chunks(rotvec)])
    # Weights about 1 are what programs show with a slider.
    size = np.maximum(np.abs(weights).max(axis=0), 1e-9)
    targets = np.zeros((kept, *shape), np.float32)
    targets[:, moved] = (directions * size[:, None]).reshape(kept, -1, 3)
    return targets, (weights / size).astype(np.float32)


def _enough(table: ndarray, directions: ndarray) -> int:
    """Return how many directions leave no vertex of any frame farther off than the tolerance."""
    remaining = table.astype(np.float64)
    for count, direction in enumerate(directions):
        if np.linalg.norm(remaining.reshape(len(table), -1, 3), axis=-1).max() <= _TOLERANCE_M:
            return count
        remaining = remaining - np.outer(remaining @ direction, direction)
    return len(directions)


def _chunks(rotvec: ndarray) -> list[ndarray]:
    return [rotvec[start : start + _CHUNK] for start in range(0, len(rotvec), _CHUNK)]


def _world_rotmats(rotvec: Float32[ndarray, "T 24 3"], parents: ndarray) -> Float[ndarray, "T 24 3 3"]:
    world = exp(rotvec.astype(np.float64))
    for joint, parent in enumerate(parents):
        if parent >= 0:
            world[:, joint] = world[:, parent] @ world[:, joint]
    return world
