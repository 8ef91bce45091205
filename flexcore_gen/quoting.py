"""Quotes values for places that are not YAML: command lines and SQL."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flexcore_gen.loading import Plain


def command_line(arguments: Iterable[str]) -> str:
    """One text that `shlex.split` takes apart into the same arguments."""
    return shlex.join(arguments)


def json_argument(value: Mapping[str, Plain]) -> str:
    """A mapping as JSON: ASCII, sorted, one line."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True)
