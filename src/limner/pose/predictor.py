"""Joints of the people in a picture: the locator's own landmarks, or a heatmap network on the boxes it finds."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from limner.checks import InputError
from limner.people import Locator, People
from limner.pose.skeletons import convert
from limner.records import Boxes, Keypoints
from limner.types import LicenceName, PostProcess, RgbImage, RuntimeName, SkeletonName

if TYPE_CHECKING:
    from limner.pose.top_down import HeatmapPredictor

DEFAULT = "default"


class PosePredictor:
    """Predicts 2D joints; made by `load`."""

    def __init__(
        self, locator: Locator | None = None, network: HeatmapPredictor | None = None, *, threads: int | None = None
    ) -> None:
        self.network = network
        self._given, self._threads = locator, threads

    @classmethod
    def load(
        cls,
        name: str | Path = DEFAULT,
        *,
        runtime: RuntimeName = "auto",
        flip_test: bool = True,
        decoding: PostProcess = "published",
        threads: int | None = None,
        licence: LicenceName = "any",
    ) -> PosePredictor:
        """Return a predictor.

        Args:
            name: "default": BlazePose's landmarks, the heavy network. Else weights of a heatmap network: a name of
                `limner weights list`, a training run's folder, or an official file under its published name.
            runtime: who runs a heatmap network.
            flip_test: average a heatmap network's maps with those of the mirrored picture.
            decoding: how its peaks become joints: "published", or "dark" (unbiased).
            threads: for each network call; None takes all cores.
            licence: "commercial" refuses weights that are not known to allow commercial use.

        Raises:
            WeightsError: there are no such weights, or they may not be used.
            FileProblem: the run has no weights yet.
            InputError: there is no such runtime or decoding.
            MissingExtra: the runtime is not installed.
        """
        if str(name) == DEFAULT:
            return cls(Locator.load(threads=threads))
        # Here, because torch takes seconds to import that the default predictor need not cost.
        from limner.pose.models import load_pose_model
        from limner.pose.top_down import HeatmapPredictor

        model = load_pose_model(name, licence=licence)
        network = HeatmapPredictor(model, runtime=runtime, flip_test=flip_test, decoding=decoding, threads=threads)
        return cls(network=network, threads=threads)

    @cached_property
    def locator(self) -> Locator:
        """Who finds the people; loaded when first asked for."""
        return Locator.load(threads=self._threads) if self._given is None else self._given

    @property
    def skeleton(self) -> SkeletonName:
        """The joints that are predicted where no others are asked for."""
        return "coco17" if self.network is None else self.network.table.skeleton

    @property
    def native_skeleton(self) -> SkeletonName:
        """The joints that the network itself tells; others are made of them."""
        return "blazepose33" if self.network is None else self.network.table.skeleton

    def predict(
        self, image: RgbImage, people: People | Boxes | None = None, *, skeleton: SkeletonName | None = None
    ) -> Keypoints:
        """Return the joints of the people in a picture.

        Args:
            image: RGB.
            people: who, as `limner.people` found them in this picture, or for a heatmap network their boxes; None looks
                for everybody.
            skeleton: the wanted joints; None for the network's own, "coco17" for the default predictor.

        Returns:
            One row for each person, in the order of `people`; no rows where there is nobody.

        Raises:
            InputError: boxes alone are given to the default predictor, or the picture is not RGB of 8 bits.
        """
        people = self.locator.locate(image) if people is None else people
        wanted = self.skeleton if skeleton is None else skeleton
        if self.network is not None:
            boxes = people.boxes if isinstance(people, People) else people
            return convert(self.network.predict(image, boxes), wanted)
        if not isinstance(people, People):
            raise InputError("the default predictor needs people as find_people returns them, not boxes alone")
        return convert(people.keypoints, wanted)
