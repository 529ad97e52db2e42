"""The configuration of `limner train pose`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from limner.checks import InputError
from limner.pose import HRNetConfig, PoseNetworkConfig, PoseResNetConfig, SampleConfig, Skeleton, network_config
from limner.train.config import load_config
from limner.train.official import from_official, is_official
from limner.train.settings import LoopConfig, OptimiserConfig, ScheduleConfig, below_one, refuse, too_small


@dataclass(frozen=True)
class NetworkSection:
    """Which network, and what it starts from; exactly one of name, hrnet and resnet says which.

    Attributes:
        name: of `limner.pose.NETWORKS`.
        hrnet: the table of any HRNet.
        resnet: the table of any SimpleBaseline.
        start: published sets all weights to normal(0, 0.001); torch keeps PyTorch's own starting values, from which a
            network without ImageNet weights learns sooner.
        pretrained: a checkpoint to start from; empty for none.
        pretrained_kind: imagenet takes the trunk of a classification network, pose a whole network.
        pretrained_layers: which parts of an ImageNet trunk, by the first piece of their keys; "*" in front is all.
        num_joints: heatmaps; None takes the data set's number of joints, from which no other number may differ.
    """

    name: str | None = None
    hrnet: HRNetConfig | None = None
    resnet: PoseResNetConfig | None = None
    start: Literal["published", "torch"] = "published"
    pretrained: str = ""
    pretrained_kind: Literal["imagenet", "pose"] = "imagenet"
    pretrained_layers: tuple[str, ...] = ("*",)
    num_joints: int | None = None

    def __post_init__(self) -> None:
        given = [table for table in (self.name, self.hrnet, self.resnet) if table is not None]
        refuse([(len(given) != 1, f"one of name, hrnet and resnet must say which network, got {len(given)} of them")])
        self.table(17)

    def table(self, num_joints: int) -> PoseNetworkConfig:
        """Return the network's table with so many joints."""
        if self.name is not None:
            return network_config(self.name, num_joints=num_joints)
        table = self.hrnet or self.resnet
        assert table is not None, "checked when made"
        return replace(table, num_joints=num_joints)

    @property
    def title(self) -> str:
        """What tables of scores call the network: its name, or the name of the published one that it is."""
        from limner.pose import NETWORKS

        table = self.table(17)
        return self.name or next((name for name, known in NETWORKS.items() if known == table), "custom network")


@dataclass(frozen=True)
class InputSection:
    """The network's input and its heatmaps.

    Attributes:
        input_hw: height and width of the crop in pixels.
        heatmap_hw: of the heatmaps in cells; None for a quarter.
        sigma: of the targets in cells.
        colour: bgr feeds blue first, as the published SimpleBaseline weights were trained.
    """

    input_hw: tuple[int, int] = (256, 192)
    heatmap_hw: tuple[int, int] | None = None
    sigma: float = 2.0
    colour: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        quarter = tuple(side // 4 for side in self.input_hw)
        refuse(
            [
                (min(self.input_hw) < 32, f"input_hw must be at least 32 on both sides, got {self.input_hw}"),
                (self.cells != quarter, f"heatmap_hw must be a quarter of input_hw, {quarter}, got {self.cells}"),
                (self.sigma <= 0, f"sigma must be above 0, got {self.sigma}"),
            ]
        )

    @property
    def cells(self) -> tuple[int, int]:
        """Height and width of the heatmaps."""
        height, width = self.input_hw
        return (height // 4, width // 4) if self.heatmap_hw is None else self.heatmap_hw


@dataclass(frozen=True)
class DataSection:
    """Where people come from.

    Attributes:
        root: MPII's, COCO's, LSP's or LSP-extended's folder, or a json file in COCO's keypoint format.
        train: the part to learn from; None for the whole of a data set without parts.
        valid: the part to be judged by; None cuts one off, see `valid_share`.
        valid_root: the root of the part to be judged by, where it is another one.
        images: folder or zip file of a json file's pictures; None looks beside it.
        valid_share: without a part to be judged by, this share of the people is kept from learning and judged by.
        detections: a file of detected boxes to be judged on instead of annotated ones (COCO).
        min_box_score: detected boxes below it are left out.
        only_typical: learn only from people whose joints lie about their box as usual (official SELECT_DATA).
        limit: take only so many of the people, evenly spread; 0 for all.
        workers: processes that read pictures; 0 reads them in the training process.
    """

    root: str
    train: str | None = None
    valid: str | None = None
    valid_root: str | None = None
    images: str | None = None
    valid_share: float = 0.05
    detections: str | None = None
    min_box_score: float = 0.0
    only_typical: bool = False
    limit: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        refuse(
            [
                (not self.root, "root must name a folder or a json file"),
                *below_one(self, "valid_share"),
                *too_small(self, 0, "limit", "workers"),
                (self.detections is not None and self.valid is None, "detections need a valid part to belong to"),
            ]
        )


@dataclass(frozen=True)
class AugmentSection:
    """How samples are varied while training; zeros and false leave them as they are.

    Attributes:
        scale: spread of the size.
        rotation_deg: spread of the rotation, which three in five samples get.
        flip: mirror every second sample.
        half_body: how often to look at half of a person.
        half_body_min_joints: only people with more visible joints are halved.
    """

    scale: float = 0.35
    rotation_deg: float = 45.0
    flip: bool = True
    half_body: float = 0.0
    half_body_min_joints: int = 8

    def __post_init__(self) -> None:
        refuse(
            [
                *below_one(self, "scale"),
                *too_small(self, 0, "rotation_deg"),
                (not 0 <= self.half_body <= 1, f"half_body must lie from 0 to 1, got {self.half_body}"),
            ]
        )


@dataclass(frozen=True)
class LossSection:
    """What the network is taught with.

    Attributes:
        name: mse as published; ohkm counts each person's hardest joints alone; cross_entropy over the softmax of each
            map's cells, which leaves the plateau at the start where squared error rests.
        topk: joints that ohkm counts.
        use_visibility: joints that are not annotated do not count (official USE_TARGET_WEIGHT).
        joint_weights: published counts elbows and knees 1.2, wrists and ankles 1.5.
    """

    name: Literal["mse", "ohkm", "cross_entropy"] = "mse"
    topk: int = 8
    use_visibility: bool = True
    joint_weights: Literal["equal", "published"] = "equal"

    def __post_init__(self) -> None:
        refuse(too_small(self, 1, "topk"))


@dataclass(frozen=True)
class TestSection:
    """How the network is judged.

    Attributes:
        flip: average with the mirrored picture.
        shift: move the mirrored heatmaps by a cell (official SHIFT_HEATMAP).
        decoding: how peaks become joints: quarter as published, plain, or dark.
        batch: people at a time.
        min_joint_score: joints above it enter a person's score (COCO).
        oks_threshold: people more similar than this are doubles (COCO).
        soft_oks: fade doubles instead of dropping them (COCO).
    """

    __test__ = False  # pytest takes classes of this name for its own

    flip: bool = True
    shift: bool = True
    decoding: Literal["quarter", "plain", "dark"] = "quarter"
    batch: int = 32
    min_joint_score: float = 0.2
    oks_threshold: float = 0.9
    soft_oks: bool = False

    def __post_init__(self) -> None:
        refuse(too_small(self, 1, "batch"))


@dataclass(frozen=True)
class PoseConfig:
    """Everything that `limner train pose` needs to know."""

    data: DataSection
    network: NetworkSection
    input: InputSection = field(default_factory=InputSection)
    augment: AugmentSection = field(default_factory=AugmentSection)
    loss: LossSection = field(default_factory=LossSection)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    test: TestSection = field(default_factory=TestSection)
    run: str = ""

    def __post_init__(self) -> None:
        step = self.network.table(17).size_step
        sides = self.input.input_hw
        refuse([(any(side % step for side in sides), f"input.input_hw must be multiples of {step}, got {sides}")])

    def samples(
        self, skeleton: Skeleton, upper_joints: tuple[int, ...], joint_weights: tuple[float, ...]
    ) -> SampleConfig:
        """Return how samples of a data set are made."""
        return SampleConfig(
            input_hw=self.input.input_hw,
            heatmap_hw=self.input.cells,
            sigma=self.input.sigma,
            flip_pairs=skeleton.flip_pairs,
            upper_joints=upper_joints,
            joint_weights=joint_weights if self.loss.joint_weights == "published" else None,
            scale_factor=self.augment.scale,
            rotation_deg=self.augment.rotation_deg,
            flip=self.augment.flip,
            half_body_probability=self.augment.half_body,
            half_body_min_joints=self.augment.half_body_min_joints,
            as_bgr=self.input.colour == "bgr",
        )


def load_pose_config(path: str | Path | None, overrides: Sequence[str] = ()) -> PoseConfig:
    """Read a configuration of ours or an official experiment file, and apply overrides.

    Raises:
        FileProblem: there is no such file.
        ConfigError: it has faults; the message has all of them.
    """
    return load_config(PoseConfig, path, overrides, adapt=_adapted)


def _adapted(tree: dict, path: Path | None) -> dict:
    return from_official(tree, path) if is_official(tree) else tree


def check_joints(config: PoseConfig, skeleton: Skeleton) -> int:
    """Return how many joints the network has on this data.

    Raises:
        InputError: the configuration asks for another number than the data set has.
    """
    wanted = config.network.num_joints
    if wanted not in (None, len(skeleton)):
        raise InputError(
            f"network.num_joints is {wanted}, but the data set's {skeleton.name} has {len(skeleton)} joints"
        )
    if config.loss.name == "ohkm" and config.loss.topk > len(skeleton):
        raise InputError(
            f"loss.topk is {config.loss.topk}, but the data set's {skeleton.name} has {len(skeleton)} joints"
        )
    return len(skeleton)
