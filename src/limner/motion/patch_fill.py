"""Patch-based completion: fill a hole with pieces of the same picture, from coarse to fine.

At every level of a pyramid each patch that touches the hole looks for the most similar patch that does not (random
search and propagation), then all patches that lie over a pixel vote on its colour; this alternates until it settles,
and the finer level starts from the same correspondences. At the end the GRADIENTS of the patches found are integrated
against the photo round the hole, so that slow changes of light leave no seams.

Sources: Wexler, Shechtman and Irani 2007 (the objective, trust by distance to the border, voting); Barnes et al. 2009
(PatchMatch); Perez, Gangnet and Blake 2003 (integration of gradients). Differences: a weak preference for patches from
nearby, above all from the same height, because walls and floors change least along a row; and at sizes beyond
`size_limit` only the neighbourhood of the correspondences found is searched, so that large photos stay affordable.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32
from numba import njit
from numpy import ndarray

from limner.motion.membrane import smooth_fill, sum_quads

RADIUS = 3
"""Half the patch: 7 by 7 pixels, as in Wexler et al."""

FALL_OFF = 1.4
"""How much less a pixel of the hole is trusted for every pixel of distance from the border (Wexler et al.: 1.3)."""

LEAST_TRUST = 0.02

NEARNESS_YX = (600.0, 60.0)
"""Cost of a patch from a whole longer side away, down and across, in squared grey levels summed over the channels."""

SHARPNESS = 3.0
"""How much good patches outweigh bad ones in a vote: at 1, as in Wexler et al., bricks and boards blur."""

COARSEST_DEPTH = 4.0
"""The pyramid ends where no pixel of the hole lies deeper than this many pixels."""

FEWEST_SOURCES = 64

ROUNDS = (2, 16, 40, 60)
"""Searches and votes at the work size, half, a quarter, and below, where they decide most and cost least."""


@dataclass
class _Level:
    """One size of the picture: its colours, what is to fill, and what must not be copied."""

    image: Float32[ndarray, "H W 3"]
    hole: Bool[ndarray, "H W"]
    barred: Bool[ndarray, "H W"]

    @property
    def valid(self) -> Bool[ndarray, "H W"]:
        """Centres of patches that lie inside the picture and hold nothing barred."""
        inside = np.zeros_like(self.hole)
        inside[RADIUS:-RADIUS, RADIUS:-RADIUS] = True
        return inside & ~_grown(self.barred)

    @property
    def targets(self) -> Int32[ndarray, "N 2"]:
        """Centres (row, column) of the patches that touch the hole, row by row."""
        return np.ascontiguousarray(np.argwhere(_grown(self.hole)), dtype=np.int32)

    @property
    def trust(self) -> Float32[ndarray, "H W"]:
        """How far each pixel is believed: 1 in the photo, less with every pixel into the hole."""
        depth = cv2.distanceTransform(self.hole.astype(np.uint8), cv2.DIST_L2, 5)
        return np.maximum(FALL_OFF**-depth, LEAST_TRUST).astype(np.float32)


@dataclass
class _Field:
    """For each target patch the centre of the patch it copies, -1 where there is no target, and what that costs."""

    source: Int32[ndarray, "H W 2"]
    cost: Float32[ndarray, "H W"]


class _View(NamedTuple):
    """What the search looks at; image and trust are padded by RADIUS, trust with zeros."""

    image: Float32[ndarray, "H2 W2 3"]
    trust: Float32[ndarray, "H2 W2"]
    valid: Bool[ndarray, "H W"]
    nearness: Float32[ndarray, "2"]


def fill_by_patches(
    image: Float32[ndarray, "H W 3"],
    hole: Bool[ndarray, "H W"],
    barred: Bool[ndarray, "H W"],
    *,
    size_limit: int = 1024,
    seed: int = 0,
) -> tuple[Float32[ndarray, "H W 3"], Int32[ndarray, "H W 2"]] | None:
    """Fill the hole of a picture with patches of the rest of it.

    Args:
        image: colours, 0 to 255; those inside the hole are ignored.
        hole: True where the picture is to be filled.
        barred: True where nothing may be copied from; holds the hole.
        size_limit: pixels of the longer side up to which patches are searched for all over the picture.
        seed: of the random search; equal seeds give equal pictures.

    Returns:
        The picture, changed inside the hole only, and for each pixel of the hole the pixel (row, column) it was copied
        from; None where the rest of the picture is too small to copy from.

    Source: Wexler et al. 2007 and Barnes et al. 2009; the module lists the differences.
    """
    levels = list(takewhile(lambda level: level.valid.sum() >= FEWEST_SOURCES, _pyramid(image, hole, barred)))
    if not levels:
        return None
    levels[-1].image = smooth_fill(levels[-1].image, levels[-1].hole)
    sizes = [max(level.hole.shape) for level in levels]
    field = _random_field(levels[-1], seed)
    for index in reversed(range(len(levels))):
        first = index == len(levels) - 1
        if not first:
            field = _upscaled(field, levels[index], seed)
        halvings = sum(size <= size_limit for size in sizes[:index])
        rounds = ROUNDS[-1] if first else ROUNDS[min(halvings, len(ROUNDS) - 1)]
        if sizes[index] > size_limit:
            _settle(levels[index], field, rounds=1, passes=1, reach=2, seed=seed + index)
        else:
            _settle(levels[index], field, rounds=rounds, passes=2, reach=sizes[index], seed=seed + index)
    return levels[0].image, field.source


def _grown(mask: Bool[ndarray, "H W"]) -> Bool[ndarray, "H W"]:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)) > 0


def _pyramid(image: ndarray, hole: ndarray, barred: ndarray) -> list[_Level]:
    """Halve the picture until the hole is shallow; colours are averaged over known pixels only."""
    levels = [_Level(np.where(hole[..., None], 0, image).astype(np.float32), hole, barred)]
    while True:
        fine = levels[-1]
        depth = cv2.distanceTransform(np.pad(fine.hole, 1).astype(np.uint8), cv2.DIST_L2, 5).max()
        if depth <= COARSEST_DEPTH or min(fine.hole.shape) < 8 * RADIUS:
            return levels
        levels.append(_halved(fine))


def _halved(fine: _Level) -> _Level:
    height, width = (2 * (n // 2) for n in fine.hole.shape)
    known = (~fine.hole[:height, :width]).astype(np.float32)
    weight = sum_quads(known[..., None])
    colour = sum_quads(fine.image[:height, :width] * known[..., None]) / np.maximum(weight, 1)
    barred = sum_quads(fine.barred[:height, :width, None].astype(np.float32)) >= 2
    hole = weight[..., 0] < 2
    return _Level(np.where(hole[..., None], 0, colour).astype(np.float32), hole, barred[..., 0] | hole)


def _random_field(level: _Level, seed: int) -> _Field:
    centres = np.argwhere(level.valid).astype(np.int32)
    targets = level.targets
    source = np.full((*level.hole.shape, 2), -1, np.int32)
    source[targets[:, 0], targets[:, 1]] = centres[
        np.random.default_rng(seed).integers(len(centres), size=len(targets))
    ]
    return _Field(source, np.full(level.hole.shape, np.inf, np.float32))


def _upscaled(coarse: _Field, level: _Level, seed: int) -> _Field:
    """Carry correspondences to twice the size; where one lands on a barred patch, start from a random one."""
    field, valid = _random_field(level, seed), level.valid
    y, x = level.targets.T
    height, width = coarse.source.shape[:2]
    parent = coarse.source[np.minimum(y // 2, height - 1), np.minimum(x // 2, width - 1)]
    child = 2 * parent + np.stack([y % 2, x % 2], axis=1)
    child = np.clip(child, RADIUS, np.array(valid.shape) - RADIUS - 1).astype(np.int32)
    usable = (parent[:, 0] >= 0) & valid[child[:, 0], child[:, 1]]
    field.source[y[usable], x[usable]] = child[usable]
    field.cost[:] = 0
    return field


def _settle(level: _Level, field: _Field, *, rounds: int, passes: int, reach: int, seed: int) -> None:
    """Search and vote in turn; fills the level's picture and betters the field in place."""
    targets, trust = level.targets, level.trust
    rows, columns = targets.T
    nearness = np.array(NEARNESS_YX, np.float32) / np.float32(max(level.hole.shape)) ** 2
    rim = (RADIUS, RADIUS)
    if np.isfinite(field.cost[rows[0], columns[0]]):
        level.image = _vote(level.image, level.hole, targets, field.source, trust[rows, columns])
    for turn in range(rounds):
        view = _View(np.pad(level.image, (rim, rim, (0, 0))), np.pad(trust, RADIUS), level.valid, nearness)
        _search(view, targets, field.source, field.cost, (passes, reach, 64 * seed + turn))
        cost = field.cost[rows, columns]
        spread = (np.percentile(cost, 75) + 1.0) / SHARPNESS
        weights = trust[rows, columns] * (np.exp(-0.5 * cost / spread) + 1e-6)
        level.image = _vote(level.image, level.hole, targets, field.source, weights.astype(np.float32))


@njit(cache=True, fastmath=True)
def _cost(view, target, source, limit):
    """Mean squared difference of two patches, weighted by trust, plus the cost of distance; gives up beyond `limit`."""
    (ty, tx), (sy, sx) = target, source
    total = np.float32(0.0)
    for dy in range(2 * RADIUS + 1):
        for dx in range(2 * RADIUS + 1):
            total += view.trust[ty + dy, tx + dx]
    far = view.nearness[0] * np.float32((sy - ty) ** 2) + view.nearness[1] * np.float32((sx - tx) ** 2)
    stop = (limit - far) * total
    cost = np.float32(0.0)
    for dy in range(2 * RADIUS + 1):
        for dx in range(2 * RADIUS + 1):
            a = view.image[ty + dy, tx + dx, 0] - view.image[sy + dy, sx + dx, 0]
            b = view.image[ty + dy, tx + dx, 1] - view.image[sy + dy, sx + dx, 1]
            c = view.image[ty + dy, tx + dx, 2] - view.image[sy + dy, sx + dx, 2]
            cost += view.trust[ty + dy, tx + dx] * (a * a + b * b + c * c)
        if cost >= stop:
            return limit
    return cost / total + far


@njit(cache=True)
def _better(view, target, candidate, best, cost):
    """Return the candidate and its cost where it is a usable patch that costs less, else the best so far."""
    sy, sx = candidate
    height, width = view.valid.shape
    if sy < 0 or sx < 0 or sy >= height or sx >= width or not view.valid[sy, sx]:
        return best, cost
    found = _cost(view, target, candidate, cost)
    if found < cost:
        return candidate, found
    return best, cost


@njit(cache=True)
def _search(view, targets, source, cost, plan):
    """PatchMatch over the target patches, in place; `plan` is the number of passes, the widest jump, the seed."""
    passes, reach, seed = plan
    state = np.uint64(88172645463325252) + np.uint64(seed) * np.uint64(2654435761)
    height, width = view.valid.shape
    count = len(targets)
    for i in range(count):
        ty, tx = np.int64(targets[i, 0]), np.int64(targets[i, 1])
        start = (np.int64(source[ty, tx, 0]), np.int64(source[ty, tx, 1]))
        cost[ty, tx] = _cost(view, (ty, tx), start, np.float32(1e12))
    for turn in range(passes):
        step = 1 if turn % 2 == 0 else -1
        for k in range(count):
            i = k if step == 1 else count - 1 - k
            ty, tx = np.int64(targets[i, 0]), np.int64(targets[i, 1])
            best, least = (np.int64(source[ty, tx, 0]), np.int64(source[ty, tx, 1])), cost[ty, tx]
            for dy, dx in ((step, 0), (0, step)):
                ny, nx = ty - dy, tx - dx
                if ny < 0 or nx < 0 or ny >= height or nx >= width or source[ny, nx, 0] < 0:
                    continue
                candidate = (source[ny, nx, 0] + dy, source[ny, nx, 1] + dx)
                if candidate != best:
                    best, least = _better(view, (ty, tx), candidate, best, least)
            jump = reach
            while jump >= 1:
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                down = np.int64(state >> np.uint64(40)) % (2 * jump + 1) - jump
                across = np.int64((state >> np.uint64(16)) & np.uint64(0xFFFFFF)) % (2 * jump + 1) - jump
                best, least = _better(view, (ty, tx), (best[0] + down, best[1] + across), best, least)
                jump //= 2
            cost[ty, tx] = least
            source[ty, tx, 0], source[ty, tx, 1] = best


@njit(cache=True)
def _vote(image, hole, targets, source, weights):
    """Return the picture with the hole filled by the weighted mean of all patches that lie over each pixel."""
    height, width = hole.shape
    total = np.zeros((height, width), np.float32)
    colour = np.zeros(image.shape, np.float32)
    for i in range(len(targets)):
        ty, tx = targets[i]
        sy, sx = source[ty, tx]
        for dy in range(max(-RADIUS, -ty), min(RADIUS, height - 1 - ty) + 1):
            for dx in range(max(-RADIUS, -tx), min(RADIUS, width - 1 - tx) + 1):
                if hole[ty + dy, tx + dx]:
                    total[ty + dy, tx + dx] += weights[i]
                    for c in range(3):
                        colour[ty + dy, tx + dx, c] += weights[i] * image[sy + dy, sx + dx, c]
    out = image.copy()
    for y in range(height):
        for x in range(width):
            if hole[y, x] and total[y, x] > 0:
                for c in range(3):
                    out[y, x, c] = colour[y, x, c] / total[y, x]
    return out
