"""limner: joints, bodies, motion transfer and faces for pictures of people.

The public names, and nothing else. They are looked up when first asked for, so that `import limner` loads no network
library; the rooms (`limner.media`, `limner.pose`, ...) hold the rest. The verbs of the command line are functions of
`limner.api`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limner.api import evaluate_motion, imitate, swap, view
    from limner.body import SMPL, BodyPredictor, fit_keypoints, load_body
    from limner.checks import FileProblem, InputError, LimnerError, MissingExtra, NobodyFound, ShapeError, WeightsError
    from limner.face import FaceEditor, align_face, find_faces
    from limner.media import (
        VideoWriter,
        open_video,
        read_image,
        read_image_rgba,
        read_keypoints,
        read_motion,
        resample_motion,
        write_image,
        write_video,
    )
    from limner.motion import Actor
    from limner.people import Locator, find_people, track_person
    from limner.pose import PosePredictor, draw_keypoints
    from limner.records import Bodies, Boxes, Keypoints, Motion, Raster
    from limner.render import rasterise

__version__ = "0.1.0"

__all__ = [
    "SMPL",
    "Actor",
    "Bodies",
    "BodyPredictor",
    "Boxes",
    "FaceEditor",
    "FileProblem",
    "InputError",
    "Keypoints",
    "LimnerError",
    "Locator",
    "MissingExtra",
    "Motion",
    "NobodyFound",
    "PosePredictor",
    "Raster",
    "ShapeError",
    "VideoWriter",
    "WeightsError",
    "__version__",
    "align_face",
    "draw_keypoints",
    "evaluate_motion",
    "find_faces",
    "find_people",
    "fit_keypoints",
    "imitate",
    "load_body",
    "open_video",
    "rasterise",
    "read_image",
    "read_image_rgba",
    "read_keypoints",
    "read_motion",
    "resample_motion",
    "swap",
    "track_person",
    "view",
    "write_image",
    "write_video",
]

# Where each public name lives; a test holds this table, `__all__` and the imports above to one another.
_HOMES = {
    "limner.api": ("evaluate_motion", "imitate", "swap", "view"),
    "limner.body": ("SMPL", "BodyPredictor", "fit_keypoints", "load_body"),
    "limner.checks": (
        "FileProblem",
        "InputError",
        "LimnerError",
        "MissingExtra",
        "NobodyFound",
        "ShapeError",
        "WeightsError",
    ),
    "limner.face": ("FaceEditor", "align_face", "find_faces"),
    "limner.media": (
        "VideoWriter",
        "open_video",
        "read_image",
        "read_image_rgba",
        "read_keypoints",
        "read_motion",
        "resample_motion",
        "write_image",
        "write_video",
    ),
    "limner.motion": ("Actor",),
    "limner.people": ("Locator", "find_people", "track_person"),
    "limner.pose": ("PosePredictor", "draw_keypoints"),
    "limner.records": ("Bodies", "Boxes", "Keypoints", "Motion", "Raster"),
    "limner.render": ("rasterise",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'limner' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
