"""Pictures of people that never were, with exact labels: limner's own body, dressed, posed, lit and drawn.

Everything about sample `index` follows from the seed and the index, so a data set needs no files. The label of a
picture is the body under the clothes. Cameras and frames as in docs/conventions.md.

Source: the idea is that of Varol et al. 2017 (SURREAL); nothing of that data set is in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.body import pixels_from_picture, project_weak
from limner.checks import FileProblem, InputError
from limner.data.synthetic_mannequin import Mannequin, load_mannequin
from limner.data.synthetic_outfit import Outfit, dress_up
from limner.data.synthetic_paint import Lighting, hollows, paint, smooth_normals
from limner.data.synthetic_poses import PoseSource, touches_itself
from limner.data.synthetic_scene import Wear, background, background_photos, lighting, occluder
from limner.pose import SKELETONS
from limner.records import Keypoints, Raster
from limner.render import EYE_DISTANCE, corners_from_vertices, rasterise
from limner.types import RgbImage, SkeletonName

__all__ = ["SyntheticPeople", "SyntheticPerson"]

_SKELETON: SkeletonName = "cocoplus19"
_NAMES = SKELETONS[_SKELETON].joints
_FINE = 2  # samples each way that make a pixel
_TRIES = 12
_HIDDEN_M = 0.18  # a keypoint lies so deep below the skin at most


@dataclass(frozen=True, eq=False)
class SyntheticPerson:
    """A picture of one person and the truth about it.

    Attributes:
        image: RGB.
        mask: share of each pixel that shows the person, clothes and hair included.
        background: the picture without the person and what stands before them, worn in the same way.
        rotvec: axis-angles in radians, root first, camera axes.
        betas: shape numbers.
        weak_camera: s, tx, ty in the picture frame.
        joints: metres, camera axes, about the pelvis.
        keypoints: one row, cocoplus19, pixels; score 1 where seen, 0.5 where something is before it, 0 off the picture;
            `world` as in that record.
    """

    image: RgbImage
    mask: Float32[ndarray, "S S"]
    background: RgbImage
    rotvec: Float32[ndarray, "24 3"]
    betas: Float32[ndarray, "10"]
    weak_camera: Float32[ndarray, "3"]
    joints: Float32[ndarray, "24 3"]
    keypoints: Keypoints


class _Scene(NamedTuple):
    """What all pictures of one person share."""

    outfit: Outfit
    backdrop: RgbImage
    light: Lighting
    wear: Wear
    obstacle: tuple[RgbImage, ndarray] | None


class _Posed(NamedTuple):
    vertices: ndarray
    joints: ndarray


@dataclass(frozen=True)
class SyntheticPeople:
    """A data set of made-up people.

    Attributes:
        seed: another one makes other people.
        count: how many there are.
        side: of the square pictures, pixels.
        body: "free" or "smpl:PATH".
        motions: a motion file, a folder of them, or a npz of CMU's exponential maps; None draws from the pose prior.
        garments: a folder of photos of clothes lying flat, by class; None makes cloth up.
        backgrounds: a folder of photos; None makes backgrounds up.
        prior_share: of single poses drawn from the prior though there are motions.
        photo_share: of backgrounds and garments that come from photos where there are any.
        fill: least and greatest share of the picture's side that the person's longer side takes.
        cut_share: of people who stand partly outside the picture.
        occluded_share: of people with something before them.
        fallen_share: of people who are seen lying, hanging or upside down.
        worn: blur, noise, colours and compression of a real camera.
    """

    seed: int = 0
    count: int = 100_000
    side: int = 224
    body: str = "free"
    motions: str | Path | None = None
    garments: str | Path | None = None
    backgrounds: str | Path | None = None
    prior_share: float = 0.3
    photo_share: float = 0.75
    fill: tuple[float, float] = (0.55, 0.92)
    cut_share: float = 0.12
    occluded_share: float = 0.15
    fallen_share: float = 0.06
    worn: bool = True

    def __post_init__(self) -> None:
        if self.side < 16 or self.count < 0:
            raise InputError(f"side must be 16 or more and count 0 or more, got {self.side} and {self.count}")
        if not 0 < self.fill[0] <= self.fill[1]:
            raise InputError(f"fill must be two rising positive shares, got {self.fill}")
        shares = ("prior_share", "photo_share", "cut_share", "occluded_share", "fallen_share")
        wrong = [name for name in shares if not 0 <= getattr(self, name) <= 1]
        if wrong:
            raise InputError(f"{', '.join(wrong)} must lie between 0 and 1")
        for name in ("garments", "backgrounds"):
            folder = getattr(self, name)
            if folder is not None and not Path(folder).is_dir():
                raise FileProblem(f"{name} must be a folder of photos; there is none at {folder}")

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> SyntheticPerson:
        """Make one person's picture.

        Raises:
            InputError: the index is not from 0 to `count` - 1.
            FileProblem: a photo or a motion cannot be read.
        """
        rng = self._generator(index)
        scene = self._scene(rng)
        rotvec, posed = self._pose(scene.outfit.betas, rng)
        camera = self._camera(posed.vertices, rng)
        return self._draw(scene, rotvec, posed, camera)

    def pair(self, index: int, frames: int = 2) -> tuple[SyntheticPerson, ...]:
        """Make pictures of one person in the same clothes, light and place, at several times of one motion.

        Every picture shows the whole person with nothing before them.

        Args:
            index: as for `sample`; the people are others.
            frames: how many pictures.

        Raises:
            InputError: the index is not from 0 to `count` - 1, or `frames` below 1.
            FileProblem: a photo or a motion cannot be read.
        """
        if frames < 1:
            raise InputError(f"frames must be 1 or more, got {frames}")
        rng = self._generator(index, 1)
        scene = self._scene(rng)._replace(obstacle=None)
        for _ in range(_TRIES):
            rotvec, way = self._poses.clip(rng, frames)
            turn = _heading(rng)
            extra = Rotation.from_rotvec((0, rng.uniform(-np.pi, np.pi) * (rng.random() < 0.3), 0))
            rotvec = rotvec.copy()
            for n in range(frames):
                rotvec[n, 0] = (
                    turn * (extra if n else Rotation.identity()) * Rotation.from_rotvec(rotvec[n, 0])
                ).as_rotvec()
            posed = [self._posed(scene.outfit.betas, one) for one in rotvec]
            if not any(touches_itself(one.joints) for one in posed):
                break
        shifts = 0.5 * turn.apply(way)
        shifts[:, 0] = np.clip(shifts[:, 0], -0.4, 0.4)
        stacked = np.stack([one.vertices + shift for one, shift in zip(posed, shifts, strict=True)]).astype(np.float32)
        camera = self._camera(stacked.reshape(-1, 3), rng, whole=True)
        cameras = camera + np.pad(shifts[:, :2], ((0, 0), (1, 0))).astype(np.float32)
        return tuple(self._draw(scene, rotvec[n], posed[n], cameras[n], n) for n in range(frames))

    def _generator(self, index: int, stream: int = 0) -> np.random.Generator:
        if not 0 <= index < self.count:
            raise InputError(f"index must lie between 0 and {self.count - 1}, got {index}")
        return np.random.default_rng((self.seed, stream, index))

    @cached_property
    def _figure(self) -> Mannequin:
        return load_mannequin(self.body)

    @cached_property
    def _poses(self) -> PoseSource:
        return PoseSource(None if self.motions is None else Path(self.motions), self.prior_share)

    def _scene(self, rng: np.random.Generator) -> _Scene:
        photos = background_photos(None if self.backgrounds is None else Path(self.backgrounds))
        garments = None if self.garments is None else Path(self.garments)
        outfit = dress_up(self._figure, rng, garments, self.photo_share)
        backdrop = background(self.side, rng, photos, self.photo_share)
        obstacle = occluder(self.side, rng, photos) if rng.random() < self.occluded_share else None
        return _Scene(outfit, backdrop, lighting(rng, backdrop), Wear(rng, self.side), obstacle)

    def _pose(self, betas: ndarray, rng: np.random.Generator) -> tuple[ndarray, _Posed]:
        """Draw a pose whose arms do not lie inside the body, if that takes few tries."""
        for _ in range(_TRIES):
            rotvec = self._poses.sample(rng)
            turn = Rotation.random(random_state=rng) if rng.random() < self.fallen_share else _heading(rng)
            rotvec[0] = (turn * Rotation.from_rotvec(rotvec[0])).as_rotvec()
            posed = self._posed(betas, rotvec)
            if not touches_itself(posed.joints):
                break
        return rotvec, posed

    def _posed(self, betas: ndarray, rotvec: ndarray) -> _Posed:
        vertices, joints = self._figure.layer(betas[None, : self._figure.body.num_betas], rotvec[None])
        return _Posed(vertices[0], joints[0])

    def _camera(
        self, points: Float32[ndarray, "P 3"], rng: np.random.Generator, *, whole: bool = False
    ) -> Float32[ndarray, "3"]:
        """Place a camera so that the person fills the picture as asked, or is cut off at a side.

        With `whole` they are large, near the middle, and never cut off.
        """
        low, high = np.array([(points[:, axis].min(), points[:, axis].max()) for axis in (0, 1)]).T
        least, most = self.fill
        fill = rng.uniform((least + most) / 2 if whole else least, most)
        is_cut = not whole and rng.random() < self.cut_share
        if is_cut:
            fill *= rng.uniform(1.2, 2.2)
        scale = 2 * fill / max(high - low)
        free = np.maximum(1 - scale * (high - low) / 2, 0.0)
        middle = rng.uniform(-free, free) * (0.4 if whole else 0.9)
        if is_cut:  # look at the upper body more often than not
            middle[1] = rng.uniform(-0.1, 0.75) * max(scale * (high - low)[1] / 2 - 0.8, 0)
        return np.float32([scale, *(middle / scale - (low + high) / 2)])

    def _draw(self, scene: _Scene, rotvec: ndarray, posed: _Posed, camera: ndarray, frame: int = 0) -> SyntheticPerson:
        faces = scene.outfit.faces
        skin = smooth_normals(posed.vertices, faces)
        vertices = posed.vertices + skin * scene.outfit.loose[:, None]
        corners = corners_from_vertices(vertices, faces, camera)
        fine = self.side * _FINE
        raster = rasterise(corners, (fine, fine), cull=not len(scene.outfit.faces) > len(self._figure.body.faces))
        normals = smooth_normals(vertices, faces)
        shadow = hollows(raster, float(camera[0]) * fine / 2)
        layer = paint(raster, faces, normals, scene.outfit.cloth, scene.light, shadow)
        layer = cv2.resize(layer, (self.side, self.side), interpolation=cv2.INTER_AREA)
        return self._labelled(scene, rotvec, posed, camera, (layer, raster), frame)

    def _labelled(
        self, scene: _Scene, rotvec: ndarray, posed: _Posed, camera: ndarray, drawn: tuple[ndarray, Raster], frame: int
    ) -> SyntheticPerson:
        layer, raster = drawn
        mask = layer[..., 3]
        backdrop = scene.backdrop.astype(np.float32)
        picture = 255 * np.sqrt(np.minimum(layer[..., :3], 1)) + (1 - mask)[..., None] * backdrop
        before = np.zeros_like(mask)
        if scene.obstacle is not None:
            thing, before = scene.obstacle
            picture += before[..., None] * (thing - picture)
        image, empty = (
            scene.wear(one, frame) if self.worn else np.uint8(np.clip(one, 0, 255)) for one in (picture, backdrop)
        )
        return SyntheticPerson(
            image=image,
            mask=mask * (1 - before),
            background=empty,
            rotvec=rotvec.astype(np.float32),
            betas=scene.outfit.betas,
            weak_camera=camera.astype(np.float32),
            joints=(posed.joints - posed.joints[0]).astype(np.float32),
            keypoints=self._keypoints(posed.vertices, camera, raster, before),
        )

    def _keypoints(self, vertices: ndarray, camera: ndarray, raster: Raster, before: ndarray) -> Keypoints:
        body = self._figure.body
        points = (body.keypoint_regressors[_SKELETON] @ vertices[: body.num_vertices]).astype(np.float32)
        pixels = pixels_from_picture(project_weak(points, camera), (self.side, self.side))
        place = np.rint(pixels).astype(int)
        inside = ((place >= 0) & (place < self.side)).all(1)
        x, y = np.clip(place, 0, self.side - 1).T
        depth = raster.depth[y * _FINE, x * _FINE]
        hidden = (points[:, 2] - (depth - EYE_DISTANCE) > _HIDDEN_M) | (before[y, x] > 0.5)
        score = np.where(inside, np.where(hidden, 0.5, 1.0), 0.0)
        hips = points[[_NAMES.index("left_hip"), _NAMES.index("right_hip")]].mean(0)
        return Keypoints(pixels[None], score[None], _SKELETON, (points - hips)[None])


def _heading(rng: np.random.Generator) -> Rotation:
    """Draw how a person stands before the camera: any heading, the front more often, the camera a little tilted."""
    yaw = rng.uniform(-np.pi, np.pi) if rng.random() < 0.6 else rng.normal(0, 0.7)
    tilt, roll = rng.normal(0.08, 0.15), rng.normal(0, 0.06)
    upright = Rotation.from_rotvec((np.pi, 0, 0)) * Rotation.from_rotvec((0, yaw, 0))
    return Rotation.from_rotvec((tilt, 0, 0)) * Rotation.from_rotvec((0, 0, roll)) * upright
