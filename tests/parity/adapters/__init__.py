"""One adapter per kind of parity case: each reads everything else from the case and returns its outputs by name."""

from . import (
    face,
    face_data,
    face_losses,
    hmr,
    imitate,
    liquid_warping,
    mesh,
    motion,
    motion_training,
    pose,
    pose_data,
    published_jobs,
)

ADAPTERS = {
    **face.ADAPTERS,
    **face_data.ADAPTERS,
    **face_losses.ADAPTERS,
    **hmr.ADAPTERS,
    **imitate.ADAPTERS,
    **mesh.ADAPTERS,
    **liquid_warping.ADAPTERS,
    **motion.ADAPTERS,
    **motion_training.ADAPTERS,
    **pose.ADAPTERS,
    **pose_data.ADAPTERS,
    **published_jobs.ADAPTERS,
}
