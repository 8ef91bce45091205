"""Planned operations as LDIF change records (RFC 2849), for dry runs.

What this writes `ldapmodify` applies. Only passwords are left out: a comment
says that one would be set.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING

from flext_ldap.messages import ADD, DELETE

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from flext_ldap.messages import Change

_UNSAFE = re.compile(rb"\A[ :<]|[\x00\n\r\x80-\xff]| \Z")
_WIDTH = 76
_KINDS = {ADD: b"add", DELETE: b"delete"}


def line(name: str, value: str | bytes) -> bytes:
    """Return one folded line; base64 for anything that is not plainly safe."""
    raw = value.encode("utf-8") if isinstance(value, str) else value
    start = name.encode("ascii")
    if _UNSAFE.search(raw):
        text = start + b":: " + b64encode(raw)
    else:
        text = start + b": " + raw
    pieces = [text[:_WIDTH]]
    pieces += [
        text[at : at + _WIDTH - 1] for at in range(_WIDTH, len(text), _WIDTH - 1)
    ]
    return b"\n ".join(pieces) + b"\n"


def _hidden(name: str) -> bytes:
    return b"# %s would be set; its value is not written here\n" % name.encode("ascii")


def _is_secret(name: str, secret: Container[str]) -> bool:
    return name.partition(";")[0].lower() in secret


def add(
    dn: str, attributes: Mapping[str, Sequence[bytes]], secret: Container[str]
) -> bytes:
    """Return the change record of an add; `secret` names are lower case."""
    out = [line("dn", dn), b"changetype: add\n"]
    for name, values in attributes.items():
        if _is_secret(name, secret):
            out.append(_hidden(name))
        else:
            out += [line(name, value) for value in values]
    return b"".join([*out, b"\n"])


def modify(dn: str, changes: Sequence[Change], secret: Container[str]) -> bytes:
    """Return the change record of a modify."""
    head = [line("dn", dn), b"changetype: modify\n"]
    body = []
    comments = []
    for change in changes:
        if _is_secret(change.attribute, secret):
            comments.append(_hidden(change.attribute))
            continue
        kind = _KINDS.get(change.kind, b"replace")
        body.append(b"%s: %s\n" % (kind, change.attribute.encode("ascii")))
        body += [line(change.attribute, value) for value in change.values]
        body.append(b"-\n")
    if not body:
        about = line("dn", dn).replace(b"\n", b"\n# ").removesuffix(b"# ")
        return b"".join([b"# ", about, *comments, b"\n"])
    return b"".join([*comments, *head, *body, b"\n"])


def delete(dn: str) -> bytes:
    """Return the change record of a delete."""
    return line("dn", dn) + b"changetype: delete\n\n"


def rename(dn: str, new_rdn: str, new_parent: str | None) -> bytes:
    """Return the change record of a modify DN that drops the old RDN."""
    out = [line("dn", dn), b"changetype: modrdn\n", line("newrdn", new_rdn)]
    out.append(b"deleteoldrdn: 1\n")
    if new_parent is not None:
        out.append(line("newsuperior", new_parent))
    return b"".join([*out, b"\n"])
