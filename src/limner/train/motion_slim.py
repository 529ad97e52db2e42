"""Samples of the slim network: paintings of a person beside the real frames, made once and kept.

A few frames of a clip serve as photos, each makes an actor, and the actor paints the clip's other frames. What the
network will read at painting time is cut out by the same functions as then (`limner.motion.slim`), beside the real
frame under the same crop. Every photo's samples are one folder of the cache, written whole or not at all.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.body import FastSMPL, load_body
from limner.checks import FileProblem
from limner.data import MotionClip
from limner.motion import Actor, Crop, source_crop, source_input, transfer_input
from limner.render import corners_from_vertices, rasterise
from limner.train.run import Watch

_GROWN_PX = 5
"""The real frame's background is taken from beyond the mask grown by so much."""
_COLOURS = 0.5
"""How often the channels of a sample are exchanged: few people wear few colours."""
_GAIN = (0.75, 1.25)
_SOURCE = "source.npy"
_VERSION = 1  # raised when what is kept changes its meaning
FRAMES_A_PHOTO = 8
"""A photo costs two seconds to prepare, so a short clip has fewer of them."""
FIT = 0.6
"""Least overlap of body and person mask (intersection over union) of a frame that is learned from."""


@dataclass(frozen=True)
class SlimPairing:
    """Which frames of a clip become samples.

    Attributes:
        photos: frames of a clip that serve as photos, evenly spread.
        targets: frames painted from each photo, evenly spread.
        input_hw: of the network.
    """

    photos: int
    targets: int
    input_hw: tuple[int, int]


def slim_files(
    clips: Sequence[MotionClip], cache: Path, pairing: SlimPairing, *, watch: Watch | None = None
) -> list[Path]:
    """Make the samples of clips that are not in the cache yet; return all of them in order.

    Raises:
        FileProblem: a picture is missing, or the cache cannot be written.
    """
    found = []
    for number, clip in enumerate(clips):
        folder = cache / f"slim-{_digest(clip, pairing)}"
        if not folder.exists():
            _keep(clip, folder, pairing)
        found += sorted(folder.glob("*/*.npz"))
        if watch is not None:
            watch(number + 1, len(clips), "painting what is learned from")
    return found


def _spread(frames: Sequence[int], count: int) -> list[int]:
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[place] for place in dict.fromkeys(places.tolist())]


def _digest(clip: MotionClip, pairing: SlimPairing) -> str:
    digest = hashlib.sha256(repr((clip.name, clip.pictures, pairing, _VERSION)).encode())
    for part in (clip.bodies.rotvec, clip.bodies.weak_camera, clip.bodies.betas):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def _keep(clip: MotionClip, folder: Path, pairing: SlimPairing) -> None:
    good = fitting_frames(clip)
    fewer = max(1, len(good) // FRAMES_A_PHOTO)
    photos = _spread([frame for frame in clip.sources if frame in good], min(pairing.photos, fewer))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".painting-") as name:
            beside = Path(name) / "samples"
            beside.mkdir()
            for photo in photos:
                (beside / f"{photo:05d}").mkdir()
                targets = _spread([frame for frame in good if frame != photo] or [photo], pairing.targets)
                for number, (source, sample) in enumerate(slim_samples(clip, photo, targets, pairing.input_hw)):
                    if number == 0:
                        np.save(beside / f"{photo:05d}" / _SOURCE, source)
                    np.savez(beside / f"{photo:05d}" / f"{number:04d}.npz", **sample)
            shutil.move(beside, folder)
    except OSError as problem:
        raise FileProblem(f"the samples cannot be kept in {folder.parent}: {problem}") from None


def fitting_frames(clip: MotionClip) -> list[int]:
    """Return the frames whose body covers the person well: where the fit failed there is nothing to learn."""
    data = load_body(clip.bodies.body_model)
    vertices, _ = FastSMPL(data)(clip.bodies.betas, clip.bodies.rotvec)
    good = []
    for frame in range(len(clip)):
        mask = clip.read_mask(frame)
        if mask is None:
            continue
        corners = corners_from_vertices(vertices[frame], data.faces, clip.bodies.weak_camera[frame])
        body, person = rasterise(corners, mask.shape).face_index >= 0, mask > 0.5
        if (body & person).sum() > FIT * max((body | person).sum(), 1):
            good.append(frame)
    return good


def slim_samples(
    clip: MotionClip, photo: int, targets: Sequence[int], input_hw: tuple[int, int]
) -> Iterator[tuple[ndarray, dict[str, ndarray]]]:
    """Paint frames of a clip from one of them; give the source stream's input and each sample, in half floats."""
    mask = clip.read_mask(photo)
    if mask is None:
        return
    # Any background but the photo's own will do: filling that would take a second.
    actor = Actor.build(clip.read_picture(photo), mask, clip.bodies[photo : photo + 1], background="white")
    look = actor.layers[0].appearance
    crop = source_crop(look, input_hw, exact=True)
    source = source_input(look, actor.body, crop).astype(np.float16)
    placed = actor.place(clip.bodies, "copy")
    for target in targets:
        painted = actor.paint(placed[target : target + 1], guided=True)
        real_mask = clip.read_mask(target)
        if real_mask is None or not painted.alpha.size:
            continue
        seen = transfer_input(painted, actor.body, [crop], input_hw, exact=True)
        real = real_part(clip.read_picture(target), real_mask, seen.crop)
        sample = {"transfer": seen.transfer, "flow": seen.flows[0], **real}
        yield source, {name: value.astype(np.float16) for name, value in sample.items()}


def real_part(image: ndarray, mask: Float32[ndarray, "H W"], crop: Crop) -> dict[str, ndarray]:
    """Return the real frame under a crop, its person mask, its background, and where there is a picture at all."""
    target, person = crop.cut(image), crop.cut(mask)
    grown = cv2.dilate((person > 0.1).astype(np.uint8), np.ones((_GROWN_PX, _GROWN_PX), np.uint8))
    plate = cv2.inpaint(target, grown, 3, cv2.INPAINT_TELEA)
    inside = crop.cut(np.ones(mask.shape, np.float32))
    return {
        "target": _signed_channels(target),
        "plate": _signed_channels(plate),
        "mask": person[None],
        "inside": (inside > 0.99)[None].astype(np.float32),
    }


def _signed_channels(image: ndarray) -> Float32[ndarray, "3 h w"]:
    return (image.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)


@dataclass(frozen=True)
class SlimSamples:
    """Kept samples; random numbers come from the seed, the epoch and the sample alone.

    Attributes:
        files: of `slim_files`.
        seed: of the run.
        augment: exchange and stretch the colours, of photo, painting and real frame alike.
    """

    files: tuple[Path, ...]
    seed: int = 0
    augment: bool = True

    def __len__(self) -> int:
        return len(self.files)

    def sample(self, index: int, epoch: int) -> dict[str, ndarray]:
        """Return one sample.

        Raises:
            FileProblem: it has gone from the cache.
        """
        path = self.files[index]
        try:
            with np.load(path) as kept:
                sample = {name: kept[name].astype(np.float32) for name in kept.files}
            sample["source"] = np.load(path.parent / _SOURCE).astype(np.float32)
        except (OSError, ValueError, KeyError) as problem:
            raise FileProblem(
                f"the sample {path} cannot be read ({problem}); delete its folder to make it anew"
            ) from None
        return _varied(sample, np.random.default_rng([self.seed, epoch, index])) if self.augment else sample


def _varied(sample: dict[str, ndarray], numbers: np.random.Generator) -> dict[str, ndarray]:
    order = numbers.permutation(3) if numbers.random() < _COLOURS else np.arange(3)
    gain = numbers.uniform(*_GAIN, (3, 1, 1)).astype(np.float32)
    places = {"source": (0,), "transfer": (0, 4), "target": (0,), "plate": (0,)}
    for name, firsts in places.items():
        for first in firsts:
            part = sample[name][first : first + 3]
            # 0 stands for "nothing here" in the inputs; it stays 0 there, and black stays black.
            changed = np.clip((part[order] + 1) * gain - 1, -1, 1)
            sample[name][first : first + 3] = np.where((part == 0).all(axis=0), 0, changed)
    return sample
