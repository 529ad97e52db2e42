"""What the fitter sees: keypoints in the picture frame with a confidence each, bone directions in space, still feet.

Units: the picture frame's (half the longer side) for places, 0 to 1 for confidences, unit vectors for directions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from limner.body import blas
from limner.body.camera import picture_from_pixels
from limner.body.swaps import find_swaps, mirrored_names
from limner.pose import SKELETONS
from limner.records import Keypoints

__all__ = ["BONES", "SPREAD", "Observations", "bone_matrix", "levelled", "observe"]

# How far a keypoint of the locator lies from the body's own, in metres on the body: what two networks and several
# skeletons call a hip differs more than what they call a wrist. Keypoints that are not named are left out.
SPREAD = {
    "nose": 0.02, "left_eye": 0.02, "right_eye": 0.02, "left_ear": 0.025, "right_ear": 0.025,
    "left_mouth": 0.025, "right_mouth": 0.025, "head_top": 0.04, "neck": 0.03,
    "left_shoulder": 0.02, "right_shoulder": 0.02, "left_elbow": 0.02, "right_elbow": 0.02,
    "left_wrist": 0.018, "right_wrist": 0.018, "left_index": 0.03, "right_index": 0.03,
    "left_pinky": 0.03, "right_pinky": 0.03, "left_hip": 0.03, "right_hip": 0.03,
    "left_knee": 0.02, "right_knee": 0.02, "left_ankle": 0.018, "right_ankle": 0.018,
    "left_heel": 0.025, "right_heel": 0.025, 
    "left_big_toe": 0.025, "right_big_toe": 0.025, "mid_hip": 0.03, "pelvis": 0.03,
}  # fmt: skip

# bone: its ends (means of keypoints) and how well the locator knows its direction, as a share of its length
BONES = {
    "torso": (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"), 0.2),
    "hips": (("right_hip",), ("left_hip",), 0.35),
    "shoulders": (("right_shoulder",), ("left_shoulder",), 0.25),
    "left_upper_arm": (("left_shoulder",), ("left_elbow",), 0.25),
    "right_upper_arm": (("right_shoulder",), ("right_elbow",), 0.25),
    "left_forearm": (("left_elbow",), ("left_wrist",), 0.25),
    "right_forearm": (("right_elbow",), ("right_wrist",), 0.25),
    "left_hand": (("left_wrist",), ("left_index", "left_pinky"), 0.5),
    "right_hand": (("right_wrist",), ("right_index", "right_pinky"), 0.5),
    "left_thigh": (("left_hip",), ("left_knee",), 0.2),
    "right_thigh": (("right_hip",), ("right_knee",), 0.2),
    "left_shin": (("left_knee",), ("left_ankle",), 0.2),
    "right_shin": (("right_knee",), ("right_ankle",), 0.2),
    "left_sole": (("left_heel",), ("left_big_toe",), 0.35),
    "right_sole": (("right_heel",), ("right_big_toe",), 0.35),
    "face": (("left_ear", "right_ear"), ("nose",), 0.4),
    "ears": (("right_ear",), ("left_ear",), 0.4),
}

_TRUNK_SURE = 0.5  # score of shoulders and hips from which the arms' guesses are believed
_LEAN_USUAL = np.radians(-12)  # of the world landmarks, top towards the viewer, where nothing tells it
_LEAN_MOST = np.radians(40)  # a torso or legs further from upright than this do not stand


@dataclass(frozen=True)
class Observations:
    """One person in T frames as the fitter sees them.

    Attributes:
        names: what the keypoints are called.
        xy: places in the picture frame.
        confidence: 0 where a keypoint or the whole frame says nothing.
        directions: unit vectors of `bones` in camera axes, or None without world landmarks.
        bones: (B, K) rows that take the bones from keypoints.
        bone_spread: (B,) share of a bone's length by which its direction errs.
        bone_confidence: (T, B).
        frame_rate: frames a second; None for a picture.
    """

    names: tuple[str, ...]
    xy: Float[ndarray, "T K 2"]
    confidence: Float[ndarray, "T K"]
    directions: Float[ndarray, "T B 3"] | None
    bones: Float[ndarray, "B K"]
    bone_spread: Float[ndarray, "B"]
    bone_confidence: Float[ndarray, "T B"]
    frame_rate: float | None = None

    def __len__(self) -> int:
        return len(self.xy)

    @property
    def visible(self) -> Bool[ndarray, "T"]:
        """Frames that show at least three keypoints."""
        return (self.confidence > 0).sum(1) >= 3

    def __getitem__(self, frames: slice | ndarray) -> Observations:
        directions = None if self.directions is None else self.directions[frames]
        return replace(
            self,
            xy=self.xy[frames],
            confidence=self.confidence[frames],
            directions=directions,
            bone_confidence=self.bone_confidence[frames],
        )


def bone_matrix(names: tuple[str, ...]) -> tuple[Float[ndarray, "B K"], Float[ndarray, "B"], list[str]]:
    """Return the rows that take bones from keypoints, their spread, and the names of the bones these keypoints have."""
    rows, spread, kept = [], [], []
    for bone, (starts, ends, share) in BONES.items():
        if not all(name in names for name in (*starts, *ends)):
            continue
        row = np.zeros(len(names))
        for name in starts:
            row[names.index(name)] -= 1 / len(starts)
        for name in ends:
            row[names.index(name)] += 1 / len(ends)
        rows.append(row)
        spread.append(share)
        kept.append(bone)
    return np.array(rows).reshape(-1, len(names)), np.array(spread), kept


def observe(
    keypoints: Keypoints,
    names: tuple[str, ...],
    size_hw: tuple[int, int],
    *,
    valid: Bool[ndarray, "T"] | None = None,
    frame_rate: float | None = None,
) -> Observations:
    """Turn keypoints in pixels into what the fitter sees.

    Args:
        keypoints: one person in T frames.
        names: what the skeleton calls its keypoints.
        size_hw: of the picture.
        valid: frames that show the person; None for all.
        frame_rate: frames a second; None for a picture.
    """
    xy = picture_from_pixels(keypoints.xy.astype(np.float64), size_hw)
    confidence = np.clip(keypoints.score.astype(np.float64), 0, 1)
    confidence = np.where(confidence < 0.05, 0, confidence) * np.array([name in SPREAD for name in names])
    # What lies outside the picture was guessed, however sure the network is.
    reach = np.array([size_hw[1], size_hw[0]]) / max(size_hw)
    outside = np.clip((np.abs(xy) - reach).max(-1) / 0.05, 0, 1)
    confidence = confidence * (1 - 0.9 * outside)
    if valid is not None:
        confidence = confidence * np.asarray(valid, dtype=bool)[:, None]
    world = None if keypoints.world is None else keypoints.world.astype(np.float64)
    swaps = np.zeros((len(xy), 2), dtype=bool)
    if frame_rate is not None:
        swaps = find_swaps(xy, confidence, names, world)
        for t in np.flatnonzero(swaps.any(1)):
            order = mirrored_names(names, legs=swaps[t, 0], arms=swaps[t, 1])
            xy[t], confidence[t] = xy[t][order], confidence[t][order]
            if world is not None:
                world[t] = world[t][order]
    bones, spread, kept = bone_matrix(names)
    directions, bone_confidence = None, np.zeros((len(xy), len(bones)))
    if world is not None and len(bones):
        vectors = blas.einsum("bk,tkc->tbc", bones, world)
        length = np.linalg.norm(vectors, axis=-1, keepdims=True)
        directions = vectors / np.maximum(length, 1e-6)
        ends = np.abs(bones) > 0
        bone_confidence = np.where(ends, confidence[:, None], 1).min(-1) * (length[..., 0] > 1e-3)
        # Who is taken for turned round has the face and the feet invented to match.
        front = [n for n, name in enumerate(kept) if name in ("face", "left_sole", "right_sole")]
        bone_confidence[np.ix_(swaps.any(1), front)] = 0
    return Observations(names, xy, confidence, directions, bones, spread, bone_confidence, frame_rate)


def suppose_arms(keypoints: Keypoints, size_hw: tuple[int, int], least: float) -> Keypoints:
    """Let elbows and wrists that the body hides count for something where the trunk is surely seen.

    Who is seen from behind holds their hands before the body, and networks guess that well; the pose prior alone would
    spread the arms.

    Args:
        keypoints: one person in T frames, in pixels.
        size_hw: of the picture; guesses outside it stay as they are.
        least: the score that such a guess gets; 0 changes nothing. Points of score 0 were never guessed.
    """
    names = SKELETONS[keypoints.skeleton].joints
    arms = np.array([name.endswith(("elbow", "wrist")) for name in names])
    trunk = np.array([name.endswith(("shoulder", "hip")) for name in names])
    if not least or not arms.any() or not trunk.any():
        return keypoints
    inside = ((keypoints.xy >= 0) & (keypoints.xy < (size_hw[1], size_hw[0]))).all(axis=-1)
    sure = (keypoints.score[:, trunk] > _TRUNK_SURE).all(axis=1, keepdims=True)
    guessed = arms & inside & sure & (keypoints.score > 0)
    return replace(keypoints, score=np.where(guessed, np.maximum(keypoints.score, least), keypoints.score))


def levelled(observations: Observations) -> Observations:
    """Turn the bone directions about the picture's x axis so that a person who stands is upright.

    The world landmarks lean as a whole, the head towards the viewer: 8 to 20 degrees on photos of standing people. The
    lean is read from the frames in which torso and legs stand in line and is the same for the whole clip; without
    such a frame the usual lean is taken off.
    """
    if observations.directions is None:
        return observations
    names = bone_matrix(observations.names)[2]
    torso = observations.directions[:, names.index("torso")]
    legs = np.zeros_like(torso)
    confidence = observations.bone_confidence[:, names.index("torso")].copy()
    for side in ("left", "right"):
        for part in ("thigh", "shin"):
            legs += observations.directions[:, names.index(f"{side}_{part}")]
        shin = observations.bone_confidence[:, names.index(f"{side}_shin")]
        confidence = np.minimum(confidence, shin)
    lean_torso = np.arctan2(torso[:, 2], -torso[:, 1])
    lean_legs = np.arctan2(-legs[:, 2], legs[:, 1])
    in_line = (np.abs(lean_torso) < _LEAN_MOST) & (np.abs(lean_legs) < _LEAN_MOST) & (confidence > 0.3)
    lean = np.median((lean_torso + lean_legs)[in_line] / 2) if in_line.any() else _LEAN_USUAL
    cos, sin = np.cos(lean), np.sin(lean)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return replace(observations, directions=observations.directions @ turn.T)
