"""Face: aligned faces to styles of a StyleGAN2 generator, and styles to faces.

In: aligned pictures of 256 pixels as a task's transform gives them (RGB in [-1, 1], label maps, sketches). Out: styles
W+ (B, rows, 512) and pictures, RGB in [-1, 1], of the generator's size. Points are (x, y) pixels, centres at integers.
Checkpoints of rosinality/stylegan2-pytorch and eladrich/pixel2style2pixel load as they are, strictly, without running
what they hold.
Papers: Karras et al. 2020 (StyleGAN2); Richardson et al. 2021 (pSp); Deng et al. 2019 (ArcFace).
"""

from limner.face.align import (
    ALIGNED_SIDE,
    ARCFACE_POINTS,
    AlignedFace,
    align_ffhq,
    arcface_matrix,
    cut_quad,
    face_quad,
    warp_arcface,
)
from limner.face.arcface import ArcFace, ir_101, ir_se50
from limner.face.detector import FaceDetector
from limner.face.discriminator import Discriminator
from limner.face.embedding import FACE_EMBEDDING, FaceEmbedder, face_chip
from limner.face.encoder import (
    Encoder,
    EncoderName,
    GradualStyleEncoder,
    LastLayerRowsEncoder,
    LastLayerStyleEncoder,
    TrunkMode,
    build_encoder,
)
from limner.face.fast import FastGenerator
from limner.face.finder import FaceFinder, Faces, find_faces
from limner.face.layers import EqualConv2d, EqualLinear, ModulatedConv2d, StyledConv, ToRGB
from limner.face.mesh import Mesh, MeshNetwork
from limner.face.mtcnn import OutputNet, ProposalNet, RefineNet, cut_out, make_square, move_boxes, proposals, suppress
from limner.face.ops import BLUR_TAPS, Blur, Downsample, Upsample, fused_leaky_relu, set_form, upfirdn2d
from limner.face.psp import Psp, PspConfig, StartReport, load_psp, mix_rows, psp_config, start_psp
from limner.face.resample import resize_8bit, warp_affine_8bit, warp_quad
from limner.face.squares import cut_square, paste_square, turned_square
from limner.face.stylegan2 import Generator, GeneratorConfig, generator_config, load_generator
from limner.face.tasks import (
    LABEL_COLOURS,
    LABELS,
    UPSCALE_FACTORS,
    LabelResize,
    bicubic_taps,
    draw_factor,
    face_tensor,
    grey,
    label_tensor,
    low_resolution,
    one_hot,
    picture_of,
    picture_of_labels,
    picture_of_sketch,
    resize_labels,
    shrink_bicubic,
    sketch_edges,
    sketch_tensor,
    upscale_tensor,
)

__all__ = [
    "ALIGNED_SIDE",
    "ARCFACE_POINTS",
    "BLUR_TAPS",
    "FACE_EMBEDDING",
    "LABELS",
    "LABEL_COLOURS",
    "UPSCALE_FACTORS",
    "AlignedFace",
    "ArcFace",
    "Blur",
    "Discriminator",
    "Downsample",
    "Encoder",
    "EncoderName",
    "EqualConv2d",
    "EqualLinear",
    "FaceDetector",
    "FaceEmbedder",
    "FaceFinder",
    "Faces",
    "FastGenerator",
    "Generator",
    "GeneratorConfig",
    "GradualStyleEncoder",
    "LabelResize",
    "LastLayerRowsEncoder",
    "LastLayerStyleEncoder",
    "Mesh",
    "MeshNetwork",
    "ModulatedConv2d",
    "OutputNet",
    "ProposalNet",
    "Psp",
    "PspConfig",
    "RefineNet",
    "StartReport",
    "StyledConv",
    "ToRGB",
    "TrunkMode",
    "Upsample",
    "align_ffhq",
    "arcface_matrix",
    "bicubic_taps",
    "build_encoder",
    "cut_out",
    "cut_quad",
    "cut_square",
    "draw_factor",
    "face_chip",
    "face_quad",
    "face_tensor",
    "find_faces",
    "fused_leaky_relu",
    "generator_config",
    "grey",
    "ir_101",
    "ir_se50",
    "label_tensor",
    "load_generator",
    "load_psp",
    "low_resolution",
    "make_square",
    "mix_rows",
    "move_boxes",
    "one_hot",
    "paste_square",
    "picture_of",
    "picture_of_labels",
    "picture_of_sketch",
    "proposals",
    "psp_config",
    "resize_8bit",
    "resize_labels",
    "set_form",
    "shrink_bicubic",
    "sketch_edges",
    "sketch_tensor",
    "start_psp",
    "suppress",
    "turned_square",
    "upfirdn2d",
    "upscale_tensor",
    "warp_affine_8bit",
    "warp_arcface",
    "warp_quad",
]
