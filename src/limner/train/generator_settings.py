"""The configuration of `limner train generator`."""

from __future__ import annotations

from dataclasses import dataclass, field

from limner.face import GeneratorConfig
from limner.train.augment import VARIATIONS, VariationName
from limner.train.settings import LoopConfig, OptimiserConfig, ScheduleConfig, refuse, too_small


@dataclass(frozen=True)
class PictureSection:
    """What is learned from.

    Attributes:
        root: a folder of pictures; folders in it are searched too.
        flip: show each picture mirrored half the time.
        limit: use so many pictures, evenly taken; 0 for all.
        workers: processes that read pictures.
    """

    root: str = ""
    flip: bool = True
    limit: int = 0
    workers: int = 2

    def __post_init__(self) -> None:
        refuse(too_small(self, 0, "limit", "workers"))


@dataclass(frozen=True)
class NetworkSection:
    """How large both networks are.

    Attributes:
        size: side of the pictures, a power of two from 8.
        style_dim: length of a style.
        mapping_layers: 8 in the paper, 2 in the automatic settings of StyleGAN2-ADA.
        channel_multiplier: width of the maps from 64 pixels.
        max_channels: width of the smallest maps.
        pretrained: a generator of the same shape to start from, by file or imported name; empty for none.
    """

    size: int = 256
    style_dim: int = 512
    mapping_layers: int = 8
    channel_multiplier: int = 2
    max_channels: int = 512
    pretrained: str = ""

    def __post_init__(self) -> None:
        self.table()

    def table(self) -> GeneratorConfig:
        """Return the generator's table."""
        return GeneratorConfig(
            self.size,
            self.style_dim,
            self.mapping_layers,
            self.channel_multiplier,
            max_channels=self.max_channels,
        )


@dataclass(frozen=True)
class GameSection:
    """The game of both networks.

    Attributes:
        r1: weight gamma of the discriminator's gradient penalty.
        r1_every: steps between two of them; each counts that many times.
        path: weight of the path length penalty.
        path_every: steps between two of them.
        path_share: share of the batch that it is taken on.
        path_decay: how fast the running mean of path lengths follows.
        mixing: probability that a batch has styles of two vectors.
    """

    r1: float = 10.0
    r1_every: int = 16
    path: float = 2.0
    path_every: int = 4
    path_share: float = 0.5
    path_decay: float = 0.01
    mixing: float = 0.9

    def __post_init__(self) -> None:
        refuse(
            [
                (min(self.r1, self.path) < 0, f"r1 and path must not be negative, got {self.r1} and {self.path}"),
                (
                    min(self.r1_every, self.path_every) < 1,
                    f"r1_every and path_every must be at least 1, got {self.r1_every} and {self.path_every}",
                ),
                (not 0 < self.path_share <= 1, f"path_share must lie above 0 and up to 1, got {self.path_share}"),
                (not 0 < self.path_decay <= 1, f"path_decay must lie above 0 and up to 1, got {self.path_decay}"),
                (not 0 <= self.mixing <= 1, f"mixing must lie from 0 to 1, got {self.mixing}"),
            ]
        )


@dataclass(frozen=True)
class AugmentSection:
    """Adaptive augmentation.

    Attributes:
        adaptive: let the probability follow how sure the discriminator is.
        probability: to begin with, or for good.
        target: the sureness that is aimed at.
        every: steps between changes.
        length: pictures over which the probability may go from 0 to 1.
        variations: which there are.
    """

    adaptive: bool = True
    probability: float = 0.0
    target: float = 0.6
    every: int = 4
    length: float = 500_000.0
    variations: tuple[VariationName, ...] = VARIATIONS

    def __post_init__(self) -> None:
        refuse(
            [
                (not 0 <= self.probability <= 1, f"probability must lie from 0 to 1, got {self.probability}"),
                *too_small(self, 1, "every"),
                (self.length <= 0, f"length must be above 0, got {self.length}"),
            ]
        )


@dataclass(frozen=True)
class GeneratorTrainConfig:
    """All that `limner train generator` can be told.

    Attributes:
        run: the run's folder.
        data: what is learned from.
        network: how large both networks are.
        game: losses and penalties.
        augment: variations of what the discriminator sees.
        generator: its optimiser; rate and decays are scaled for the steps that penalties take.
        discriminator: likewise.
        schedule: of both learning rates.
        loop: how long and on what.
        judged_pictures: generated pictures that a validation compares with as many real ones.
    """

    run: str = ""
    data: PictureSection = field(default_factory=PictureSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    game: GameSection = field(default_factory=GameSection)
    augment: AugmentSection = field(default_factory=AugmentSection)
    generator: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=2e-3, betas=(0.0, 0.99)))
    discriminator: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=2e-3, betas=(0.0, 0.99)))
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig(name="constant"))
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(batch=16, ema_decay=0.998, channels_last=False))
    judged_pictures: int = 512

    def __post_init__(self) -> None:
        refuse([(self.judged_pictures < 2, f"judged_pictures must be at least 2, got {self.judged_pictures}")])
