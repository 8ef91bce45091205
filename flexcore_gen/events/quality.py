"""Rules that turn a run whose steps all succeeded into a failure.

A handler of type `quality`: numbers of rows per stream, and whether a dbt test that
only warns counts. (A dbt test that fails fails the run by itself.) Judged inside
the run, at the end of each step, because afterwards Meltano has its exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.events.destinations import IN_RUN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flexcore_gen.events.destinations import Destination


class QualityRules:
    """The rules for one run."""

    def __init__(self, destinations: Iterable[Destination], pipeline: str) -> None:
        self._seen: dict[str, int] = {}
        self._streams: dict[str, dict[str, int]] = {}
        self._are_warnings_failures = False
        for each in destinations:
            if each.kind != IN_RUN:
                continue
            if not each.wants("PipelineFailed", pipeline):
                continue
            for stream, rules in (each.settings.get("streams") or {}).items():
                self._streams.setdefault(str(stream), {}).update(rules)
            if each.settings.get("dbt_warnings") == "fail":
                self._are_warnings_failures = True

    def judge(self, done: Mapping[str, Any], *, is_last: bool) -> list[str]:
        """Return a line for each rule that a step broke.

        Args:
            done: `streams` ({name: {loaded, extracted, rejected}}) or `tests` of it.
            is_last: No step follows: streams that never came are judged now.
        """
        problems = []
        for stream, numbers in (done.get("streams") or {}).items():
            loaded = numbers.get("loaded")
            rows = int((numbers.get("extracted") if loaded is None else loaded) or 0)
            self._seen[stream] = max(rows, self._seen.get(stream, 0))
            rules = self._streams.get(stream, {})
            problems += _broken(stream, rows, int(numbers.get("rejected") or 0), rules)
        if self._are_warnings_failures:
            failed = (done.get("tests") or {}).get("failed", [])
            problems += [
                f"dbt test {test['unique_id'].split('.')[2]} warns"
                for test in failed
                if test["status"] == "warn"
            ]
        if is_last:
            problems += [
                f'stream "{stream}" did not come, at least {rules["min_rows"]} rows'
                " are wanted"
                for stream, rules in self._streams.items()
                if rules.get("min_rows") and stream not in self._seen
            ]
        return problems


def _broken(
    stream: str, rows: int, rejected: int, rules: Mapping[str, int]
) -> list[str]:
    problems = []
    if rows < rules.get("min_rows", rows):
        problems.append(f'"{stream}": {rows} rows, at least {rules["min_rows"]} wanted')
    if rows > rules.get("max_rows", rows):
        problems.append(f'"{stream}": {rows} rows, at most {rules["max_rows"]} wanted')
    if rejected > rules.get("max_rejected", rejected):
        problems.append(
            f'"{stream}": {rejected} rejected, at most {rules["max_rejected"]} wanted'
        )
    return problems
