"""From a picture, a video or keypoints to bodies: the door of the fitter."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from limner.body import lie
from limner.body.energy import State
from limner.body.fitting import fit, fit_outline
from limner.body.keypoint_rows import keypoint_rows
from limner.body.observations import Observations, observe
from limner.body.smoothing import gaps
from limner.body.smpl import BodyData
from limner.body.smpl_files import load_body
from limner.body.sparse_body import SparseBody
from limner.checks import InputError, NobodyFound, check_shape
from limner.people import Locator, People, track_person
from limner.pose import SKELETONS
from limner.records import Bodies, Keypoints
from limner.types import RgbImage, SkeletonName

__all__ = ["BodyPredictor", "fit_keypoints"]

_log = logging.getLogger(__name__)
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

    Returns:
        One body a row; a clip's bodies share their betas.

    Raises:
        InputError: the skeleton is not known, a mask came with more than one row, or the frame rate is not
            positive.
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
    _warn(seen)
    if rate is not None:
        return _bodies(fit(sparse_body, seen), size_hw, body)
    states = [fit(sparse_body, seen[row : row + 1]) for row in range(len(seen))]
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


class BodyPredictor:
    """Bodies of the people in pictures and videos."""

    def __init__(self, body: str, locator: Locator | None = None) -> None:
        self.body = body
        self._locator = locator

    @classmethod
    def load(cls, name: str = "free", *, locator: Locator | None = None) -> BodyPredictor:
        """Return a predictor.

        Args:
            name: the body to fit, "free" or "smpl:PATH".
            locator: who finds people; None loads the default one when it is first needed.
        """
        load_body(name)
        return cls(name, locator)

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
        return fit_keypoints(people.keypoints[rows], image.shape[:2], body=self.body, mask=mask)

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

        def measured() -> Iterable[RgbImage]:
            for frame in frames:
                sizes.add(frame.shape[:2])
                yield frame

        track = [found for _, found, _ in track_person(measured(), person, locator=self.locator)]
        if all(found is None for found in track):
            raise NobodyFound(f"nobody was found in the {len(track)} frames of the video; give one that shows a person")
        keypoints, valid = Keypoints.of_clip(track)
        return fit_keypoints(keypoints, sizes.pop(), frame_rate=frame_rate, body=self.body, valid=valid)
