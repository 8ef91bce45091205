"""Errors of this package that a person meets (STYLE: what, where, fix)."""

from __future__ import annotations

from flext_singer.errors import FlextError


class DirectoryError(FlextError):
    """Something the user, or the directory's administrator, can act on."""
