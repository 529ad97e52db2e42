"""Data: people with marked joints, read from MPII, COCO, LSP, LSP-extended and anything in COCO's keypoint format.

In: the data sets' own files, pictures in folders or zip files. Out: `PoseSamples`, one row a person: crop centre and
scale, joints, visibility, and the picture, which is read when asked for. Everything that is wrong with an annotation
file is told in one message before any work starts.
Units: pixels counted from 0 with pixel centres at integers; a scale is a crop's side over 200 pixels.
Papers: Andriluka et al. 2014 (MPII); Lin et al. 2014 (COCO); Johnson and Everingham 2010 and 2011 (LSP).
"""

from limner.data.body_samples import PERSON_PX, BodyPerson, BodySamples, BodySource, bodies_from_pose, crop_of_people
from limner.data.body_sources import read_bodies
from limner.data.celeba_maps import merge_parts, write_maps
from limner.data.coco import read_coco, read_keypoint_json
from limner.data.deepfashion import FashionPair, FashionPairs, read_deepfashion
from limner.data.faults import DatasetError
from limner.data.folders import PictureFolder, pair_folders, part_folder, read_folder
from limner.data.iper import ProtocolRun, read_iper, read_iper_protocol
from limner.data.lsp import read_lsp
from limner.data.mocap import BodyPoses, read_poses
from limner.data.motion_clips import MotionClip, split_clips
from limner.data.mpii import MpiiTruth, read_mpii, read_mpii_truth, write_mpii_predictions
from limner.data.photo_clips import read_photos, read_synthetic
from limner.data.pictures import missing_pictures, read_picture
from limner.data.samples import PoseSamples
from limner.data.show import DataReport, show
from limner.data.silhouettes import read_silhouette, silhouette_files
from limner.data.sources import read_samples
from limner.data.synthetic import SyntheticPeople, SyntheticPerson
from limner.data.synthetic_files import SyntheticReport, read_people, write_people
from limner.data.synthetic_poses import PoseSource
from limner.data.video_clips import PrepareOptions, read_videos

__all__ = [
    "PERSON_PX",
    "BodyPerson",
    "BodyPoses",
    "BodySamples",
    "BodySource",
    "DataReport",
    "DatasetError",
    "FashionPair",
    "FashionPairs",
    "MotionClip",
    "MpiiTruth",
    "PictureFolder",
    "PoseSamples",
    "PoseSource",
    "PrepareOptions",
    "ProtocolRun",
    "SyntheticPeople",
    "SyntheticPerson",
    "SyntheticReport",
    "bodies_from_pose",
    "crop_of_people",
    "merge_parts",
    "missing_pictures",
    "pair_folders",
    "part_folder",
    "read_bodies",
    "read_coco",
    "read_deepfashion",
    "read_folder",
    "read_iper",
    "read_iper_protocol",
    "read_keypoint_json",
    "read_lsp",
    "read_mpii",
    "read_mpii_truth",
    "read_people",
    "read_photos",
    "read_picture",
    "read_poses",
    "read_samples",
    "read_silhouette",
    "read_synthetic",
    "read_videos",
    "show",
    "silhouette_files",
    "split_clips",
    "write_maps",
    "write_mpii_predictions",
    "write_people",
]
