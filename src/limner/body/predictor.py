"""From a picture, a video or keypoints to bodies: the door of the fitter."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from limner.body import lie
from limner.body.anchor import DEFAULT_ANCHOR, Anchor, anchor_of
from limner.body.camera import pixels_from_picture, project_weak
from limner.body.energy import State
from limner.body.fitting import fit, fit_outline
from limner.body.keypoint_rows import keypoint_rows
from limner.body.observations import SPREAD, Observations, observe, suppose_arms
from limner.body.prediction import HMRPredictor, shipped_network
from limner.body.smoothing import gaps
from limner.body.smpl import BodyData
from limner.body.smpl_fast import FastSMPL
from limner.body.smpl_files import load_body
from limner.body.sparse_body import SparseBody
from limner.checks import InputError, NobodyFound, check_shape
from limner.people import Locator, People, track_person
from limner.pose import SKELETONS
from limner.records import Bodies, Keypoints
from limner.types import LicenceName, RgbImage, SkeletonName

__all__ = ["BodyPredictor", "FitChange", "fit_change", "fit_keypoints", "mean_change"]

_log = logging.getLogger(__name__)
HIDDEN_ARMS = 0.3
"""What elbows and wrists that the body hides count for in bodies that are painted."""
_SURE = 0.3  # confidence below which a keypoint counts as unseen in warnings


@lru_cache(maxsize=8)
def _sparse_body(name: str, skeleton: SkeletonName) -> SparseBody:
    data = load_body(name)
    return SparseBody(data, keypoint_rows(data, skeleton))


def fit_keypoints(
    keypoints: Keypoints,
    size_hw: tuple[int, int],
    *,
    frame_rate: float | Fraction | None = None,
    body: str = "free",
    valid: Bool[ndarray, "T"] | None = None,
    mask: Float[ndarray, "H W"] | None = None,
    prediction: Bodies | None = None,
    anchor: float = DEFAULT_ANCHOR,
) -> Bodies:
    """Fit bodies to keypoints: every row by itself, or one person's whole clip at once.

    Args:
        keypoints: of any skeleton in the registry; world points help with depth where present. With a frame rate the
            rows are one person's frames, without one they are different people or unrelated pictures.
        size_hw: of the picture that the keypoints lie in.
        frame_rate: frames a second of a clip.
        body: "free" or "smpl:PATH".
        valid: frames of a clip that show the person; the others are filled between their neighbours, and held at the
            ends. None takes the frames that have a keypoint.
        mask: of the one person in the one picture, 0 to 1; the shape then follows its width.
        prediction: a network's bodies, one a row, in the same picture, to start from and to stay near. Betas that are
            all zero say nothing.
        anchor: how much the prediction counts; 0 starts from it and lets it go.

    Returns:
        One body a row; a clip's bodies share their betas.

    Raises:
        InputError: the skeleton is not known, a mask came with more than one row, the frame rate is not positive, the
            anchor is negative, or the prediction has another number of rows or another picture.
        NobodyFound: no row has a keypoint with any confidence.
        ShapeError: `valid` has another length than the keypoints, or the mask another size than the picture.
    """
    if keypoints.skeleton not in SKELETONS:
        raise InputError(f"no skeleton is called {keypoints.skeleton}; known are {', '.join(SKELETONS)}")
    names = tuple(SKELETONS[keypoints.skeleton].joints)
    check_shape(keypoints.xy, "the keypoints", ("T", len(names), 2))
    if valid is not None:
        check_shape(valid, "valid", (len(keypoints),))
    if mask is not None:
        check_shape(mask, "mask", size_hw)
        if len(keypoints) != 1:
            raise InputError(f"a mask belongs to one person in one picture, got keypoints of {len(keypoints)}")
    rate = None if frame_rate is None else float(frame_rate)
    if rate is not None and not 0 < rate < float("inf"):
        raise InputError(f"frame_rate must be positive, got {frame_rate}")
    seen = observe(keypoints, names, size_hw, valid=valid, frame_rate=rate)
    if not (seen.confidence > 0).any():
        raise NobodyFound("nobody was found: no keypoint has any confidence; give a picture that shows a person")
    sparse_body = _sparse_body(body, keypoints.skeleton)
    held = _anchor(prediction, anchor, seen, size_hw, sparse_body.num_betas)
    _warn(seen)
    if rate is not None:
        return _bodies(fit(sparse_body, seen, anchor=held), size_hw, body)
    alone = [slice(row, row + 1) for row in range(len(seen))]
    # The rows are different people, of whom each has a shape of their own.
    told = [None if prediction is None else prediction[row] for row in alone]
    anchors = [
        _anchor(one, anchor, seen[row], size_hw, sparse_body.num_betas) for one, row in zip(told, alone, strict=True)
    ]
    states = [fit(sparse_body, seen[row], anchor=held) for row, held in zip(alone, anchors, strict=True)]
    if mask is not None:
        states = [fit_outline(sparse_body, seen, states[0], load_body(body), mask)]
    parts = [_bodies(state, size_hw, body) for state in states]
    return Bodies(
        np.concatenate([part.rotvec for part in parts]),
        np.concatenate([part.betas for part in parts]),
        np.concatenate([part.weak_camera for part in parts]),
        size_hw,
        body,
    )


def _anchor(
    prediction: Bodies | None, weight: float, seen: Observations, size_hw: tuple[int, int], num_betas: int
) -> Anchor | None:
    if prediction is None:
        return None
    if not 0 <= weight < float("inf"):
        raise InputError(f"anchor must be 0 or more, got {weight}")
    if len(prediction) != len(seen) or prediction.size_hw != (int(size_hw[0]), int(size_hw[1])):
        raise InputError(
            f"the prediction has {len(prediction)} rows for a picture of {prediction.size_hw}, the keypoints "
            f"{len(seen)} for {tuple(size_hw)}"
        )
    has_shape = bool(prediction.betas.any())
    return anchor_of(prediction, weight, seen.visible.astype(float), num_betas=num_betas, has_shape=has_shape)


def _bodies(state: State, size_hw: tuple[int, int], body: str) -> Bodies:
    scale = np.exp(state.camera[:, :1])
    return Bodies(
        lie.log(state.rotmats),
        np.tile(state.betas, (len(state.rotmats), 1)),
        np.concatenate([scale, state.camera[:, 1:] / scale], axis=1),
        size_hw,
        body,
    )


def _warn(seen: Observations) -> None:
    """Log what the fit has to guess: limbs that are never seen, and frames without the person."""
    for part in ("hip", "knee", "ankle", "shoulder", "wrist"):
        points = [n for n, name in enumerate(seen.names) if name.endswith(part)]
        if points and (seen.confidence[:, points].max(1) < _SURE).mean() > 0.5:
            _log.warning("the person's %ss are not seen; they take their usual place", part)
            break
    empty = ~(seen.confidence > 0).any(1)
    if empty.any() and len(empty) > 1:
        runs = ", ".join(f"{first} to {last - 1}" for first, last in gaps(~empty))
        _log.warning("the person is not seen in %d of %d frames (%s)", int(empty.sum()), len(empty), runs)


@dataclass(frozen=True)
class FitChange:
    """What fitting made of a prediction, on the whole.

    Attributes:
        before_px: mean distance of the prediction's joints from the keypoints that are seen, in pixels.
        after_px: the same of the fitted body.
        moved_mm: mean distance that the fit moved the joints in space, about the pelvis, in millimetres.
    """

    before_px: float
    after_px: float
    moved_mm: float


def fit_change(prediction: Bodies, fitted: Bodies, keypoints: Keypoints) -> FitChange:
    """Compare fitted bodies with those that they started from, row by row.

    Args:
        prediction: before.
        fitted: after.
        keypoints: what was fitted to.

    Raises:
        InputError: no keypoint is seen.
    """
    data = load_body(fitted.body_model)
    model = FastSMPL(data)
    names = np.array([name in SPREAD for name in SKELETONS[keypoints.skeleton].joints])
    seen = (keypoints.score > _SURE) & names
    if not seen.any():
        raise InputError("no keypoint is seen, so nothing can be compared")
    away, joints = [], []
    for bodies in (prediction, fitted):
        vertices, places = model(bodies.betas, bodies.rotvec)
        points = np.stack([data.keypoint_regressors[keypoints.skeleton] @ one for one in vertices])
        pixels = pixels_from_picture(project_weak(points, bodies.weak_camera), bodies.size_hw)
        away.append(float(np.linalg.norm(pixels - keypoints.xy, axis=-1)[seen].mean()))
        joints.append(places - places[:, :1])
    moved = float(np.linalg.norm(joints[1] - joints[0], axis=-1).mean())
    return FitChange(away[0], away[1], 1000 * moved)


def mean_change(changes: Sequence[FitChange]) -> FitChange | None:
    """Return the mean of several changes; None of none."""
    if not changes:
        return None
    rows = np.array([(one.before_px, one.after_px, one.moved_mm) for one in changes])
    return FitChange(*rows.mean(0).tolist())


class BodyPredictor:
    """Bodies of the people in pictures and videos."""

    def __init__(
        self,
        body: str,
        locator: Locator | None = None,
        *,
        network: HMRPredictor | None = None,
        anchor: float = DEFAULT_ANCHOR,
        hidden_arms: float = 0.0,
        on_change: Callable[[FitChange], None] | None = None,
    ) -> None:
        self.body = body
        self._locator = locator
        self._network = network
        self._anchor = anchor
        self._hidden_arms = hidden_arms
        self._on_change = on_change

    @classmethod
    def load(
        cls,
        name: str = "free",
        *,
        locator: Locator | None = None,
        weights: str | Path | None = "auto",
        anchor: float = DEFAULT_ANCHOR,
        licence: LicenceName = "any",
        on_change: Callable[[FitChange], None] | None = None,
    ) -> BodyPredictor:
        """Return a predictor.

        Args:
            name: the body to fit, "free" or "smpl:PATH".
            locator: who finds people; None loads the default one when it is first needed.
            weights: an HMR network whose prediction the fit starts from and stays near: "auto" for the one that comes
                with limner, a name of `limner weights list`, a run's folder, or an official file. None fits to the
                keypoints alone.
            anchor: how much the prediction counts in the fit; 0 starts from it and lets it go.
            licence: commercial refuses weights that are not known to allow commercial use.
            on_change: called after every fit of a prediction with what the fit made of it.

        Raises:
            WeightsError: there are no such weights, they are damaged, fit no network, or may not be used.
            FileProblem: there is no such file.
        """
        load_body(name)
        if weights is None:
            network = None
        else:
            network = shipped_network() if weights == "auto" else HMRPredictor.load(weights, licence=licence)
        return cls(name, locator, network=network, anchor=anchor, on_change=on_change)

    @classmethod
    def for_painting(cls, name: str = "free", *, locator: Locator | None = None) -> BodyPredictor:
        """Return a predictor of bodies that are painted: they have to lie on the joints that are seen.

        The network's body starts the fit and does not hold it, and arms that the body hides are where the key points
        suppose them.

        Args:
            name: the body to fit, "free" or "smpl:PATH".
            locator: who finds people; None loads the default one when it is first needed.
        """
        load_body(name)
        return cls(name, locator, network=shipped_network(), anchor=0.0, hidden_arms=HIDDEN_ARMS)

    @property
    def data(self) -> BodyData:
        """The body's constant arrays."""
        return load_body(self.body)

    @property
    def locator(self) -> Locator:
        """Who finds people; loaded at first use."""
        if self._locator is None:
            self._locator = Locator.load()
        return self._locator

    def predict(
        self,
        image: RgbImage,
        people: People | None = None,
        *,
        person: int | None = 0,
        mask: Float[ndarray, "H W"] | None = None,
    ) -> Bodies:
        """Fit the people in one picture.

        Args:
            image: RGB.
            people: who is where; None looks for them.
            person: which of them, largest first; None fits all.
            mask: of that person, 0 to 1; the shape then follows its width. Not with `person` None.

        Raises:
            NobodyFound: nobody is in the picture, or fewer people than `person` asks for.
        """
        people = self.locator.locate(image) if people is None else people
        if len(people) == 0:
            raise NobodyFound("nobody was found in the picture; give one that shows a person")
        if person is not None and not 0 <= person < len(people):
            raise NobodyFound(f"person {person} was asked for, but {len(people)} found (counted from 0, largest first)")
        rows = slice(None) if person is None else slice(person, person + 1)
        keypoints = people.keypoints[rows]
        return self._fit(keypoints, image.shape[:2], self.look(image, keypoints), mask=mask)

    def _fit(self, keypoints: Keypoints, size_hw: tuple[int, int], prediction: Bodies | None, **options: Any) -> Bodies:
        keypoints = suppose_arms(keypoints, size_hw, self._hidden_arms)
        fitted = fit_keypoints(
            keypoints, size_hw, body=self.body, prediction=prediction, anchor=self._anchor, **options
        )
        if prediction is not None and self._on_change is not None:
            self._on_change(fit_change(prediction, fitted, keypoints))
        return fitted

    def look(self, image: RgbImage, keypoints: Keypoints) -> Bodies | None:
        """Return what the network predicts for the people of a picture, before any fit; None without a network.

        Raises:
            NobodyFound: a person has fewer than two keypoints to look at.
        """
        return None if self._network is None else self._network.predict(image, keypoints, self.body)

    def fit_clip(
        self,
        keypoints: Keypoints,
        frames: Iterable[RgbImage] | None,
        *,
        size_hw: tuple[int, int],
        frame_rate: float | Fraction,
        valid: Bool[ndarray, "T"],
    ) -> Bodies:
        """Fit one person whose keypoints are known in every frame of a clip.

        Args:
            keypoints: a row for each frame.
            frames: RGB pictures, in order; read only where a network needs them. None leaves such a network out.
            size_hw: of the pictures.
            frame_rate: frames a second.
            valid: frames that show the person.

        Raises:
            InputError: there are fewer pictures than rows.
            NobodyFound: no frame shows the person.
        """
        network = self._network
        looks: list[Bodies | None] = []
        if network is not None and network.lifts(keypoints):
            looks = [self._lift_one(keypoints[[row]], size_hw) if valid[row] else None for row in range(len(keypoints))]
        elif network is not None and frames is not None:
            for row, image in enumerate(islice(frames, len(keypoints))):
                looks.append(self._look_at_one(image, keypoints[[row]]) if valid[row] else None)
            if len(looks) < len(keypoints):
                raise InputError(f"{len(looks)} pictures came for keypoints of {len(keypoints)} frames")
        return self._fit(keypoints, size_hw, _held(looks), frame_rate=frame_rate, valid=valid)

    def _lift_one(self, keypoints: Keypoints, size_hw: tuple[int, int]) -> Bodies | None:
        """Lift one person's keypoints; None where too little of them is seen for a crop."""
        assert self._network is not None, "asked for by the caller"
        try:
            return self._network.lift(keypoints, size_hw, self.body)
        except NobodyFound:
            return None

    def _look_at_one(self, image: RgbImage, keypoints: Keypoints) -> Bodies | None:
        """Predict one person; None where too little of them is seen for a crop."""
        try:
            return self.look(image, keypoints)
        except NobodyFound:
            return None

    def predict_video(self, frames: Iterable[RgbImage], *, frame_rate: float | Fraction, person: int = 0) -> Bodies:
        """Fit one person through a video, all frames at once.

        Args:
            frames: RGB pictures of one size, in order; only their keypoints are kept.
            frame_rate: frames a second.
            person: which one, by box area in the first frame that shows so many people.

        Raises:
            NobodyFound: the person is in no frame.
        """
        sizes: set[tuple[int, int]] = set()
        waiting: dict[int, RgbImage] = {}

        def measured() -> Iterable[RgbImage]:
            for number, frame in enumerate(frames):
                sizes.add(frame.shape[:2])
                if self._network is not None:
                    waiting[number] = frame
                yield frame

        track, looks = [], []
        for number, found, _ in track_person(measured(), person, locator=self.locator):
            track.append(found)
            frame = waiting.pop(number, None)
            looks.append(None if frame is None or found is None else self._look_at_one(frame, found))
        if all(found is None for found in track):
            raise NobodyFound(f"nobody was found in the {len(track)} frames of the video; give one that shows a person")
        keypoints, valid = Keypoints.of_clip(track)
        return self._fit(keypoints, sizes.pop(), _held(looks), frame_rate=frame_rate, valid=valid)


def _held(looks: list[Bodies | None]) -> Bodies | None:
    """Join predictions of frames; where there is none, that of the frame before stands in, and first the first one."""
    last = next((one for one in looks if one is not None), None)
    if last is None:
        return None
    rows = []
    for one in looks:
        last = last if one is None else one
        rows.append(last)
    return Bodies(
        np.concatenate([one.rotvec for one in rows]),
        np.concatenate([one.betas for one in rows]),
        np.concatenate([one.weak_camera for one in rows]),
        last.size_hw,
        last.body_model,
    )
