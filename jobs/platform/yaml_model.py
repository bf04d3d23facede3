"""YAML files as validated models: a typo becomes one line with file, line and the nearest right name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.platform.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
# libyaml's parser, where PyYAML was built with it: fifteen times as fast, and every command reads all mappings.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class StrictModel(BaseModel):
    """Base of every configuration model: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def load_yaml(path: Path, model: type[M]) -> M:
    """Read `path` into `model`. Raises ConfigError naming file, line and the nearest right word for every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        root = yaml.compose(text, Loader=LOADER)
        _refuse_duplicate_keys(path, root)
        _refuse_open_places(path, root)
        data = yaml.load(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    try:
        return model.model_validate({} if data is None else data)
    except ValidationError as invalid:
        known = _names_known_to(model)
        lines = [_in_words(path, root, problem, known) for problem in invalid.errors()]
        raise ConfigError("\n".join(lines)) from invalid


def _refuse_duplicate_keys(path: Path, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: key '{key.value}' stands twice in one mapping")
            seen.add(key.value)
            _refuse_duplicate_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(path, item)


def _refuse_open_places(path: Path, root: yaml.Node | None) -> None:
    """A draft says TODO where a person has to decide; half a mapping is none, so every such place is named."""
    places = [
        f"{path}:{line}: {where}: still to be decided: {text.removeprefix('TODO').strip() or '(no candidates)'}"
        for line, where, text in _scalars(root, ())
        if re.match(r"TODO\b", text)
    ]
    if places:
        raise ConfigError("\n".join(places))


def _scalars(node: yaml.Node | None, path: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
    """(line, place, text) of every key and value."""
    if isinstance(node, yaml.ScalarNode):
        yield node.start_mark.line + 1, ".".join(path) or "(top level)", str(node.value)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key, path)
            yield from _scalars(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _scalars(item, (*path, str(number)))


def _names_known_to(model: type[BaseModel]) -> list[str]:
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({name for part in parts for name in part.get("properties", {})})


def _in_words(path: Path, root: yaml.Node | None, problem: Any, known: list[str]) -> str:
    location = [part for part in problem["loc"] if not (isinstance(part, str) and "[" in part)]
    line = _line_of(root, location)
    where = ".".join(str(part) for part in location) or "(top level)"
    if problem["type"] == "extra_forbidden":
        return f"{path}:{line}: unknown key '{location[-1]}' at {where}{_nearest(str(location[-1]), known)}"
    if problem["type"] == "missing":
        return f"{path}:{line}: key '{location[-1]}' is missing at {where}"
    message = problem["msg"].removeprefix("Value error, ")
    hint = ""
    if problem["type"] in {"literal_error", "enum"}:
        choices = [part.strip(" '") for part in str(problem["ctx"]["expected"]).replace(" or ", ", ").split(",")]
        hint = _nearest(str(problem["input"]), choices)
    value = problem["input"]
    shown = f" (found {value!r})" if isinstance(value, str | int | float | bool) else ""
    return f"{path}:{line}: {where}: {message}{shown}{hint}"


def _nearest(word: str, choices: list[str]) -> str:
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _line_of(root: yaml.Node | None, location: list[Any]) -> int:
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            hit = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if hit is None:
                break
            line, node = hit[0].start_mark.line + 1, hit[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        # A union's branch name stands in pydantic's location but not in the file: stay on the same node.
    return line


def one_of(what: str, word: str, known: list[str]) -> str:
    """The word, where it is known. Raises ValueError with the nearest right one, for a model's validator."""
    if word not in known:
        raise ValueError(f"no {what} '{word}'{_nearest(word, known)}")
    return word
