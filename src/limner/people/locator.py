"""Who is where in one picture: boxes, landmarks and masks of everybody large enough."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from limner.checks import InputError, check_shape
from limner.detection import box_overlap, distinct
from limner.people.detector import Detector
from limner.people.landmarks import LandmarkNetwork, Landmarks
from limner.people.regions import Region
from limner.records import Boxes, Keypoints
from limner.types import RgbImage

_WORTH_A_LOOK = 0.4  # the detector's least score in a tile; the second look sorts out what is no person
_ZOOMS = (1.3, 1.6, 2.0)  # side of a second view over the region's: the person fills 0.62, 0.5, 0.4 of it
_SAME_REGION = 0.4  # overlap above which two candidates of different views are one person
_SAME_SKELETON = 0.5  # object keypoint similarity above which two skeletons are one person
_SAME_PLACE = 0.3  # overlap of where somebody was looked for and where they are, below which it is not they


@dataclass(frozen=True)
class People:
    """The people in one picture, largest box first.

    Attributes:
        boxes: round what is visible of each; the score is `Locator.settle`'s.
        keypoints: "blazepose33" with world points. A point's score is the probability that it is visible, a tenth of
            it where it lies beyond the picture's border.
        regions: the rotated squares that the landmark network looked at.
    """

    boxes: Boxes
    keypoints: Keypoints
    regions: tuple[Region, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: slice | list[int] | ndarray) -> People:
        order = np.arange(len(self))[index]
        return People(self.boxes[order], self.keypoints[order], tuple(self.regions[i] for i in order))


class Locator:
    """BlazePose: the detector searched over the picture, then the landmark network for each person."""

    def __init__(self, detector: Detector, landmarks: LandmarkNetwork) -> None:
        self.detector = detector
        self.landmarks = landmarks

    @classmethod
    def load(cls, size: Literal["full", "heavy"] = "heavy", *, threads: int | None = None) -> Locator:
        """Return a locator with the landmark network of the given size; `threads` None takes all cores."""
        return cls(Detector(threads=threads), LandmarkNetwork(size, threads=threads))

    def locate(self, image: RgbImage, *, min_score: float = 0.6, smallest: float = 1 / 6) -> People:
        """Find everybody in a picture.

        Args:
            image: RGB.
            min_score: the least score, 0 to 1: see `settle`.
            smallest: the least height of a person to search for, as a share of the picture's height.

        Returns:
            The people, largest box first; an empty record where there is nobody.

        Raises:
            InputError: the picture is not RGB of 8 bits.

        Source: Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose Tracking", for the networks; the
            search in tiles, the second looks and the suppression are limner's: the detector was made for one large
            person.
        """
        check_picture(image)
        candidates = self.detector.search(image, _WORTH_A_LOOK, smallest)
        regions = [candidates.region(i) for i in range(len(candidates))]
        found = []
        for index in distinct_regions(regions):
            detector_score, region = self._look_again(image, regions[index])
            if detector_score > min_score**3:
                score, skeleton = self.settle(image, region, detector_score)
                if score >= min_score:
                    found.append((score, skeleton))
        return gather(distinct_skeletons(found), image.shape[:2])

    def settle(self, image: RgbImage, region: Region, detector_score: float) -> tuple[float, Landmarks]:
        """Look twice, the second time where the first skeleton points, and return a score and the second skeleton.

        The score is the geometric mean of the detector's score, the likeness of the two skeletons and the mean
        visibility. On things that are no person the network still draws a skeleton with presence near 1, but another
        one each time: of 100 photos of clothes 6 pass the detector and presence (both at 0.5), 1 passes this score.
        """
        first = self.landmarks(image, region)
        second = self.landmarks(image, first.next_region, with_mask=True)
        steadiness = skeleton_similarity(first, second) * float(second.score.mean())
        return float(np.cbrt(detector_score * steadiness)), second

    def follow(self, image: RgbImage, region: Region) -> tuple[Keypoints, Region] | None:
        """Look for somebody whose place is nearly known, which costs a tenth of a search.

        Args:
            image: RGB.
            region: where the person was in the frame before.

        Returns:
            One row of joints, and the region for the next frame; None where nobody is there.
        """
        skeleton = self.landmarks(image, region)
        if skeleton.presence < 0.5 or square_overlap([region], [skeleton.next_region])[0, 0] < _SAME_PLACE:
            return None
        return skeleton.keypoints(image.shape[:2]), skeleton.next_region

    def mask(self, image: RgbImage, people: People, index: int = 0) -> Float32[ndarray, "H W"]:
        """Return the mask of one person at the picture's size, 0 to 1, as smooth as the network's 256 x 256 pixels."""
        skeleton = self.landmarks(image, people.regions[index], with_mask=True)
        return paste_mask(skeleton, image.shape[:2])

    def _look_again(self, image: RgbImage, region: Region) -> tuple[float, Region]:
        """Look straight at a candidate from three distances; return the detector's mean score and its best region."""
        scores, best = [], (0.0, region)
        for zoom in _ZOOMS:
            side = zoom * region.side
            views = self.detector.look(image, (region.x - side / 2, region.y - side / 2, side), 0.05)
            same = [(float(views.score[i]), views.region(i)) for i in range(len(views))]
            same = [item for item in same if square_overlap([region], [item[1]])[0, 0] > _SAME_REGION]
            scores.append(same[0][0] if same else 0.0)
            best = max([best, *same[:1]], key=lambda item: item[0])
        return float(np.mean(scores)), best[1]


@cache
def _default_locator() -> Locator:
    return Locator.load()


def find_people(image: RgbImage) -> People:
    """Find everybody of at least a sixth of the picture's height: `Locator.locate` with the default networks."""
    check_picture(image)  # before the networks are read: a bad picture is refused at once
    return _default_locator().locate(image)


def check_picture(image: RgbImage) -> None:
    """Raise `ShapeError` or `InputError` unless `image` is RGB, 8 bits, and not empty."""
    check_shape(image, "image", ("H", "W", 3))
    if image.dtype != np.uint8 or 0 in image.shape:
        raise InputError(f"image must be RGB of 8 bits with at least one pixel, got {image.dtype} {image.shape}")


def paste_mask(skeleton: Landmarks, size_hw: tuple[int, int]) -> Float32[ndarray, "H W"]:
    """Return the skeleton's mask at the picture's size, 0 to 1."""
    assert skeleton.mask_logit is not None
    prob = 1.0 / (1.0 + np.exp(-np.clip(skeleton.mask_logit, -20, 20)))
    return skeleton.region.paste(prob.astype(np.float32), size_hw)


def gather(found: list[tuple[float, Landmarks]], size_hw: tuple[int, int]) -> People:
    """Return the record of scored skeletons, largest box first."""
    boxes = np.array([visible_box(skeleton, size_hw) for _, skeleton in found], np.float32).reshape(-1, 4)
    order = np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(axis=1), kind="stable")
    skeletons = [found[i][1] for i in order]
    keypoints = Keypoints(
        np.array([s.xy for s in skeletons], np.float32).reshape(-1, 33, 2),
        np.array([s.point_scores(size_hw) for s in skeletons], np.float32).reshape(-1, 33),
        "blazepose33",
        np.array([s.world for s in skeletons], np.float32).reshape(-1, 33, 3),
    )
    score = np.array([found[i][0] for i in order], np.float32)
    return People(Boxes(boxes[order], score), keypoints, tuple(s.region for s in skeletons))


def visible_box(skeleton: Landmarks, size_hw: tuple[int, int]) -> Float32[ndarray, 4]:
    """Return the box round the visible points and the mask, within the picture."""
    points = skeleton.xy[skeleton.score >= 0.5] if (skeleton.score >= 0.5).any() else skeleton.xy
    if skeleton.mask_logit is not None:
        rows, columns = np.nonzero(_largest_part(skeleton.mask_logit > 0))
        if len(rows):
            across = (np.stack([columns, rows], axis=1) + 0.5) / len(skeleton.mask_logit)
            points = np.concatenate([points, skeleton.region.to_picture(across)])
    limit = np.array([size_hw[1] - 1, size_hw[0] - 1])
    points = np.clip(points, 0, limit)
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def _largest_part(mask: ndarray) -> ndarray:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return mask if count < 3 else labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def square_overlap(first: list[Region], second: list[Region]) -> Float[ndarray, "N M"]:
    """Return intersection over union of the regions' squares, as if none were turned."""

    def squares(regions: list[Region]) -> ndarray:
        return np.array([[r.x - r.side / 2, r.y - r.side / 2, r.x + r.side / 2, r.y + r.side / 2] for r in regions])

    return box_overlap(squares(first).reshape(-1, 4), squares(second).reshape(-1, 4))


def distinct_regions(regions: list[Region]) -> list[int]:
    """Indices of the regions that overlap none before them."""
    return distinct(square_overlap(regions, regions) > _SAME_REGION).tolist()


def skeleton_similarity(first: Landmarks, second: Landmarks) -> float:
    """Return COCO's object keypoint similarity of two skeletons, with one spread for all points, 0.1 of the body."""
    size = np.sqrt(np.ptp(first.xy, axis=0).prod() + np.ptp(second.xy, axis=0).prod()) / np.sqrt(2)
    distance = np.linalg.norm(first.xy - second.xy, axis=1) / max(float(size), 1e-6)
    return float(np.exp(-(distance**2) / (2 * 0.1**2)).mean())


def distinct_skeletons(found: list[tuple[float, Landmarks]]) -> list[tuple[float, Landmarks]]:
    """Drop skeletons that repeat one of a better score."""
    kept: list[tuple[float, Landmarks]] = []
    for score, skeleton in sorted(found, key=lambda item: -item[0]):
        if all(skeleton_similarity(skeleton, other) < _SAME_SKELETON for _, other in kept):
            kept.append((score, skeleton))
    return kept
