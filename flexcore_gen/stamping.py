"""`foreach`: stamps out several values from one.

```yaml
foreach: {tenant: [acme, globex]}          # or a list of mappings
name: "orders-{{ tenant }}"
```

Names in double braces are replaced in every text and key; a name that foreach
does not give is an error, so nothing in double braces reaches an output.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from flexcore_gen.errors import suggest
from flexcore_gen.loading import Value

if TYPE_CHECKING:
    from flexcore_gen.reading import Reader

MAX_STAMPED = 10_000
_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def stamp(value: Value, reader: Reader, path: str) -> list[dict[str, str]]:
    """The sets of names that a `foreach` value gives.

    Args:
        value: A mapping of lists (every combination is taken) or a list of
            mappings (one set each).
        reader: Receives what is wrong.
        path: Where the value stands.
    """
    sets: list[dict[str, str]] = []
    if isinstance(value.data, list):
        for index, item in enumerate(value.data):
            where = f"{path}[{index}]"
            entries = reader.mapping(item, where) or {}
            texts = {
                name: text
                for name, entry in entries.items()
                if (text := reader.text(entry, f"{where}.{name}")) is not None
            }
            if sets and texts.keys() != sets[0].keys():
                reader.error(
                    item.mark,
                    f"this entry gives {', '.join(sorted(texts)) or 'nothing'} and "
                    f"the first one {', '.join(sorted(sets[0]))}",
                    "give the same names in every entry",
                    where,
                )
                continue
            sets.append(texts)
    else:
        entries = reader.mapping(value, path) or {}
        columns = {
            name: reader.texts(entry, f"{path}.{name}")
            for name, entry in entries.items()
        }
        size = 1
        for column in columns.values():
            size *= len(column)
        if size > MAX_STAMPED:
            reader.error(
                value.mark,
                f"foreach makes {size:,} of these",
                f"at most {MAX_STAMPED:,} are allowed",
                path,
            )
            return []
        sets = [
            dict(zip(columns, combination, strict=True))
            for combination in itertools.product(*columns.values())
        ]
    if not sets or sets == [{}]:
        reader.error(
            value.mark,
            "foreach gives nothing",
            "write a list of names, such as `foreach: {tenant: [acme, globex]}`",
            path,
        )
        return []
    return sets


def substitute(value: Value, names: dict[str, str], reader: Reader, path: str) -> Value:
    """A copy of `value` in which `{{ name }}` is replaced everywhere."""
    if isinstance(value.data, dict):
        entries = {}
        marks = {}
        for key, item in value.data.items():
            mark = value.key_marks.get(key, item.mark)
            new_key = _replace(key, names, Value(key, mark, key), reader, path)
            entries[new_key] = substitute(item, names, reader, f"{path}.{key}")
            marks[new_key] = mark
        return Value(entries, value.mark, "", marks)
    if isinstance(value.data, list):
        return Value(
            [
                substitute(item, names, reader, f"{path}[{index}]")
                for index, item in enumerate(value.data)
            ],
            value.mark,
        )
    if isinstance(value.data, str) and "{{" in value.data:
        text = _replace(value.data, names, value, reader, path)
        return Value(text, value.mark, text)
    return value


def _replace(
    text: str, names: dict[str, str], value: Value, reader: Reader, path: str
) -> str:
    def one(found: re.Match[str]) -> str:
        name = found[1]
        if name in names:
            return names[name]
        reader.error(
            value.mark,
            f'foreach gives no "{name}"',
            suggest(name, names),
            path,
        )
        return name

    return _PLACE.sub(one, text)
