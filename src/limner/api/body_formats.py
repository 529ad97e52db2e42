"""The files of the verb body: npz, OBJ, PLY, animated GLB, BVH."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.api.body_tracks import Track
from limner.api.inputs import Source
from limner.body import BodyData, FastSMPL, bind_skin, crop_cameras, perspective_translation
from limner.checks import InputError
from limner.media import (
    SkinnedPerson,
    bone_names,
    check_output,
    split_at_seams,
    write_bvh,
    write_glb,
    write_obj,
    write_ply,
    written_beside,
)
from limner.render import vertex_normals
from limner.types import BodyFormat, BoneNames, RgbImage

__all__ = ["BodyWriter", "Look", "check_body_output", "colour_of"]

_FORMATS: tuple[BodyFormat, ...] = get_args(BodyFormat)
_FOLDER_FORMATS: tuple[BodyFormat, ...] = ("npz", "glb")
_Y_UP_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_COLOURS = (
    (0.87, 0.84, 0.81), (0.36, 0.60, 0.86), (0.93, 0.55, 0.35), (0.45, 0.75, 0.50), (0.85, 0.48, 0.66),
    (0.93, 0.78, 0.36), (0.58, 0.51, 0.82), (0.35, 0.74, 0.76),
)  # fmt: skip


def colour_of(person: int) -> tuple[float, float, float]:
    """Return the colour of a person in overlays and files, sRGB in [0, 1]."""
    return _COLOURS[person % len(_COLOURS)]


@dataclass(frozen=True, eq=False)
class Look:
    """A person's skin taken from a photo.

    Attributes:
        atlas: the texture.
        faces: of the body, and of a skirt where there is one.
        uv: texture coordinates of the faces' corners.
    """

    atlas: RgbImage
    faces: ndarray
    uv: Float32[ndarray, "F 3 2"]


def check_body_output(
    output: str | Path, formats: Sequence[str] | None, sources: Sequence[Source]
) -> tuple[Path, tuple[BodyFormat, ...]]:
    """Return the output and what to write there, before any work is done.

    Args:
        output: a file, whose suffix says what; or a folder that is new or empty.
        formats: what to write into a folder; None for npz and glb.
        sources: what is read: a file of meshes holds one person in one picture, of motion those of one input.

    Raises:
        InputError: a format that there is not, or that the file cannot be, or more than the file can hold.
        FileProblem: the output cannot be written.
    """
    unknown = [name for name in formats or () if name not in _FORMATS]
    if unknown:
        raise InputError(f"no format is called {unknown[0]!r}; there are {', '.join(_FORMATS)}")
    output = check_output(output, (*(f".{name}" for name in _FORMATS), ""))
    kind = output.suffix.lower().removeprefix(".")
    if not kind:
        return output, tuple(name for name in _FORMATS if name in (formats or _FOLDER_FORMATS))
    if formats is not None and tuple(formats) != (kind,):
        raise InputError(f"{output} is a file of {kind}; for {', '.join(formats)} name a folder")
    if kind != "npz" and len(sources) > 1:
        raise InputError(f"{output} holds one input, {len(sources)} are given; name a folder and --format {kind}")
    if kind in ("obj", "ply") and sources[0].kind == "video":
        raise InputError(
            f"{output} holds one person at one moment, {sources[0].path} is a video; "
            f"name a folder and --format {kind}, or write .glb"
        )
    return output, (kind,)  # type: ignore[return-value]


class BodyWriter:
    """Writes the bodies of all inputs."""

    def __init__(
        self,
        data: BodyData,
        output: Path,
        formats: tuple[BodyFormat, ...],
        *,
        bones: BoneNames = "mixamo",
        looks: Callable[[Track], Look] | None = None,
    ) -> None:
        self.warnings: list[str] = []
        self._data, self._model = data, FastSMPL(data)
        self._output, self._formats = output, formats
        self._names, self._bones, self._looks = bone_names(bones), bones, looks

    @property
    def one_person_only(self) -> bool:
        """Whether the output holds a single person."""
        return self._output.suffix != "" and self._formats[0] in ("obj", "ply", "bvh")

    def write(self, tracks: Sequence[Track], name: str) -> None:
        """Write everything; `name` is the body's.

        Raises:
            FileProblem: the output cannot be written.
        """
        with written_beside(self._output) as temporary:
            if self._output.suffix:
                self._write_one(self._formats[0], temporary, tracks, name)
            else:
                temporary.mkdir()
                for kind in self._formats:
                    for stem, group in self._pieces(kind, tracks):
                        self._write_one(kind, temporary / f"{stem}.{kind}", group, name)

    def _pieces(self, kind: BodyFormat, tracks: Sequence[Track]) -> Iterator[tuple[str, list[Track]]]:
        """Yield the name of every file of a kind, and what goes into it."""
        if kind == "npz":
            yield "bodies", list(tracks)
            return
        stems = _stems(tracks)
        if kind == "glb":
            for path, stem in stems.items():
                yield stem, [track for track in tracks if track.source.path == path]
            return
        for track in tracks:
            stem = f"{stems[track.source.path]}_person{track.person}"
            if kind == "bvh" or track.frame_rate is None:
                yield stem, [track]
            else:
                for frame in track.frames:
                    row = np.array([track.row(frame)])
                    yield f"{stem}_{frame:06d}", [_one_frame(track, row)]

    def _write_one(self, kind: BodyFormat, path: Path, tracks: Sequence[Track], name: str) -> None:
        if kind == "npz":
            with path.open("wb") as file:
                np.savez_compressed(file, **self._arrays(tracks, name))
        elif kind == "glb":
            write_glb(path, [self._skinned(track) for track in tracks])
        elif kind == "bvh":
            self._write_bvh(path, tracks[0])
        else:
            write = write_obj if kind == "obj" else write_ply
            write(path, self._vertices(tracks[0])[0], self._data.faces, self._data.uv)

    def _vertices(self, track: Track) -> Float32[ndarray, "N V 3"]:
        """Return the posed meshes of the kept frames in the scene."""
        bodies = track.bodies[track.kept]
        vertices, joints = self._model(bodies.betas, track.rotvec[track.kept].astype(np.float32))
        return vertices + (track.pelvis[track.kept] - joints[:, 0])[:, None].astype(np.float32)

    def _write_bvh(self, path: Path, track: Track) -> None:
        rest = self._model(track.bodies.betas[:1], np.zeros((1, 24, 3), np.float32))[1][0]
        # A BVH file has every frame: where the person is away, they go over to where they come back, as the fit has it.
        rate = track.frame_rate or Fraction(30)
        write_bvh(path, rest, track.rotvec, track.pelvis, rate, bones=self._bones)

    def _skinned(self, track: Track) -> SkinnedPerson:
        skin = bind_skin(self._data, track.bodies.betas[0], track.rotvec)
        look = None if self._looks is None else self._looks(track)
        faces, corners = (self._data.faces, self._data.uv) if look is None else (look.faces, look.uv)
        repeats, uv = np.arange(self._data.num_vertices), None
        if corners is not None:
            repeats, faces, uv = split_at_seams(faces, corners, self._data.num_vertices)
        frames, times, shown = _timeline(track)
        return SkinnedPerson(
            name=f"person {track.person}",
            vertices=skin.vertices[repeats],
            normals=vertex_normals(skin.vertices, self._data.faces)[repeats],
            faces=faces,
            uv=uv,
            bones=skin.bones[repeats],
            bone_weights=skin.weights[repeats],
            joint_names=self._names,
            parents=self._data.parents.tolist(),
            joints_rest=skin.joints,
            times=times,
            rotvec=track.rotvec[frames],
            root=track.pelvis[frames],
            targets=skin.targets[:, repeats],
            target_weights=skin.target_weights[frames],
            shown=shown,
            texture=None if look is None else look.atlas,
            colour=colour_of(track.person),
        )

    def _arrays(self, tracks: Sequence[Track], name: str) -> dict[str, Any]:
        parts = [self._rows(track) for track in tracks]
        arrays: dict[str, Any] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        rates = {track.frame_rate for track in tracks if track.frame_rate is not None}
        if rates:
            arrays["mocap_framerate"] = np.array(float(max(rates)))
        if len(rates) > 1:
            self.warnings.append(f"the videos run at {len(rates)} frame rates; {self._output} states {max(rates)}")
        arrays["world"] = np.array(tracks[0].in_world)
        return {**arrays, "gender": np.array("neutral"), "body_model": np.array(name)}

    def _rows(self, track: Track) -> dict[str, ndarray]:
        """Return the rows of one person; see docs/commands.md for what they mean."""
        kept, bodies = track.kept, track.bodies[track.kept]
        count, camera = len(bodies), bodies.weak_camera
        transl = np.concatenate([camera[:, 1:], np.zeros_like(camera[:, :1])], axis=1)
        _, joints = self._model(bodies.betas, bodies.rotvec)
        crop_camera, centre, side = crop_cameras(camera, joints, bodies.size_hw)
        poses = track.rotvec[kept].reshape(count, 72)
        poses[:, :3] = _turned(poses[:, :3])
        floats = {
            "global_orient": bodies.rotvec[:, 0],
            "body_pose": bodies.rotvec[:, 1:].reshape(count, 69),
            "betas": bodies.betas,
            "transl": transl,
            "joints": joints + transl[:, None],
            "poses": poses,
            "trans": track.pelvis[kept] @ _Y_UP_TO_Z_UP.T - track.rest_pelvis,
            "pelvis_rest": np.tile(track.rest_pelvis, (count, 1)),
            "weak_camera": camera,
            "crop_camera": crop_camera,
            "crop_centre_px": centre,
            "crop_side_px": side,
            "focal_px": np.full(count, track.focal_px),
            "transl_perspective": perspective_translation(camera, bodies.size_hw, track.focal_px),
        }
        return {
            **{key: np.asarray(value, np.float32) for key, value in floats.items()},
            "foot_contact": track.contact[kept],
            "interpolated": ~track.seen[kept],
            "size_hw": np.tile(np.array(bodies.size_hw, np.int32), (count, 1)),
            "image": np.array([track.source.path.as_posix()] * count),
            "frame": track.frames.astype(np.int32),
            "person": np.full(count, track.person, np.int32),
        }


def _turned(rotvec: Float32[ndarray, "N 3"]) -> ndarray:
    return (Rotation.from_matrix(_Y_UP_TO_Z_UP) * Rotation.from_rotvec(rotvec)).as_rotvec()


def _timeline(track: Track) -> tuple[ndarray, ndarray, ndarray]:
    """Return the rows to write, their times in seconds, and where the person is there.

    Whoever comes late or leaves early is off the stage one frame before and after.
    """
    if track.frame_rate is None:
        return np.zeros(1, int), np.zeros(1), np.ones(1, bool)
    rows = np.arange(len(track.kept))
    before = int(track.first_frame > 0)
    padded = np.concatenate([rows[:1].repeat(before), rows, rows[-1:]])
    shown = np.concatenate([np.zeros(before, bool), track.kept, np.zeros(1, bool)])
    frames = track.first_frame - before + np.arange(len(padded))
    return padded, frames / float(track.frame_rate), shown


def _one_frame(track: Track, row: ndarray) -> Track:
    """Return the track with one frame alone kept."""
    kept = np.zeros_like(track.kept)
    kept[row] = True
    return replace(track, kept=kept)


def _stems(tracks: Sequence[Track]) -> dict[Path, str]:
    """Return a name for each input; inputs of one name from several folders are numbered."""
    stems: dict[Path, str] = {}
    for path in dict.fromkeys(track.source.path for track in tracks):
        stem, number = path.stem, 2
        while stem in stems.values():
            stem, number = f"{path.stem}_{number}", number + 1
        stems[path] = stem
    return stems
