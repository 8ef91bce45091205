"""DNs made from a template and a record: `uid={uid},ou={dept},{base_dn}`.

A value is escaped for the place it stands in (RFC 4514), so no data can choose
where in the tree an entry goes. An empty value is refused, never dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flext_ldap import dn
from flext_ldap.errors import DirectoryError

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w;.-]*)\}")
_MARK = "\ue000{}\ue001"  # private use: no template holds these
_FOUND = re.compile("\ue000(\\d+)\ue001")


class TemplateError(ValueError):
    """A record does not fill the template."""


class DnTemplate:
    """A template, checked once.

    Args:
        text: `{column}` stands for a value; `{base_dn}` for the setting.
        base_dn: What `{base_dn}` becomes.
        where: The setting it comes from, for messages.

    Raises:
        DirectoryError: It makes no DN, or a placeholder is not a value.
    """

    def __init__(self, text: str, base_dn: str, where: str) -> None:
        self.text = text
        self.columns: list[str] = []

        def mark(match: re.Match[str]) -> str:
            self.columns.append(match[1])
            return _MARK.format(len(self.columns) - 1)

        marked = _PLACEHOLDER.sub(mark, text.replace("{base_dn}", base_dn))
        try:
            self._rdns = dn.parse(marked)
        except dn.DnError as error:
            raise DirectoryError(
                f"{text!r} is no DN template", where=where, fix=_FIX
            ) from error
        values = [v for rdn in self._rdns for _, v in rdn if isinstance(v, str)]
        in_values = sum(len(_FOUND.findall(value)) for value in values)
        if not self._rdns or "{" in "".join(values) or in_values != len(self.columns):
            raise DirectoryError(
                f"{text!r} has a placeholder where no value stands",
                where=where,
                fix=_FIX,
            )

    def fill(self, value_of: Callable[[str], str | None]) -> str:
        """Return the DN of one record.

        Args:
            value_of: Gives the text of a column, None where it has none.

        Raises:
            TemplateError: A column has no value.
        """
        values = []
        for column in self.columns:
            value = value_of(column)
            if value is None or not value.strip():
                raise TemplateError(
                    f"column {column!r} has no value, which {self.text!r} needs"
                )
            values.append(value)
        filled: list[dn.Rdn] = [
            [
                (kind, _FOUND.sub(lambda m: values[int(m[1])], part))
                if isinstance(part, str)
                else (kind, part)
                for kind, part in rdn
            ]
            for rdn in self._rdns
        ]
        return dn.unparse(filled)


_FIX = "write it as uid={uid},ou=people,dc=example,dc=com"
