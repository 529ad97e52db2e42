"""The configuration of `limner train motion`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from limner.motion import SLIM_GENERATOR, SLIM_HW, GeneratorConfig
from limner.train.config import load_config
from limner.train.motion_step import PainterWeights
from limner.train.settings import LoopConfig, OptimiserConfig, ScheduleConfig, below_one, refuse, too_small

RecipeName = Literal["published", "auxiliary", "all_sets", "slim"]


@dataclass(frozen=True)
class DataSection:
    """Where people come from; any of the sets may be given together.

    Attributes:
        iper: iPER's folder; needs `body`: smpl:PATH.
        iper_images: its folder of pictures, images or images_HD.
        deepfashion: DeepFashion's folder with the published pairs; needs `body`: smpl:PATH.
        places: a folder of backgrounds, such as Places365.
        videos: a folder of videos, or one; prepared once, see `cache`.
        photos: a folder of photos of one person each; they learn to paint themselves.
        synthetic: pairs of made-up people rendered by limner.
        cache: what is prepared; empty for a folder beside the videos or photos, or in the run's.
        body: "free" or "smpl:PATH".
        size: side of the square pictures of the published recipes in pixels.
        video_size: longer side of prepared videos in pixels; 0 for their own.
        frames_per_second: of prepared videos, at most.
        interval: one pair for every so many frames of a clip (published recipes).
        photos_per_clip: frames that serve as photos (slim recipe).
        targets_per_photo: frames painted from each of them (slim recipe).
        valid_clips: names of clips to be judged by, `*` for any letters.
        valid_share: without names, the share of the clips to be judged by.
        workers: processes that read samples; 0 reads them in the training process.
    """

    iper: str = ""
    iper_images: Literal["images", "images_HD"] = "images"
    deepfashion: str = ""
    places: str = ""
    videos: str = ""
    photos: str = ""
    synthetic: int = 0
    cache: str = ""
    body: str = "free"
    size: int = 256
    video_size: int = 0
    frames_per_second: float = 5.0
    interval: int = 10
    photos_per_clip: int = 3
    targets_per_photo: int = 30
    valid_clips: tuple[str, ...] = ()
    valid_share: float = 0.1
    workers: int = 0

    def __post_init__(self) -> None:
        people = (self.iper, self.deepfashion, self.videos, self.photos, self.synthetic)
        refuse(
            [
                (not any(people), "name what to learn from: iper, deepfashion, videos, photos or synthetic"),
                *too_small(self, 1, "interval", "photos_per_clip", "targets_per_photo"),
                *too_small(self, 0, "synthetic", "workers"),
                (self.size < 16 or self.size % 8 != 0, f"size must be a multiple of 8 from 16, got {self.size}"),
                *below_one(self, "valid_share"),
                (self.frames_per_second <= 0, f"frames_per_second must be above 0, got {self.frames_per_second}"),
                (
                    self.body == "free" and bool(self.iper or self.deepfashion),
                    "iper and deepfashion hold SMPL's bodies: set body to smpl:PATH of your SMPL file",
                ),
            ]
        )


@dataclass(frozen=True)
class NetworkSection:
    """How large painter and judge are, and what they start from.

    Attributes:
        width: channels of the painter's first level.
        num_blocks: its residual blocks.
        num_halvings: its levels below the first.
        align_corners: how features are sampled; True as published.
        judge_width: channels of the judge's first layer; 0 for no judge (slim recipe).
        judge_halvings: its layers of stride two.
        input_hw: height and width of the slim network's crop.
        pretrained: weights of the painter to start from; empty for none.
        pretrained_judge: weights of the judge; empty for none.
    """

    width: int = 64
    num_blocks: int = 6
    num_halvings: int = 3
    align_corners: bool = True
    judge_width: int = 64
    judge_halvings: int = 4
    input_hw: tuple[int, int] = SLIM_HW
    pretrained: str = ""
    pretrained_judge: str = ""

    def __post_init__(self) -> None:
        step = 2**self.num_halvings
        refuse(
            [
                *too_small(self, 0, "judge_width"),
                *too_small(self, 1, "judge_halvings"),
                (any(side % step for side in self.input_hw), f"input_hw must be multiples of {step}"),
            ]
        )
        self.table(slim=False)

    def table(self, *, slim: bool) -> GeneratorConfig:
        """Return the painter's table."""
        table = SLIM_GENERATOR if slim else GeneratorConfig(align_corners=self.align_corners)
        return replace(table, width=self.width, num_blocks=self.num_blocks, num_halvings=self.num_halvings)


@dataclass(frozen=True)
class LossSection:
    """What the published recipes teach with; the features' weights are the user's own files.

    Attributes:
        weights: of the terms, as published.
        vgg: torchvision's weights of VGG-19; empty takes the plain absolute difference instead, and no style.
        face: sphere20a's weights; empty leaves the face term out.
        target_background: the background stream also fills the target's picture, and the target lies over that: needed
            where the camera moves.
    """

    weights: PainterWeights = field(default_factory=PainterWeights)
    vgg: str = ""
    face: str = ""
    target_background: bool = False


@dataclass(frozen=True)
class SlimLossSection:
    """What the slim recipe teaches with; none of it needs a network but `perceptual`.

    Attributes:
        colour: of the absolute difference.
        structure: of 1 - SSIM.
        gradient: of the difference of steps between neighbours.
        mask: of the absolute difference of the person masks.
        perceptual: of VGG's features, where `loss.vgg` names them.
        adversarial: of the judge, where there is one.
        restraint: of the absolute correction itself: with 0.4 a pixel is changed where that is right in 70 of 100
            cases, which keeps soft halos away where the body was fitted badly.
    """

    colour: float = 1.0
    structure: float = 0.5
    gradient: float = 0.5
    mask: float = 0.5
    perceptual: float = 1.0
    adversarial: float = 0.02
    restraint: float = 0.4

    def __post_init__(self) -> None:
        refuse(too_small(self, 0, *vars(self)))


@dataclass(frozen=True)
class TestSection:
    """How a run is judged.

    Attributes:
        limit: samples to be judged by, evenly spread; 0 for all.
    """

    __test__ = False  # pytest takes classes of this name for its own

    limit: int = 100

    def __post_init__(self) -> None:
        refuse(too_small(self, 0, "limit"))


@dataclass(frozen=True)
class MotionConfig:
    """Everything that `limner train motion` needs to know."""

    data: DataSection
    recipe: RecipeName = "published"
    network: NetworkSection = field(default_factory=NetworkSection)
    loss: LossSection = field(default_factory=LossSection)
    slim: SlimLossSection = field(default_factory=SlimLossSection)
    painter: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=2e-4, betas=(0.5, 0.999)))
    judge: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=2e-4, betas=(0.5, 0.999)))
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig("linear", hold=5, final_share=0.01))
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=30, batch=4))
    test: TestSection = field(default_factory=TestSection)
    run: str = ""

    def __post_init__(self) -> None:
        data, step = self.data, 2**self.network.num_halvings
        seen = min(self.network.input_hw) if self.recipe == "slim" else data.size
        needs_places = self.recipe in ("auxiliary", "all_sets")
        refuse(
            [
                (
                    needs_places and not data.places,
                    f"the recipe {self.recipe} needs data.places, a folder of backgrounds",
                ),
                (self.recipe == "all_sets" and not data.deepfashion, "the recipe all_sets needs data.deepfashion"),
                (
                    self.recipe in ("slim", "published") and bool(data.places),
                    f"data.places has no part in the recipe {self.recipe}; take auxiliary",
                ),
                (
                    bool(data.deepfashion) and self.recipe != "all_sets",
                    f"data.deepfashion has no part in the recipe {self.recipe}; take all_sets",
                ),
                (self.recipe != "slim" and not self.network.judge_width, "the published recipes need a judge"),
                (
                    bool(self.network.judge_width) and seen < 3 * 2**self.network.judge_halvings,
                    f"pictures of {seen} pixels are too small for a judge with {self.network.judge_halvings} halvings; "
                    "lower network.judge_halvings",
                ),
                (data.size % step != 0, f"data.size must be a multiple of {step}, got {data.size}"),
            ]
        )


def load_motion_config(path: str | Path | None, overrides: Sequence[str] = ()) -> MotionConfig:
    """Read a configuration and apply overrides.

    Raises:
        FileProblem: there is no such file.
        ConfigError: it has faults; the message has all of them.
    """
    return load_config(MotionConfig, path, overrides)
