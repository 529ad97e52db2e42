"""Samples of the published recipes: two square pictures of a person, the bodies drawn into them, and the flow between.

A clip's photo is one of its first frames, the target any frame. Frames that are not square are cut round the person
first. Single photos have no second frame: the photo is bent at random, the bent picture serves as the photo, and the
flow, which is then known exactly, leads back.
Source: svip-lab/impersonator `data/dataset.py`, `data/fashion_dataset.py`, `models/impersonator_trainer{,_aug}.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor

from limner.body import BodyData, FastSMPL, load_body, pixels_from_picture, project_weak
from limner.checks import InputError
from limner.data import FashionPairs, MotionClip, PictureFolder
from limner.motion import DrawnBody, NetworkInputs, load_face_tables, recover_flow, recover_from_maps
from limner.render import FaceLabels, condition_map, corners_from_vertices, face_table, image_corners, rasterise
from limner.train.motion_bend import bend_source
from limner.types import RgbImage

_KEYPOINTS = "cocoplus19"
_LEAST_SHARE = 0.4  # of a background picture that a random cut keeps


@dataclass(frozen=True)
class PairOptions:
    """How pairs are made.

    Attributes:
        size: side of the pictures in pixels.
        interval: one pair for so many frames.
        seed: of the run.
        align_corners: how the photo is warped.
        target_background: the background stream also fills the target.
        varied: draw frames at random; else they are spread evenly.
    """

    size: int = 256
    interval: int = 10
    seed: int = 0
    align_corners: bool = True
    target_background: bool = False
    varied: bool = True


@dataclass(frozen=True)
class PairSamples:
    """Pairs of all sources of a run.

    Attributes:
        clips: of one body model.
        body: its name.
        options: how pairs are made.
        fashion: pairs that were fitted by others; None for none.
        places: backgrounds to learn filling on; None for none.
    """

    clips: tuple[MotionClip, ...]
    body: str = "free"
    options: PairOptions = field(default_factory=PairOptions)
    fashion: FashionPairs | None = None
    places: PictureFolder | None = None

    def __len__(self) -> int:
        return self._of_clips + (0 if self.fashion is None else len(self.fashion))

    @property
    def _of_clips(self) -> int:
        return sum(max(1, len(clip) // self.options.interval) for clip in self.clips)

    @cached_property
    def _artist(self) -> _Artist:
        return _Artist(load_body(self.body))

    def sample(self, index: int, epoch: int) -> dict[str, ndarray]:
        """Return one pair: the fields of `MotionBatch`, backgrounds and masks stacked in a first axis.

        Raises:
            FileProblem: a picture is missing or cannot be decoded.
        """
        numbers = np.random.default_rng([self.options.seed, epoch, index])
        auxiliary = None if self.places is None else _torch_image(self._place(numbers, index))
        if index >= self._of_clips:
            images, inputs = self._fashion(index - self._of_clips, auxiliary)
        else:
            clip = self.clips[index % len(self.clips)]
            images, inputs = (
                self._of_photo(clip, numbers, auxiliary)
                if len(clip) == 1
                else self._of_clip(clip, index // len(self.clips), numbers, auxiliary)
            )
        return _fields(images, inputs, auxiliary)

    def _place(self, numbers: np.random.Generator, index: int) -> RgbImage:
        assert self.places is not None, "asked for where there are some"
        # Backgrounds are as many as may be: a fixed stride spreads them over the people.
        stride = max(1, len(self.places) // max(len(self), 1))
        return random_cut(self.places.read(index * stride % len(self.places)), self.options.size, numbers)

    def _of_clip(
        self, clip: MotionClip, turn: int, numbers: np.random.Generator, auxiliary: Tensor | None
    ) -> tuple[tuple[Tensor, Tensor], NetworkInputs]:
        options = self.options
        if options.varied:
            photo, target = int(numbers.choice(clip.sources)), int(numbers.integers(len(clip)))
        else:
            photo, target = clip.sources[0], (turn + 1) * options.interval % len(clip)
        source_image, source, _ = self._artist.view(clip, photo, options.size)
        target_image, drawn, points = self._artist.view(clip, target, options.size)
        inputs = recover_flow(
            source_image,
            target_image,
            source,
            drawn,
            points,
            auxiliary_image=auxiliary,
            with_target_background=options.target_background,
            align_corners=options.align_corners,
        )
        return (source_image, target_image), inputs

    def _of_photo(
        self, clip: MotionClip, numbers: np.random.Generator, auxiliary: Tensor | None
    ) -> tuple[tuple[Tensor, Tensor], NetworkInputs]:
        options = self.options
        target_image, drawn, points = self._artist.view(clip, 0, options.size)
        bent = bend_source(
            target_image[0].numpy(), drawn.condition[0].numpy(), drawn.background[0, 0].numpy() < 0.5, numbers
        )
        source_image, condition, flow = (torch.from_numpy(part)[None] for part in bent)
        inputs = recover_flow(
            source_image,
            target_image,
            replace(drawn, condition=condition),
            drawn,
            points,
            auxiliary_image=auxiliary,
            with_target_background=options.target_background,
            align_corners=options.align_corners,
        )
        warped = torch.nn.functional.grid_sample(source_image, flow, align_corners=options.align_corners)
        transfer = torch.cat([warped, drawn.condition], dim=1)
        return (source_image, target_image), replace(inputs, transfer=transfer, source_from_target=flow)

    def _fashion(self, index: int, auxiliary: Tensor | None) -> tuple[tuple[Tensor, Tensor], NetworkInputs]:
        assert self.fashion is not None, "counted in the length"
        pair, size = self.fashion.read(index), self.options.size
        images = tuple(_torch_image(_square(one, size)) for one in (pair.source, pair.target))
        faces = [_nearest(one, size) for one in (pair.source_faces, pair.target_faces)]
        conditions = [self._artist.condition(one) for one in faces]
        head = torch.from_numpy(condition_map(self._artist.heads, faces[1])).permute(2, 0, 1)[None]
        flow = cv2.resize(pair.source_from_target, (size, size), interpolation=cv2.INTER_NEAREST)
        inputs = recover_from_maps(
            images[0],
            images[1],
            conditions[0],
            conditions[1],
            torch.from_numpy(flow)[None],
            target_head=head,
            auxiliary_image=auxiliary,
            with_target_background=self.options.target_background,
            align_corners=self.options.align_corners,
        )
        return (images[0], images[1]), inputs


class _Artist:
    """Draws the bodies of clips; made once in each process."""

    def __init__(self, body: BodyData) -> None:
        self.body = body
        self.pose = FastSMPL(body)
        # SMPL's files have no atlas: its tables are the user's to import.
        self.labels = load_face_tables() if body.uv is None else FaceLabels.from_body(body)
        self.table = face_table(self.labels, "uv_seg")

    @cached_property
    def heads(self) -> Float32[ndarray, "rows 1"]:
        return face_table(self.labels, "head")

    def condition(self, faces: ndarray) -> Tensor:
        return torch.from_numpy(condition_map(self.table, faces)).permute(2, 0, 1)[None].contiguous()

    def view(self, clip: MotionClip, frame: int, size: int) -> tuple[Tensor, DrawnBody, Tensor]:
        """A frame as a square picture (1, 3, size, size), its body drawn, and its keypoints (1, 19, 2) in [-1, 1]."""
        picture = clip.read_picture(frame)
        vertices, joints = self.pose(clip.bodies.betas[frame : frame + 1], clip.bodies.rotvec[frame : frame + 1])
        picture, camera = square_view(picture, clip.bodies.weak_camera[frame], joints[0])
        corners = corners_from_vertices(vertices[0], self.body.faces, camera)
        raster = rasterise(corners, (size, size))
        drawn = DrawnBody(
            torch.from_numpy(raster.face_index)[None],
            torch.from_numpy(raster.weights)[None],
            torch.from_numpy(image_corners(corners))[None],
            self.condition(raster.face_index),
        )
        points = self._keypoints(vertices[0], camera) if clip.keypoints is None else clip.keypoints[frame]
        return _torch_image(_square(picture, size)), drawn, torch.from_numpy(points)[None]

    def _keypoints(self, vertices: ndarray, camera: ndarray) -> Float32[ndarray, "19 2"]:
        rows = self.body.keypoint_regressors.get(_KEYPOINTS)
        if rows is None:
            raise InputError(f"{self.body.name} has no {_KEYPOINTS} keypoints, from which heads and bodies are boxed")
        return project_weak((rows @ vertices).astype(np.float32), camera).astype(np.float32)


def _fields(images: tuple[Tensor, Tensor], inputs: NetworkInputs, auxiliary: Tensor | None) -> dict[str, ndarray]:
    sets = [inputs.source_background, inputs.auxiliary_background, inputs.target_background]
    made = {
        "source_image": images[0][0],
        "target_image": images[1][0],
        "background": torch.cat([one for one in sets if one is not None]),
        "source": inputs.source[0],
        "transfer": inputs.transfer[0],
        "source_from_target": inputs.source_from_target[0],
        "masks": torch.cat([inputs.source_mask, inputs.target_mask]),
        "head_box": inputs.head_box[0],
        "body_box": inputs.body_box[0],
    }
    if auxiliary is not None:
        made["auxiliary_image"] = auxiliary[0]
    return {name: value.numpy() for name, value in made.items()}


def square_view(
    picture: RgbImage, weak_camera: Float32[ndarray, "3"], joints: Float32[ndarray, "24 3"]
) -> tuple[RgbImage, Float32[ndarray, "3"]]:
    """Cut the largest square round a person out of a picture, and give the camera of it; a square stays as it is."""
    height, width = picture.shape[:2]
    side, longer = min(height, width), max(height, width)
    if side == longer:
        return picture, weak_camera
    points = pixels_from_picture(project_weak(joints, weak_camera), (height, width))
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    corner = np.clip(np.rint(middle - side / 2), 0, [width - side, height - side]).astype(int)
    scale = weak_camera[0] * longer / side
    # A point at x of the picture's frame lies at x L / S + (w - 2 left - S) / S of the square's.
    shift = (np.array([width, height]) - 2 * corner - side) / side
    camera = np.float32([scale, *(weak_camera[1:] + shift / scale)])
    return picture[corner[1] : corner[1] + side, corner[0] : corner[0] + side], camera


def random_cut(picture: RgbImage, size: int, numbers: np.random.Generator) -> RgbImage:
    """Cut a random square out of a background, mirrored half the time."""
    height, width = picture.shape[:2]
    side = max(1, int(min(height, width) * numbers.uniform(_LEAST_SHARE, 1) ** 0.5))
    top, left = numbers.integers(height - side + 1), numbers.integers(width - side + 1)
    part = _square(picture[top : top + side, left : left + side], size)
    return np.ascontiguousarray(part[:, ::-1]) if numbers.random() < 0.5 else part


def _square(picture: RgbImage, size: int) -> RgbImage:
    if picture.shape[:2] == (size, size):
        return picture
    way = cv2.INTER_AREA if max(picture.shape[:2]) > size else cv2.INTER_LINEAR
    return cv2.resize(picture, (size, size), interpolation=way)


def _nearest(faces: ndarray, size: int) -> ndarray:
    resized = cv2.resize(faces.astype(np.float32), (size, size), interpolation=cv2.INTER_NEAREST)
    return resized.astype(np.int32)


def _torch_image(picture: RgbImage) -> Tensor:
    signed = picture.astype(np.float32) / 255 * 2 - 1
    return torch.from_numpy(np.ascontiguousarray(signed.transpose(2, 0, 1)))[None]
