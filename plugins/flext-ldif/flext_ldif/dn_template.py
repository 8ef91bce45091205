"""Make a DN out of a record: `uid={uid},ou={dept},dc=example,dc=com`."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from flext_ldif import dn

if TYPE_CHECKING:
    from collections.abc import Mapping


class DnTemplate:
    """A DN with the names of columns in braces.

    Each value is escaped (RFC 4514), so that no value can change the place in the
    tree. `{{` and `}}` are braces.

    Args:
        template: The text.

    Raises:
        ValueError: It is no template of a DN.
    """

    def __init__(self, template: str) -> None:
        self._parts: list[tuple[str, str | None]] = []
        try:
            pieces = list(string.Formatter().parse(template))
        except ValueError as error:
            raise ValueError(f"{template!r} is no template: {error}") from error
        for text, name, form, conversion in pieces:
            if name is not None and (not name or form or conversion):
                raise ValueError(f"{template!r}: only {{column}} may stand in braces")
            self._parts.append((text, name))
        self.columns = [name for _, name in self._parts if name is not None]
        try:
            rdns = dn.parse(self._fill(dict.fromkeys(self.columns, "x")))
        except dn.DnError as error:
            raise ValueError(f"{template!r} makes no DN: {error}") from error
        if not rdns:
            raise ValueError("the template is empty")

    def _fill(self, values: Mapping[str, str]) -> str:
        return "".join(
            text + (dn.escape(values[name]) if name is not None else "")
            for text, name in self._parts
        )

    def dn(self, values: Mapping[str, str]) -> str:
        """Return the DN of a record.

        Args:
            values: Text of each column.

        Raises:
            ValueError: A column is missing or empty.
        """
        for name in self.columns:
            if not values.get(name, "").strip():
                raise ValueError(f"column {name!r}, which the DN needs, is empty")
        return self._fill(values)
