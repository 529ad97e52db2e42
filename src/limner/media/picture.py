"""Pictures in and out: JPEG, PNG, WebP, TIFF and BMP to RGB, 8 bits, upright; and back, marked as synthetic.

OpenCV decodes; this file settles what it leaves open: the size before the memory is taken, truncated files,
orientation, 16 bits, transparency. Colour profiles are not applied: values are taken as sRGB.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray

from limner.checks import FileProblem, InputError, check_file
from limner.media.files import ALPHA_SUFFIXES, PICTURE_SUFFIXES, check_output, written_beside
from limner.media.headers import PictureHeader, read_header
from limner.media.orientation import turn_upright
from limner.media.provenance import mark_picture, sign_if_asked
from limner.types import RgbImage

MAX_PIXELS = 100_000_000
"""The largest picture that is decoded: 100 megapixels take 300 MB as RGB, and more while decoding."""


def read_image(path: str | Path, *, min_side: int = 1, upright: bool = True) -> RgbImage:
    """Read a picture as RGB, upright, transparency laid over white.

    Args:
        path: a JPEG, PNG, WebP, TIFF or BMP file of any depth and colour model; the first page of a TIFF.
        min_side: refuse pictures with a shorter side than this; doors that look for people ask for 16.
        upright: follow the camera's orientation mark; the annotations of data sets count the pixels as stored.

    Returns:
        RGB, 8 bits, rows from the top.

    Raises:
        FileProblem: the file is missing, empty, truncated, corrupt or no picture.
        InputError: the picture has more than `MAX_PIXELS` pixels or a side shorter than `min_side`.
    """
    image = _read(path, min_side, upright=upright)
    return over_white(image) if image.shape[2] == 4 else image


def decode_image(data: bytes, name: str, *, min_side: int = 1, upright: bool = True) -> RgbImage:
    """Decode the bytes of a picture file, such as one inside an archive; `name` stands for it in messages.

    Otherwise like `read_image`.
    """
    if not data:
        raise FileProblem(f"{name} is empty; a picture is needed")
    image = _decode_checked(np.frombuffer(data, np.uint8), name, min_side, upright=upright)
    return over_white(image) if image.shape[2] == 4 else image


def read_image_rgba(path: str | Path, *, min_side: int = 1) -> UInt8[ndarray, "H W 4"]:
    """Read a picture as RGBA, upright; opaque (255) where the file has no transparency. Otherwise like `read_image`."""
    image = _read(path, min_side)
    return image if image.shape[2] == 4 else cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)


def over_white(image: UInt8[ndarray, "H W 4"]) -> RgbImage:
    """Lay an RGBA picture (colour not premultiplied) over white."""
    alpha = image[..., 3:].astype(np.uint16)
    mixed = image[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _read(path: str | Path, min_side: int, *, upright: bool = True) -> UInt8[ndarray, "H W C"]:
    path = check_file(path, "picture")
    try:
        # Mapped, not read: a huge file is refused by its header without being loaded; and any name opens on any system.
        data = np.memmap(path, dtype=np.uint8, mode="r")
    except PermissionError:
        raise FileProblem(f"{path} may not be read: permission denied") from None
    return _decode_checked(data, str(path), min_side, upright=upright)


def _decode_checked(data: UInt8[ndarray, "B"], name: str, min_side: int, *, upright: bool) -> UInt8[ndarray, "H W C"]:
    header = read_header(memoryview(data), name)
    _check_size(header, name, min_side)
    image = _to_rgb_u8(_decode(data, name))
    return turn_upright(image, header.orientation) if upright else image


def _check_size(header: PictureHeader, path: str, min_side: int) -> None:
    height, width = header.size_hw
    if height * width > MAX_PIXELS:
        raise InputError(
            f"{path} is {width}x{height} pixels; limner takes {MAX_PIXELS // 1_000_000} megapixels at most"
        )
    if min(height, width) < min_side:
        raise InputError(f"{path} is {width}x{height} pixels; both sides must have at least {min_side}")


def _decode(data: ndarray, path: str) -> ndarray:
    with _quiet_opencv():
        try:
            image = cv2.imdecode(np.asarray(data), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            image = None
    if image is None:
        raise FileProblem(f"{path} is corrupt or truncated: it cannot be decoded as a picture")
    return image


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from printing what is raised as an error anyway."""
    if not hasattr(cv2, "setLogLevel"):
        yield
        return
    level = cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)


def _to_rgb_u8(image: Shaped[ndarray, "H W ..."]) -> UInt8[ndarray, "H W C"]:
    """Turn what OpenCV decodes (grey, BGR or BGRA; 8, 16 or 32 bits) into RGB or RGBA of 8 bits."""
    if image.dtype == np.uint16:
        # 257 = 65535 / 255, so white stays white; OpenCV's own reduction cuts the low byte off.
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        image = np.rint(np.clip(np.nan_to_num(image.astype(np.float32)), 0, 1) * 255).astype(np.uint8)
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] == 2:
        return np.ascontiguousarray(image[..., [0, 0, 0, 1]])
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return cv2.cvtColor(image, codes[image.shape[2]])


def encode_image(image: UInt8[ndarray, "H W ..."], suffix: str, *, quality: int = 95, synthetic: bool = True) -> bytes:
    """Encode a picture into the bytes of a file.

    Args:
        image: RGB, RGBA or grey, 8 bits.
        suffix: the kind of file, such as `.png`.
        quality: 1 to 100 for JPEG and WebP; 100 makes WebP lossless.
        synthetic: put the mark of a synthetic picture in.

    Raises:
        InputError: the array is no such picture, or the kind cannot keep its transparency.
    """
    suffix = suffix.lower()
    codes = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or channels not in codes or 0 in image.shape:
        raise InputError(f"a picture must be uint8 (H, W), (H, W, 3) or (H, W, 4), got {image.dtype} {image.shape}")
    if channels == 4 and suffix not in ALPHA_SUFFIXES:
        raise InputError(
            f"{suffix} cannot keep transparency; write .png, .webp or .tif, or lay the picture over a colour"
        )
    code = codes[channels]
    stored = image if code is None else cv2.cvtColor(image, code)
    # Full colour resolution: halved, red clothes and lips bleed over their edges. WebP is lossless above 100 in OpenCV.
    jpeg = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_QUALITY, quality]
    options = {
        ".jpg": jpeg,
        ".jpeg": jpeg,
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality if quality < 100 else 101],
    }
    done, encoded = cv2.imencode(suffix, stored, options.get(suffix, []))
    if not done:
        raise InputError(f"a picture of shape {image.shape} could not be encoded as {suffix}")
    data = encoded.tobytes()
    return mark_picture(data, suffix) if synthetic else data


def write_image(
    path: str | Path, image: UInt8[ndarray, "H W ..."], *, quality: int = 95, synthetic: bool = True
) -> None:
    """Write a picture; the suffix chooses the kind, the file is there whole or not at all.

    Args:
        path: ends in .jpg, .png, .webp, .tif or .bmp.
        image: RGB, RGBA or grey, 8 bits.
        quality: 1 to 100 for JPEG and WebP; 100 makes WebP lossless.
        synthetic: mark the file as made with the help of trained models (see `limner.media.provenance`).

    Raises:
        FileProblem: the folder is missing or cannot be written, or the disk is full.
        InputError: the suffix is unknown, the array is no picture, or the kind cannot keep its transparency.
    """
    path = check_output(path, PICTURE_SUFFIXES)
    data = encode_image(image, path.suffix, quality=quality, synthetic=synthetic)
    with written_beside(path) as temporary:
        temporary.write_bytes(data)
        if synthetic:
            sign_if_asked(temporary, path.name)
