"""Runs for people: a table of runs, and one run in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flexcore_gen.events.run_state import RunState

_COLUMNS = ("started (UTC)", "status", "rows", "seconds", "environment", "pipeline")
_CONTROL = dict.fromkeys((*range(9), *range(11, 32), 127))
_TAIL_LINES = 10


def table(runs: Iterable[RunState]) -> Iterator[str]:
    """Yield the lines of a table of runs, with the ids at the end."""
    rows = [(*_COLUMNS, "run")]
    rows += [
        (
            run.started_at[:19].replace("T", " "),
            run.status,
            str(run.rows),
            _seconds(run.duration_seconds),
            run.environment or "-",
            clean(run.pipeline),
            run.run_id,
        )
        for run in runs
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if at in {2, 3} else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def one_run(run: RunState) -> Iterator[str]:
    """Yield the lines that tell one run: steps, rows, models, files, error, time."""
    where = f" in {run.environment}" if run.environment else ""
    yield f"{clean(run.pipeline)}{where}: {run.status}"
    yield f"  run      {run.run_id}"
    yield f"  started  {run.started_at[:19].replace('T', ' ')} UTC"
    yield f"  time     {_times(run)}"
    for step in run.steps:
        yield from _step(step)
    if run.failed_step:
        yield from _failed_step(run.failed_step)
    done = len(run.steps) + bool(run.failed_step)
    for name in run.planned[done:]:
        reason = "still to come" if run.status == "running" else "not reached"
        yield f"  - {clean(name)}: {reason}"
    for change in run.schema_changes:
        yield f"  schema of {clean(change['stream'])} changed: {_change(change)}"
    yield from _files(run)
    yield from _places(run)
    if _changed_nothing(run):
        yield "  nothing changed: no new rows came in, and every file is as it was"
    if run.error:
        yield from _error(run)


def _times(run: RunState) -> str:
    startup = _seconds(run.startup_seconds)
    if run.duration_seconds is None:
        state = "still running" if run.status == "running" else "of its end unknown"
        return f"{state}; Meltano took {startup} s to start"
    wall = run.wall_seconds or run.duration_seconds + (run.startup_seconds or 0)
    return (
        f"{_seconds(wall)} s in all, of which {startup} s Meltano's own start-up "
        f"and {_seconds(run.duration_seconds)} s the run"
    )


def _step(step: dict[str, Any], mark: str = "+") -> Iterator[str]:
    yield f"  {mark} {clean(step['name'])}  {_seconds(step.get('duration_seconds'))} s"
    for stream, numbers in (step.get("streams") or {}).items():
        yield f"      {clean(stream)}: {_stream(numbers)}"
    for model in step.get("models") or []:
        rows = "" if model.get("rows") is None else f", {_count(model['rows'], 'row')}"
        yield (
            f"      {model['kind']} {clean(model['name'])}: {model['status']}"
            f"{rows}, {_seconds(model['seconds'])} s"
        )
        if model.get("message"):
            yield from _indented(model["message"], 10)
    tests = step.get("tests") or {}
    if tests.get("passed") or tests.get("failed"):
        yield f"      tests: {tests['passed']} passed, {len(tests['failed'])} failed"
    for test in tests.get("failed") or []:
        name = clean(test["unique_id"].split(".")[2])
        yield f"      {test['status']} {name}: {clean(test['message'] or '')}"
    if step.get("note"):
        yield f"      {clean(step['note'])}"


def _failed_step(step: dict[str, Any]) -> Iterator[str]:
    yield from _step(step, "x")


def _stream(numbers: dict[str, Any]) -> str:
    extracted, loaded = numbers.get("extracted"), numbers.get("loaded")
    if extracted is None and loaded is None:
        parts = ["rows not counted"]
    elif extracted is None or loaded is None or extracted == loaded:
        parts = [_count(loaded if extracted is None else extracted, "row")]
    else:
        parts = [f"{_count(extracted, 'row')} out, {loaded} in"]
    if numbers.get("rejected"):
        parts.append(f"{numbers['rejected']} rejected")
    if numbers.get("bytes"):
        parts.append(f"{numbers['bytes']} bytes")
    if numbers.get("bookmark") is not None:
        parts.append(f"up to {clean(numbers['bookmark'])}")
    return ", ".join(parts)


def _change(change: dict[str, Any]) -> str:
    parts = [f"+{name}" for name in change.get("added") or []]
    parts += [f"-{name}" for name in change.get("removed") or []]
    parts += [f"~{name}" for name in change.get("changed") or {}]
    return clean(" ".join(parts))


def _places(run: RunState) -> Iterator[str]:
    steps = [*run.steps, *([run.failed_step] if run.failed_step else [])]
    places = [step.get("destination") or step.get("artifacts") for step in steps]
    for place in dict.fromkeys(place for place in places if place):
        yield f"  look in  {clean(place)}"


def _files(run: RunState) -> Iterator[str]:
    files = [file for step in run.steps for file in step.get("files") or []]
    files += (run.failed_step or {}).get("files") or []
    for file in files:
        state = "" if file.get("changed", True) else ", unchanged"
        records = _count(file.get("records") or 0, "record")
        yield f"  wrote    {clean(file['path'])} ({records}{state})"


def _changed_nothing(run: RunState) -> bool:
    """Whether a successful run found nothing new and left every file as it was."""
    files = [file for step in run.steps for file in step.get("files") or []]
    # What is read back out to be written into files says nothing of the source.
    landed = [
        step for step in run.steps if step.get("streams") and not step.get("files")
    ]
    return (
        run.status == "success"
        and bool(landed or files)
        and not any(file.get("changed", True) for file in files)
        and not any(
            numbers.get("loaded") or numbers.get("rejected")
            for step in landed
            for numbers in step["streams"].values()
        )
    )


def _error(run: RunState) -> Iterator[str]:
    step = run.failed_step or {}
    yield f"  error    {clean(run.error or '').splitlines()[0]}"
    said = step.get("plugin_error") or {}
    more = str(said.get("message") or "").splitlines()[1:]
    yield from _indented("\n".join(more), 11)
    if step.get("exit_code") is not None:
        yield f"           {clean(str(step['plugin']))} exited {step['exit_code']}"
    tail = step.get("log_tail") or []
    if tail:
        yield "  last log lines"
        yield from _indented("\n".join(tail[-_TAIL_LINES:]), 4)


def _indented(text: str, by: int) -> Iterator[str]:
    for line in clean(text).splitlines():
        yield " " * by + line


def _count(number: int | None, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"


def clean(text: str) -> str:
    """Return text without control characters: a log may hold any."""
    return text.translate(_CONTROL)
