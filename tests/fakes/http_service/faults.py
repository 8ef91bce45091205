"""Faults by rule: what gateways, networks and login pages do to a client."""

from __future__ import annotations

import dataclasses
import random
import re
import threading
from typing import Any

KINDS = (
    "500",
    "500_html",
    "502",
    "503",
    "504",
    "429",
    "409",
    "401",
    "reset_before",
    "reset_after",
    "slow_headers",
    "drip",
    "truncated",
    "gzip_truncated",
    "gzip_bomb",
    "login_page",
    "empty",
    "null",
)


@dataclasses.dataclass
class Fault:
    """One rule: the requests it hits (by path and method) and what happens."""

    kind: str
    path: str = ".*"
    method: str = ".*"
    after: int = 0
    """Matching requests that pass first."""
    times: int = 1
    """How many are hit; -1 for all."""
    retry_after: str | None = None
    seconds: float = 2.0
    probability: float = 1.0
    """How often a matching request is hit, by a seeded choice."""
    seen: int = 0
    hit: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            msg = f"unknown fault {self.kind!r}, known: {', '.join(KINDS)}"
            raise ValueError(msg)


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._random = random.Random(11)
        self._lock = threading.Lock()

    def add(self, rule: dict[str, Any]) -> None:
        with self._lock:
            self._rules.append(Fault(**rule))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any; counts the request."""
        with self._lock:
            for rule in self._rules:
                if not (
                    re.search(rule.path, path) and re.fullmatch(rule.method, method)
                ):
                    continue
                rule.seen += 1
                if self._random.random() >= rule.probability:
                    continue
                if rule.seen <= rule.after or (
                    rule.times >= 0 and rule.hit >= rule.times
                ):
                    continue
                rule.hit += 1
                return rule
        return None
