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
from limner.face.blend import blend_generators
from limner.face.cascade import MtcnnFinder
from limner.face.detector import FaceDetector
from limner.face.discriminator import Discriminator
from limner.face.editor import FaceEditor, FaceResult, FaceTask, Identity, check_task
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
from limner.face.finder import FaceFinder, Faces, align_face, find_faces
from limner.face.identity import IdentityScore
from limner.face.latent import Latent, read_direction
from limner.face.layers import EqualConv2d, EqualLinear, ModulatedConv2d, StyledConv, ToRGB
from limner.face.mesh import Mesh, MeshNetwork
from limner.face.models import FaceModel, load_any_generator, load_face_model
from limner.face.mtcnn import OutputNet, ProposalNet, RefineNet, cut_out, make_square, move_boxes, proposals, suppress
from limner.face.nvidia import read_generator, read_nvidia
from limner.face.ops import BLUR_TAPS, Blur, Downsample, Upsample, fused_leaky_relu, set_form, upfirdn2d
from limner.face.paste import PasteRegion, detail_lost, face_mask, match_colours, paste_face
from limner.face.psp import Psp, PspConfig, StartReport, load_psp, mix_rows, psp_config, start_psp
from limner.face.published import PUBLISHED, import_weights, psp_facts
from limner.face.refine import Distance, Refinement, refine_latent
from limner.face.resample import resize_8bit, warp_affine_8bit, warp_quad
from limner.face.sources import DRAWN, FaceTaskName, source_tensor
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
from limner.face.tracker import steadiness, track_face

__all__ = [
    "ALIGNED_SIDE",
    "ARCFACE_POINTS",
    "BLUR_TAPS",
    "DRAWN",
    "FACE_EMBEDDING",
    "LABELS",
    "LABEL_COLOURS",
    "PUBLISHED",
    "UPSCALE_FACTORS",
    "AlignedFace",
    "ArcFace",
    "Blur",
    "Discriminator",
    "Distance",
    "Downsample",
    "Encoder",
    "EncoderName",
    "EqualConv2d",
    "EqualLinear",
    "FaceDetector",
    "FaceEditor",
    "FaceEmbedder",
    "FaceFinder",
    "FaceModel",
    "FaceResult",
    "FaceTask",
    "FaceTaskName",
    "Faces",
    "FastGenerator",
    "Generator",
    "GeneratorConfig",
    "GradualStyleEncoder",
    "Identity",
    "IdentityScore",
    "LabelResize",
    "LastLayerRowsEncoder",
    "LastLayerStyleEncoder",
    "Latent",
    "Mesh",
    "MeshNetwork",
    "ModulatedConv2d",
    "MtcnnFinder",
    "OutputNet",
    "PasteRegion",
    "ProposalNet",
    "Psp",
    "PspConfig",
    "RefineNet",
    "Refinement",
    "StartReport",
    "StyledConv",
    "ToRGB",
    "TrunkMode",
    "Upsample",
    "align_face",
    "align_ffhq",
    "arcface_matrix",
    "bicubic_taps",
    "blend_generators",
    "build_encoder",
    "check_task",
    "cut_out",
    "cut_quad",
    "cut_square",
    "detail_lost",
    "draw_factor",
    "face_chip",
    "face_mask",
    "face_quad",
    "face_tensor",
    "find_faces",
    "fused_leaky_relu",
    "generator_config",
    "grey",
    "import_weights",
    "ir_101",
    "ir_se50",
    "label_tensor",
    "load_any_generator",
    "load_face_model",
    "load_generator",
    "load_psp",
    "low_resolution",
    "make_square",
    "match_colours",
    "mix_rows",
    "move_boxes",
    "one_hot",
    "paste_face",
    "paste_square",
    "picture_of",
    "picture_of_labels",
    "picture_of_sketch",
    "proposals",
    "psp_config",
    "psp_facts",
    "read_direction",
    "read_generator",
    "read_nvidia",
    "refine_latent",
    "resize_8bit",
    "resize_labels",
    "set_form",
    "shrink_bicubic",
    "sketch_edges",
    "sketch_tensor",
    "source_tensor",
    "start_psp",
    "steadiness",
    "suppress",
    "track_face",
    "turned_square",
    "upfirdn2d",
    "upscale_tensor",
    "warp_affine_8bit",
    "warp_arcface",
    "warp_quad",
]
