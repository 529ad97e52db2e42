"""People: who is where in a picture, and the same person through a video.

In: RGB pictures (H, W, 3), uint8. Out: `People`: boxes in pixels with a score, 33 landmarks each ("blazepose33":
pixels, and metres about the middle of the hips), and masks at the picture's size, 0 to 1. Everybody of at least a
sixth of the picture's height is searched for, in overlapping tiles.
Papers: Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose Tracking"; Rother et al. 2004, "GrabCut";
He et al. 2010, "Guided Image Filtering".
"""

from limner.people.detector import Detector
from limner.people.landmarks import LandmarkNetwork, Landmarks
from limner.people.locator import Locator, People, find_people, skeleton_similarity
from limner.people.mask import refine_mask
from limner.people.regions import Region
from limner.people.sighting import LOST_S, Sighting, watch_person
from limner.people.tracker import track_person

__all__ = [
    "LOST_S",
    "Detector",
    "LandmarkNetwork",
    "Landmarks",
    "Locator",
    "People",
    "Region",
    "Sighting",
    "find_people",
    "refine_mask",
    "skeleton_similarity",
    "track_person",
    "watch_person",
]
