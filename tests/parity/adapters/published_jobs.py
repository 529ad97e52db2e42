"""Adapters for the jobs of the group `imitate`, end to end: imitation, views, exchanged clothes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from limner.motion.cameras import matrix_from_euler
from limner.motion.masks import erode
from limner.motion.published import PublishedOptions, PublishedPainter, turn_vertices

from ..cases import Adapter, Case
from .imitate import set_labels
from .liquid_warping import generator_of, weights_below
from .mesh import body_data

Outputs = dict[str, Any]


def painter_of(case: Case) -> PublishedPainter:
    """The painter that the case's weights, body and options make."""
    options = case.inputs["options"]
    return PublishedPainter(
        generator_of(weights_below(case)),
        body_data(case.inputs["body"]),
        set_labels(case),
        options=PublishedOptions(
            background_erosion=options["bg_ks"],
            person_erosion=options["ft_ks"],
            only_visible=options["only_vis"],
            copy_face=options["front_warp"],
        ),
    )


def imitator(case: Case) -> Outputs:
    given, painter = case.inputs, painter_of(case)
    person = painter.prepare(given["image"], given["src_theta"].reshape(-1))
    results: Outputs = {
        "bg": person.background,
        "cond": person.drawn.condition,
        "src_fim": person.drawn.face_index,
        "feat_last": person.features.blocks[-1],
    }
    for strategy in given["strategies"]:
        frames = list(painter.imitate(person, given["tgt_theta"], strategy))
        results[f"preds_{strategy}"] = torch.cat([frame.picture for frame in frames])
        results[f"theta_{strategy}"] = np.stack([frame.body for frame in frames])
        results[f"T_{strategy}"] = torch.cat([frame.source_from_target for frame in frames])
    return results


def viewer(case: Case) -> Outputs:
    given, painter = case.inputs, painter_of(case)
    person = painter.prepare(given["image"], given["src_theta"].reshape(-1))
    # The reference lays its background twice over the known pixels, which limner does not do.
    known = erode(person.drawn.background, painter.options.background_erosion)
    background = person.image * known + person.background * known
    if not given["options"]["bg_replace"]:
        background = torch.zeros_like(background)
    person = replace(person, background=background)
    views = [(np.radians(degrees), np.asarray(shift)) for degrees, shift in given["views_deg_and_t"]]
    vertices = painter.vertices(person.body)
    return {
        "bg": background,
        "preds": torch.cat([painter.view(person, euler, shift).picture for euler, shift in views]),
        "rotated_verts": np.stack([turn_vertices(vertices, euler, shift) for euler, shift in views]),
        "R": np.stack([matrix_from_euler(euler) for euler, _ in views]).astype(np.float32),
    }


def swapper(case: Case) -> Outputs:
    given, painter = case.inputs, painter_of(case)
    person = painter.prepare(given["src_image"], given["src_theta"].reshape(-1))
    other = painter.prepare(given["tgt_image"], given["tgt_theta"].reshape(-1))
    results: Outputs = {}
    for name, kept in (("body", (0,)), ("all", ())):
        results[f"preds_{name}"] = painter.swap(person, other, kept).picture
        results[f"T21_{name}"], results[f"T11_{name}"] = painter.swap_flows(person, other, kept)
    return results


ADAPTERS: dict[str, Adapter] = {
    "imitate/imitator": imitator,
    "imitate/swapper": swapper,
    "imitate/viewer": viewer,
}
