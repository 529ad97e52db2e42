"""Scores of sets of pictures from their features, as the evaluation of Liquid Warping GAN computes them.

Notation (Heusel et al. 2017): m, C the means and covariances of two sets of features; the Frechet distance is
|m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2)).
Source: Heusel et al. 2017; Salimans et al. 2016; svip-lab/impersonator `his_evaluators/metrics/metrics.py`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import linalg

from limner.checks import InputError, check_shape

_COSINE_FLOOR = 1e-6
_POSED = 75  # camera and pose of the 85 numbers


def frechet_distance(features_a: Float[ndarray, "N D"], features_b: Float[ndarray, "M D"]) -> float:
    """Return the Frechet distance of two sets of features, taken as Gaussians.

    It is FID on Inception's features and a re-identification distance on a re-identification network's.

    Args:
        features_a: one row a picture, at least two.
        features_b: the other set; it may differ in number.

    Raises:
        ShapeError: the widths differ.
        InputError: a set has fewer than two rows, or a value is not finite.
    """
    check_shape(features_a, "features_a", ("N", "D"))
    check_shape(features_b, "features_b", ("M", features_a.shape[1]))
    (mean_a, covariance_a), (mean_b, covariance_b) = _moments(features_a, "a"), _moments(features_b, "b")
    # tr sqrt(Ca Cb) by the symmetric root of Ca: few samples make both singular, where a general root fails.
    root_a = _symmetric_root(covariance_a)
    middle = root_a @ covariance_b @ root_a
    trace_root = np.sqrt(np.clip(linalg.eigvalsh((middle + middle.T) / 2), 0, None)).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(covariance_a) + np.trace(covariance_b) - 2 * trace_root
    return float(max(distance, 0.0))


def inception_score(logits: Float[ndarray, "N D"]) -> float:
    """Return the exponent of the mean divergence of each picture's distribution from the mean distribution.

    Parity: the published evaluation hands in the 2048 POOLED FEATURES of Inception instead of class logits, which is
    why its figures lie near 3.4; do the same to compare with them, hand in logits for the score as it is defined.

    Raises:
        ShapeError: `logits` has another number of axes.
        InputError: there is no row, or a value is not finite.
    """
    check_shape(logits, "logits", ("N", "D"))
    values = _finite(logits, "logits")
    if not len(values):
        raise InputError("an inception score needs at least one picture")
    log_prob = values - np.logaddexp.reduce(values, axis=1, keepdims=True)
    log_mean = np.logaddexp.reduce(log_prob, axis=0) - np.log(len(values))
    return float(np.exp((np.exp(log_prob) * (log_prob - log_mean)).sum(axis=1).mean()))


def cosine_similarity(features_a: Float[ndarray, "N D"], features_b: Float[ndarray, "N D"]) -> float:
    """Return the mean cosine of paired features: of faces or persons, for identity.

    Parity: norms are lifted by 1e-6.

    Raises:
        ShapeError: the sets differ in shape.
        InputError: there is no row, or a value is not finite.
    """
    check_shape(features_a, "features_a", ("N", "D"))
    check_shape(features_b, "features_b", tuple(features_a.shape))
    if not len(features_a):
        raise InputError("a mean cosine needs at least one pair")
    a, b = _finite(features_a, "features_a"), _finite(features_b, "features_b")
    a, b = (x / (np.linalg.norm(x, axis=1, keepdims=True) + _COSINE_FLOOR) for x in (a, b))
    return float((a * b).sum(axis=1).mean())


def body_error(bodies_a: Float[ndarray, "N 85"], bodies_b: Float[ndarray, "N 85"]) -> float:
    """Return how far recovered bodies are from wanted ones (SSPE), a sum of absolute differences.

    Args:
        bodies_a: camera (s, tx, ty), 72 axis-angles, 10 shapes.
        bodies_b: the other bodies.

    Raises:
        ShapeError: a shape differs from (N, 85).

    Source: `ssp_abs_err_score_func`. Parity: the scale counts twice, alone and in the first 75.
    """
    check_shape(bodies_a, "bodies_a", ("N", 85))
    check_shape(bodies_b, "bodies_b", tuple(bodies_a.shape))
    gap = np.abs(np.asarray(bodies_a, np.float64) - bodies_b)
    return float((gap[:, 0] + gap[:, _POSED:].sum(axis=1) + gap[:, :_POSED].sum(axis=1)).mean())


def _finite(values: ndarray, name: str) -> Float[ndarray, "N D"]:
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds numbers that are not finite")
    return values


def _moments(features: ndarray, which: str) -> tuple[Float[ndarray, "D"], Float[ndarray, "D D"]]:
    values = _finite(features, f"features_{which}")
    if len(values) < 2:
        raise InputError(f"a covariance needs at least two pictures, features_{which} has {len(values)}")
    return values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False))


def _symmetric_root(matrix: Float[ndarray, "D D"]) -> Float[ndarray, "D D"]:
    values, vectors = linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
