"""Every module imports with the base dependencies alone, quietly, and without touching a device."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

import pytest

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """
import importlib, importlib.abc, os, pkgutil, sys, warnings
warnings.simplefilter("error")
ABSENT = {"accelerate", "tensorboard", "skimage", "trimesh", "onnx", "onnxruntime", "onnxscript", "warp",
          "c2pa", "smplx", "anny", "pytest", "hypothesis"}

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ImportError(f"{name} is no base dependency")

sys.meta_path.insert(0, Refuse())
before = dict(os.environ)
import limner
count = 0
for module in pkgutil.walk_packages(limner.__path__, "limner."):
    if not module.name.endswith(".warp_raster"):  # CUDA kernels need their library, and are imported when asked for
        importlib.import_module(module.name)
    count += 1
for name in limner.__all__:
    getattr(limner, name)
import torch
assert not torch.cuda.is_initialized(), "importing limner started CUDA"
changed = {key for key in {**before, **os.environ} if before.get(key) != os.environ.get(key)}
changed.discard("LD_LIBRARY_PATH")  # OpenCV's own doing
assert not changed, changed
print(count)
"""


def test_every_module_imports_with_base_dependencies_only() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) >= 30


@pytest.mark.skipif(tomllib is None, reason="Python 3.10 has no reader of TOML")
def test_doctor_knows_every_base_dependency_and_extra() -> None:
    from limner.api import health

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = {re.split(r"[\[<>=!~ ]", line)[0] for line in project["dependencies"]}
    assert base == set(health._BASE)
    assert set(project["optional-dependencies"]) - {"dev"} == set(health._EXTRAS)
