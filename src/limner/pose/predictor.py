"""Joints of the people in a picture: for now the locator's own landmarks."""

from __future__ import annotations

from typing import Literal

from limner.checks import InputError
from limner.people import Locator, People
from limner.pose.skeletons import convert
from limner.records import Keypoints
from limner.types import RgbImage, SkeletonName


class PosePredictor:
    """Predicts 2D joints; made by `load`."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    @classmethod
    def load(cls, name: Literal["default"] = "default", *, threads: int | None = None) -> PosePredictor:
        """Return a predictor.

        Args:
            name: "default": BlazePose's landmarks, the heavy network.
            threads: for each network call; None takes all cores.

        Raises:
            InputError: there is no such predictor.
        """
        if name != "default":
            raise InputError(f"no pose predictor is called {name!r}; there is 'default'")
        return cls(Locator.load(threads=threads))

    def predict(self, image: RgbImage, people: People | None = None, *, skeleton: SkeletonName = "coco17") -> Keypoints:
        """Return the joints of the people in a picture.

        Args:
            image: RGB.
            people: who, as `limner.people` found them in this picture; None looks for everybody.
            skeleton: the wanted joints.

        Returns:
            One row for each person, in the order of `people`; no rows where there is nobody.
        """
        people = self._locator.locate(image) if people is None else people
        return convert(people.keypoints, skeleton)
