"""The people a body run learns from and is judged by, and the real poses of its adversary, as samples of a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from limner.checks import InputError
from limner.data import (
    BodyPerson,
    BodyPoses,
    BodySamples,
    BodySource,
    PoseSource,
    SyntheticPeople,
    crop_of_people,
    read_bodies,
    read_poses,
)
from limner.media import decode_image, encode_image, written_beside
from limner.train.body_crops import CropRule, cut_sample
from limner.train.body_looks import Looks, SeenPerson, landmark_sample
from limner.train.body_settings import (
    AdversarySection,
    BodyConfig,
    BodySourceSection,
    BodyValidSection,
    SyntheticSection,
)
from limner.train.pose_data import part_pictures

_FOLDER_OF = 1000  # people kept in one folder

Drawn = tuple[Float32[ndarray, "R 23 3"], Float32[ndarray, "R 10"]]


@dataclass(frozen=True)
class SyntheticBodies:
    """Made-up people as a source of bodies.

    Attributes:
        people: who draws them.
        kept: folder in which they are kept once they are drawn; None draws them each time.
    """

    people: SyntheticPeople
    kept: Path | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        return f"synthetic people {self.people.seed}"

    def __len__(self) -> int:
        return len(self.people)

    def person(self, index: int) -> BodyPerson:
        """Draw one of them, or read the one that was drawn before.

        Raises:
            FileProblem: a photo or a motion cannot be read, or the folder not be written.
        """
        if self.kept is None:
            return self._drawn(index)
        path = self.kept / f"{index // _FOLDER_OF:04d}" / f"{index:08d}.npz"
        if not path.exists():
            _keep(path, self._drawn(index))
        return _read_kept(path)

    def _drawn(self, index: int) -> BodyPerson:
        made = self.people.sample(index)
        # All joints have exact places, hidden ones and those beyond the picture too.
        keypoints = np.concatenate([made.keypoints.xy[0], np.ones((19, 1), np.float32)], 1)
        # The crop is what somebody who sees the picture would take.
        shown = np.where(made.keypoints.score[0, :, None] > 0, keypoints, 0)
        center, scale = crop_of_people((shown if shown[:, 2].sum() > 2 else keypoints)[None])
        return BodyPerson(
            made.image, keypoints, center[0], float(np.nan_to_num(scale[0], nan=1.0)), None, made.rotvec, made.betas
        )


def _keep(path: Path, person: BodyPerson) -> None:
    arrays = {name: getattr(person, name) for name in ("keypoints", "center", "scale", "rotvec", "betas")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as temporary, temporary.open("wb") as file:
        # Pictures without loss: a run that draws anew must see the same bits as one that reads.
        np.savez(file, image=np.frombuffer(encode_image(person.image, ".png"), np.uint8), **arrays)


def _read_kept(path: Path) -> BodyPerson:
    with np.load(path, allow_pickle=False) as held:
        image = decode_image(held["image"].tobytes(), str(path))
        return BodyPerson(
            image, held["keypoints"], held["center"], float(held["scale"]), None, held["rotvec"], held["betas"]
        )


@dataclass(frozen=True)
class MadeUpPoses:
    """Poses and shapes that synthetic people get, for the adversary.

    Attributes:
        source: of the poses.
    """

    source: PoseSource

    def draw(self, rng: np.random.Generator, count: int) -> Drawn:
        """Draw real poses."""
        poses = np.stack([self.source.sample(rng)[1:] for _ in range(count)])
        return poses.astype(np.float32), rng.standard_normal((count, 10)).astype(np.float32)


@dataclass(frozen=True)
class RecordedPoses:
    """Poses and shapes of files, for the adversary.

    Attributes:
        poses: of all files.
    """

    poses: BodyPoses

    def draw(self, rng: np.random.Generator, count: int) -> Drawn:
        """Draw real poses."""
        rows = rng.integers(len(self.poses), size=count)
        return self.poses.rotvec[rows], self.poses.betas[rows]


def mean_pose(poses: MadeUpPoses | RecordedPoses, *, seed: int = 0, count: int = 1000) -> Drawn:
    """Return the mean rotation of each joint, and the mean shape, of `count` poses; one row each."""
    from scipy.spatial.transform import Rotation

    drawn, betas = poses.draw(np.random.default_rng([seed, 17]), count)
    means = [Rotation.from_rotvec(drawn[:, joint]).mean().as_rotvec() for joint in range(drawn.shape[1])]
    return np.array(means, np.float32)[None], betas.mean(0, keepdims=True)


@dataclass(frozen=True)
class BodyData:
    """What a run needs of its data sets.

    Attributes:
        train: the sources that are mixed.
        chances: of each of them.
        valid: who it is judged by.
        poses: of the adversary; None without one.
        length: samples of an epoch.
    """

    train: tuple[BodySource, ...]
    chances: Float64[ndarray, "S"]
    valid: BodySource
    poses: MadeUpPoses | RecordedPoses | None
    length: int


def read_body_data(config: BodyConfig) -> BodyData:
    """Read and check the annotations of a run.

    Raises:
        DatasetError: annotations have faults; the message has all of a file's.
        FileProblem: a data set is missing.
        InputError: nobody is left of a source, or the shares leave nothing to draw from.
    """
    sections = config.data.sources
    train = [_source(name, section, config) for name, section in sections.items()]
    chances = _chances(train, list(sections.values()), config.data.share_3d)
    length = config.data.epoch or sum(len(source) for source in train)
    return BodyData(tuple(train), chances, read_body_valid(config), read_adversary_poses(config), length)


def read_body_valid(config: BodyConfig) -> BodySource:
    """Read the people a run is judged by.

    Raises:
        DatasetError: annotations have faults.
        FileProblem: the data set is missing.
        InputError: nobody is left.
    """
    valid: BodyValidSection = config.data.valid
    if valid.synthetic is not None:
        return _synthetic(valid.synthetic, config.body)
    if valid.share:
        (section,) = (one for one in config.data.sources.values() if isinstance(one, BodySourceSection))
        samples = part_pictures(_samples(section), valid.share)[1]
    else:
        samples = read_bodies(valid.root, valid.part, images=valid.images)
    samples = _limited(samples, valid.limit)
    if not len(samples):
        raise InputError(f"{samples.name} leaves nobody to be judged by; look at data.valid.part")
    return samples


def read_adversary_poses(config: BodyConfig) -> MadeUpPoses | RecordedPoses | None:
    """Read the adversary's real poses; None without an adversary.

    Raises:
        DatasetError: files cannot be read.
        FileProblem: there are none.
    """
    section: AdversarySection | None = config.adversary
    if section is None:
        return None
    if section.root:
        return RecordedPoses(read_poses(section.root, every=section.every))
    synthetic = config.data.synthetic or SyntheticSection()
    return MadeUpPoses(PoseSource(_folder(synthetic.motions)))


def _source(name: str, section: SyntheticSection | BodySourceSection, config: BodyConfig) -> BodySource:
    if isinstance(section, SyntheticSection):
        return _synthetic(section, config.body)
    samples = part_pictures(_samples(section), config.data.valid.share)[0]
    if not len(samples):
        raise InputError(f"{samples.name} leaves nobody to learn from; look at data.{name}.part and data.valid.share")
    if not section.use_3d:
        nobody = np.zeros(len(samples), bool)
        samples = replace(samples, has_joints=nobody, has_smpl=nobody)
    return samples


def _samples(section: BodySourceSection) -> BodySamples:
    return _limited(read_bodies(section.root, section.part, images=section.images), section.limit)


def _synthetic(section: SyntheticSection, body: str) -> SyntheticBodies:
    people = SyntheticPeople(
        section.seed,
        section.count,
        section.side,
        body,
        motions=_folder(section.motions),
        garments=_folder(section.garments),
        backgrounds=_folder(section.backgrounds),
    )
    return SyntheticBodies(people, _folder(section.kept))


def _folder(path: str) -> Path | None:
    return Path(path) if path else None


def _limited(samples: BodySamples, limit: int) -> BodySamples:
    if not limit or limit >= len(samples):
        return samples
    return samples[np.linspace(0, len(samples) - 1, limit).round().astype(int)]


def _has_3d(source: BodySource, section: SyntheticSection | BodySourceSection) -> bool:
    labelled = not isinstance(source, BodySamples) or bool((source.has_joints | source.has_smpl).any())
    return section.use_3d and labelled


def _chances(
    train: list[BodySource], sections: list[SyntheticSection | BodySourceSection], share_3d: float | None
) -> Float64[ndarray, "S"]:
    """How often each source is drawn from."""
    pairs = list(zip(train, sections, strict=True))
    chances = np.array([len(source) if one.share is None else one.share for source, one in pairs], float)
    spatial = np.array([_has_3d(source, one) for source, one in pairs])
    if share_3d is not None:
        for group, share in ((spatial, share_3d), (~spatial, 1 - share_3d)):
            total = chances[group].sum()
            if not total and share:
                kind = "with" if group is spatial else "without"
                raise InputError(f"data.share_3d is {share_3d:g}, but no source {kind} labels in space is drawn from")
            chances[group] *= share / total if total else 0
    if not chances.sum() > 0:
        raise InputError("all sources have the share 0; there is nobody to learn from")
    return chances / chances.sum()


@dataclass(frozen=True)
class BodyCrops:
    """People of all sources as samples; random numbers come from the seed, the epoch and the index alone.

    Attributes:
        data: of the run.
        rule: how crops are cut and varied.
        seed: of the run.
        real: real poses a sample carries; 0 without an adversary.
        use_3d: for each source, whether its labels in space are used.
        looks: of a network that takes landmarks; None cuts pictures.
    """

    data: BodyData
    rule: CropRule
    seed: int
    real: int
    use_3d: tuple[bool, ...]
    looks: Looks | None = None

    def __len__(self) -> int:
        return self.data.length

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """Return a crop, or what was seen in it, with its labels, and real poses for the adversary.

        Raises:
            FileProblem: the picture is missing or cannot be decoded.
        """
        rng = np.random.default_rng([self.seed, epoch, index, 2])
        number = int(rng.choice(len(self.data.chances), p=self.data.chances))
        source = self.data.train[number]
        row = int(rng.integers(len(source)))
        person = source.person(row) if self.looks is None else self.looks.person(source, row)
        if not self.use_3d[number]:
            person = replace(person, joints=None, rotvec=None, betas=None)
        sample = _sample(person, self.rule, rng)
        if self.data.poses is not None and self.real:
            sample["real_rotvec"], sample["real_betas"] = self.data.poses.draw(rng, self.real)
        return sample


@dataclass(frozen=True)
class PlainCrops:
    """People as samples that are not varied, in their own order, for judging.

    Attributes:
        source: of the people.
        rule: how crops are cut.
        rows: whom to take.
        looks: of a network that takes landmarks; None cuts pictures.
    """

    source: BodySource
    rule: CropRule
    rows: ndarray
    looks: Looks | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """Return one crop with its labels.

        Raises:
            FileProblem: the picture is missing or cannot be decoded.
        """
        row = int(self.rows[index])
        person = self.source.person(row) if self.looks is None else self.looks.person(self.source, row)
        return _sample(person, self.rule, None)


def _sample(person: BodyPerson | SeenPerson, rule: CropRule, rng: np.random.Generator | None) -> dict[str, Any]:
    if isinstance(person, SeenPerson):
        return landmark_sample(person, rule, rng)
    return cut_sample(person, rule, rng)


def crops_of(config: BodyConfig, data: BodyData) -> BodyCrops:
    """Return the samples a run learns from."""
    real = 0 if config.adversary is None else int(np.ceil(config.adversary.real))
    use_3d = tuple(section.use_3d for section in config.data.sources.values())
    return BodyCrops(data, crop_rule(config), config.loop.seed, real, use_3d, looks_of(config))


def looks_of(config: BodyConfig) -> Looks | None:
    """Return where a network that takes landmarks gets them from; None for one that takes pictures."""
    if config.network.table.takes == "image":
        return None
    rule = crop_rule(config)
    return Looks(rule.size / rule.unit, _folder(config.data.looks))


def crop_rule(config: BodyConfig) -> CropRule:
    """Return how crops of a run are cut."""
    network = config.network
    return CropRule(network.size, network.person_px, config.augment, is_bgr=network.table.channels == "bgr")
