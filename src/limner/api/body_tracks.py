"""Bodies of the people of one picture or video: found, fitted, gaps filled, put on a floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.api.inputs import Progress, Source, follow
from limner.body import (
    DEFAULT_ANCHOR,
    BodyData,
    BodyPredictor,
    FitChange,
    Grounded,
    default_focal_px,
    ground_bodies,
    load_body,
    lock_feet,
    smooth_bodies,
)
from limner.checks import InputError
from limner.media import open_video, read_image
from limner.people import Locator
from limner.pose import SKELETONS, PeopleTracker, PosePredictor
from limner.records import Bodies, Keypoints
from limner.types import LicenceName, RgbImage

__all__ = ["BodyOptions", "BodyReader", "Track"]

_SMOOTH_S = 0.06  # standard deviation of the smoothing of strength 1
_SHORTEST_S, _FEWEST = 0.3, 3  # who is seen for less in a video is no person
_SURE = 0.3  # score below which a joint counts as unseen
_LIMBS = {"legs": ("hip", "knee", "ankle"), "shins": ("ankle",), "arms": ("elbow", "wrist")}
_UPRIGHT = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class BodyOptions:
    """How bodies are made.

    Attributes:
        person: which person, 0 the largest; None for everybody.
        body: "free", or "smpl:PATH".
        smooth: how much to smooth videos over time beyond the fit's own calm; 0 not at all, 1 is usual.
        max_gap_s: gaps up to so many seconds are filled in videos.
        world: put people into a world with a floor.
        lock_feet: nail feet down while they stand; asks for `world`.
        focal_px: of the camera; None for the picture's diagonal.
        weights: an HMR network to start from, "auto" for limner's own; None fits to the joints alone.
        anchor: how much its prediction counts in the fit.
        licence: what the weights must allow.
    """

    person: int | None = None
    body: str = "free"
    smooth: float = 0.0
    max_gap_s: float = 1.0
    world: bool = False
    lock_feet: bool = False
    focal_px: float | None = None
    weights: str | Path | None = "auto"
    anchor: float = DEFAULT_ANCHOR
    licence: LicenceName = "any"

    def __post_init__(self) -> None:
        if not 0 <= self.smooth < float("inf"):
            raise InputError(f"smooth must be at least 0, got {self.smooth}")
        if not self.max_gap_s >= 0:
            raise InputError(f"max_gap must be at least 0 seconds, got {self.max_gap_s}")
        if self.focal_px is not None and not 0 < self.focal_px < float("inf"):
            raise InputError(f"focal must be a positive number of pixels, got {self.focal_px}")
        if self.lock_feet and not self.world:
            raise InputError("lock_feet nails feet to a floor, which only world gives; ask for both")


@dataclass(frozen=True, eq=False)
class Track:
    """One person in one picture, or in consecutive frames of one video.

    Attributes:
        source: the file.
        person: the number of the person there.
        first_frame: of the video; 0 for a picture.
        bodies: as the camera sees them, one row a frame.
        seen: frames that show the person; the others are filled in between their neighbours.
        kept: frames to write; False in gaps that are too long to be filled.
        frame_rate: None for a picture.
        focal_px: known or assumed.
        grounded: the person on a floor.
        in_world: that is what is asked for.
        behind_m: how far the person stands behind the nearest one, on the whole.
        rest_pelvis: the root joint of the shaped body at rest, metres.
    """

    source: Source
    person: int
    first_frame: int
    bodies: Bodies
    seen: Bool[ndarray, "T"]
    kept: Bool[ndarray, "T"]
    frame_rate: Fraction | None
    focal_px: float
    grounded: Grounded
    in_world: bool
    behind_m: float
    rest_pelvis: Float[ndarray, "3"]

    @property
    def frames(self) -> Int[ndarray, "N"]:
        """Numbers of the frames to write."""
        return self.first_frame + np.flatnonzero(self.kept)

    @property
    def contact(self) -> Bool[ndarray, "T 2"]:
        """Whether the left and the right foot stand."""
        return self.grounded.contact.any(axis=2)

    @property
    def rotvec(self) -> Float[ndarray, "T 24 3"]:
        """Rotations whose root turns into the scene: y up."""
        if self.in_world:
            return self.grounded.rotvec
        rotvec = self.bodies.rotvec.astype(np.float64)
        rotvec[:, 0] = (Rotation.from_matrix(_UPRIGHT) * Rotation.from_rotvec(rotvec[:, 0])).as_rotvec()
        return rotvec

    @property
    def pelvis(self) -> Float[ndarray, "T 3"]:
        """Place of the root joint in the scene, metres, y up.

        Without a world: across as the scaled orthographic camera has it, from the middle of the picture; such a camera
        knows no depth, so a person keeps one, by their size.
        """
        if self.in_world:
            return self.grounded.pelvis
        across = self.bodies.weak_camera[:, 1:].astype(np.float64) + self.rest_pelvis[:2]
        depth = np.full((len(across), 1), self.behind_m)
        return np.concatenate([across, depth], axis=1) @ _UPRIGHT.T

    def row(self, frame: int) -> int | None:
        """Return the row of a frame of the video, or None where the person is not there."""
        row = frame - self.first_frame
        return row if 0 <= row < len(self.kept) and self.kept[row] else None


class BodyReader:
    """Finds and fits the people of one file after the other."""

    def __init__(self, options: BodyOptions, progress: Progress | None = None) -> None:
        self.options = options
        self.data: BodyData = load_body(options.body)
        self.warnings: list[str] = []
        self.locator = Locator.load()
        self._progress = progress
        self.changes: list[FitChange] = []
        self._predictor = BodyPredictor.load(
            options.body,
            locator=self.locator,
            weights=options.weights,
            anchor=options.anchor,
            licence=options.licence,
            on_change=self.changes.append,
        )

    def picture(self, source: Source) -> tuple[RgbImage, list[Track]]:
        """Return a picture and its people; none where it shows nobody, or not so many."""
        image = read_image(source.path)
        people = self.locator.locate(image)
        numbers = list(range(len(people)))
        chosen = numbers if self.options.person is None else numbers[self.options.person :][:1]
        if not chosen:
            return image, []
        self._warn_of_unseen(source, {number: people.keypoints[[number]] for number in chosen})
        bodies = self._predictor.predict(image, people[chosen], person=None)
        alone = np.ones(1, bool)
        rows = [(number, 0, bodies[[row]], alone, alone) for row, number in enumerate(chosen)]
        return image, self._tracks(source, rows, None)

    def video(self, source: Source) -> tuple[int, list[Track]]:
        """Return the number of frames of a video, and the people in it."""
        video = open_video(source.path)
        count, found = self._followed(source)
        rate, rows = float(video.frame_rate), []
        self._warn_of_unseen(source, {number: Keypoints.of_clip(seen)[0] for number, (_, seen) in found.items()})
        for number, (first, sightings) in found.items():
            clip, seen = Keypoints.of_clip(sightings)
            bodies = self._predictor.fit_clip(
                clip,
                islice(video.frames(), first, None),
                size_hw=video.size_hw,
                frame_rate=video.frame_rate,
                valid=seen,
            )
            if self.options.smooth > 0:
                bodies = smooth_bodies(bodies, rate, _SMOOTH_S * self.options.smooth)
            rows.append((number, first, bodies, seen, self._without_long_gaps(source, number, seen, rate)))
        return count, self._tracks(source, rows, video.frame_rate) if rows else []

    def _followed(self, source: Source) -> tuple[int, dict[int, tuple[int, list[Keypoints | None]]]]:
        """Return the number of frames, and for each person the first frame and the joints from there to the last."""
        if self.options.person is not None:
            frames = [
                {} if found is None else {self.options.person: found}
                for found in follow(source, self.options.person, self._progress)
            ]
        else:
            frames = list(self._everybody(source))
        found = {}
        for number in sorted({number for people in frames for number in people}):
            there = [index for index, people in enumerate(frames) if number in people]
            found[number] = (there[0], [people.get(number) for people in frames[there[0] : there[-1] + 1]])
        return len(frames), self._without_glimpses(source, found)

    def _everybody(self, source: Source) -> Iterator[dict[int, Keypoints]]:
        video = open_video(source.path)
        tracker = PeopleTracker(PosePredictor(self.locator), frame_rate=float(video.frame_rate))
        for index, people in enumerate(tracker.track(video.frames())):
            yield people
            if self._progress is not None:
                self._progress(index + 1, video.num_frames, source.path.name)

    def _without_glimpses(
        self, source: Source, found: dict[int, tuple[int, list[Keypoints | None]]]
    ) -> dict[int, tuple[int, list[Keypoints | None]]]:
        rate = float(open_video(source.path).frame_rate)
        length = {number: sum(one is not None for one in seen) for number, (_, seen) in found.items()}
        short = [number for number, frames in length.items() if frames < max(_FEWEST, _SHORTEST_S * rate)]
        if not short or len(short) == len(found):
            return found
        self.warnings.append(
            f"{len(short)} of {len(found)} people of {source.path} are seen for less than {_SHORTEST_S} s and left out"
        )
        return {number: one for number, one in found.items() if number not in short}

    def _without_long_gaps(self, source: Source, number: int, seen: Bool[ndarray, "T"], rate: float) -> ndarray:
        kept = seen.copy()
        edges = np.flatnonzero(np.diff(np.concatenate([[True], seen, [True]]).astype(int)))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            kept[first:last] = last - first <= self.options.max_gap_s * rate
        if not kept.all():
            self.warnings.append(
                f"person {number} of {source.path} is away for {int((~kept).sum())} frames, which stay empty"
            )
        return kept

    def _warn_of_unseen(self, source: Source, people: dict[int, Keypoints]) -> None:
        for number, keypoints in people.items():
            names = SKELETONS[keypoints.skeleton].joints
            for limb, joints in _LIMBS.items():
                points = [n for n, name in enumerate(names) if name.endswith(joints)]
                if np.median(keypoints.score[:, points].max(axis=1)) < _SURE:
                    self.warnings.append(
                        f"the {limb} of person {number} of {source.path} are not seen and take their usual place"
                    )
                    break

    def _tracks(
        self, source: Source, rows: Sequence[tuple[int, int, Bodies, ndarray, ndarray]], rate: Fraction | None
    ) -> list[Track]:
        size_hw = rows[0][2].size_hw
        focal_px = self.options.focal_px or default_focal_px(size_hw)
        everybody = [bodies for _, _, bodies, _, _ in rows]
        plain_rate = None if rate is None else float(rate)
        grounded = ground_bodies(self.data, everybody, plain_rate, focal_px, [seen for *_, seen, _ in rows])
        far = [2 * focal_px / (max(size_hw) * float(np.median(bodies.weak_camera[:, 0]))) for bodies in everybody]
        tracks = []
        for (number, first, bodies, seen, kept), stand, depth in zip(rows, grounded, far, strict=True):
            if self.options.lock_feet and plain_rate is not None:
                stand = lock_feet(self.data, bodies.betas[0], stand, plain_rate)
                rotvec = np.concatenate([bodies.rotvec[:, :1], stand.rotvec[:, 1:].astype(np.float32)], axis=1)
                bodies = replace(bodies, rotvec=rotvec)
            track = Track(
                source=source,
                person=number,
                first_frame=first,
                bodies=bodies,
                seen=seen,
                kept=kept,
                frame_rate=rate,
                focal_px=focal_px,
                grounded=stand,
                in_world=self.options.world,
                behind_m=depth - min(far),
                rest_pelvis=_rest_pelvis(self.data, bodies),
            )
            tracks.append(track)
        return tracks


def _rest_pelvis(data: BodyData, bodies: Bodies) -> Float[ndarray, "3"]:
    shaped = data.v_template + data.shapedirs[..., : bodies.betas.shape[1]] @ bodies.betas[0]
    return np.asarray(data.J_regressor[:1] @ shaped, np.float64)[0]
