"""Checks values against shapes and plugin settings, collecting every problem.

`Reader` never raises for a bad value: it notes the problem with its place and
returns None or the part that is usable, so one run reports everything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flexcore_gen.errors import Mark, Problem, nearest, printable, suggest
from flexcore_gen.shapes import (
    IDENTIFIER_MAX,
    IDENTIFIER_PATTERN,
    NAME_MAX,
    NAME_PATTERN,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flexcore_gen.known_plugins import PluginSetting
    from flexcore_gen.loading import Plain, Value
    from flexcore_gen.shapes import Field, Shape

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRET_STORE = re.compile(r"secret://[A-Za-z0-9][A-Za-z0-9_./-]*(#[A-Za-z0-9_.-]+)?\Z")
_NAME = re.compile(NAME_PATTERN)
_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SECRET_NAME = re.compile(
    r"(password|passwd|passphrase|secret|token|api_?key|private_?key|credential)$"
)
_WANTED = {"integer": "a whole number", "boolean": "true or false"}
_URL_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@\s:]*:([^/@\s]+)@")


class Reader:
    """Reads values; `problems` receives what is wrong with them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems

    def error(self, mark: Mark, what: str, fix: str, path: str) -> None:
        """Notes one error."""
        self.problems.append(Problem(mark, what, fix, path))

    def warn(self, mark: Mark, what: str, fix: str, path: str) -> None:
        """Notes one warning; the command goes on."""
        self.problems.append(Problem(mark, what, fix, path, "warning"))

    def note(self, mark: Mark, what: str, path: str) -> None:
        """Notes what an input became, for `validate` and `plan`."""
        self.problems.append(Problem(mark, what, "", path, "note"))

    def mapping(self, value: Value, path: str) -> dict[str, Value] | None:
        """The entries of a mapping; an empty value counts as an empty mapping."""
        if isinstance(value.data, dict):
            return value.data
        if value.data is None:
            return {}
        self._wrong_kind(value, "a mapping", path)
        return None

    def items(self, value: Value, path: str) -> list[Value]:
        """The entries of a list; an empty value counts as an empty list."""
        if isinstance(value.data, list):
            return value.data
        if value.data is not None:
            self._wrong_kind(value, "a list", path)
        return []

    def fields(self, value: Value, shape: Shape, path: str) -> dict[str, Value]:
        """The entries of a mapping after checking its keys.

        Entries of an open shape that are not among its fields are returned
        too, for the caller to check.
        """
        entries = self.mapping(value, path)
        if entries is None:
            return {}
        known = shape.names
        if not shape.is_open:
            for key in entries:
                if key not in known:
                    self.error(
                        value.key_marks.get(key, value.mark),
                        f'unknown key "{key}" in {shape.title}',
                        suggest(key, known),
                        f"{path}.{key}" if path else key,
                    )
        for field in shape.fields:
            if field.required and field.name not in entries:
                self.error(
                    value.mark,
                    f'{shape.title} has no "{field.name}"',
                    f"add `{field.name}:`; {field.description[:1].lower()}"
                    f"{field.description[1:].rstrip('.')}",
                    path or shape.title,
                )
        return {
            key: entry
            for key, entry in entries.items()
            if shape.is_open or key in known
        }

    def text(self, value: Value, path: str) -> str | None:
        """A text; numbers keep the digits that were written."""
        data = value.data
        if isinstance(data, str):
            return data if self.check_text(data, value.mark, path) else None
        if isinstance(data, (int, float)) and not isinstance(data, bool):
            return value.text
        self._wrong_kind(value, "text", path)
        return None

    def check_text(self, text: str, mark: Mark, path: str) -> bool:
        """Whether a text may be rendered: no `$` but ${NAME}, nothing invisible."""
        if found := _CONTROL.search(text):
            self.error(
                mark,
                f"the text holds the invisible character U+{ord(found[0]):04X}",
                "remove it",
                path,
            )
            return False
        if "$" in REFERENCE.sub("", text):
            self.error(
                mark,
                "the text holds a `$` that is not a ${NAME}",
                "Meltano expands every `$` and knows no escape: put the value into "
                "an environment variable and write ${NAME}",
                path,
            )
            return False
        if "{{" in text or "{%" in text or "{#" in text:
            self.error(
                mark,
                "the text holds a template expression",
                "only names given by foreach may stand in {{ }}; write the value out",
                path,
            )
            return False
        return True

    def name(self, value: Value, path: str) -> str | None:
        """A name: lower-case words joined by single hyphens."""
        text = self.text(value, path)
        if text is None:
            return None
        if _NAME.match(text) and len(text) <= NAME_MAX:
            return text
        fixed = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:NAME_MAX]
        fixed = fixed.strip("-")
        hint = f'; such as "{fixed}"' if fixed else ""
        self.error(
            value.mark,
            f'"{_short(text)}" cannot be a name',
            "names are lower-case letters and digits joined by single hyphens, "
            f"at most {NAME_MAX} characters{hint}",
            path,
        )
        return None

    def identifier(self, value: Value, path: str) -> str | None:
        """A database name: letters, digits and underscores."""
        text = self.text(value, path)
        if text is None:
            return None
        if _IDENTIFIER.match(text) and len(text) <= IDENTIFIER_MAX:
            return text
        self.error(
            value.mark,
            f'"{_short(text)}" cannot be the name of a model or schema',
            "use letters, digits and underscores, a letter first, "
            f"at most {IDENTIFIER_MAX} characters",
            path,
        )
        return None

    def integer(
        self, value: Value, path: str, minimum: int = 0, maximum: int = 2**53
    ) -> int | None:
        """A whole number within bounds."""
        data = value.data
        if isinstance(data, bool) or not isinstance(data, int):
            self._wrong_kind(value, "a whole number", path)
            return None
        if not minimum <= data <= maximum:
            self.error(
                value.mark,
                f"{data} is out of range",
                f"use a number from {minimum} to {maximum}",
                path,
            )
            return None
        return data

    def texts(self, value: Value, path: str) -> tuple[str, ...]:
        """One text or a list of them."""
        return self._each(value, path, "text")

    def names(self, value: Value, path: str) -> tuple[str, ...]:
        """One name or a list of them."""
        return self._each(value, path, "name")

    def identifiers(self, value: Value, path: str) -> tuple[str, ...]:
        """One identifier or a list of them."""
        return self._each(value, path, "identifier")

    def choice(self, value: Value, choices: Iterable[str], path: str) -> str | None:
        """One of the allowed texts."""
        text = self.text(value, path)
        allowed = tuple(choices)
        if text is None or text in allowed:
            return text
        self.error(
            value.mark,
            f'"{_short(text)}" is not allowed here',
            f"{suggest(text, allowed)}"
            + (f"; allowed: {', '.join(allowed)}" if nearest(text, allowed) else ""),
            path,
        )
        return None

    def choices(self, value: Value, field: Field, path: str) -> tuple[str, ...]:
        """A list of allowed texts."""
        values = value.data if isinstance(value.data, list) else [value]
        found = (
            self.choice(item, field.choices, f"{path}[{index}]")
            for index, item in enumerate(values)
        )
        return tuple(item for item in found if item is not None)

    def scalars(self, value: Value, path: str) -> dict[str, Plain]:
        """A mapping whose values are scalars."""
        result: dict[str, Plain] = {}
        for key, item in (self.mapping(value, path) or {}).items():
            where = f"{path}.{key}"
            if isinstance(item.data, (dict, list)):
                self._wrong_kind(item, "text, a number, true or false", where)
            elif self.check_text(key, value.key_marks.get(key, item.mark), where) and (
                not isinstance(item.data, str)
                or self.check_text(item.data, item.mark, where)
            ):
                self.check_no_secret(key, item, where)
                result[key] = item.data
        return dict(sorted(result.items()))

    def anything(self, value: Value, path: str) -> Plain:
        """Any value whose texts and keys may be rendered."""
        self._check_keys(value, path)
        for where, leaf in value.walk(path):
            if isinstance(leaf.data, str):
                self.check_text(leaf.data, leaf.mark, where)
            self.check_no_secret(where.rsplit(".", 1)[-1], leaf, where)
        return value.plain()

    def _check_keys(self, value: Value, path: str) -> None:
        if isinstance(value.data, dict):
            for key, item in value.data.items():
                self.check_text(key, value.key_marks.get(key, item.mark), path)
                self._check_keys(item, f"{path}.{key}")
        elif isinstance(value.data, list):
            for index, item in enumerate(value.data):
                self._check_keys(item, f"{path}[{index}]")

    def check_no_secret(self, name: str, value: Value, path: str) -> bool:
        """Whether a value is free of secrets that are written down."""
        text = value.text
        if found := _URL_PASSWORD.search(text):
            if not REFERENCE.fullmatch(found[1]):
                self.error(
                    value.mark,
                    f'"{name}" holds a password inside an address',
                    "write ${NAME} in its place and set the variable NAME",
                    path,
                )
                return False
            return True
        if _SECRET_NAME.search(name.lower()) and text and value.data is not None:
            return self.secret(name, value, path) is not None
        return True

    def secret(self, name: str, value: Value, path: str) -> str | None:
        """A reference to a secret; a literal is an error that names the setting."""
        text = value.text if not isinstance(value.data, (dict, list)) else ""
        if REFERENCE.fullmatch(text) or SECRET_STORE.match(text):
            return text
        variable = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "NAME"
        self.error(
            value.mark,
            f'"{name}" holds a secret as plain text',
            f"write ${{{variable}}} here and put the value into the environment "
            "variable or into .env",
            path,
        )
        return None

    def setting(self, setting: PluginSetting, value: Value, path: str) -> Plain:
        """The value of a plugin's setting, checked against its kind.

        Texts may refer to variables with ${NAME}; Meltano casts what it finds
        there to the setting's kind.
        """
        if setting.is_sensitive:
            return self.secret(setting.name, value, path)
        data = value.data
        if data is None:
            return None
        if isinstance(data, str) and REFERENCE.fullmatch(data):
            if setting.kind == "decimal":
                self.error(
                    value.mark,
                    f'"{setting.name}" is a decimal number and cannot come from '
                    "a variable",
                    "write the number: Meltano 4.4 fails on decimals from variables",
                    path,
                )
            return data
        if isinstance(data, (list, dict)) or setting.kind in {"array", "object"}:
            return self._structured(setting, value, path)
        return self._scalar(setting, value, path)

    def _scalar(self, setting: PluginSetting, value: Value, path: str) -> Plain:
        kind, data = setting.kind, value.data
        if kind == "integer":
            return self.integer(value, path)
        if kind == "boolean":
            if isinstance(data, bool):
                return data
            self._wrong_kind(value, "true or false", path)
            return None
        if kind == "options" and setting.options:
            return self._option(setting, value, path)
        if kind == "decimal" and isinstance(data, (int, float)):
            return data
        self.check_no_secret(setting.name, value, path)
        return self.text(value, path)

    def _option(self, setting: PluginSetting, value: Value, path: str) -> str | None:
        """One of the setting's options, also by another tool's word for it."""
        word = value.data.lower() if isinstance(value.data, str) else ""
        if word in setting.words:
            return setting.words[word]
        return self.choice(value, setting.options, path)

    def _structured(self, setting: PluginSetting, value: Value, path: str) -> Plain:
        """A list or mapping; one text may stand for a list or mapping of one."""
        kind, data = setting.kind, value.data
        if setting.text_key and isinstance(data, str):
            return {setting.text_key: self.text(value, path)}
        if kind == "array" and isinstance(data, (str, int)):
            return [self.text(value, path)]
        wanted = {"array": list, "object": dict}.get(kind)
        if wanted and not isinstance(data, wanted):
            self._wrong_kind(value, "a list" if wanted is list else "a mapping", path)
            return None
        if wanted or (kind == "file" and isinstance(data, list)):
            return self.anything(value, path)
        self._wrong_kind(value, _WANTED.get(kind, "text"), path)
        return None

    def _each(self, value: Value, path: str, kind: str) -> tuple[str, ...]:
        read = getattr(self, kind)
        if isinstance(value.data, list):
            found = (read(v, f"{path}[{i}]") for i, v in enumerate(value.data))
            return tuple(item for item in found if item is not None)
        if value.data is None:
            return ()
        single = read(value, path)
        return () if single is None else (single,)

    def _wrong_kind(self, value: Value, wanted: str, path: str) -> None:
        shown = (
            f' "{_short(value.text)}"'
            if isinstance(value.data, str) and not _SECRET_NAME.search(path.lower())
            else ""
        )
        self.error(
            value.mark,
            f"here stands {value.kind}{shown}, and {wanted} is needed",
            f"write {wanted}",
            path,
        )


def _short(text: str, limit: int = 60) -> str:
    """A text for a message: printable and not endless."""
    shown = printable(text)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
