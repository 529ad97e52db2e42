"""Named parts of a person, as shares of the body's vertices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.body import BodyData
from limner.checks import InputError
from limner.motion.surface import mesh_edges, spread_on_mesh

PARTS: dict[str, tuple[str, ...]] = {
    "head": ("00_head",),
    "torso": ("09_torso",),
    "arms": ("01_arm_left", "02_arm_right"),
    "hands": ("03_hand_left", "04_hand_right"),
    "legs": ("05_leg_left", "06_leg_right"),
    "feet": ("07_foot_left", "08_foot_right"),
    "upper": ("09_torso", "01_arm_left", "02_arm_right"),
    "lower": ("05_leg_left", "06_leg_right", "07_foot_left", "08_foot_right"),
    "body": ("09_torso", "01_arm_left", "02_arm_right", "05_leg_left", "06_leg_right", "07_foot_left", "08_foot_right"),
    "all": (
        "00_head", "01_arm_left", "02_arm_right", "03_hand_left", "04_hand_right", "05_leg_left", "06_leg_right",
        "07_foot_left", "08_foot_right", "09_torso",
    ),
}  # fmt: skip
"""Names a user may give, and the parts of the body they stand for."""
EASE_M = 0.01
"""Over this distance from a seam the share falls to about a third of what it is at the seam."""


def part_shares(body: BodyData, parts: Sequence[str]) -> Float32[ndarray, "V"]:
    """1 on the named parts, 0 elsewhere, eased over about two centimetres to each side of the seams.

    Raises:
        InputError: a name that is not in `PARTS`, or none at all.
    """
    unknown = [name for name in parts if name not in PARTS]
    if unknown or not parts:
        raise InputError(f"parts must be some of {', '.join(PARTS)}; got {', '.join(unknown) or 'none'}")
    wanted = {part for name in parts for part in PARTS[name]}
    votes = np.zeros((2, body.num_vertices))
    for part, faces in body.face_parts.items():
        np.add.at(votes[int(part in wanted)], body.faces[faces].ravel(), 1.0)
    share = (votes[1] / np.maximum(votes.sum(axis=0), 1)).astype(np.float32)
    edges = mesh_edges(body.faces)
    length = np.linalg.norm(body.v_template[edges[:, 0]] - body.v_template[edges[:, 1]], axis=1)
    # Fine and coarse parts of the mesh ease alike: the spread reaches as many edges as it takes.
    stiffness = (EASE_M / np.maximum(length, 0.1 * EASE_M)) ** 2
    eased = spread_on_mesh(share[:, None], np.ones(len(share)), edges, stiffness, rest=0.0)
    return np.clip(eased[:, 0], 0, 1)
