"""The configuration of `limner train face`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from limner.face import LABELS, UPSCALE_FACTORS, EncoderName, LabelResize, TrunkMode
from limner.losses import FACE_RECIPES, FaceLossWeights
from limner.train.settings import LoopConfig, OptimiserConfig, ScheduleConfig, below_one, refuse, too_small

FaceTask = Literal[
    "inversion",
    "frontalisation",
    "sketch",
    "segmentation",
    "super_resolution",
    "colourisation",
    "inpainting",
    "toonify",
    "paired",
    "other_domain",
]

# Tasks without a published recipe learn by that of the task which they resemble.
_RECIPE_OF = {"colourisation": "inversion", "inpainting": "super_resolution", "paired": "inversion"}
_PAIRED: tuple[FaceTask, ...] = ("segmentation", "paired")
_PUBLISHED_SIDE = 256


@dataclass(frozen=True)
class FaceDataSection:
    """What is learned from.

    Attributes:
        target: a folder of aligned pictures that results are to look like.
        source: a folder of what comes in, with names as in `target`: label maps, sketches, pictures. Empty makes it of
            the target, where the task can.
        valid_target: to be judged by; empty keeps `valid_share` of `target` from learning.
        valid_source: likewise.
        valid_share: of the pictures; 0 judges by those that are learned from.
        limit: use so many pictures, evenly taken; 0 for all.
        factors: of super-resolution.
        classes: of label maps.
        label_resize: published mixes labels at borders, as the published training did.
        workers: processes that read pictures.
    """

    target: str = ""
    source: str = ""
    valid_target: str = ""
    valid_source: str = ""
    valid_share: float = 0.05
    limit: int = 0
    factors: tuple[int, ...] = UPSCALE_FACTORS
    classes: int = len(LABELS)
    label_resize: LabelResize = "nearest"
    workers: int = 2

    def __post_init__(self) -> None:
        unknown = sorted(set(self.factors) - set(UPSCALE_FACTORS))
        refuse(
            [
                *below_one(self, "valid_share"),
                *too_small(self, 0, "limit"),
                (bool(unknown) or not self.factors, f"factors must be some of {UPSCALE_FACTORS}, got {self.factors}"),
                (self.classes < 2, f"classes must be at least 2, got {self.classes}"),
                *too_small(self, 0, "workers"),
            ]
        )


@dataclass(frozen=True)
class FaceNetworkSection:
    """Which encoder, over which generator, and what both start from.

    Attributes:
        generator: a StyleGAN2 of any layout that limner reads, or the name of an imported one; its size is the
            result's.
        encoder: one of the published encoders.
        num_layers: depth of its trunk: 50, 100 or 152, or 18 for processors.
        mode: kind of the trunk's blocks.
        width: channels of the trunk's first maps; 64 as published.
        start_from_mean: whether the encoder gives offsets from the mean style.
        single_style: whether one style steers all rows.
        recogniser: a face recogniser such as model_ir_se50.pth, from which the trunk starts; empty starts at random.
        pretrained: a whole network to start from instead; empty for none.
        train_decoder: let the generator learn too.
    """

    generator: str = ""
    encoder: EncoderName = "GradualStyleEncoder"
    num_layers: int = 50
    mode: TrunkMode = "ir_se"
    width: int = 64
    start_from_mean: bool = True
    single_style: bool = False
    recogniser: str = ""
    pretrained: str = ""
    train_decoder: bool = False

    def __post_init__(self) -> None:
        refuse(too_small(self, 1, "width"))


@dataclass(frozen=True)
class FaceLossSection:
    """What results cost, and the networks that measure it.

    Attributes:
        weights: how much each part counts; None takes the task's recipe.
        side: pictures are compared at so many pixels, and come in so large; 256 as published.
        lpips: AlexNet as torchvision publishes it.
        lpips_linear: the weights of LPIPS 0.1 for it.
        recogniser: model_ir_se50.pth, for the identity part.
        moco: moco_v2_800ep_pretrain.pth.tar.
    """

    weights: FaceLossWeights | None = None
    side: int = _PUBLISHED_SIDE
    lpips: str = ""
    lpips_linear: str = ""
    recogniser: str = ""
    moco: str = ""

    def __post_init__(self) -> None:
        refuse([(self.side % 16 != 0 or not 16 <= self.side <= 256, f"side must be 16, 32 .. 256, got {self.side}")])


@dataclass(frozen=True)
class FaceTrainConfig:
    """All that `limner train face` can be told.

    Attributes:
        run: the run's folder.
        task: what is learned.
        data: from what.
        network: by which network.
        loss: what results cost.
        optimiser: ranger as published, or any other.
        schedule: of the learning rate; constant as published.
        loop: how long and on what.
    """

    run: str = ""
    task: FaceTask = "inversion"
    data: FaceDataSection = field(default_factory=FaceDataSection)
    network: FaceNetworkSection = field(default_factory=FaceNetworkSection)
    loss: FaceLossSection = field(default_factory=FaceLossSection)
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig("ranger", 1e-4, betas=(0.95, 0.999)))
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig(name="constant"))
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=60, batch=8, channels_last=False))

    def __post_init__(self) -> None:
        weights = self.loss_weights
        of_faces = weights.identity or weights.l2_crop or weights.lpips_crop
        side = self.loss.side
        refuse(
            [
                (not self.data.source and self.task in _PAIRED, f"the task {self.task} needs data.source"),
                (
                    bool(of_faces) and side != _PUBLISHED_SIDE,
                    f"identity and crops are measured at {_PUBLISHED_SIDE} pixels, and loss.side is {side}",
                ),
            ]
        )

    def check_files(self) -> None:
        """Refuse a run whose generator, or whose networks that measure, are not named.

        Raises:
            InputError: all of them, by their keys.
        """
        weights, loss = self.loss_weights, self.loss
        by_lpips, words = max(weights.lpips, weights.lpips_crop), "a part of the loss counts"
        has_lpips = loss.lpips and loss.lpips_linear
        refuse(
            [
                (
                    not self.network.generator and not self.network.pretrained,
                    "there is no generator to train for: name a StyleGAN2 file as network.generator",
                ),
                (
                    by_lpips > 0 and not has_lpips,
                    f"{words} {by_lpips} and lacks its network: name AlexNet's weights as loss.lpips and LPIPS "
                    "0.1's as loss.lpips_linear, or set loss.weights.lpips=0",
                ),
                (
                    weights.identity > 0 and not loss.recogniser,
                    f"{words} {weights.identity} and lacks its network: name model_ir_se50.pth as loss.recogniser, or "
                    "set loss.weights.identity=0",
                ),
                (
                    weights.moco > 0 and not loss.moco,
                    f"{words} {weights.moco} and lacks its network: name moco_v2_800ep_pretrain.pth.tar as loss.moco, "
                    "or set loss.weights.moco=0",
                ),
            ]
        )

    @property
    def loss_weights(self) -> FaceLossWeights:
        """How much each part counts."""
        return self.loss.weights or FACE_RECIPES[_RECIPE_OF.get(self.task, self.task)]

    @property
    def input_channels(self) -> int:
        """Channels of what comes in."""
        return {"sketch": 1, "segmentation": self.data.classes}.get(self.task, 3)
