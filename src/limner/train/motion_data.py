"""What a motion run learns from and is judged by: clips of all its data sets, as samples of its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.checks import InputError
from limner.data import MotionClip, PrepareOptions, read_videos, split_clips
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
    if config.recipe == "slim":
        return _slim(config, clips, cache, watch)
    from limner.train.motion_pairs import published_samples

    return MotionSamples(*published_samples(config, clips.train, clips.valid))


def read_clips(config: MotionConfig, cache: Path, *, watch: Watch | None = None) -> Clips:
    """Read the clips of every data set that the configuration names."""
    data = config.data
    train, valid = [], []
    if data.videos:
        options = PrepareOptions(data.video_size or None, data.frames_per_second, data.body)
        found = read_videos(data.videos, cache, options, progress=watch)
        parts = split_clips(found, data.valid_clips, data.valid_share)
        train, valid = train + parts[0], valid + parts[1]
    return Clips(train, valid)


def _slim(config: MotionConfig, clips: Clips, cache: Path, watch: Watch | None) -> MotionSamples:
    data = config.data
    pairing = SlimPairing(data.photos_per_clip, data.targets_per_photo, config.network.input_hw)
    learned, judged = (slim_files(part, cache, pairing, watch=watch) for part in (clips.train, clips.valid))
    if not learned:
        raise InputError("nothing is left to learn from: no clip shows a person with a mask in two frames")
    if not judged:
        learned, judged = _cut(learned, data.valid_share)
    judged = limited(judged, config.test.limit)
    return MotionSamples(
        SlimSamples(tuple(learned), config.loop.seed), SlimSamples(tuple(judged), config.loop.seed, augment=False)
    )


def _cut(files: list[Path], share: float) -> tuple[list[Path], list[Path]]:
    """Part samples in the order of their clips; without a share, judge by what is learned from."""
    kept = int(len(files) * share)
    return (files[:-kept], files[-kept:]) if kept else (files, files)


def limited(items: Sequence, limit: int) -> list:
    """Return at most `limit` of some items, evenly spread; 0 for all."""
    if not limit or limit >= len(items):
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, limit).round().astype(int)]
