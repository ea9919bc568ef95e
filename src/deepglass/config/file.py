"""Configurations as TOML files: read with messages that name the line, and written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..data.sources.text import read_text
from ..errors import DataError, did_you_mean
from ..files import replace_file
from .choice import Choice, Section
from .sections import AUGMENT, KINDS, Config

Partial = Mapping[str, Mapping[str, Any]]  # some keys of some sections

LISTS = {"augment": AUGMENT}  # keys that hold a list of things with a name
TAGS = {"data": "kind", "model": "name", "loss": "name", "optimizer": "name", "schedule": "name"}


def read_toml(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the sections of a TOML file, which need not be all.

    Raises:
        DataError: the file is missing or no TOML, or a key stands in no section.
    """
    text = read_text(path)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: a TOML file; {error}.") from error
    for name, section in found.items():
        if not isinstance(section, dict):
            raise DataError(
                f"{path}, line {_line(text, (name,))}: keys stand in one of the sections "
                f"{_sections()}; got {name} = {section!r}. Put it below a line such as [train]."
            )
    return found


def validated(partial: Partial, path: str | Path = "configuration") -> Config:
    """Return the configuration that sections describe.

    Args:
        partial: keys by section; what is left out has its usual value. In a list of things with
            options a name alone is the thing with its usual ones.
        path: of the file they come from, to name lines in messages.

    Raises:
        DataError: a key or value that is not allowed; all of them are named.
    """
    try:
        text = json.dumps({n: _spelled_out(section) for n, section in partial.items()}, default=str)
        return Config.model_validate_json(text, strict=True)
    except ValidationError as error:
        text = read_text(path) if Path(path).is_file() else ""
        wrong = [_message(dict(e), partial, path, text) for e in error.errors()]
        raise DataError("\n".join(wrong)) from None


def load_config(path: str | Path) -> Config:
    """Return the configuration in a file that is complete, such as that of a run.

    Raises:
        DataError: the file is missing or damaged; a key or value is not allowed.
    """
    return validated(read_toml(path), path)


def save_config(config: Config, path: str | Path, about: str = "") -> None:
    """Write a configuration; `load_config` returns the same.

    Args:
        config: what is written, with every value that was left to its default.
        path: of the file.
        about: lines that stand above it as a comment.

    Raises:
        OSError: the file cannot be written; what was there before still is.
    """
    replace_file(path, to_toml(config, about))


def to_toml(config: Config, about: str = "") -> str:
    """Return a configuration as the text of a TOML file."""
    import tomlkit

    comment = "".join(f"# {line}".rstrip() + "\n" for line in about.splitlines())
    return comment + ("\n" if comment else "") + tomlkit.dumps(config.to_dict())


def _spelled_out(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section whose lists hold things with a name instead of names."""
    return {
        key: [{"name": item} if isinstance(item, str) else item for item in value]
        if key in LISTS and isinstance(value, list | tuple)
        else value
        for key, value in section.items()
    }


def _message(error: dict[str, Any], partial: Partial, path: str | Path, text: str) -> str:
    """One mistake in words: where it is, what is allowed and what was given."""
    section, *keys = (str(part) for part in error["loc"])
    if section in TAGS and keys:
        keys = keys[1:]  # the name of the choice, which pydantic puts between
    item = keys[:2] if keys[:1] and keys[0] in LISTS and len(keys) > 1 else []
    chosen = "".join(keys[2:3]) if item else ""
    keys = [*item, *keys[3:]] if item else keys
    kind, got = error["type"], error["input"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = "name" if item else TAGS[section]
        names = list(LISTS[item[0]].sections if item else _choices(section))
        given = got.get(tag) if isinstance(got, Mapping) else None
        keys = [*item, tag]
        rule = (
            f"is one of {', '.join(names)}; got {_shown(given)}.{did_you_mean(str(given), names)}"
        )
    elif kind == "extra_forbidden":
        if item:
            names = list(LISTS[item[0]].sections[chosen].model_fields)
        else:
            names = _keys(section, partial) if keys else list(Config.model_fields)
        wrong = keys[-1] if keys else section
        named = f"[{section}]{f' {_written(item)}' if item else ''}"
        what = f"{named} has the keys" if keys else "the sections are"
        place = _line(text, (section, *keys))
        return (
            f"{_at(path, place)}{what} {', '.join(names)}; got {wrong}.{did_you_mean(wrong, names)}"
        )
    elif kind == "missing" and not keys[1:]:
        rule = "is needed. Add it."
    else:
        allowed = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        rule = f"is {allowed}; got {_shown(got)}."
    place = _line(text, (section, *keys))
    return f"{_at(path, place)}[{section}]{' ' if keys else ''}{_written(keys)} {rule}"


def _at(path: str | Path, line: int) -> str:
    return f"{path}, line {line}: " if line else f"{path}: "


def _written(keys: Sequence[str]) -> str:
    """``augment[1].scale`` for the keys augment, 1 and scale."""
    return "".join(f"[{k}]" if k.isdigit() else f".{k}" for k in keys).removeprefix(".")


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, default=str, ensure_ascii=False)


def _sections() -> str:
    return ", ".join(f"[{name}]" for name in Config.model_fields)


def _choices(section: str) -> Mapping[str, type[Section]]:
    """The kinds or names that a section may have, with the keys of each."""
    if section == "data":
        return KINDS
    (choice,) = (m for m in Config.model_fields[section].metadata if isinstance(m, Choice))
    return choice.sections


def _keys(section: str, partial: Partial) -> list[str]:
    if section not in TAGS:
        kind: Any = Config.model_fields[section].annotation
        return list(kind.model_fields)
    name = partial[section].get(TAGS[section])
    return list(_choices(section)[str(name)].model_fields)


def _line(text: str, keys: Sequence[str]) -> int:
    """The number of the line in which a key of a section stands, or the section; else 0."""
    begun, found = 0, []
    for number, section, key in _lines(text):
        if section == keys[0]:
            begun = begun or number
            if key in keys[1:2]:
                found.append(number)
        elif not section and key == keys[0]:
            return number
    item = int(keys[2]) if len(found) > 1 and keys[2:3] and keys[2].isdigit() else -1
    return found[item] if found else begun


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Every line that begins a section or gives a key: its number, its section and key."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*[\"']?([\w-]+)[\"']?\s*\]", line)
        item = re.match(r"\s*\[\[\s*([\w-]+)\.([\w-]+)\s*\]\]", line)
        key = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line)
        if header:
            section = header[1]
            yield number, section, ""
        elif item:  # what stands below it belongs to one thing of a list
            section = item[0]
            yield number, item[1], item[2]
        elif key:
            yield number, section, key[1]
