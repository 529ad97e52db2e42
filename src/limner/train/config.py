"""Configurations: frozen dataclasses filled from YAML and `key=value`, with every fault told at once.

A field of a schema may be a truth value, a number, a string, a `Literal`, a tuple of these, another schema, or one of
them or None. What a schema's own `__post_init__` refuses (with `InputError`) is gathered with the rest.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from limner.checks import InputError, check_file

Schema = TypeVar("Schema")
Tree = dict[str, Any]

_NO_VALUE = object()


class ConfigError(InputError):
    """A configuration that cannot be used; the message names all of its faults.

    Attributes:
        faults: one sentence each.
    """

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{source} has {count}: " + "; ".join(faults))
        self.faults = tuple(faults)


def load_config(
    schema: type[Schema],
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    adapt: Callable[[Tree, Path | None], Tree] | None = None,
) -> Schema:
    """Fill a schema from a YAML file and overrides.

    Args:
        schema: a frozen dataclass.
        path: the YAML file; None for the schema's defaults.
        overrides: `section.key=value`, the value as in YAML. Keys in capitals are those of a foreign file that `adapt`
            understands, and are set before it.
        adapt: turns the tree of a foreign file into one of this schema, and leaves our own trees as they are.

    Raises:
        FileProblem: there is no such file.
        ConfigError: it is no YAML, a key is unknown (the nearest is named) or missing, or a value does not fit.
    """
    source = "the configuration" if path is None else str(path)
    path = None if path is None else check_file(path, "configuration")
    foreign = [word for word in overrides if word.split(".")[0].split("=")[0].isupper()]
    tree = _merged({} if path is None else _read_yaml(path), foreign, source)
    if adapt is not None:
        tree = adapt(tree, path)
    return fill(schema, _merged(tree, [word for word in overrides if word not in foreign], source), source)


def fill(schema: type[Schema], tree: Mapping[str, Any], source: str = "the configuration") -> Schema:
    """Make a schema's instance from a tree of plain values.

    Raises:
        ConfigError: a key is unknown or missing, or a value does not fit; all faults in one message.
    """
    filler = _Filler(known=tuple(_dotted_keys(schema)))
    filled = filler.section(schema, tree, "")
    if filler.faults:
        raise ConfigError(source, filler.faults)
    return filled


def plain_tree(config: Any) -> Tree:
    """Return a filled schema as plain values; `fill` makes it again."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def to_yaml(config: Any) -> str:
    """Return a filled schema as YAML; `load_config` makes it again."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(plain_tree(config)))


def changed_keys(before: Any, after: Any) -> list[str]:
    """Return the dotted keys whose values differ between two configurations of one schema."""
    one, other = dict(_leaves(plain_tree(before))), dict(_leaves(plain_tree(after)))
    return sorted(key for key in {*one, *other} if one.get(key, _NO_VALUE) != other.get(key, _NO_VALUE))


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the known name that `word` may have meant, or nothing; a key without its section counts as near."""
    last = word.rsplit(".", 1)[-1]
    for key in known:
        if key.rsplit(".", 1)[-1] == last:
            return key
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return close[0]
    ends = {key.rsplit(".", 1)[-1]: key for key in reversed(known)}
    return next((ends[end] for end in difflib.get_close_matches(last, list(ends), n=1, cutoff=0.6)), "")


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Return the sentence that refuses a key."""
    near = nearest(key, known)
    return f"unknown key {key}" + (f", did you mean {near}?" if near else "")


def _read_yaml(path: Path) -> Tree:
    import yaml
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        read = OmegaConf.load(path)
        tree = OmegaConf.to_container(read, resolve=True) if isinstance(read, DictConfig) else None
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError) as error:
        raise ConfigError(str(path), [f"it is no YAML that can be read ({' '.join(str(error).split())})"]) from None
    if not isinstance(tree, dict):
        raise ConfigError(str(path), ["it must hold keys and values at the top"])
    return {str(key): value for key, value in tree.items()}


def _merged(tree: Tree, overrides: Sequence[str], source: str) -> Tree:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    wrong = [word for word in overrides if "=" not in word or not word.split("=")[0].strip(".")]
    if wrong:
        raise ConfigError(source, [f"{word!r} is no override; write key=value" for word in wrong])
    if not overrides:
        return tree
    try:
        # An override may hold what YAML reads as a sign of its own, such as an unclosed bracket.
        merged = OmegaConf.merge(OmegaConf.create(tree), OmegaConf.from_dotlist(list(overrides)))
        return OmegaConf.to_container(merged, resolve=True)  # type: ignore[return-value]
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        words = " ".join(overrides)
        raise ConfigError(source, [f"the overrides {words} cannot be read ({' '.join(str(error).split())})"]) from None


def _dotted_keys(schema: type, prefix: str = "") -> Iterator[str]:
    for name, hint in _hints(schema).items():
        inner = _schema_in(hint)
        yield f"{prefix}{name}"
        if inner is not None:
            yield from _dotted_keys(inner, f"{prefix}{name}.")


def _hints(schema: type) -> dict[str, Any]:
    hints = get_type_hints(schema)
    return {field.name: hints[field.name] for field in dataclasses.fields(schema)}


def _schema_in(hint: Any) -> type | None:
    arms = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return next((arm for arm in arms if dataclasses.is_dataclass(arm)), None)  # type: ignore[return-value]


@dataclasses.dataclass
class _Filler:
    """Walks a schema and a tree side by side; faults are gathered, not raised."""

    known: tuple[str, ...]
    faults: list[str] = dataclasses.field(default_factory=list)

    def section(self, schema: type, tree: Any, prefix: str, base: Any = None) -> Any:
        """Fill a schema; keys that the tree lacks come from `base`, an instance, or from the schema's own defaults."""
        if not isinstance(tree, Mapping):
            self.faults.append(f"{prefix.rstrip('.') or 'the top'} must be a section of keys, got {tree!r}")
            return _NO_VALUE
        before, hints = len(self.faults), _hints(schema)
        self.faults += [unknown_key(f"{prefix}{key}", self.known) for key in tree if key not in hints]
        values = {}
        for field in dataclasses.fields(schema):
            place = prefix + field.name
            if field.name in tree:
                inner = _default(field) if base is None else getattr(base, field.name)
                values[field.name] = self.value(hints[field.name], tree[field.name], place, inner)
            elif base is not None:
                values[field.name] = getattr(base, field.name)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                self.faults.append(f"{place} is missing")
        return self._made(schema, values, prefix) if len(self.faults) == before else _NO_VALUE

    def _made(self, schema: type, values: Tree, prefix: str) -> Any:
        try:
            return schema(**values)
        except InputError as error:
            self.faults.append(f"{prefix.rstrip('.')}: {error}" if prefix else str(error))
            return _NO_VALUE

    def value(self, hint: Any, given: Any, place: str, base: Any = None) -> Any:
        arms = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        if given is None and type(None) in arms:
            return None
        kind = next(arm for arm in arms if arm is not type(None))
        if dataclasses.is_dataclass(kind):
            return self.section(kind, given, f"{place}.", base if isinstance(base, kind) else None)  # type: ignore[arg-type]
        if get_origin(kind) is tuple:
            return self._row(get_args(kind), given, place)
        if get_origin(kind) is Literal:
            return self._choice(get_args(kind), given, place)
        read, wanted = _READERS[kind]
        result = read(given)
        if result is _NO_VALUE:
            self.faults.append(f"{place} must be {wanted}, got {given!r}")
        return result

    def _row(self, kinds: tuple[Any, ...], given: Any, place: str) -> Any:
        is_open = len(kinds) == 2 and kinds[1] is Ellipsis
        if not isinstance(given, Sequence) or isinstance(given, str) or not (is_open or len(given) == len(kinds)):
            wanted = "a list" if is_open else f"a list of {len(kinds)}"
            self.faults.append(f"{place} must be {wanted}, got {given!r}")
            return _NO_VALUE
        hints = [kinds[0]] * len(given) if is_open else kinds
        return tuple(self.value(hint, item, f"{place}[{i}]") for i, (hint, item) in enumerate(zip(hints, given)))  # noqa: B905

    def _choice(self, choices: tuple[Any, ...], given: Any, place: str) -> Any:
        if given in choices and type(given) is type(choices[choices.index(given)]):
            return given
        near = difflib.get_close_matches(str(given), [str(choice) for choice in choices], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.faults.append(f"{place} must be one of {', '.join(map(str, choices))}, got {given!r}{hint}")
        return _NO_VALUE


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _whole(given: Any) -> Any:
    if isinstance(given, float) and given.is_integer():
        return int(given)  # 1e5 is a float to YAML
    return given if isinstance(given, int) and not isinstance(given, bool) else _NO_VALUE


def _number(given: Any) -> Any:
    usable = isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given)
    return float(given) if usable else _NO_VALUE


# How a value of each plain kind is read, and what a fault calls the kind.
_READERS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    bool: (lambda given: given if isinstance(given, bool) else _NO_VALUE, "true or false"),
    int: (_whole, "a whole number"),
    float: (_number, "a finite number"),
    str: (lambda given: given if isinstance(given, str) else _NO_VALUE, "text (quote it if it looks like a number)"),
}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain_tree(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
