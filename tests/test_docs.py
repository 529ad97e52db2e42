"""The documents say what is so: every statement has its test, every command its verb and its options."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

from limner.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _statements() -> list[tuple[int, str]]:
    text = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    return [(int(number), name) for number, name in re.findall(r"^(\d+)\. \*\*(\w+)\*\*", text, re.MULTILINE)]


def test_every_statement_of_the_conventions_has_its_test_and_every_test_its_statement() -> None:
    tests = {
        node.name.removeprefix("test_")
        for path in (ROOT / "tests" / "conventions").glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert {name for _, name in _statements()} == tests


def test_statements_are_numbered_in_order() -> None:
    assert [number for number, _ in _statements()] == list(range(1, len(_statements()) + 1))


def _blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for path in DOCUMENTS:
        for block in re.findall(
            rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            found.append((path.name, block))
    return found


def _commands() -> list[tuple[str, list[str]]]:
    """Every `limner ...` line of the shell blocks, its continuation lines joined and its comment cut off."""
    lines = [
        (name, line.removeprefix("$ "))
        for name, block in _blocks("(?:sh|bash|console)")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [(name, shlex.split(line, comments=True)) for name, line in lines if line.startswith("limner ")]


def _command(words: list[str]):
    command = typer.main.get_command(app)
    for used, word in enumerate(words):
        if not hasattr(command, "commands"):
            return command, words[used:]
        assert word in command.commands, f"limner has no verb {word!r}"
        command = command.commands[word]
    return command, []


@pytest.mark.parametrize(
    ("document", "words"), _commands(), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_commands_in_the_documents_parse(document: str, words: list[str]) -> None:
    if words[1].startswith("-"):
        assert words[1] in ("--version", "--help")
        return
    command, arguments = _command(words[1:])
    if arguments and "--help" not in arguments:
        command.make_context("limner", list(arguments))


def test_the_documents_show_every_verb() -> None:
    shown = {words[1] for document, words in _commands() if document == "commands.md"}
    assert set(typer.main.get_command(app).commands) <= shown


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} points to {target}"


def test_python_in_the_documents_names_public_things() -> None:
    import limner

    for name, block in _blocks("python"):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "limner":
                assert node.attr in limner.__all__ or (ROOT / "src" / "limner" / node.attr).is_dir(), (
                    f"{name}: limner.{node.attr}"
                )


def test_makefile_has_the_commands_that_the_readme_names() -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "lint", "bench"} <= targets
    for document in DOCUMENTS:
        for target in re.findall(r"`make (\w+)", document.read_text(encoding="utf-8")):
            assert target in targets, f"{document.name} names make {target}"
