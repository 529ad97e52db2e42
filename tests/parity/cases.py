"""Parity cases: what the published systems compute, as data, and how a result is judged against it.

A case is a folder `GROUP/NAME` with `case.json` and `case.npz`; `fill.py` (made-up weights) and
`mesh/synthetic_smpl.py` (a made-up body) lie beside the groups. Adapters see a `Case` and return a dict of outputs;
they never see a case's name.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

DEFAULT_CASES = Path(__file__).resolve().parents[2].parent / "shared" / "parity"
OWN_CASES = Path(__file__).parent / "cases"


@cache
def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"parity_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Case:
    """One parity case, its inputs resolved to arrays and plain values."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec: dict[str, Any] = json.loads((folder / "case.json").read_text())
        npz = folder / "case.npz"
        self.arrays: dict[str, np.ndarray] = dict(np.load(npz, allow_pickle=False)) if npz.exists() else {}
        self.kind: str = self.spec["kind"]
        self.config: dict[str, Any] = self.spec.get("config") or {}

    def helper(self, relative: str) -> ModuleType:
        """The recipe file `relative` of this case's set, or of the default set."""
        for root in (self.folder.parent.parent, DEFAULT_CASES, OWN_CASES):
            if (root / relative).exists():
                return _module(root / relative)
        raise FileNotFoundError(f"{self.folder} needs {relative}, which lies beside the groups of a full set of cases")

    def body(self, seed: int = 0) -> dict[str, np.ndarray]:
        """The made-up SMPL body: the arrays of an SMPL file under their official names."""
        return self.helper("mesh/synthetic_smpl.py").build(seed)

    @property
    def inputs(self) -> dict[str, Any]:
        return {name: self._resolve(value) for name, value in (self.spec.get("inputs") or {}).items()}

    def _resolve(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "npz" in value:
            return self.arrays[value["npz"]]
        if "value" in value:
            return value["value"]
        if "recipe" in value:
            return self._recipe(value["recipe"])
        if "synthetic_smpl_seed" in value:
            return self.body(value["synthetic_smpl_seed"])
        if "file" in value:
            return self.folder / value["file"]
        if "files" in value:
            return {name: self.folder / file for name, file in value["files"].items()}
        return value

    def _recipe(self, recipe: str) -> Any:
        if recipe.startswith("synthetic_smpl."):
            maker, seed = recipe.removeprefix("synthetic_smpl.").rstrip(")").split("(")
            return getattr(self.helper("mesh/synthetic_smpl.py"), maker)(int(seed))
        fill = self.helper("fill.py")
        return eval(recipe, {"np": np, "numpy": np, "image_batch": fill.image_batch, "filled": fill.filled})

    def weights(self) -> dict[str, np.ndarray]:
        """The official state dict, filled by the set's rule; keys in `kept` are left to the module's own value."""
        spec, fill = self.spec["weights"], self.helper("fill.py")
        kept = set(spec.get("kept", ()))
        gain_of = spec.get("gain", 1.0)
        by_prefix = dict(spec.get("gain_by_prefix", {}))
        if isinstance(gain_of, dict):  # patterns such as "face.*"
            by_prefix |= {pattern.removesuffix("*"): gain for pattern, gain in gain_of.items()}
            gain_of = 1.0
        prefixes = sorted(by_prefix.items(), key=lambda item: -len(item[0]))
        state = {}
        for key, shape in spec["keys"]:
            if key not in kept:
                gain = next((g for prefix, g in prefixes if key.startswith(prefix)), gain_of)
                state[key] = fill.filled(key, tuple(shape), gain)
        return state

    def tensorflow_variables(self) -> dict[str, np.ndarray]:
        """The same weights under the names, and in the layout, of a TensorFlow checkpoint."""
        state, variables = self.weights(), {}
        for name, shape, key, turned in self.spec["weights"]["tf_variables"]:
            axes = turned.split(",") if turned and turned[0].isdigit() else None
            array = state[key] if axes is None else state[key].transpose([int(axis) for axis in axes])
            variables[name] = array.reshape(shape)
        return variables

    def compare(self, results: dict[str, Any]) -> list[str]:
        """Judge `results` against the case's outputs; return one line per output that falls short."""
        wrong = []
        for name, spec in self.spec["outputs"].items():
            if name.startswith("certain"):
                continue
            if name not in results:
                wrong.append(f"{name}: the adapter returned nothing under this name")
                continue
            line = self._judge(name, spec, results[name])
            if line:
                wrong.append(f"{name}: {line}")
        return wrong

    def _judge(self, name: str, spec: dict[str, Any], result: Any) -> str:
        if "value" in spec and "npz" not in spec:
            return _judge_value(spec["value"], result, self.spec.get("tolerance") or {})
        tolerance = {
            **(self.spec.get("tolerance") or {}),
            **{k: spec[k] for k in ("atol", "rtol", "share") if k in spec},
        }
        wanted, got = self.arrays[spec["npz"]], np.asarray(_to_numpy(result))
        if list(got.shape) != list(spec["shape"]):
            return f"shape {list(got.shape)} instead of {spec['shape']}"
        certain = self._certain(name, got)
        stride = spec.get("stride")
        if stride:
            for what in ("mean", "std"):
                if what in spec and not np.isclose(getattr(got, what)(), spec[what], rtol=1e-3, atol=1e-4):
                    return f"{what} {getattr(got, what)():.6g} instead of {spec[what]:.6g}"
            got, certain = got.reshape(-1)[::stride], None if certain is None else certain.reshape(-1)[::stride]
            wanted = wanted.reshape(-1)
        if wanted.dtype.kind in "US":
            return "" if (wanted == got).all() else "texts differ"
        exact = wanted.dtype.kind in "iub" and ("fim" in name or float(tolerance.get("atol", 0)) == 0)
        rtol, atol = (0.0, 0.0) if exact else (float(tolerance.get("rtol", 0)), float(tolerance.get("atol", 0)))
        by_row = _row_tolerance(tolerance, rtol, got)
        close = np.isclose(got.astype(np.float64), wanted.astype(np.float64), rtol=by_row, atol=atol, equal_nan=True)
        if certain is not None:
            close |= ~certain
        share = float(tolerance.get("share", 1.0))
        if close.mean() >= share:
            return ""
        gap = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
        gap[close] = 0
        bounds = f"rtol {rtol:g} atol {atol:g} (share {share:g})"
        return f"{(~close).sum()} of {close.size} outside {bounds}, worst {np.nanmax(gap):.4g}"

    def _certain(self, name: str, got: np.ndarray) -> np.ndarray | None:
        """The mask of pixels where a drawn output may be judged, spread to the shape of `got`; None where all may."""
        if "fim" not in (self.spec.get("tolerance") or {}) or "certain" not in self.spec["outputs"]:
            return None
        certain = self.arrays[self.spec["outputs"]["certain"]["npz"]].astype(bool)
        if got.shape[: certain.ndim] == certain.shape:  # (..., H, W[, C])
            return np.broadcast_to(certain.reshape(certain.shape + (1,) * (got.ndim - certain.ndim)), got.shape)
        if got.ndim == certain.ndim + 1 and got.shape[0] == certain.shape[0] and got.shape[2:] == certain.shape[1:]:
            return np.broadcast_to(certain[:, None], got.shape)  # (N, C, H, W)
        return None


def _row_tolerance(tolerance: dict[str, Any], rtol: float, got: np.ndarray) -> Any:
    """The relative tolerance, or one for each row where a case's words give the rows after its first another."""
    later = re.search(r"rows after [\w ]+ rtol (\d+(?:\.\d+)?(?:e[+-]?\d+)?)", str(tolerance.get("why", "")))
    if later is None:
        return rtol
    rows = np.full(got.shape, float(later[1]))
    rows[:1] = rtol
    return rows


def _to_numpy(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _judge_value(wanted: Any, got: Any, tolerance: dict[str, Any]) -> str:
    got = _to_numpy(got)
    if isinstance(wanted, str) or (isinstance(wanted, list) and any(isinstance(item, str) for item in wanted)):
        return "" if got == wanted else f"{got!r} instead of {wanted!r}"
    close = np.allclose(
        np.asarray(got, np.float64),
        np.asarray(wanted, np.float64),
        rtol=float(tolerance.get("rtol", 0)),
        atol=float(tolerance.get("atol", 0)),
        equal_nan=True,
    )
    return "" if close else f"{got!r} instead of {wanted!r}"


Adapter = Callable[[Case], dict[str, Any]]


def find_cases(root: Path) -> list[Path]:
    """The folders of all cases below `root`, sorted."""
    return sorted(path.parent for path in root.rglob("case.json"))
