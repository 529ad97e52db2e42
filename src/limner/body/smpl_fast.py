"""The body layer for drawing and video: numpy in, numpy out, blend shapes and skinning fused in one compiled pass.

Vertices are reordered so that neighbours on one bone lie side by side, and are worked on in blocks of `_LANES`. A block
keeps only the bones that carry it and only the pose directions that can move it by more than `_NEGLIGIBLE` in total, so
each number is read once, stays in the cache while the whole batch uses it, and every inner loop runs over neighbouring
floats. The slow readable twin is `limner.body.SMPL`; both agree within 1e-5 m.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.body.smpl import NUM_JOINTS, BodyData
from limner.checks import InputError, ShapeError, check_shape

__all__ = ["FastSMPL"]

_LANES = 64
_CHUNK = 9  # numbers of a rotation matrix; shape numbers are cut into chunks of this size too
_TILE = 16  # bodies of a batch that share a block's numbers while these are in the nearest cache
_NEGLIGIBLE = 5e-7  # metres: half the spacing of float32 numbers near 8 m, far below the 1e-5 m promised

_fast = numba.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})


@_fast
def _add_directions(features, directions, posed):
    """Add one chunk of directions, weighted by each body's features, to a block of vertices."""
    for n in range(features.shape[0]):
        a, b, c = features[n, 0], features[n, 1], features[n, 2]
        d, e, f = features[n, 3], features[n, 4], features[n, 5]
        g, h, i = features[n, 6], features[n, 7], features[n, 8]
        if a == b == c == d == e == f == g == h == i == 0:
            continue
        for axis in range(3):
            # Flat places with constant distances: one pointer serves all nine rows, and the loop becomes plain SIMD.
            p = axis * _CHUNK * _LANES
            for lane in range(axis * _LANES, (axis + 1) * _LANES):
                posed[n, lane] += (
                    a * directions[p] + b * directions[p + _LANES] + c * directions[p + 2 * _LANES]
                    + d * directions[p + 3 * _LANES] + e * directions[p + 4 * _LANES] + f * directions[p + 5 * _LANES]
                    + g * directions[p + 6 * _LANES] + h * directions[p + 7 * _LANES] + i * directions[p + 8 * _LANES]
                )  # fmt: skip
                p += 1


@_fast
def _add_bone(m, weights, posed, skinned):
    """Add one bone's share of the skinned positions of a block."""
    m00, m01, m02, m03, m10, m11 = m[0], m[1], m[2], m[3], m[4], m[5]
    m12, m13, m20, m21, m22, m23 = m[6], m[7], m[8], m[9], m[10], m[11]
    for lane in range(_LANES):
        x, y, z, w = posed[lane], posed[lane + _LANES], posed[lane + 2 * _LANES], weights[lane]
        skinned[lane] += w * (m00 * x + m01 * y + m02 * z + m03)
        skinned[lane + _LANES] += w * (m10 * x + m11 * y + m12 * z + m13)
        skinned[lane + 2 * _LANES] += w * (m20 * x + m21 * y + m22 * z + m23)


@_fast
def _pose_vertices(features, transforms, template, chunks, bones, vertex_ids, out):
    """Blend and skin every block for the whole batch; writes `out` (N, V, 3)."""
    chunk_start, chunk_index, chunk_directions = chunks
    bone_start, bone_index, bone_weights = bones
    num_bodies, num_vertices = out.shape[0], out.shape[1]
    posed = np.empty((_TILE, 3 * _LANES), np.float32)
    skinned = np.empty(3 * _LANES, np.float32)
    for block in range(template.shape[0]):
        used = min(_LANES, num_vertices - block * _LANES)
        for first in range(0, num_bodies, _TILE):
            count = min(_TILE, num_bodies - first)
            for n in range(count):
                posed[n] = template[block]
            for k in range(chunk_start[block], chunk_start[block + 1]):
                _add_directions(features[chunk_index[k], first : first + count], chunk_directions[k], posed)
            for n in range(count):
                skinned[:] = 0
                for k in range(bone_start[block], bone_start[block + 1]):
                    _add_bone(transforms[first + n, bone_index[k]], bone_weights[k], posed[n], skinned)
                for lane in range(used):
                    vertex = vertex_ids[block * _LANES + lane]
                    for axis in range(3):
                        out[first + n, vertex, axis] = skinned[axis * _LANES + lane]


@_fast
def _rotmat(v, r):
    """Write the rotation matrix of the vector `v` to `r`; Rodrigues' formula, regular at 0."""
    x, y, z = v[0], v[1], v[2]
    squared = x * x + y * y + z * z
    angle = np.sqrt(squared)
    a = np.sin(angle) / angle if squared > 1e-12 else 1 - squared / 6
    half = np.sin(angle / 2) / (angle / 2) if squared > 1e-12 else 1 - squared / 24
    b = half * half / 2
    r[0, 0], r[0, 1], r[0, 2] = 1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    r[1, 0], r[1, 1], r[1, 2] = b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x
    r[2, 0], r[2, 1], r[2, 2] = b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)


@_fast
def _pose_joints(rotvec, joints_rest, parents, num_shape_chunks, features, transforms, joints):
    """Walk the joint tree in float64; writes the pose features, the skinning transforms and the posed joints."""
    rotation = np.empty((24, 3, 3))
    local = np.empty((3, 3))
    place = np.empty((24, 3))
    for n in range(rotvec.shape[0]):
        rest = joints_rest[n]
        for j in range(24):
            _rotmat(rotvec[n, j], local)
            parent = parents[j]
            for r in range(3):
                place[j, r] = rest[j, r] if parent < 0 else place[parent, r]
                for c in range(3):
                    if parent < 0:
                        rotation[j, r, c] = local[r, c]
                        continue
                    place[j, r] += rotation[parent, r, c] * (rest[j, c] - rest[parent, c])
                    total = 0.0
                    for k in range(3):
                        total += rotation[parent, r, k] * local[k, c]
                    rotation[j, r, c] = total
            for r in range(3):
                shift = place[j, r]
                for c in range(3):
                    if j > 0:
                        features[num_shape_chunks + j - 1, n, 3 * r + c] = local[r, c] - (1 if r == c else 0)
                    transforms[n, j, 4 * r + c] = rotation[j, r, c]
                    shift -= rotation[j, r, c] * rest[j, c]
                transforms[n, j, 4 * r + 3] = shift
                joints[n, j, r] = place[j, r]


def _bone_order(data: BodyData) -> ndarray:
    """Sort vertices by the bone that carries them most, then along that bone, so that blocks share few bones."""
    bone = data.weights.argmax(1)
    along = np.empty(data.num_vertices, np.float32)
    for j in range(NUM_JOINTS):
        own = data.v_template[bone == j]
        if len(own):
            along[bone == j] = own[:, np.ptp(own, axis=0).argmax()]
    return np.lexsort((along, bone))


def _blocked(values: ndarray, order: ndarray) -> ndarray:
    """Reorder (V, ...) by `order`, pad with zeros, and put the lanes last: (blocks, ..., lanes)."""
    num_blocks = -(-len(order) // _LANES)
    padded = np.zeros((num_blocks * _LANES, *values.shape[1:]), np.float32)
    padded[: len(order)] = values[order]
    return np.ascontiguousarray(np.moveaxis(padded.reshape(num_blocks, _LANES, *values.shape[1:]), 1, -1))


def _ragged(kept: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Where a table (blocks, items) is True: the start of each block's items, their blocks, and their items."""
    start = np.concatenate([[0], kept.sum(1).cumsum()]).astype(np.int64)
    return start, *np.nonzero(kept)


class FastSMPL:
    """The body layer without gradients, for one body or a batch.

    Args:
        data: the body.

    Arithmetic is float32, the joint tree float64. One thread; releases the interpreter lock, so bodies of different
    frames can run in threads.
    """

    def __init__(self, data: BodyData) -> None:
        self.data = data
        self._parents = data.parents
        self._order = _bone_order(data)
        self._template = self._block_points(data.v_template)
        regressor = data.J_regressor.astype(np.float64)
        wide = data.shapedirs.astype(np.float64).reshape(data.num_vertices, -1)
        self._joints_template = np.asarray(regressor @ data.v_template.astype(np.float64))
        self._joints_shapedirs = np.asarray(regressor @ wide).reshape(NUM_JOINTS, 3, -1)
        self._bones = self._pack_bones()
        self._num_shape_chunks = -(-data.num_betas // _CHUNK)
        self._chunks = self._pack_directions()

    def _pack_bones(self) -> tuple[ndarray, ndarray, ndarray]:
        weights = _blocked(self.data.weights, self._order)
        start, block, bone = _ragged((weights != 0).any(2))
        return start, bone, np.ascontiguousarray(weights[block, bone])

    def _pack_directions(self) -> tuple[ndarray, ndarray, ndarray]:
        data = self.data
        padding = self._num_shape_chunks * _CHUNK - data.num_betas
        directions = [np.pad(data.shapedirs, ((0, 0), (0, 0), (0, padding)))]
        if data.posedirs is not None:
            directions.append(data.posedirs)
        blocked = _blocked(np.concatenate(directions, 2), self._order)
        blocked = blocked.reshape(len(blocked), 3, -1, _CHUNK, _LANES).swapaxes(1, 2)  # (B, K, 3, 9, lanes)
        # No entry of R - I exceeds 2; the least chunks are left out while their sum cannot be noticed.
        reach = 2 * np.abs(blocked).sum(3).max((2, 3))
        reach[:, : self._num_shape_chunks] = np.inf
        ascending = np.sort(reach, 1)
        dropped = (ascending.cumsum(1) <= _NEGLIGIBLE).sum(1, keepdims=True)
        kept = reach.argsort(1).argsort(1) >= dropped
        start, block, chunk = _ragged(kept)
        return start, chunk, blocked[block, chunk].reshape(len(chunk), -1)

    def __call__(
        self,
        betas: Float32[ndarray, "N S"],
        rotvec: Float32[ndarray, "N 24 3"],
        offsets: Float32[ndarray, "V 3"] | None = None,
    ) -> tuple[Float32[ndarray, "N V 3"], Float32[ndarray, "N 24 3"]]:
        """Shape and pose the body.

        Args:
            betas: shape numbers; fewer than the body has stand for zeros in the rest.
            rotvec: axis-angle of each joint relative to its parent, the root first.
            offsets: metres added to the shaped rest vertices; the joints stay where they are.

        Returns:
            The posed vertices and the 24 posed joints, metres.

        Raises:
            ShapeError: shapes that do not fit, or more shape numbers than the body has.
            InputError: numbers that are not finite.
        """
        betas, rotvec = np.asarray(betas, np.float32), np.ascontiguousarray(rotvec, np.float32)
        self._check(betas, rotvec)
        num_bodies, num_shape = len(rotvec), self._num_shape_chunks
        features = np.zeros((num_shape + NUM_JOINTS - 1, num_bodies, _CHUNK), np.float32)
        padded = np.zeros((num_bodies, num_shape * _CHUNK), np.float32)
        padded[:, : betas.shape[1]] = betas
        features[:num_shape] = padded.reshape(num_bodies, num_shape, _CHUNK).swapaxes(0, 1)
        joints_rest = self._joints_template + np.einsum(
            "ns,jcs->njc", betas.astype(np.float64), self._joints_shapedirs[..., : betas.shape[1]]
        )
        transforms = np.empty((num_bodies, NUM_JOINTS, 12), np.float32)
        joints = np.empty((num_bodies, NUM_JOINTS, 3), np.float32)
        _pose_joints(rotvec, joints_rest, self._parents, num_shape, features, transforms, joints)
        vertices = np.empty((num_bodies, self.data.num_vertices, 3), np.float32)
        template = self._shifted_template(offsets)
        _pose_vertices(features, transforms, template, self._chunks, self._bones, self._order, vertices)
        return vertices, joints

    def _check(self, betas: ndarray, rotvec: ndarray) -> None:
        check_shape(rotvec, "rotvec", ("N", NUM_JOINTS, 3))
        check_shape(betas, "betas", (len(rotvec), "S"))
        if betas.shape[1] > self.data.num_betas:
            most = f"(N, {self.data.num_betas})"
            raise ShapeError(f"betas must have at most shape {most}, got {betas.shape}", expected=most)
        if not (np.isfinite(betas).all() and np.isfinite(rotvec).all()):
            raise InputError("betas and rotvec must be finite; at least one number is not")

    def _shifted_template(self, offsets: ndarray | None) -> ndarray:
        if offsets is None:
            return self._template
        offsets = np.asarray(offsets, np.float32)
        check_shape(offsets, "offsets", (self.data.num_vertices, 3))
        return self._template + self._block_points(offsets)

    def _block_points(self, points: ndarray) -> ndarray:
        return _blocked(points, self._order).reshape(-1, 3 * _LANES)
