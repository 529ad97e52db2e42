"""The verbs: each verb of the command line as a function of the same name and arguments.

In: paths of photos, videos and motion files. Out: files, written whole or not at all, and a report of what was done.
This is the only place that joins the rooms into jobs over files; it may import every room, and only `limner` itself and
the command line import it. `pose` and `body` are here and not in `limner`, where those names are rooms.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limner.api.body_files import body
    from limner.api.evaluation import ClipScores, MotionScores, evaluate_motion
    from limner.api.face_evaluation import evaluate_faces, evaluate_maps
    from limner.api.face_files import FaceOutput, FacePlace, FaceReport, align, face
    from limner.api.face_pass import FaceRepair
    from limner.api.face_tasks import FaceOptions
    from limner.api.health import Finding, doctor
    from limner.api.inputs import FilesReport
    from limner.api.network_files import ExportReport, export
    from limner.api.pose_files import pose
    from limner.api.weight_files import import_weights
    from limner.motion import Report, imitate, swap, view

__all__ = [
    "ClipScores",
    "ExportReport",
    "FaceOptions",
    "FaceOutput",
    "FacePlace",
    "FaceRepair",
    "FaceReport",
    "FilesReport",
    "Finding",
    "MotionScores",
    "Report",
    "align",
    "body",
    "doctor",
    "evaluate_faces",
    "evaluate_maps",
    "evaluate_motion",
    "export",
    "face",
    "imitate",
    "import_weights",
    "pose",
    "swap",
    "view",
]

# Looked up when asked for: `doctor` must run where a dependency of the other verbs is broken.
_HOMES = {
    "limner.api.body_files": ("body",),
    "limner.api.evaluation": ("ClipScores", "MotionScores", "evaluate_motion"),
    "limner.api.network_files": ("ExportReport", "export"),
    "limner.api.face_evaluation": ("evaluate_faces", "evaluate_maps"),
    "limner.api.face_files": ("FaceOutput", "FacePlace", "FaceReport", "align", "face"),
    "limner.api.face_pass": ("FaceRepair",),
    "limner.api.face_tasks": ("FaceOptions",),
    "limner.api.health": ("Finding", "doctor"),
    "limner.api.inputs": ("FilesReport",),
    "limner.api.pose_files": ("pose",),
    "limner.api.weight_files": ("import_weights",),
    "limner.motion": ("Report", "imitate", "swap", "view"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'limner.api' has no attribute {name!r}")
