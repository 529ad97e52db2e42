"""Render: from a mesh to pixels.

In: corners of faces in the picture frame with y UP (unit half the longer side, z away), or vertices in metres in camera
axes with a weak camera. Out: `Raster` (face index, screen-space weights, depth), condition maps, shaded pictures.
Pixels own the face over their centre; rows from the top; -1 is the background.
Papers: Kato et al. 2018 (Neural 3D Mesh Renderer), Liu et al. 2019 (Liquid Warping GAN).
"""

from limner.render.maps import (
    FaceLabels,
    atlas_samples,
    condition_map,
    face_table,
    face_visibility,
    first_edge_middle,
    image_corners,
    only_faces,
    part_map,
    part_of_face,
    vertex_visibility,
)
from limner.render.orbit import orbit
from limner.render.rasterise import (
    EYE_DISTANCE,
    corners_from_vertices,
    has_backend,
    rasterise,
    rasterise_uv,
)
from limner.render.sampling import sample_faces
from limner.render.shading import contact_sheet, over, part_colours, shade, turntable, vertex_normals

__all__ = [
    "EYE_DISTANCE",
    "FaceLabels",
    "atlas_samples",
    "condition_map",
    "contact_sheet",
    "corners_from_vertices",
    "face_table",
    "face_visibility",
    "first_edge_middle",
    "has_backend",
    "image_corners",
    "only_faces",
    "orbit",
    "over",
    "part_colours",
    "part_map",
    "part_of_face",
    "rasterise",
    "rasterise_uv",
    "sample_faces",
    "shade",
    "turntable",
    "vertex_normals",
    "vertex_visibility",
]
