"""The configuration of `limner train body`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from limner.body import HMR_NETWORKS, HMRConfig
from limner.losses import BodyLossWeights
from limner.train.config import load_config
from limner.train.settings import LoopConfig, OptimiserConfig, ScheduleConfig, below_one, refuse, too_small
from limner.types import DiscriminatorName


@dataclass(frozen=True)
class BodySourceSection:
    """A data set on disk.

    Attributes:
        root: its folder, or a json file in COCO's keypoint format.
        part: to take; None takes the one to learn from.
        images: for a json file, the folder or zip file of its pictures.
        share: how often its people are drawn beside those of the other sources; None: as often as there are people.
        use_3d: use its joints and bodies in space, where it has them.
        limit: take only so many of the people, evenly spread; 0 for all.
    """

    root: str
    part: str | None = None
    images: str | None = None
    share: float | None = None
    use_3d: bool = True
    limit: int = 0

    def __post_init__(self) -> None:
        refuse([(not self.root, "root must name a folder or a json file"), *_source_faults(self.share, self.limit)])


@dataclass(frozen=True)
class SyntheticSection:
    """People that limner makes up and draws.

    Attributes:
        count: how many there are.
        seed: of the people; another one makes others.
        side: of the pictures in pixels.
        share: see `BodySourceSection`.
        use_3d: use their bodies in space.
        motions: folder or file of motions that poses are taken from; empty for what comes with limner.
        garments: folder of pictures of clothes; empty for plain ones.
        backgrounds: folder of pictures behind the people; empty for plain ones.
        kept: folder in which people are kept once they are drawn; empty draws them anew each time. It belongs to one
            set of these settings.
    """

    count: int = 1_000_000
    seed: int = 0
    side: int = 224
    share: float | None = None
    use_3d: bool = True
    motions: str = ""
    garments: str = ""
    backgrounds: str = ""
    kept: str = ""

    def __post_init__(self) -> None:
        refuse(
            [
                *too_small(self, 1, "count"),
                (self.side < 32, f"side must be at least 32, got {self.side}"),
                *_source_faults(self.share, 0),
            ]
        )


def _source_faults(share: float | None, limit: int) -> list[tuple[bool, str]]:
    return [
        (share is not None and share < 0, f"share must not be negative, got {share}"),
        (limit < 0, f"limit must not be negative, got {limit}"),
    ]


@dataclass(frozen=True)
class BodyValidSection:
    """Whom a run is judged by: a data set, made-up people, or some of the people that there are to learn from.

    Attributes:
        root: of the data set.
        part: of it.
        images: for a json file, its pictures.
        limit: take only so many, evenly spread; 0 for all.
        synthetic: made-up people instead; give them another seed than those that are learned from.
        share: of the people of the one data set on disk, instead: they are kept from learning, in runs of neighbours,
            because neighbours often show one scene.
    """

    root: str = ""
    part: str | None = None
    images: str | None = None
    limit: int = 0
    synthetic: SyntheticSection | None = None
    share: float = 0.0

    def __post_init__(self) -> None:
        given = [bool(self.root), self.synthetic is not None, self.share != 0]
        refuse(
            [
                (sum(given) != 1, "one of root, synthetic and share must say whom to be judged by"),
                *below_one(self, "share"),
                *_source_faults(None, self.limit),
            ]
        )


@dataclass(frozen=True)
class BodyDataSection:
    """Where people come from; every source that is named is mixed in.

    Attributes:
        valid: whom the run is judged by.
        synthetic: made-up people with exact labels.
        lsp: Leeds Sports Pose.
        lsp_extended: LSP-extended.
        mpii: MPII.
        coco: COCO keypoints.
        mpi_inf_3dhp: MPI-INF-3DHP.
        human36m: Human3.6M, as `annot.h5` or as TFRecords.
        other: anything else that `limner.data.read_bodies` knows.
        share_3d: share of the samples with labels in space (published: a half); None: as the sources' shares say.
        epoch: samples of an epoch; 0 takes the number of people.
        workers: processes that read pictures; 0 reads them in the training process.
        looks: for a network that takes landmarks, a folder in which what the pose network saw of each person is kept
            for other runs; empty keeps it in memory. It belongs to one set of sources.
    """

    valid: BodyValidSection
    synthetic: SyntheticSection | None = None
    lsp: BodySourceSection | None = None
    lsp_extended: BodySourceSection | None = None
    mpii: BodySourceSection | None = None
    coco: BodySourceSection | None = None
    mpi_inf_3dhp: BodySourceSection | None = None
    human36m: BodySourceSection | None = None
    other: BodySourceSection | None = None
    share_3d: float | None = None
    epoch: int = 0
    workers: int = 0
    looks: str = ""

    def __post_init__(self) -> None:
        on_disk = sum(isinstance(one, BodySourceSection) for one in self.sources.values())
        refuse(
            [
                (not self.sources, "data must name at least one source, such as synthetic or lsp"),
                (
                    self.valid.share > 0 and on_disk != 1,
                    f"valid.share parts one data set on disk, and {on_disk} are named; set valid.root instead",
                ),
                (
                    self.share_3d is not None and not 0 <= self.share_3d <= 1,
                    f"share_3d must lie from 0 to 1, got {self.share_3d}",
                ),
                *too_small(self, 0, "epoch", "workers"),
            ]
        )

    @property
    def sources(self) -> dict[str, SyntheticSection | BodySourceSection]:
        """The sources that are named, in the order of the schema."""
        held = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return {name: one for name, one in held if isinstance(one, (SyntheticSection, BodySourceSection))}


@dataclass(frozen=True)
class BodyNetworkSection:
    """Which network, and what it starts from.

    Attributes:
        name: of `limner.body.HMR_NETWORKS`.
        input_size: side of the crop; None takes the network's own.
        mean: where theta starts: plain is the mean shape in the rest pose, poses the mean of the real poses;
            else a file of mean parameters (h5 or npz).
        dropout: of the regressor (published: 0.5).
        pretrained: a checkpoint to start from; empty for none.
        pretrained_kind: imagenet takes the trunk of a classification or pose network for the encoder, hmr a whole
            network.
    """

    name: str = "hmr-light"
    input_size: int | None = None
    mean: str = "plain"
    dropout: float = 0.5
    pretrained: str = ""
    pretrained_kind: Literal["imagenet", "hmr"] = "imagenet"

    def __post_init__(self) -> None:
        size = self.input_size
        refuse(
            [
                (
                    self.name not in HMR_NETWORKS,
                    f"no network is called {self.name!r}; known are {', '.join(HMR_NETWORKS)}",
                ),
                (size is not None and (size < 32 or size % 32 > 0), f"input_size must be a multiple of 32, got {size}"),
                *below_one(self, "dropout"),
            ]
        )

    @property
    def table(self) -> HMRConfig:
        """The network's own table."""
        return HMR_NETWORKS[self.name]

    @property
    def size(self) -> int:
        """Side of the crop."""
        return self.input_size or self.table.input_size

    @property
    def person_px(self) -> float:
        """The diagonal of a person's box of joints in the crop."""
        return self.table.person_px * self.size / self.table.input_size


@dataclass(frozen=True)
class BodyAugmentSection:
    """How samples are varied while training.

    Attributes:
        kind: hmr and pytorch-hmr cut crops as published, with the published draws, and heed none of the other keys but
            `flip`; affine cuts them in one step, turned too.
        shift_px: largest shift of the middle, in pixels of a crop of 224.
        scale: smallest and largest factor.
        rotation_deg: largest turn in the picture's plane.
        flip: mirror every second sample.
        colour: largest change of each channel's strength, as a share.
        occlusion: how often a part of the crop is covered.
        noise: of a network that takes landmarks: largest spread by which its points are moved, as a share of half the
            crop and in metres.
    """

    kind: Literal["hmr", "pytorch-hmr", "affine"] = "affine"
    shift_px: float = 20.0
    scale: tuple[float, float] = (0.8, 1.23)
    rotation_deg: float = 30.0
    flip: bool = True
    colour: float = 0.2
    occlusion: float = 0.0
    noise: float = 0.02

    def __post_init__(self) -> None:
        low, high = self.scale
        refuse(
            [
                *too_small(self, 0, "shift_px"),
                (not 0 < low <= high, f"scale must rise and be above 0, got {self.scale}"),
                *too_small(self, 0, "rotation_deg"),
                *below_one(self, "colour"),
                (not 0 <= self.occlusion <= 1, f"occlusion must lie from 0 to 1, got {self.occlusion}"),
                *too_small(self, 0, "noise"),
            ]
        )


@dataclass(frozen=True)
class BodyLossSection:
    """What the network is taught with; the factors of `limner.losses.BodyLossWeights`.

    Attributes:
        keypoints: joints in the picture.
        joints: joints in space.
        pose: rotations.
        shape: betas, where they stand apart.
        adversarial: the adversary.
        parameters: joined takes 24 rotations and the betas in one mean, as the original; apart takes 23 rotations,
            without the root, and the betas by themselves, as pytorch_HMR.
        num_keypoints: joints in the picture that count: 19, or the first 14.
    """

    keypoints: float = 60.0
    joints: float = 60.0
    pose: float = 60.0
    shape: float = 0.0
    adversarial: float = 1.0
    parameters: Literal["joined", "apart"] = "joined"
    num_keypoints: Literal[14, 19] = 19

    def __post_init__(self) -> None:
        refuse(too_small(self, 0, "keypoints", "joints", "pose", "shape", "adversarial"))

    @property
    def weights(self) -> BodyLossWeights:
        """The factors of the published terms."""
        return BodyLossWeights(self.keypoints, self.joints, self.pose, self.shape, self.adversarial)


@dataclass(frozen=True)
class AdversarySection:
    """The adversary, and the real poses it learns from.

    Attributes:
        name: which of the two published ones.
        root: folder or file of poses (AMASS, SMPL or MoSh; BVH; amc); empty takes those that synthetic people get.
        every: take every so manieth frame.
        real: real poses for each sample of a step (published: 3, as many as the corrections that it judges).
        optimiser: of the adversary.
    """

    name: DiscriminatorName = "hmr"
    root: str = ""
    every: int = 1
    real: float = 3.0
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=1e-4))

    def __post_init__(self) -> None:
        refuse(
            [
                *too_small(self, 1, "every"),
                (self.real <= 0, f"real must be above 0, got {self.real}"),
            ]
        )


ProtocolName = Literal["auto", "h36m-p1", "h36m-p2", "3dhp", "3dpw", "lsp14"]


@dataclass(frozen=True)
class BodyTestSection:
    """How the network is judged.

    Attributes:
        batch: people at a time.
        protocol: of `limner.metrics.MESH_PROTOCOLS`; auto tells it from the data set.
        male: for 3DPW, the truth's SMPL file of men, as "smpl:PATH"; empty takes the run's own body.
        female: of women.
        silhouettes: a folder with the silhouettes of LSP's pictures, to be judged by them too.
        frame_rate: frames a second of films, for the jitter; 0 for none.
    """

    __test__ = False  # pytest takes classes of this name for its own

    batch: int = 32
    protocol: ProtocolName = "auto"
    male: str = ""
    female: str = ""
    silhouettes: str = ""
    frame_rate: float = 0.0

    def __post_init__(self) -> None:
        refuse(
            [
                *too_small(self, 1, "batch"),
                *too_small(self, 0, "frame_rate"),
            ]
        )


@dataclass(frozen=True)
class BodyConfig:
    """Everything that `limner train body` needs to know.

    Attributes:
        data: where people come from.
        network: which one.
        body: "free", or "smpl:PATH".
        augment: how samples are varied.
        loss: what the network is taught with.
        adversary: None trains without one.
        optimiser: of the network.
        schedule: of both rates.
        loop: how long and on what.
        test: how the network is judged.
        run: the run's folder.
    """

    data: BodyDataSection
    network: BodyNetworkSection = field(default_factory=BodyNetworkSection)
    body: str = "free"
    augment: BodyAugmentSection = field(default_factory=BodyAugmentSection)
    loss: BodyLossSection = field(default_factory=BodyLossSection)
    adversary: AdversarySection | None = None
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=1e-5))
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    test: BodyTestSection = field(default_factory=BodyTestSection)
    run: str = ""

    def __post_init__(self) -> None:
        takes_landmarks = self.network.table.takes == "landmarks"
        refuse(
            [
                (
                    takes_landmarks and self.augment.kind != "affine",
                    f"{self.network.name} takes landmarks, not pictures; its augment.kind must be affine",
                ),
                (
                    self.network.mean == "poses" and self.adversary is None,
                    "network.mean is poses, but there is no adversary whose poses could be averaged",
                ),
            ]
        )


def load_body_config(path: str | Path | None, overrides: Sequence[str] = ()) -> BodyConfig:
    """Read a configuration and apply overrides.

    Raises:
        FileProblem: there is no such file.
        ConfigError: it has faults; the message has all of them.
    """
    return load_config(BodyConfig, path, overrides)
