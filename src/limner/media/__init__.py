"""Media: pictures, videos, sound and motion files in and out.

In: JPEG, PNG, WebP, TIFF, BMP; any video FFmpeg decodes, GIF, folders of pictures; AMASS, SMPL, HMR, BVH, asf/amc,
json. Out: the same pictures; MP4, MOV, MKV, WebM, GIF, sequences, GLB; marked as synthetic (IPTC digital source type).
Units: pictures are RGB uint8 (H, W, 3), rows from the top, upright; frame rates are exact fractions a second;
motions are radians and metres in a world with y up; times are seconds.
Sources: EXIF 2.3, ISO 16684-1 (XMP), IPTC Photo Metadata 2023.2, SMPL (Loper et al. 2015), AMASS (Mahmood et al. 2019),
Acclaim asf/amc and BVH as CMU and Biovision publish them.
"""

from limner.media.bvh_writer import bone_names, write_bvh
from limner.media.exponential_maps import read_exponential_maps
from limner.media.files import PICTURE_SUFFIXES, VIDEO_SUFFIXES, check_output, written_beside
from limner.media.gltf import SkinnedPerson, split_at_seams, write_glb
from limner.media.interpolation import resample_motion
from limner.media.keypoint_files import read_keypoints
from limner.media.mesh_files import write_obj, write_ply
from limner.media.motion_files import MOTION_SUFFIXES, motion_kind, read_motion
from limner.media.picture import (
    MAX_PIXELS,
    decode_image,
    encode_image,
    over_white,
    read_image,
    read_image_rgba,
    write_image,
)
from limner.media.provenance import SOURCE_TYPE, read_mark
from limner.media.video import Video, open_video
from limner.media.video_writer import VideoWriter, check_video_output, write_video

__all__ = [
    "MAX_PIXELS",
    "MOTION_SUFFIXES",
    "PICTURE_SUFFIXES",
    "SOURCE_TYPE",
    "VIDEO_SUFFIXES",
    "SkinnedPerson",
    "Video",
    "VideoWriter",
    "bone_names",
    "check_output",
    "check_video_output",
    "decode_image",
    "encode_image",
    "motion_kind",
    "open_video",
    "over_white",
    "read_exponential_maps",
    "read_image",
    "read_image_rgba",
    "read_keypoints",
    "read_mark",
    "read_motion",
    "resample_motion",
    "split_at_seams",
    "write_bvh",
    "write_glb",
    "write_image",
    "write_obj",
    "write_ply",
    "write_video",
    "written_beside",
]
