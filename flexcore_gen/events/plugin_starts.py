"""Sees each plugin as Meltano starts it: with its settings, resolved.

Resolving settings anew would cost some twenty milliseconds per plugin. Meltano asks
the invoker for `Popen_options` right before each process starts; what they were so
far (none) stays, and the observers get a look.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

observers: list[Callable[[Any], None]] = []
"""Called with the `meltano.core.plugin_invoker.PluginInvoker` of each process."""

options: dict[str, Any] = {}
"""Handed to `subprocess.Popen` for each plugin."""


def install() -> None:
    """Look on from now on."""
    from meltano.core.plugin_invoker import (  # noqa: PLC0415 - only for runs
        PluginInvoker,
    )

    usual = PluginInvoker.Popen_options

    def popen_options(invoker: PluginInvoker) -> dict[str, Any]:
        for observer in observers:
            with contextlib.suppress(Exception):  # never keep a plugin from starting
                observer(invoker)
        return {**usual(invoker), **options}

    PluginInvoker.Popen_options = popen_options  # type: ignore[method-assign,assignment]
