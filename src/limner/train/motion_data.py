"""What a motion run learns from and is judged by: clips of all its data sets, as samples of its recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limner.checks import InputError
from limner.data import (
    MotionClip,
    PrepareOptions,
    SyntheticPeople,
    read_deepfashion,
    read_folder,
    read_iper,
    read_photos,
    read_synthetic,
    read_videos,
    split_clips,
)
from limner.train.motion_pairs import PairOptions, PairSamples
from limner.train.motion_settings import MotionConfig
from limner.train.motion_slim import SlimPairing, SlimSamples, slim_files
from limner.train.order import Samples
from limner.train.run import Watch


@dataclass(frozen=True)
class MotionSamples:
    """What a run needs of its data sets.

    Attributes:
        train: learned from.
        valid: judged by; not varied.
    """

    train: Samples
    valid: Samples


@dataclass(frozen=True)
class Clips:
    """Clips to learn from and clips to be judged by."""

    train: list[MotionClip]
    valid: list[MotionClip]


def read_motion_data(config: MotionConfig, folder: Path, *, watch: Watch | None = None) -> MotionSamples:
    """Read, check and where need be prepare everything that a run learns from.

    Raises:
        DatasetError: a data set has faults; the message has all of them.
        FileProblem: something is missing, or the cache cannot be written.
        InputError: nothing is left to learn from or be judged by.
    """
    cache = Path(config.data.cache or folder / "cache")
    clips = read_clips(config, cache, watch=watch)
    return _slim(config, clips, cache, watch) if config.recipe == "slim" else _published(config, clips)


def read_clips(config: MotionConfig, cache: Path, *, watch: Watch | None = None) -> Clips:
    """Read the clips of every data set that the configuration names."""
    data = config.data
    train: list[MotionClip] = []
    valid: list[MotionClip] = []
    if data.iper:
        train += read_iper(data.iper, "train", images=data.iper_images, body=data.body)
        valid += read_iper(data.iper, "val", images=data.iper_images, body=data.body)
    mixed: list[MotionClip] = []
    if data.videos:
        options = PrepareOptions(data.video_size or None, data.frames_per_second, data.body)
        mixed += read_videos(data.videos, cache, options, progress=watch)
    if data.photos:
        mixed += read_photos(data.photos, cache, body=data.body, size=data.video_size or None, progress=watch)
    if data.synthetic:
        people = SyntheticPeople(seed=config.loop.seed, side=data.size, body=data.body)
        mixed += read_synthetic(people, data.synthetic, cache, progress=watch)
    if mixed:
        parts = split_clips(mixed, data.valid_clips, data.valid_share)
        train, valid = train + parts[0], valid + parts[1]
    return Clips(train, valid)


def _published(config: MotionConfig, clips: Clips) -> MotionSamples:
    data, seed = config.data, config.loop.seed
    options = PairOptions(data.size, data.interval, seed, config.network.align_corners, config.loss.target_background)
    places = read_folder(data.places) if data.places else None
    fashion = [read_deepfashion(data.deepfashion, part) if data.deepfashion else None for part in ("train", "test")]
    train = PairSamples(tuple(clips.train), data.body, options, fashion[0], places)
    still = replace(options, varied=False)
    valid = PairSamples(tuple(clips.valid), data.body, still, fashion[1], places)
    if not len(train):
        raise InputError("nothing is left to learn from")
    return MotionSamples(train, Limited(valid if len(valid) else replace(train, options=still), config.test.limit))


@dataclass(frozen=True)
class Limited:
    """So many of some samples, evenly spread; 0 for all."""

    samples: Samples
    limit: int

    def __len__(self) -> int:
        return min(self.limit or len(self.samples), len(self.samples))

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """Return one of them; the random numbers of a judgement are those of its first epoch."""
        return self.samples.sample(index * len(self.samples) // len(self), 0)


def _slim(config: MotionConfig, clips: Clips, cache: Path, watch: Watch | None) -> MotionSamples:
    data = config.data
    pairing = SlimPairing(data.photos_per_clip, data.targets_per_photo, config.network.input_hw)
    learned, judged = (slim_files(part, cache, pairing, watch=watch) for part in (clips.train, clips.valid))
    if not learned:
        raise InputError("nothing is left to learn from: no clip shows a person with a mask in two frames")
    if not judged:
        judged = learned
    return MotionSamples(
        SlimSamples(tuple(learned), config.loop.seed),
        Limited(SlimSamples(tuple(judged), config.loop.seed, augment=False), config.test.limit),
    )
