"""Who a made-up person is: shape, skin, hair and clothes, drawn at random, laid over the vertices of the mannequin.

A garment is a field over the vertices: how far inside it a vertex lies, in metres of the rest body, so that its border
is sharp at any size. Looseness pushes the skin outwards along its normals; labels stay those of the body underneath.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32
from numpy import ndarray

from limner.data.synthetic_cloth import SIDE, Slot, creases, garment_photos, pattern, plain_cloth, random_colour
from limner.data.synthetic_mannequin import Mannequin, Sheet
from limner.data.synthetic_paint import Cloth

__all__ = ["Outfit", "dress_up"]

LAYERS = ("skin", "lips", "brows", "eyes", "irises", "hair", "socks", "shoes", "soles", "bottom", "top", "outer")
_L = {name: number for number, name in enumerate(LAYERS)}
_FAR = np.float32(1.0)

_SKINS = np.array(
    [(246, 214, 190), (235, 196, 168), (222, 178, 146), (204, 154, 118), (176, 124, 90), (140, 94, 66), (104, 68, 48),
     (78, 50, 38)], np.float32,
)  # fmt: skip
_HAIRS = np.array(
    [(18, 14, 12), (34, 24, 18), (62, 42, 28), (96, 66, 42), (148, 108, 66), (196, 160, 104), (120, 62, 36),
     (150, 148, 146), (214, 210, 204)], np.float32,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Outfit:
    """A person's looks.

    Attributes:
        betas: shape numbers.
        cloth: what to paint.
        loose: metres that each vertex is pushed out along its posed normal.
        faces: the faces that are there.
    """

    betas: Float32[ndarray, "10"]
    cloth: Cloth
    loose: Float32[ndarray, "V"]
    faces: Int32[ndarray, "F 3"]


@dataclass
class _Wardrobe:
    """What is being put on."""

    figure: Mannequin
    rng: np.random.Generator
    garments: Path | None
    photo_share: float
    cover: Float32[ndarray, "V L"]
    loose: Float32[ndarray, "V"]
    textures: list[ndarray]
    scale: Float32[ndarray, "L"]
    look: Float32[ndarray, "L 3"]
    anchor: Float32[ndarray, "L 2"]
    sheets: list[ndarray] = field(default_factory=list)
    hidden: ndarray | None = None

    def put_on(self, layer: str, cover: ndarray, cloth: ndarray, *, loose: float = 0.0, width_m: float = 0.5) -> None:
        """Lay cloth, `width_m` wide, over the vertices where `cover` is positive."""
        number = _L[layer]
        cover = np.where(self.figure.limb == 5, -_FAR, cover)  # nothing is worn over long hair
        self.cover[:, number] = np.maximum(self.cover[:, number], cover)
        self.textures[number] = cloth
        self.scale[number] = SIDE / width_m
        swell = np.clip(cover / 0.03, 0, 1) * loose
        self.loose = np.maximum(self.loose, swell.astype(np.float32))

    def cloth_for(self, slot: Slot) -> ndarray:
        """Return cloth cut from a photo, or made up."""
        cut = None
        if self.rng.random() < self.photo_share:
            cut = garment_photos(self.garments).cut(slot, self.rng)
        return pattern(self.rng) if cut is None else cut

    def height(self, joint: str) -> float:
        return float(self.figure.joint(joint)[1])


def dress_up(
    figure: Mannequin, rng: np.random.Generator, garments: Path | None = None, photo_share: float = 0.6
) -> Outfit:
    """Draw a person.

    Args:
        figure: the body.
        rng: all that is drawn comes from it.
        garments: a folder of photos of clothes lying flat; None makes all cloth up.
        photo_share: of garments whose cloth is cut from a photo, where there are photos.
    """
    num, layers = len(figure.points), len(LAYERS)
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)
    wardrobe = _Wardrobe(
        figure, rng, garments, photo_share if garments is not None else 0.0,
        cover=np.full((num, layers), -_FAR, np.float32),
        loose=np.zeros(num, np.float32),
        textures=[blank] * layers,
        scale=np.full(layers, SIDE / 0.5, np.float32),
        look=np.tile(np.float32([0.12, 0.0, 0.12]), (layers, 1)),
        anchor=np.tile(np.float32([0.0, 0.5 * (figure.joint("spine3")[1] + figure.joint("spine2")[1])]), (layers, 1)),
    )  # fmt: skip
    betas = np.clip(rng.normal(0, 1, 10) * ([1.0, 1.1] + [0.8] * 8), -2.5, 2.5).astype(np.float32)
    _skin_and_face(wardrobe)
    _hair(wardrobe)
    _clothes(wardrobe)
    _shoes(wardrobe)
    return _finished(wardrobe, betas)


def _finished(wardrobe: _Wardrobe, betas: ndarray) -> Outfit:
    figure, rng = wardrobe.figure, wardrobe.rng
    own = figure.body.faces
    if wardrobe.hidden is not None:
        own = own[~wardrobe.hidden[own].all(1)]
    rest = np.concatenate([figure.points, figure.normals], 1).astype(np.float32)
    cloth = Cloth(
        rest, wardrobe.cover, np.stack(wardrobe.textures), wardrobe.scale, wardrobe.look,
        creases(int(rng.integers(16))), wardrobe.anchor,
    )  # fmt: skip
    folds = 1 + 0.35 * _waves(figure.points, rng)
    faces = np.concatenate([own, *wardrobe.sheets]).astype(np.int32)
    return Outfit(betas, cloth, (wardrobe.loose * folds).astype(np.float32), np.ascontiguousarray(faces))


def _waves(points: ndarray, rng: np.random.Generator) -> Float32[ndarray, "V"]:
    """Return smooth bumps over the rest body, -1 to 1 for the most part."""
    waves = rng.normal(0, 1, (4, 3)) * ((18, 30, 18), (30, 45, 30), (40, 60, 40), (25, 25, 25))
    return np.sin(points @ waves.T.astype(np.float32) + rng.uniform(0, 6, 4)).mean(1)


def _ellipse(points: ndarray, middle: ndarray, wide: float, high: float) -> ndarray:
    """How far inside an ellipse on the face a point lies, in metres along its shorter axis; only on the front."""
    x, y = (points[:, 0] - middle[0]) / wide, (points[:, 1] - middle[1]) / high
    inside = min(wide, high) * (1 - np.sqrt(x * x + y * y))
    return np.where(points[:, 2] > middle[2] - 0.05, inside, -_FAR)


def _skin_and_face(w: _Wardrobe) -> None:
    rng, points, marks = w.rng, w.figure.points, w.figure.marks
    place = rng.uniform(0, len(_SKINS) - 1)
    lower, share = int(place), place - int(place)
    tone = (1 - share) * _SKINS[lower] + share * _SKINS[min(lower + 1, len(_SKINS) - 1)] + rng.normal(0, 4, 3)
    w.textures[0] = plain_cloth(tone, rng, 2.5)
    w.look[0] = (0.03, 0.03, 0.0)
    head = w.figure.limb == 3
    lips = tone * (0.82, 0.6, 0.6) + (18, 0, 4) if rng.random() < 0.7 else tone * (0.75, 0.42, 0.45)
    mouth = (marks["left_mouth"] + marks["right_mouth"]) / 2
    dark = _HAIRS[rng.integers(5)] * 0.8
    features = {"lips": (lips, [_ellipse(points, mouth, 0.026, 0.009)])}
    for layer, colour, wide, high, lift in (
        ("brows", dark, 0.019, 0.005, 0.019),
        ("eyes", np.float32([225, 222, 218]), 0.014, 0.007, 0.0),
        ("irises", _HAIRS[rng.integers(4)], 0.006, 0.006, 0.0),
    ):
        middles = [marks[f"{side}_eye"] + (0, lift, 0) for side in ("left", "right")]
        features[layer] = (colour, [_ellipse(points, middle, wide, high) for middle in middles])
    for layer, (colour, fields) in features.items():
        w.put_on(layer, np.where(head, np.max(fields, 0), -_FAR), plain_cloth(colour, rng, 1.0))
        w.look[_L[layer]] = (0.0, 0.05 if layer == "irises" else 0.0, 0.0)


def _hair(w: _Wardrobe) -> None:
    """Cut hair along a plane that falls from the brow to the nape; long hair gets the sheet down the back."""
    rng, points, marks = w.rng, w.figure.points, w.figure.marks
    style = rng.choice(["bald", "cropped", "short", "bob", "long"], p=[0.06, 0.2, 0.36, 0.16, 0.22])
    colour = np.clip(_HAIRS[rng.integers(len(_HAIRS))] + rng.normal(0, 6, 3), 5, 245)
    cloth = plain_cloth(colour, rng, rng.uniform(6, 14))
    w.look[_L["hair"]] = (0.22, 0.04, 0.1)
    eye, ear = marks["left_eye"], marks["left_ear"]
    head = (w.figure.limb == 3) & (points[:, 1] > w.height("neck"))
    if style == "bald":
        return
    brow = np.array([eye[1] + rng.uniform(0.045, 0.065), eye[2]])
    nape = np.array([ear[1] - (0.03 if style in ("cropped", "short") else 0.09), ear[2] - 0.06])
    slope = (brow[0] - nape[0]) / (brow[1] - nape[1])
    line = nape[0] + slope * np.maximum(points[:, 2] - nape[1], 0)
    cover = points[:, 1] - line
    if style in ("bob", "long"):
        sides = np.minimum(np.abs(points[:, 0]) - 0.062, ear[2] + 0.055 - points[:, 2])
        cover = np.maximum(cover, np.minimum(sides, points[:, 1] - nape[0]))
    thick = {"cropped": 0.003, "short": rng.uniform(0.01, 0.028), "bob": 0.022, "long": 0.018}[style]
    w.put_on("hair", np.where(head, cover, -_FAR), cloth, loose=thick, width_m=0.2)
    if style == "long" or (style == "bob" and rng.random() < 0.7):
        end = w.height("neck") - 0.01 if style == "bob" else rng.uniform(w.height("spine3"), w.height("neck") - 0.03)
        _wear_sheet(w, "hair", w.figure.hair, end)
    if rng.random() < 0.16:
        nose, mouth = marks["nose"], (marks["left_mouth"] + marks["right_mouth"]) / 2
        jaw = np.minimum(nose[1] - 0.012 - points[:, 1], points[:, 2] - ear[2] - 0.02)
        beard = np.minimum(jaw, points[:, 1] - (mouth[1] - 0.085))
        w.put_on("hair", np.where(head, np.minimum(beard, 0.02 + 0 * jaw), -_FAR), cloth, loose=0.004, width_m=0.2)


def _wear_sheet(w: _Wardrobe, layer: str, sheet: Sheet, end: float) -> None:
    own = sheet.vertices.ravel()
    w.cover[own] = -_FAR
    w.cover[own, _L[layer]] = _FAR
    w.sheets.append(sheet.down_to(end))


def _clothes(w: _Wardrobe) -> None:
    rng = w.rng
    kind = rng.choice(["trousers", "shorts", "skirt", "dress"], p=[0.6, 0.17, 0.1, 0.13])
    waist = rng.uniform(w.height("pelvis"), w.height("spine2"))
    if kind == "dress":
        cloth = w.cloth_for("dress")
        _top(w, "top", cloth, hem=w.height("left_hip"), sleeve=rng.choice([-0.03, 0.1, 0.25, 0.5]), loose=0.006)
        _skirt(w, "top", cloth, longest=True)
    else:
        if kind == "skirt":
            cloth = w.cloth_for("skirt")
            _skirt(w, "bottom", cloth, longest=False)
            _lower(w, cloth, waist, legs=0.02, loose=0.008)
        else:
            legs = rng.uniform(0.28, 0.56) if kind == "shorts" else rng.uniform(0.84, 1.02)
            _lower(w, w.cloth_for("bottom"), waist, legs=legs, loose=rng.choice([0.004, 0.012, 0.022]))
        hem = waist + rng.uniform(-0.16, 0.02) if rng.random() < 0.85 else waist + 0.1
        sleeve = rng.choice([-0.04, 0.18, 0.24, 0.3, 0.5, 0.92, 1.0], p=[0.08, 0.2, 0.2, 0.14, 0.06, 0.16, 0.16])
        _top(w, "top", w.cloth_for("top"), hem=hem, sleeve=sleeve, loose=rng.choice([0.004, 0.01, 0.018, 0.026]))
    if rng.random() < 0.24:
        _jacket(w, w.cloth_for("outer"), hem=w.height("left_hip") - rng.uniform(-0.1, 0.25))


def _lower(w: _Wardrobe, cloth: ndarray, waist: float, *, legs: float, loose: float) -> None:
    points = w.figure.points
    hip, ankle = w.height("left_hip"), w.height("left_ankle")
    end = hip - legs * (hip - ankle)
    cover = np.minimum(waist - points[:, 1], points[:, 1] - end)
    w.anchor[_L["bottom"]] = (0.1, hip - 0.1)
    w.put_on("bottom", np.where(w.figure.limb == 1, -_FAR, cover), cloth, loose=loose, width_m=w.rng.uniform(0.25, 0.5))


def _top(w: _Wardrobe, layer: str, cloth: ndarray, *, hem: float, sleeve: float, loose: float) -> None:
    cover = np.minimum(_sleeves(w, sleeve), w.figure.points[:, 1] - hem)
    cover = np.minimum(cover, _neckline(w))
    w.put_on(layer, cover, cloth, loose=loose, width_m=w.rng.uniform(0.42, 0.65))


def _sleeves(w: _Wardrobe, share: float) -> ndarray:
    """How far above the end of the sleeves a vertex lies; the share of the arm that they cover, below 0 for none."""
    shoulder, wrist = w.figure.joint("left_shoulder")[0], w.figure.joint("left_wrist")[0]
    end = shoulder + share * (wrist - shoulder)
    return end - np.abs(w.figure.points[:, 0])


def _neckline(w: _Wardrobe) -> ndarray:
    points, rng = w.figure.points, w.rng
    neck = w.figure.joint("neck")
    base = np.hypot(points[:, 0] / 1.15, 1.1 * (points[:, 1] - neck[1] - 0.02))
    around = np.hypot(base, 0.45 * (points[:, 2] - neck[2]))
    cover = around - rng.uniform(0.068, 0.1)
    if rng.random() < 0.3:  # a V in front
        depth = neck[1] - rng.uniform(0.06, 0.16)
        front = points[:, 2] > neck[2]
        cover = np.where(front, np.minimum(cover, depth + 1.6 * np.abs(points[:, 0]) - points[:, 1]), cover)
    collar = neck[1] + (0.055 if rng.random() < 0.15 else 0.01)
    if collar > neck[1] + 0.03:
        cover = np.full(len(points), _FAR)
    return np.minimum(cover, np.where(w.figure.limb == 3, collar - points[:, 1], _FAR))


def _jacket(w: _Wardrobe, cloth: ndarray, *, hem: float) -> None:
    rng, points = w.rng, w.figure.points
    cover = np.minimum(_sleeves(w, rng.uniform(0.95, 1.04)), points[:, 1] - hem)
    neck = w.figure.joint("neck")
    cover = np.minimum(cover, np.where(w.figure.limb == 3, neck[1] + 0.02 - points[:, 1], _FAR))
    if rng.random() < 0.6:  # open in front
        gap = rng.uniform(0.015, 0.07) + 0.12 * np.maximum(points[:, 1] - w.height("spine3"), 0)
        front = points[:, 2] > neck[2] - 0.02
        cover = np.where(front, np.minimum(cover, np.abs(points[:, 0]) - gap), cover)
    w.put_on("outer", cover, cloth, loose=rng.uniform(0.014, 0.034), width_m=rng.uniform(0.45, 0.7))


def _skirt(w: _Wardrobe, layer: str, cloth: ndarray, *, longest: bool) -> None:
    rng, sheet = w.rng, w.figure.skirt
    hip, knee, ankle = w.height("left_hip"), w.height("left_knee"), w.height("left_ankle")
    end = rng.uniform(knee - 0.05, hip - 0.2) if rng.random() < 0.75 else rng.uniform(ankle + 0.1, knee)
    _wear_sheet(w, layer, sheet, end)
    w.textures[_L[layer]] = cloth
    points = w.figure.points
    rows = sheet.vertices.ravel()
    flare = rng.uniform(0.0, 0.22) * np.maximum(w.height("spine1") - points[rows, 1], 0)
    pleats = 1 + 0.4 * rng.random() * np.cos(rng.integers(6, 13) * np.arctan2(points[rows, 0], points[rows, 2]))
    w.loose[rows] = flare * pleats
    # What the skirt hides would poke through it in a stride.
    w.hidden = (w.figure.limb == 2) & (points[:, 1] > end + 0.06) & (points[:, 1] < w.height("pelvis") + 0.02)
    w.hidden |= (w.figure.limb == 0) & (points[:, 1] < w.height("pelvis") - 0.02)
    w.hidden[w.figure.body.num_vertices :] = False
    if not longest:
        w.anchor[_L[layer]] = (0.0, hip)


def _shoes(w: _Wardrobe) -> None:
    rng, points = w.rng, w.figure.points
    feet = w.figure.limb == 2
    ankle, floor = w.height("left_ankle"), float(points[:, 1].min())
    if rng.random() < 0.05:
        return  # barefoot
    top = ankle + rng.choice([-0.03, -0.01, 0.03, 0.12, 0.3], p=[0.25, 0.4, 0.2, 0.1, 0.05])
    cloth = w.cloth_for("shoes") if rng.random() < 0.4 else plain_cloth(random_colour(rng), rng, 4)
    w.put_on("shoes", np.where(feet, top - points[:, 1], -_FAR), cloth, loose=rng.uniform(0.004, 0.012), width_m=0.3)
    w.look[_L["shoes"]] = (0.05, 0.08, 0.2)
    if rng.random() < 0.6:
        sole = plain_cloth(random_colour(rng) if rng.random() < 0.5 else np.float32([235, 235, 232]), rng, 2)
        w.put_on("soles", np.where(feet, floor + rng.uniform(0.015, 0.03) - points[:, 1], -_FAR), sole, loose=0.01)
    if rng.random() < 0.45:
        sock = plain_cloth(random_colour(rng), rng, 3)
        height = top + rng.choice([0.04, 0.1, 0.3])
        w.put_on("socks", np.where(feet, height - points[:, 1], -_FAR), sock, loose=0.002)
