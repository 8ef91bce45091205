"""What a failed run says about itself: the step, the plugin and its own words."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.listener import warn
from flexcore_gen.events.steps import EXTRACT_LOAD, TRANSFORMATION

if TYPE_CHECKING:
    from flexcore_gen.events.block_notes import BlockNotes
    from flexcore_gen.events.steps import Step

EXIT_INCOMPLETE = 1
_EXIT_CODE = re.compile(r"exit code:? (-?\d+)")
_BROKEN_PIPE = re.compile(r"Broken ?Pipe|EPIPE", re.IGNORECASE)


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    `step` is event data: step, name, plugin, exit_code, plugin_error, streams,
    models, tests, log_tail.
    """

    reason: str
    error: str
    step: dict[str, Any]


def of_block(
    step: Step,
    done: dict[str, Any],
    notes: BlockNotes,
    error: str,
    exit_codes: object,
) -> Failure:
    """Return the failure of a block that Meltano reports as failed."""
    codes = _exit_codes(step, error, exit_codes)
    plugin = _culprit(step, notes, codes)
    said = notes.plugin_error(plugin)
    code = codes.get(plugin)
    parts = [error]
    if said and said["message"]:
        parts.append(f"{plugin}: {_one_line(said)}")
    if code is not None and code < 0:
        parts.append(f"killed by {_signal_name(-code)}")
    bad = [m["name"] for m in done.get("models", ()) if m["status"] == "error"]
    bad += [t["unique_id"].split(".")[2] for t in _failed_tests(done)]
    if bad:
        parts = [error, f"failed in dbt: {', '.join(bad)}"]
    return Failure(
        reason=_reason(step, plugin, exit_codes=bool(codes)),
        error=": ".join(parts),
        step={
            **_described(done, notes),
            "plugin": plugin,
            "exit_code": code,
            "exit_codes": codes,
            "plugin_error": said,
        },
    )


def of_cut(done: dict[str, Any], notes: BlockNotes, error: str) -> Failure:
    """Return the failure of a block that was broken off."""
    word = error.split(" ", 1)[0]
    reason = word if word in {"terminated", "interrupted"} else "error"
    if error.startswith("timed out"):
        reason = "timed_out"
    return Failure(
        reason=reason,
        error=error,
        step={**_described(done, notes), "plugin": None, "exit_code": None},
    )


def of_incomplete(
    step: Step, done: dict[str, Any], notes: BlockNotes, problems: list[str]
) -> Failure:
    """Return the failure of a block that ended with exit code 0 half-way."""
    return Failure(
        reason="incomplete",
        error="not everything was moved: " + "; ".join(problems),
        step={
            **_described(done, notes),
            "plugin": step.loader,
            "exit_code": 0,
            "problems": problems,
        },
    )


def of_quality(done: dict[str, Any], notes: BlockNotes, problems: list[str]) -> Failure:
    """Return the failure of a block that moved everything, against the rules."""
    described = {**_described(done, notes), "plugin": None, "problems": problems}
    return Failure("quality", "quality: " + "; ".join(problems), described)


def quality_error(step: Step, problems: list[str]) -> Exception:
    """Say it, and return the error that makes Meltano end with exit code 1."""
    warn(
        f"error: the data breaks the quality rules\n"
        f"  where: {step.name}: {'; '.join(problems)}\n"
        f"  fix:   look at the source; the rules are the handlers of type quality "
        f"under events of ecosystem.yaml"
    )
    return _stopping(f"Quality rules are broken in '{step.name}'")


def incomplete_error(step: Step, problems: list[str]) -> Exception:
    """Say it, and return the error that makes Meltano end with exit code 1."""
    warn(
        f"error: not everything was moved, though all plugins exited 0\n"
        f"  where: {step.name}: {'; '.join(problems)}\n"
        f"  fix:   run it again with --full-refresh; "
        f"`flexcore-gen runs latest` shows the counts"
    )
    return _stopping(f"Not everything was moved in '{step.name}'")


def _stopping(text: str) -> Exception:
    from meltano.cli.utils import CliError  # noqa: PLC0415 - rarely

    error = CliError(text, exit_code=EXIT_INCOMPLETE)
    error.printed = True
    error.stops_the_run = True  # type: ignore[attr-defined]
    return error


def without_plugin_text(data: dict[str, Any]) -> dict[str, Any]:
    """Return event data without any words of a plugin's own."""
    left = {k: v for k, v in data.items() if k not in {"log_tail", "plugin_error"}}
    if isinstance(left.get("failed_step"), dict):
        left["failed_step"] = without_plugin_text(left["failed_step"])
        left["error"] = f"failed: {left['failed_step'].get('name')}"
    return left


def _described(done: dict[str, Any], notes: BlockNotes) -> dict[str, Any]:
    described = {**done, "log_tail": notes.tail_lines()}
    if done["kind"] == EXTRACT_LOAD:
        described["streams"] = notes.streams()
        described["files"] = notes.files
    return described


def _exit_codes(step: Step, error: str, exit_codes: object) -> dict[str, int]:
    if isinstance(exit_codes, dict):
        names = {"extractors": step.plugins[0], "loaders": step.plugins[-1]}
        return {
            names.get(str(getattr(kind, "value", kind)), str(kind)): int(code)
            for kind, code in exit_codes.items()
            if isinstance(code, int)
        }
    found = _EXIT_CODE.search(error)
    return {step.plugins[0]: int(found[1])} if found else {}


def _culprit(step: Step, notes: BlockNotes, codes: dict[str, int]) -> str:
    """Return the plugin to blame: when both failed, not the one cut off."""
    failed = [name for name, code in codes.items() if code]
    for name in failed:
        said = notes.plugin_error(name)
        if said is None or not _BROKEN_PIPE.search(said["message"]):
            return name
    return failed[0] if failed else step.plugins[0]


def _reason(step: Step, plugin: str, *, exit_codes: bool) -> str:
    if step.kind == TRANSFORMATION:
        return "transformation_failed"
    if step.kind != EXTRACT_LOAD:
        return "command_failed"
    if not exit_codes:
        return "error"
    return "target_failed" if plugin == step.loader else "tap_failed"


def _one_line(said: dict[str, str]) -> str:
    """Return what a plugin said in one line: the fault, and where it is."""
    first, *more = said["message"].split("\n")
    _, marker, plain = first.partition(": error: ")
    if marker:
        places = (line.strip() for line in more)
        place = next((p for p in places if p.startswith("where:")), "")
        place = place.removeprefix("where:").strip()
        return f"{plain} ({place})" if place else plain
    return f"{said['type']}: {first}" if said.get("type") else first


def _failed_tests(done: dict[str, Any]) -> list[dict[str, Any]]:
    failed: list[dict[str, Any]] = (done.get("tests") or {}).get("failed", [])
    return [test for test in failed if test["status"] != "warn"]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
