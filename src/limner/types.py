"""Every closed set of choices in limner, as `Literal` aliases, and the aliases for arrays at the door."""

from typing import Literal, TypeAlias

from jaxtyping import UInt8
from numpy import ndarray

RgbImage: TypeAlias = UInt8[ndarray, "H W 3"]
"""A picture at the door: RGB, 8 bits, rows from the top."""

SkeletonName: TypeAlias = Literal[
    "coco17",
    "mpii16",
    "lsp14",
    "cocoplus19",
    "h36m17",
    "openpose18",
    "openpose25",
    "blazepose33",
    "smpl24",
]
"""The skeletons of `limner.pose.skeletons`."""

RasterBackend: TypeAlias = Literal["auto", "numba", "reference", "warp"]
"""Who draws: numba on the CPU, the plain numpy reference, or warp on CUDA; `auto` picks."""

RuntimeName: TypeAlias = Literal["auto", "numba", "openvino", "torch", "onnxruntime"]
"""Who runs a network."""

PostProcess: TypeAlias = Literal["published", "dark"]
"""How peaks of heatmaps become joints: the published quarter of a cell, or DARK's unbiased maximum."""

PoseFormat: TypeAlias = Literal["limner", "coco", "openpose", "csv"]
"""What the verb pose writes."""

BodyFormat: TypeAlias = Literal["npz", "obj", "ply", "glb", "bvh"]
"""What the verb body writes."""

BoneNames: TypeAlias = Literal["mixamo", "smpl"]
"""How the joints of a written skeleton are called."""

LicenceName: TypeAlias = Literal["any", "commercial"]
"""What weights are to be used for: anything that their licence lets the user do, or commercially."""

PrecisionName: TypeAlias = Literal["fp32", "fp16"]
"""How weights are kept on disk."""

ExportFormat: TypeAlias = Literal["onnx", "openvino"]
"""What networks are exported to."""

CameraStrategy: TypeAlias = Literal["smooth", "source", "copy"]
"""Which camera an imitated frame is seen with: see `limner.motion.actor`."""

PainterName: TypeAlias = Literal["auto", "composite", "slim"]
"""Who paints a person's frames: warping and filling alone, or corrected by the slim network; `auto` by its weights."""

SourceJoin: TypeAlias = Literal["sum", "mix", "spade"]
"""How a generator joins several photos: the published sum, or attention (`limner.motion.attention`)."""

MapName: TypeAlias = Literal["uv", "uv_seg", "seg", "par", "front", "head", "back", "ids", "binary"]
"""Condition maps of `limner.render.maps`, by the names of the published option."""

EncoderName: TypeAlias = Literal["preact-resnet50", "resnet50", "landmarks"]
"""HMR's encoders: see `limner.body.encoder`."""

DiscriminatorName: TypeAlias = Literal["hmr", "pytorch-hmr"]
"""The two published adversaries: see `limner.body.discriminator`."""
