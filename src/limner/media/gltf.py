"""Animated people as GLB (glTF 2.0, one binary file): skeleton, skin, morph targets, motion, material.

The container and its JSON are written here: the libraries for glTF only turn Python objects into that JSON, and the
file is then one that the base install can write. Metres, y up, seconds; quaternions in the file end with w.

Source: Khronos Group, glTF 2.0 specification.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy.spatial.transform import Rotation

from limner.checks import InputError, check_shape
from limner.media.files import written_beside
from limner.media.picture import encode_image
from limner.media.provenance import SOURCE_TYPE
from limner.types import RgbImage

__all__ = ["SkinnedPerson", "split_at_seams", "write_glb"]

_FLOAT, _BYTE, _SHORT, _INT = 5126, 5121, 5123, 5125
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_TYPES = {np.dtype("<f4"): _FLOAT, np.dtype("u1"): _BYTE, np.dtype("<u2"): _SHORT, np.dtype("<u4"): _INT}
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963


@dataclass(frozen=True, eq=False)
class SkinnedPerson:
    """One person of a GLB file.

    Attributes:
        name: of the node.
        vertices: of the rest mesh, metres.
        normals: of the rest mesh, unit length.
        faces: anticlockwise seen from outside.
        uv: texture coordinates, u right, v down as glTF has it; None without.
        bones: four joints that carry each vertex.
        bone_weights: and their shares, which sum to 1.
        joint_names: of the skeleton.
        parents: -1 for the root; parents come before their children.
        joints_rest: the joints of the rest mesh, metres.
        times: of the frames in seconds, rising.
        rotvec: axis-angle of each joint relative to its parent.
        root: place of the root joint, metres.
        targets: morph targets, metres added to the rest mesh.
        target_weights: of each target in each frame.
        shown: frames in which the person is there; None for all.
        texture: RGB; None for a plain material.
        colour: of a plain material, sRGB in [0, 1].
    """

    name: str
    vertices: Float[ndarray, "V 3"]
    normals: Float[ndarray, "V 3"]
    faces: Integer[ndarray, "F 3"]
    uv: Float[ndarray, "V 2"] | None
    bones: Integer[ndarray, "V 4"]
    bone_weights: Float[ndarray, "V 4"]
    joint_names: tuple[str, ...]
    parents: Sequence[int]
    joints_rest: Float[ndarray, "J 3"]
    times: Float[ndarray, "T"]
    rotvec: Float[ndarray, "T J 3"]
    root: Float[ndarray, "T 3"]
    targets: Float[ndarray, "M V 3"]
    target_weights: Float[ndarray, "T M"]
    shown: Bool[ndarray, "T"] | None = None
    texture: RgbImage | None = None
    colour: tuple[float, float, float] = (0.87, 0.84, 0.81)

    def __post_init__(self) -> None:
        num_vertices, num_frames, num_joints = len(self.vertices), len(self.times), len(self.joint_names)
        check_shape(self.vertices, "vertices", ("V", 3))
        check_shape(self.normals, "normals", (num_vertices, 3))
        check_shape(self.bones, "bones", (num_vertices, 4))
        check_shape(self.bone_weights, "bone_weights", (num_vertices, 4))
        check_shape(self.joints_rest, "joints_rest", (num_joints, 3))
        check_shape(self.rotvec, "rotvec", (num_frames, num_joints, 3))
        check_shape(self.root, "root", (num_frames, 3))
        check_shape(self.targets, "targets", ("M", num_vertices, 3))
        check_shape(self.target_weights, "target_weights", (num_frames, len(self.targets)))
        if self.uv is not None:
            check_shape(self.uv, "uv", (num_vertices, 2))
        if num_frames == 0 or (np.diff(self.times) <= 0).any():
            raise InputError("a person of a GLB file needs at least one frame, at rising times")
        for name in ("vertices", "bone_weights", "joints_rest", "rotvec", "root", "targets", "target_weights"):
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(f"{name} of {self.name} holds numbers that are not finite")


def split_at_seams(
    faces: Integer[ndarray, "F 3"], uv: Float[ndarray, "F 3 2"], num_vertices: int
) -> tuple[Integer[ndarray, "W"], Integer[ndarray, "F 3"], Float[ndarray, "W 2"]]:
    """Give every vertex one texture point, by repeating those that lie on a seam.

    Returns:
        The vertex that each new one repeats: the first `num_vertices` are the old ones in their order; the faces; and
        the texture points.
    """
    corner_vertex = np.asarray(faces).reshape(-1)
    table = np.concatenate([corner_vertex[:, None], np.asarray(uv, np.float32).reshape(-1, 2).view(np.int32)], axis=1)
    pairs, first_corner, pair_of_corner = np.unique(table, axis=0, return_index=True, return_inverse=True)
    vertex = pairs[:, 0].astype(np.int64)
    repeated = np.concatenate([[False], vertex[1:] == vertex[:-1]])
    number = np.where(repeated, num_vertices + np.cumsum(repeated) - 1, vertex)
    source = np.concatenate([np.arange(num_vertices), vertex[repeated]])
    points = np.zeros((len(source), 2), np.float32)
    points[number] = np.asarray(uv, np.float32).reshape(-1, 2)[first_corner]
    return source, number[pair_of_corner.reshape(-1)].reshape(-1, 3), points


def write_glb(path: str | Path, people: Sequence[SkinnedPerson]) -> None:
    """Write people into one scene; what moves plays as one animation.

    Raises:
        InputError: nobody is given.
        FileProblem: the file cannot be written.
    """
    if not people:
        raise InputError("a GLB file needs at least one person")
    scene = _Scene()
    for person in people:
        scene.add(person)
    with written_beside(Path(path)) as temporary:
        temporary.write_bytes(scene.content())


class _Scene:
    """The lists of a glTF file while they grow."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._roots: list[int] = []
        self._samplers: list[dict[str, Any]] = []
        self._channels: list[dict[str, Any]] = []
        self._lists: dict[str, list[dict[str, Any]]] = {}

    def content(self) -> bytes:
        """Return the file: a header, the JSON chunk, the binary chunk."""
        document: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "limner", "extras": {"digitalSourceType": SOURCE_TYPE}},
            "scene": 0,
            "scenes": [{"nodes": self._roots}],
            "buffers": [{"byteLength": len(self._data)}],
            **self._lists,
        }
        if self._channels:
            document["animations"] = [{"name": "motion", "samplers": self._samplers, "channels": self._channels}]
        text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", len(self._data), b"BIN\0") + bytes(self._data)
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def add(self, person: SkinnedPerson) -> None:
        """Add a person: a node that holds the skeleton, and one for the mesh."""
        joints = self._skeleton(person)
        offsets = np.asarray(person.joints_rest, np.float32)
        inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(offsets), 1, 1))
        inverse_bind[:, 3, :3] = -offsets  # columns first: the shift is the last row of the array
        skin = {"joints": joints, "skeleton": joints[0], "inverseBindMatrices": self._array(inverse_bind, 16)}
        mesh_node: dict[str, Any] = {
            "name": f"{person.name} mesh",
            "mesh": self._mesh(person),
            "skin": self._append("skins", skin),
        }
        mesh = self._append("nodes", mesh_node)
        holder = self._append("nodes", {"name": person.name, "children": [joints[0]]})
        # A skinned mesh follows its joints alone; beside its skeleton, not below it, no reader can think otherwise.
        self._roots += [holder, mesh]
        if len(person.times) > 1:
            self._animate(person, joints, mesh, holder)

    def _skeleton(self, person: SkinnedPerson) -> list[int]:
        """Add the joints, posed as in the first frame for viewers that do not play."""
        first = len(self._lists.get("nodes", []))
        turns = _quat_xyzw(person.rotvec[:1])[0]
        for joint, parent in enumerate(person.parents):
            place = person.root[0] if parent < 0 else person.joints_rest[joint] - person.joints_rest[parent]
            children = [first + child for child, above in enumerate(person.parents) if above == joint]
            node = {"name": person.joint_names[joint], "translation": _floats(place), "rotation": _floats(turns[joint])}
            self._append("nodes", {**node, **({"children": children} if children else {})})
        return list(range(first, first + len(person.parents)))

    def _mesh(self, person: SkinnedPerson) -> int:
        attributes = {
            "POSITION": self._array(person.vertices, 3, target=_VERTEX_BUFFER, bounds=True),
            "NORMAL": self._array(person.normals, 3, target=_VERTEX_BUFFER),
            "JOINTS_0": self._array(person.bones, 4, "u1", target=_VERTEX_BUFFER),
            "WEIGHTS_0": self._array(person.bone_weights, 4, target=_VERTEX_BUFFER),
        }
        if person.uv is not None:
            attributes["TEXCOORD_0"] = self._array(person.uv, 2, target=_VERTEX_BUFFER)
        primitive: dict[str, Any] = {
            "attributes": attributes,
            "indices": self._array(np.asarray(person.faces).reshape(-1), 1, "<u4", target=_INDEX_BUFFER),
            "material": self._material(person),
        }
        mesh: dict[str, Any] = {"name": person.name, "primitives": [primitive]}
        if len(person.targets):
            places = [self._array(one, 3, target=_VERTEX_BUFFER, bounds=True) for one in person.targets]
            primitive["targets"] = [{"POSITION": place} for place in places]
            mesh["weights"] = _floats(person.target_weights[0])
        return self._append("meshes", mesh)

    def _material(self, person: SkinnedPerson) -> int:
        look: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.85}
        if person.texture is None:
            # The file's colours are linear light.
            given = np.asarray(person.colour)
            linear = np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
            look["baseColorFactor"] = [*_floats(linear), 1.0]
        else:
            view = self._view(encode_image(person.texture, ".png"))
            image = self._append("images", {"bufferView": view, "mimeType": "image/png"})
            look["baseColorTexture"] = {"index": self._append("textures", {"source": image})}
        return self._append("materials", {"name": f"{person.name} skin", "pbrMetallicRoughness": look})

    def _animate(self, person: SkinnedPerson, joints: list[int], mesh: int, holder: int) -> None:
        times = self._array(person.times, 1, bounds=True)
        turns = _quat_xyzw(person.rotvec)
        self._channel(times, self._array(person.root, 3), joints[0], "translation")
        for joint, node in enumerate(joints):
            self._channel(times, self._array(turns[:, joint], 4), node, "rotation")
        if len(person.targets):
            self._channel(times, self._array(person.target_weights.reshape(-1), 1), mesh, "weights")
        if person.shown is not None and not person.shown.all():
            # A scale of 0 is glTF's way of leaving the stage; it switches, it does not shrink.
            size = np.repeat(np.asarray(person.shown, np.float32)[:, None], 3, axis=1)
            self._channel(times, self._array(size, 3), holder, "scale", "STEP")

    def _channel(self, times: int, values: int, node: int, path: str, interpolation: str = "LINEAR") -> None:
        self._samplers.append({"input": times, "output": values, "interpolation": interpolation})
        self._channels.append({"sampler": len(self._samplers) - 1, "target": {"node": node, "path": path}})

    def _append(self, name: str, entry: dict[str, Any]) -> int:
        entries = self._lists.setdefault(name, [])
        entries.append(entry)
        return len(entries) - 1

    def _view(self, content: bytes, target: int | None = None) -> int:
        self._data += bytes(-len(self._data) % 4)
        view = {"buffer": 0, "byteOffset": len(self._data), "byteLength": len(content)}
        self._data += content
        return self._append("bufferViews", view if target is None else {**view, "target": target})

    def _array(
        self, values: ndarray, width: int, dtype: str = "<f4", *, target: int | None = None, bounds: bool = False
    ) -> int:
        rows = np.ascontiguousarray(values, dtype).reshape(-1, width)
        view = self._view(rows.tobytes(), target)
        self._data += bytes(-len(self._data) % 4)
        accessor: dict[str, Any] = {
            "bufferView": view,
            "componentType": _TYPES[rows.dtype],
            "count": len(rows),
            "type": _KINDS[width],
        }
        if bounds:
            accessor |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        return self._append("accessors", accessor)


def _floats(values: ndarray) -> list[float]:
    return [float(value) for value in np.asarray(values, np.float32)]


def _quat_xyzw(rotvec: Float[ndarray, "T J 3"]) -> Float[ndarray, "T J 4"]:
    """Return quaternions of one sign through time, so that a viewer turns the short way."""
    flat = Rotation.from_rotvec(np.asarray(rotvec, np.float64).reshape(-1, 3)).as_quat()
    quat = flat.reshape(*rotvec.shape[:2], 4)
    flips = np.where((quat[1:] * quat[:-1]).sum(axis=-1) < 0, -1.0, 1.0)
    quat[1:] *= np.cumprod(flips, axis=0)[..., None]
    return quat.astype(np.float32)
