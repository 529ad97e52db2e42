"""What is installed, which weights are there, what is missing and how to mend it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from limner.checks import LimnerError, WeightsError
from limner.runtime import cache_folder
from limner.weights import file_path, list_weights

_BASE = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "opencv-python-headless": "cv2",
    "av": "av",
    "openvino": "openvino",
    "numba": "numba",
    "safetensors": "safetensors",
    "omegaconf": "omegaconf",
    "typer": "typer",
    "rich": "rich",
    "jaxtyping": "jaxtyping",
}
"""Base dependencies: the name of the distribution, and of the module."""

_EXTRAS = {
    "train": ("accelerate", "accelerate", "trains networks"),
    "eval": ("scikit-image", "skimage", "checks the scores against a second implementation"),
    "export": ("onnxruntime", "onnxruntime", "writes and runs ONNX networks, with trimesh meshes"),
    "cuda": ("warp-lang", "warp", "draws meshes on CUDA"),
    "provenance": ("c2pa-python", "c2pa", "signs outputs with a C2PA manifest"),
}

_CODECS = {
    "libx264": "writes mp4",
    "libvpx-vp9": "writes webm, with transparency",
    "prores_ks": "writes mov with transparency",
    "gif": "writes gif",
    "aac": "writes the driver's sound into mp4",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: "ok"; "missing", which only narrows what can be done; or "broken", which stops the verbs.
        detail: a version, a path, or the reason.
        mend: what to do about it; empty where nothing is to be done.
    """

    what: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    mend: str = ""


def doctor() -> list[Finding]:
    """Look at everything that limner rests on; nothing is changed and nothing is downloaded.

    Returns:
        The findings: the machine, base dependencies, extras, codecs, the folders, the weights by name, the body.
    """
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _machine,
        _base,
        _extras,
        _codecs,
        _folders,
        _weights,
        _body,
    )
    return [finding for look in looks for finding in look()]


def _machine() -> Iterator[Finding]:
    version = ".".join(str(n) for n in sys.version_info[:3])
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Finding("limner", "ok", importlib.metadata.version("limner"))
    yield Finding(
        "Python",
        "ok" if supported else "broken",
        f"{version} on {platform.system()} {platform.machine()}",
        "" if supported else "use Python 3.10 to 3.13",
    )
    yield Finding("processor", "ok", f"{_cores()} cores for this process")
    yield _cuda()


def _cores() -> int:
    # A container's share of the machine, where the system can tell; os.cpu_count() counts the whole machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cuda() -> Finding:
    try:
        import torch
    except ImportError:
        return Finding("CUDA", "missing", "torch is not installed")
    if torch.cuda.is_available():
        return Finding("CUDA", "ok", torch.cuda.get_device_name(0))
    return Finding("CUDA", "missing", "none that torch sees; everything runs on the processor")


def _base() -> Iterator[Finding]:
    for distribution, module in _BASE.items():
        try:
            importlib.import_module(module)
            yield Finding(distribution, "ok", importlib.metadata.version(distribution))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(distribution, "ok", "installed under another name")
        except (ImportError, OSError) as error:
            yield Finding(distribution, "broken", str(error), f"pip install --force-reinstall {distribution}")


def _extras() -> Iterator[Finding]:
    for extra, (distribution, module, purpose) in _EXTRAS.items():
        what = f"extra {extra}"
        if importlib.util.find_spec(module) is None:
            yield Finding(what, "missing", f"{distribution}, which {purpose}", f"pip install 'limner[{extra}]'")
        else:
            yield Finding(what, "ok", f"{distribution} {importlib.metadata.version(distribution)}")


def _codecs() -> Iterator[Finding]:
    try:
        import av
    except ImportError:
        return  # told of among the base dependencies
    for codec, purpose in _CODECS.items():
        what = f"codec {codec}"
        try:
            av.Codec(codec, "w")
            yield Finding(what, "ok", purpose)
        except ValueError:  # PyAV's error for a codec that its build lacks
            yield Finding(what, "missing", purpose, "pip install --force-reinstall av (its own build has this codec)")


def _folders() -> Iterator[Finding]:
    folder = cache_folder()
    mend = "set LIMNER_CACHE to a folder that can be written, or live with a slower start"
    if folder is None:
        yield Finding("cache folder", "missing", "cannot be written; networks are compiled anew in every run", mend)
    else:
        yield Finding("cache folder", "ok", str(folder))
    try:
        with tempfile.TemporaryFile():
            yield Finding("temporary folder", "ok", tempfile.gettempdir())
    except OSError as error:
        yield Finding("temporary folder", "broken", str(error), "set TMPDIR to a folder that can be written")


def _weights() -> Iterator[Finding]:
    for record in list_weights():
        what = f"weights {record.name}"
        try:
            file_path(record.name)
            yield Finding(what, "ok", f"checksum fits; {record.licence}, commercial use: {record.commercial}")
        except WeightsError as error:
            yield Finding(what, "broken", str(error), "pip install --force-reinstall limner")


def _body() -> Iterator[Finding]:
    try:
        # Here and not above: the room needs torch, which may be what is broken.
        from limner.body import load_body

        data = load_body("free")
        licence = data.licence.split(" (")[0]
        yield Finding("body free", "ok", f"{len(data.v_template)} vertices; {licence}")
    except (ImportError, LimnerError) as error:
        yield Finding("body free", "broken", str(error), "pip install --force-reinstall limner")
