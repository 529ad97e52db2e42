"""A second way into GLB files for tests: reads the accessors and skins with numpy, by the glTF specification."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

_TYPES = {5126: "<f4", 5121: "u1", 5123: "<u2", 5125: "<u4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Glb:
    """A GLB file."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        magic, version, length = struct.unpack("<4sII", content[:12])
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size = struct.unpack("<I", content[12:16])[0]
        self.document: dict[str, Any] = json.loads(content[20 : 20 + size])
        self._data = content[20 + size + 8 :]
        self.mesh_nodes = [index for index, node in enumerate(self.document["nodes"]) if "mesh" in node]

    def array(self, index: int) -> np.ndarray:
        """The rows of an accessor."""
        accessor = self.document["accessors"][index]
        view = self.document["bufferViews"][accessor["bufferView"]]
        width = _WIDTHS[accessor["type"]]
        values = np.frombuffer(
            self._data, _TYPES[accessor["componentType"]], accessor["count"] * width, view["byteOffset"]
        )
        return values.reshape(-1, width)

    def primitive(self, person: int = 0) -> dict[str, Any]:
        """The one primitive of a person's mesh."""
        return self.document["meshes"][self.document["nodes"][self.mesh_nodes[person]]["mesh"]]["primitives"][0]

    def times(self) -> np.ndarray:
        """The key frames of the first channel."""
        return self.array(self.document["animations"][0]["samplers"][0]["input"])[:, 0]

    def posed(self, frame: int, person: int = 0) -> np.ndarray:
        """The vertices of a person in a key frame."""
        nodes = [dict(node) for node in self.document["nodes"]]
        mesh_node = self.mesh_nodes[person]
        mesh = self.document["meshes"][nodes[mesh_node]["mesh"]]
        weights = np.array(mesh.get("weights", []))
        for animation in self.document.get("animations", []):
            for channel in animation["channels"]:
                values = self.array(animation["samplers"][channel["sampler"]]["output"])
                node, path = channel["target"]["node"], channel["target"]["path"]
                if path != "weights":
                    nodes[node][path] = values[min(frame, len(values) - 1)]
                elif node == mesh_node:
                    weights = values.reshape(-1, len(weights))[frame]
        skin = self.document["skins"][nodes[mesh_node]["skin"]]
        bind = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        bones = np.stack([_world(nodes, joint) for joint in skin["joints"]]) @ bind
        attributes = mesh["primitives"][0]["attributes"]
        vertices = self.array(attributes["POSITION"]).astype(float)
        for weight, target in zip(weights, mesh["primitives"][0].get("targets", []), strict=True):
            vertices = vertices + weight * self.array(target["POSITION"])
        shares, joints = self.array(attributes["WEIGHTS_0"]), self.array(attributes["JOINTS_0"])
        blended = np.einsum("vk,vkab->vab", shares, bones[joints])
        return np.einsum("vab,vb->va", blended, np.c_[vertices, np.ones(len(vertices))])[:, :3]


def _world(nodes: list[dict[str, Any]], index: int) -> np.ndarray:
    own = np.eye(4)
    own[:3, :3] = Rotation.from_quat(nodes[index].get("rotation", (0, 0, 0, 1))).as_matrix()
    own[:3, :3] *= np.array(nodes[index].get("scale", (1, 1, 1)))
    own[:3, 3] = nodes[index].get("translation", (0, 0, 0))
    above = [number for number, node in enumerate(nodes) if index in node.get("children", [])]
    return _world(nodes, above[0]) @ own if above else own
