"""Passwords on their way into a directory: hashed or as they are, never shown.

A value that already names its scheme (`{SSHA}…`) is passed through untouched.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import b64decode, b64encode
from enum import StrEnum

_SCHEME = re.compile(rb"\{([A-Za-z0-9-]+)\}(.*)", re.DOTALL)
_SALT_BYTES = 16
_DIGESTS = {
    "SSHA": "sha1",
    "SHA": "sha1",
    "SSHA256": "sha256",
    "SHA256": "sha256",
    "SSHA384": "sha384",
    "SHA384": "sha384",
    "SSHA512": "sha512",
    "SHA512": "sha512",
}


class Scheme(StrEnum):
    """What is done to a password in plain text."""

    AS_IS = "as_is"  # sent as it came; the server decides what it stores
    SERVER = "server"  # set by the password modify operation (RFC 3062)
    SSHA = "ssha"
    SSHA256 = "ssha256"
    SSHA512 = "ssha512"


def has_scheme(value: bytes) -> bool:
    """Whether a value is a stored form rather than plain text."""
    return _SCHEME.fullmatch(value) is not None


def hashed(value: bytes, scheme: Scheme) -> bytes:
    """Return the stored form of a plain password."""
    if has_scheme(value) or scheme in (Scheme.AS_IS, Scheme.SERVER):
        return value
    name = scheme.value.upper()
    salt = os.urandom(_SALT_BYTES)
    digest = hashlib.new(_DIGESTS[name], value + salt).digest()
    return b"{%s}%s" % (name.encode(), b64encode(digest + salt))


def matches(plain: bytes, stored: bytes) -> bool:
    """Whether a stored value is of this plain password, as far as can be told."""
    if hmac.compare_digest(plain, stored):
        return True
    match = _SCHEME.fullmatch(stored)
    if match is None:
        return False
    algorithm = _DIGESTS.get(match[1].decode("ascii").upper())
    if algorithm is None:
        return False
    try:
        raw = b64decode(match[2], validate=True)
    except ValueError:
        return False
    size = hashlib.new(algorithm).digest_size
    digest = hashlib.new(algorithm, plain + raw[size:]).digest()
    return hmac.compare_digest(digest, raw[:size])


def active_directory(plain: bytes) -> bytes:
    """Return a password as unicodePwd takes it ([MS-ADTS] 3.1.1.3.1.5.1)."""
    return f'"{plain.decode("utf-8")}"'.encode("utf-16-le")
