"""motion: a photo and a motion in, frames of that person moving out.

In: a photo (RGB), bodies or a motion (radians, metres), another photo for clothes. Out: frames RGB, or RGBA on nothing.
Flow `source_from_target` says for each pixel of the frame where in the photo to look, [-1, 1], y down. Masks are 1 on
the person, except the published systems' conditions, which are 1 on the background; boxes (min_x, max_x, min_y, max_y)
are the published ones.
Papers: Liu et al. 2019 and 2021 (Liquid Warping GAN), Wexler et al. 2007 (completion).
"""

from limner.motion.actor import Actor
from limner.motion.background import fill_background
from limner.motion.crops import crop_boxes
from limner.motion.discriminator import DiscriminatorConfig, GlobalLocalDiscriminator, PatchDiscriminator
from limner.motion.driver import Driver, read_driver
from limner.motion.face_features import FACE_SIZE_HW, SphereFace
from limner.motion.flow import warp
from limner.motion.frames import FacePass, head_box
from limner.motion.generator import (
    PUBLISHED_GENERATOR,
    SLIM_GENERATOR,
    GeneratorConfig,
    LiquidWarpingGenerator,
    Painting,
    SourceFeatures,
    init_published,
)
from limner.motion.inpainting import GatedInpainter
from limner.motion.jobs import Report, imitate, swap, view
from limner.motion.masks import has_area
from limner.motion.model_files import PUBLISHED, import_weights, load_face_tables
from limner.motion.parts import PARTS
from limner.motion.photo import resize_photo
from limner.motion.published import PublishedOptions, PublishedPainter
from limner.motion.published_actor import PublishedActor, load_published_painter
from limner.motion.recovery import DrawnBody, NetworkInputs, recover_flow, recover_from_maps
from limner.motion.several import join_photos
from limner.motion.slim import (
    SLIM_HW,
    SLIM_WEIGHTS,
    Crop,
    SlimGenerator,
    SlimPainter,
    choose_painter,
    source_crop,
    source_input,
    transfer_input,
)

__all__ = [
    "FACE_SIZE_HW",
    "PARTS",
    "PUBLISHED",
    "PUBLISHED_GENERATOR",
    "SLIM_GENERATOR",
    "SLIM_HW",
    "SLIM_WEIGHTS",
    "Actor",
    "Crop",
    "DiscriminatorConfig",
    "DrawnBody",
    "Driver",
    "FacePass",
    "GatedInpainter",
    "GeneratorConfig",
    "GlobalLocalDiscriminator",
    "LiquidWarpingGenerator",
    "NetworkInputs",
    "Painting",
    "PatchDiscriminator",
    "PublishedActor",
    "PublishedOptions",
    "PublishedPainter",
    "Report",
    "SlimGenerator",
    "SlimPainter",
    "SourceFeatures",
    "SphereFace",
    "choose_painter",
    "crop_boxes",
    "fill_background",
    "has_area",
    "head_box",
    "imitate",
    "import_weights",
    "init_published",
    "join_photos",
    "load_face_tables",
    "load_published_painter",
    "read_driver",
    "recover_flow",
    "recover_from_maps",
    "resize_photo",
    "source_crop",
    "source_input",
    "swap",
    "transfer_input",
    "view",
    "warp",
]
