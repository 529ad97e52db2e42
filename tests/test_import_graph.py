"""Who may import whom: the rooms stand in a row, and a room sees only what stands to its left, through its door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "limner"

# A name may import any name before it. `face` joins beside the body rooms: up to runtime only.
ROW = (
    *("types", "checks", "records", "detection", "media", "weights", "runtime"),
    *("people", "pose", "body", "render", "motion"),
)
MAY_IMPORT = {
    **{room: set(ROW[:place]) for place, room in enumerate(ROW)},
    "face": set(ROW[:7]),
    **{shared: {*ROW, "face"} for shared in ("losses", "metrics", "data")},
    "train": {*ROW, "face", "losses", "metrics", "data"},
    "api": {*ROW, "face", "losses", "metrics", "data"},
    "cli": {*ROW, "face", "losses", "metrics", "data", "api", "train", "__init__"},
    "web": {*ROW, "face", "api", "__init__"},
    "__init__": {*ROW, "face", "metrics", "api"},
}


def _room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imports(path: Path) -> list[str]:
    """The dotted names below `limner` that a file imports, wherever in the file; relative ones are made absolute."""
    found = []
    package = ("limner", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" if module == "limner" else module for alias in node.names]
    return [name for name in found if name == "limner" or name.startswith("limner.")]


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(file.relative_to(PACKAGE)) for file in FILES])
def test_imports_only_what_stands_to_the_left(path: Path) -> None:
    room = _room(path)
    assert room in MAY_IMPORT, f"{room} has no place in the row of rooms"
    for name in _imports(path):
        parts = name.split(".")
        target = (
            parts[1]
            if len(parts) > 1 and (PACKAGE / parts[1]).exists() | (PACKAGE / f"{parts[1]}.py").exists()
            else "__init__"
        )
        if target == room:
            continue
        assert target in MAY_IMPORT[room], f"{room} may not import {name}"
        assert len(parts) == 2 or room in ("api", "cli"), f"{name} goes past the door of the room {target}"


@pytest.mark.parametrize("room", sorted({_room(file) for file in FILES if file.parent != PACKAGE}))
def test_every_room_has_a_sign_and_a_list_of_names(room: str) -> None:
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    sign = ast.get_docstring(tree)
    assert sign, f"{room} has no sign"
    assert len(sign.splitlines()) <= 14, f"the sign of {room} is longer than a sign"
    lists = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    assert len(lists) == 1, f"{room} has no literal __all__"


def test_the_row_is_read_from_real_files() -> None:
    assert len(FILES) > 5
    assert {"limner.checks"} <= set(_imports(PACKAGE / "records.py"))


def test_only_the_command_line_prints_or_exits() -> None:
    for path in FILES:
        if _room(path) in ("cli", "web"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "sys.exit", "exit", "quit"), f"{path}:{node.lineno} calls {called}"


def test_files_and_functions_stay_small() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 450, f"{path} has {len(text.splitlines())} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= 80, f"{path}:{node.lineno} {node.name} has {lines} lines"
                positional = [
                    arg for arg in (*node.args.posonlyargs, *node.args.args) if arg.arg not in ("self", "cls")
                ]
                # Private ones may be compiled kernels, which know no keyword-only arguments.
                assert node.name.startswith("_") or len(positional) <= 6, (
                    f"{path}:{node.lineno} {node.name}: {positional}"
                )
