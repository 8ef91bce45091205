"""Places where a test may end the process, named by `FLEXCORE_FAILPOINT`.

`FLEXCORE_FAILPOINT=<name>[:KILL|TERM|INT|ERROR][@<n>]` acts at the n-th passing
of that name; `KILL` and the first passing are the defaults. Without the variable
nothing is read and `reach` returns at once.
"""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

from flext_singer.errors import FailpointError

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "FLEXCORE_FAILPOINT"
NAMES = (
    "tap.after_schema",
    "tap.mid_records",
    "tap.after_state",
    "target.after_load",
    "target.before_commit",
    "target.after_commit",
    "target.after_state",
)
_SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "INT": signal.SIGINT}
_FORM = re.compile(r"(?P<name>[a-z_.]+)(:(?P<act>[A-Z]+))?(@(?P<n>[1-9]\d*))?")
_SIGNAL_ARRIVES_WITHIN_SECONDS = 30.0


class Failpoints:
    """Counts passings and acts at the one that was asked for.

    Args:
        wish: The value of `FLEXCORE_FAILPOINT`; None or empty asks for nothing.

    Raises:
        FailpointError: The wish names nothing that exists. A misspelt failpoint
            that never fires would let a crash test succeed without a crash.
    """

    def __init__(self, wish: str | None = None) -> None:
        self.arm(wish)

    def arm(self, wish: str | None) -> None:
        """Ask for a failpoint; see the class."""
        self.is_active = bool(wish)
        self._name = ""
        self._act = "KILL"
        self._left = 1
        if not wish:
            return
        form = _FORM.fullmatch(wish)
        act = (form["act"] or "KILL") if form else ""
        if form is None or form["name"] not in NAMES:
            raise FailpointError(
                f"no failpoint {wish!r}",
                where=VARIABLE,
                fix=f"<name>[:KILL|TERM|INT|ERROR][@<n>], name one of {NAMES}",
            )
        if act not in {*_SIGNALS, "ERROR"}:
            raise FailpointError(
                f"no action {act!r} for failpoint {form['name']!r}",
                where=VARIABLE,
                fix="KILL, TERM, INT or ERROR",
            )
        self._name, self._act, self._left = form["name"], act, int(form["n"] or 1)

    def reach(self, name: str, before: Callable[[], None] | None = None) -> None:
        """Pass the failpoint `name`; ends the process if it was asked to.

        Args:
            name: One of `NAMES`.
            before: Called before acting, to bring out what is still buffered.

        Raises:
            FailpointError: The action is ERROR.
        """
        if name != self._name:
            return
        self._left -= 1
        if self._left:
            return
        if before is not None:
            before()
        if self._act == "ERROR":
            raise FailpointError(f"failpoint {name} raised", where=VARIABLE)
        os.kill(os.getpid(), _SIGNALS[self._act])
        end = time.monotonic() + _SIGNAL_ARRIVES_WITHIN_SECONDS
        while time.monotonic() < end:  # the handler runs while we sleep
            time.sleep(0.01)
        raise FailpointError(f"{self._act} at {name} had no effect", where=VARIABLE)


failpoints = Failpoints()
"""Those of this process; `command_line.entry_point` arms them."""


def reach(name: str, before: Callable[[], None] | None = None) -> None:
    """Pass the failpoint `name` of this process; see `Failpoints.reach`."""
    if failpoints.is_active:
        failpoints.reach(name, before)
