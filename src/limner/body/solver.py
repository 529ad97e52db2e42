"""Least squares over all frames of a video at once: normal equations with two neighbours on each side, and a solver.

Every frame has D unknowns (camera and turns of joints) and all frames share S betas. Smoothness couples a frame with
the next two, so the matrix is block pentadiagonal with a border for the betas. Frames are taken in pairs, which makes
it block tridiagonal, factored by Cholesky from front to back; the border goes by its Schur complement. The time is
linear in the number of frames, and since the whole clip is solved together no frame lags behind another.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.body import blas


class NormalEquations:
    """J^T W J and J^T W r, gathered term by term.

    Attributes:
        diagonal: (T, D, D) blocks of a frame with itself.
        next_one: (T, D, D) blocks of frame t with t + 1; the last is unused.
        next_two: (T, D, D) blocks of frame t with t + 2; the last two are unused.
        border: (T, D, S) blocks with the betas.
        corner: (S, S) block of the betas.
        gradient: (T, D), and `gradient_betas` (S,).
    """

    def __init__(self, num_frames: int, num_unknowns: int, num_betas: int) -> None:
        self.diagonal = np.zeros((num_frames, num_unknowns, num_unknowns))
        self.next_one: ndarray | None = None
        self.next_two: ndarray | None = None
        self.border = np.zeros((num_frames, num_unknowns, num_betas))
        self.corner = np.zeros((num_betas, num_betas))
        self.gradient = np.zeros((num_frames, num_unknowns))
        self.gradient_betas = np.zeros(num_betas)

    def add(
        self,
        residual: Float[ndarray, "T R"],
        by_pose: Float[ndarray, "T R D"],
        by_betas: Float[ndarray, "T R S"] | None,
        weight: Float[ndarray, "T R"],
    ) -> None:
        """Add rows that see one frame each."""
        weighted = by_pose * weight[..., None]
        transposed = weighted.transpose(0, 2, 1)
        self.diagonal += blas.matmul(transposed, by_pose)
        self.gradient += blas.matmul(transposed, residual[..., None])[..., 0]
        if by_betas is None:
            return
        self.border += blas.matmul(transposed, by_betas)
        flat = (by_betas * weight[..., None]).reshape(-1, by_betas.shape[-1])
        self.corner += blas.matmul(flat.T, by_betas.reshape(-1, by_betas.shape[-1]))
        self.gradient_betas += blas.matmul(flat.T, residual.ravel())

    def add_across(
        self,
        residual: Float[ndarray, "N R"],
        by_pose: Float[ndarray, "T R D"],
        weight: Float[ndarray, "N R"],
        stencil: tuple[float, ...],
    ) -> None:
        """Add rows residual[n] = sum_i stencil[i] y[n + i], where y has the derivative `by_pose` in its own frame."""
        if self.next_one is None or self.next_two is None:
            self.next_one, self.next_two = np.zeros_like(self.diagonal), np.zeros_like(self.diagonal)
        count = len(residual)
        bands = (self.diagonal, self.next_one, self.next_two)
        for i, left in enumerate(stencil):
            weighted = (by_pose[i : i + count] * (left * weight)[..., None]).transpose(0, 2, 1)
            self.gradient[i : i + count] += blas.matmul(weighted, residual[..., None])[..., 0]
            for j in range(i, len(stencil)):
                bands[j - i][i : i + count] += stencil[j] * blas.matmul(weighted, by_pose[j : j + count])

    def solve(
        self, damping: Float[ndarray, "T"], *, with_betas: bool
    ) -> tuple[Float[ndarray, "T D"], Float[ndarray, "S"]]:
        """Return the step of every frame and of the betas, with the diagonal raised by the share `damping`."""
        diagonal = self.diagonal.copy()
        index = np.arange(diagonal.shape[1])
        diagonal[:, index, index] *= 1 + damping[:, None]
        diagonal[:, index, index] += 1e-9
        right = -self.gradient[..., None]
        if with_betas:
            right = np.concatenate([right, self.border], axis=2)
        if self.next_one is None or self.next_two is None:
            solved = blas.solve(diagonal, right)
        else:
            solved = _solve_band(diagonal, self.next_one, self.next_two, right)
        step = solved[..., 0]
        if not with_betas:
            return step, np.zeros(len(self.corner))
        border = self.border.reshape(-1, len(self.corner))
        by_border = solved[..., 1:].reshape(border.shape)
        corner = self.corner + np.diag(np.diag(self.corner)) * damping.mean() - blas.matmul(border.T, by_border)
        step_betas = blas.solve(corner, -self.gradient_betas - blas.matmul(border.T, step.ravel()))
        return step - blas.matmul(solved[..., 1:], step_betas), step_betas


def _paired(blocks: ndarray, next_one: ndarray, next_two: ndarray) -> tuple[ndarray, ndarray]:
    """Return the diagonal and the upper blocks of the matrix with an even number of frames taken two by two."""
    size = blocks.shape[1]
    own = np.zeros((len(blocks) // 2, 2 * size, 2 * size))
    upper = np.zeros_like(own)
    own[:, :size, :size], own[:, size:, size:] = blocks[0::2], blocks[1::2]
    own[:, :size, size:] = next_one[0::2]
    own[:, size:, :size] = next_one[0::2].transpose(0, 2, 1)
    upper[:, :size, :size], upper[:, size:, size:] = next_two[0::2], next_two[1::2]
    upper[:, size:, :size] = next_one[1::2]
    return own, upper


def _solve_band(diagonal: ndarray, next_one: ndarray, next_two: ndarray, right: ndarray) -> ndarray:
    """Solve the block pentadiagonal system for several right-hand sides (T, D, C)."""
    num_frames, size, columns = right.shape
    if num_frames % 2:
        pad = np.eye(size)[None]
        empty = np.zeros_like(pad)
        diagonal = np.concatenate([diagonal, pad])
        next_one, next_two = np.concatenate([next_one, empty]), np.concatenate([next_two, empty])
        right = np.concatenate([right, np.zeros((1, size, columns))])
    own, upper = _paired(diagonal, next_one, next_two)
    right = right.reshape(len(own), 2 * size, columns).copy()
    factors = []
    for n in range(len(own)):
        factors.append(blas.factor(own[n]))
        if n + 1 < len(own):
            half = blas.solve_half(factors[n], upper[n])
            own[n + 1] -= blas.matmul(half.T, half)
            right[n + 1] -= blas.matmul(half.T, blas.solve_half(factors[n], right[n]))
    for n in range(len(own) - 1, -1, -1):
        if n + 1 < len(own):
            right[n] -= blas.matmul(upper[n], right[n + 1])
        right[n] = blas.solve_factored(factors[n], right[n])
    return right.reshape(-1, size, columns)[:num_frames]
