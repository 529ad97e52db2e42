"""Render: from a mesh to pixels.

In: corners of faces in the picture frame with y UP (unit half the longer side, z away), or vertices in metres in camera
axes with a weak camera. Out: `Raster` (face index, screen-space weights, depth), condition maps, shaded pictures.
Pixels own the face over their centre; rows from the top; -1 is the background.
Papers: Kato et al. 2018 (Neural 3D Mesh Renderer), Liu et al. 2019 (Liquid Warping GAN).
"""

from limner.render.rasterise import (
    corners_from_vertices,
    has_backend,
    rasterise,
    rasterise_uv,
)
from limner.render.sampling import sample_faces

__all__ = ["corners_from_vertices", "has_backend", "rasterise", "rasterise_uv", "sample_faces"]
