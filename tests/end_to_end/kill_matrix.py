"""Kills a pipeline at random moments and at failpoints, reruns it, counts.

The bars are DESIGN §9.1 and §9.2: nothing lost, nothing doubled on keyed streams,
no false success, stop within ten seconds, the rerun accepted at once, one terminal
event per run. `make kill-matrix` prints the table; the test suite runs 24 kills.

Every trial is the real thing: `meltano run` of a rendered project, LDIF into DuckDB,
a signal to one of its processes, then the same command again.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import psutil

VICTIMS = ("tap", "target", "meltano")
SIGNALS = ("KILL", "TERM", "INT")
MODES = ("upsert", "append-only")
FAILPOINTS = {
    "tap": ("tap.after_schema", "tap.mid_records", "tap.after_state"),
    "target": (
        "target.after_load",
        "target.before_commit",
        "target.after_commit",
        "target.after_state",
    ),
}
PIPELINE = "people"
ENTRIES = 20_000
STOP_SECONDS = 10.0
RUN_SECONDS = 120.0

ECOSYSTEM = """\
version: 1
project: kill-matrix
warehouse: {system: duckdb, path: data/warehouse.duckdb}
connections:
  directory: {system: ldif, path: people.ldif}
environments: [development]
outputs: [meltano, dbt]
"""
PIPELINE_YAML = """\
pipeline:
  name: people
  steps:
    - {name: extract, service: flext-tap-ldif, config: {connection: directory}}
    - {name: model, service: flext-dbt-ldif, depends_on: [extract]}
"""
# The landing block of the pipeline; dbt's own endings are tests of the event hook.
TAP = f"flext-tap-ldif--{PIPELINE}--extract"
TARGET = f"flext-target-warehouse--{PIPELINE}--extract"
LOAD_METHOD = "FLEXT_TARGET_WAREHOUSE__PEOPLE__EXTRACT_LOAD_METHOD"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One kill: who, with what, in which load method, and when."""

    victim: str
    signal: str
    mode: str
    moment: str
    """A failpoint's name, or `random`."""
    seed: int

    def __str__(self) -> str:
        return f"{self.victim}-{self.signal}-{self.mode}-{self.moment}-{self.seed}"


@dataclasses.dataclass
class Outcome:
    """What a trial showed. `problems` is empty when every bar held."""

    trial: Trial
    was_hit: bool = False
    exit_code: int = 0
    stop_seconds: float = 0.0
    rerun_exit_code: int = 0
    lost: int = 0
    doubled: int = 0
    had_ended: bool = False
    problems: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Template:
    """What every trial starts from."""

    folder: Path
    digests: dict[int, str]
    lifetimes: dict[str, float]
    """Seconds that a victim lives in a calm run: where random moments fall."""


def write_ldif(path: Path, entries: int) -> dict[int, str]:
    """Writes a directory of people; gives the digest of each entry by its line."""
    digests: dict[int, str] = {}
    line = 1
    with path.open("w", encoding="ascii", newline="\n") as out:
        for number in range(entries):
            block = [
                f"dn: uid=u{number:06d},ou=people,dc=example,dc=com",
                "objectClass: top",
                "objectClass: inetOrgPerson",
                f"uid: u{number:06d}",
                f"cn: Person {number}",
                f"sn: {hashlib.sha256(str(number).encode()).hexdigest()}",
                f"mail: u{number:06d}@example.com",
                f"mail: person.{number}@example.com",
            ]
            digests[line] = block[5].removeprefix("sn: ")
            out.write("\n".join(block) + "\n\n")
            line += len(block) + 1
    return digests


def landed(database: Path) -> list[tuple[int, str]]:
    """Rows of the landed stream as (line_number, digest), empty before the first."""
    if not database.exists():
        return []
    with duckdb.connect(str(database), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema from information_schema.tables"
            " where table_name = 'ldif_entries'"
        ).fetchall()
        if not tables:
            return []
        return connection.execute(
            "select line_number, json_extract_string(attributes, '$.sn[0]')"
            f" from {tables[0][0]}.ldif_entries"
        ).fetchall()


def descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def find(process: psutil.Process, command: str) -> psutil.Process | None:
    """The running plugin process; discovery of a tap is not yet its run."""
    for child in descendants(process):
        try:
            line = child.cmdline()
        except psutil.Error:
            continue
        if any(command in part for part in line) and "--discover" not in line:
            return child
    return None


def start(project: Path, environment: dict[str, str]) -> psutil.Popen:
    with (project / "run.log").open("ab") as log:
        return psutil.Popen(
            ["meltano", "--log-level=info", "run", TAP, TARGET],
            cwd=project,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


COMMANDS = {"tap": "flext-tap-ldif", "target": "flext-target-warehouse"}


def victim_of(process: psutil.Popen, who: str) -> psutil.Process | None:
    """The running victim, once the run is in its stride: the target is there."""
    target = find(process, COMMANDS["target"])
    if target is None or who == "target":
        return target
    return process if who == "meltano" else find(process, COMMANDS["tap"])


def lifetimes(project: Path) -> dict[str, float]:
    """How long each victim lives in a calm run, in seconds."""
    process = start(project, {})
    seen: dict[str, tuple[float, float]] = {}
    while process.poll() is None:
        now = time.monotonic()
        for who in VICTIMS:
            if victim_of(process, who):
                seen[who] = (seen.get(who, (now, now))[0], now)
    if process.returncode:
        msg = f"the calm run failed: {(project / 'run.log').read_text('utf-8')}"
        raise RuntimeError(msg)
    return {who: last - first for who, (first, last) in seen.items()}


def strike(
    process: psutil.Popen, trial: Trial, chance: random.Random, span: float
) -> bool:
    """Waits for the victim, then for a random moment, then sends the signal."""
    deadline = time.monotonic() + RUN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if victim := victim_of(process, trial.victim):
            time.sleep(chance.uniform(0.0, span * 0.9))  # the random moment itself
            try:
                victim.send_signal(getattr(signal, f"SIG{trial.signal}"))
            except psutil.Error:
                return False
            return True
        time.sleep(0.01)
    return False


def runs(project: Path) -> list[dict[str, object]]:
    out = subprocess.run(
        ["flexcore-gen", "runs", "--json"],
        cwd=project,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    return list(json.loads(out))


def run_trial(template: Template, trial: Trial) -> Outcome:
    """One kill and its rerun in a fresh copy of the rendered project."""
    digests = template.digests
    outcome = Outcome(trial)
    chance = random.Random(trial.seed)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as folder:
        project = Path(folder) / "project"
        shutil.copytree(template.folder, project, symlinks=True)
        environment = {LOAD_METHOD: trial.mode}
        if trial.moment != "random":
            environment["FLEXCORE_FAILPOINT"] = f"{trial.moment}:{trial.signal}"
        process = start(project, environment)
        before = time.monotonic()
        if trial.moment == "random":
            span = template.lifetimes.get(trial.victim, 1.0)
            outcome.was_hit = strike(process, trial, chance, span)
            before = time.monotonic()
        try:
            outcome.exit_code = process.wait(RUN_SECONDS)
        except psutil.TimeoutExpired:
            outcome.problems.append("the killed run never ended")
            for child in [*descendants(process), process]:
                child.kill()
            process.wait(10)
        outcome.stop_seconds = time.monotonic() - before
        judge_first(project, outcome, digests)
        environment.pop("FLEXCORE_FAILPOINT", None)
        rerun(project, environment, outcome, digests)
        if outcome.problems:
            outcome.problems.append((project / "run.log").read_text("utf-8")[-3000:])
    return outcome


def run_until_hit(template: Template, trial: Trial, tries: int = 3) -> list[Outcome]:
    """Repeats a trial whose kill came after the end, with another moment."""
    outcomes: list[Outcome] = []
    for number in range(tries):
        again = dataclasses.replace(trial, seed=trial.seed + 1000 * number)
        outcomes.append(run_trial(template, again))
        if outcomes[-1].was_hit or outcomes[-1].problems:
            break
    return outcomes


def judge_first(project: Path, outcome: Outcome, digests: dict[int, str]) -> None:
    trial = outcome.trial
    if trial.moment != "random":
        outcome.was_hit = outcome.exit_code != 0
        if not outcome.was_hit:
            outcome.problems.append(f"failpoint {trial.moment} did not end the run")
    elif outcome.was_hit and outcome.stop_seconds > STOP_SECONDS:
        outcome.problems.append(f"took {outcome.stop_seconds:.1f} s to stop")
    wait_for_orphans(project, outcome)
    missing = digests.keys() - {line for line, _ in landed(database(project))}
    if outcome.exit_code == 0 and missing:
        outcome.problems.append(f"false success: {len(missing)} rows missing")
    log = (project / "run.log").read_text("utf-8")
    outcome.had_ended = not missing and "Run completed" in log


def wait_for_orphans(project: Path, outcome: Outcome) -> None:
    """Children of a killed Meltano must notice and go, within the stop time."""
    deadline = time.monotonic() + STOP_SECONDS
    while orphans := [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(project)
        and "flext-" in " ".join(process.info["cmdline"] or [])
    ]:
        if time.monotonic() > deadline:
            outcome.problems.append(f"orphans: {orphans}")
            for process in orphans:
                process.kill()
            return
        time.sleep(0.05)


def rerun(
    project: Path,
    environment: dict[str, str],
    outcome: Outcome,
    digests: dict[int, str],
) -> None:
    process = start(project, environment)
    outcome.rerun_exit_code = process.wait(RUN_SECONDS)
    if outcome.rerun_exit_code:
        outcome.problems.append(f"the rerun exited {outcome.rerun_exit_code}")
    rows = landed(database(project))
    found = dict(rows)
    outcome.lost = sum(found.get(line) != digest for line, digest in digests.items())
    outcome.doubled = len(rows) - len(found)
    if outcome.lost:
        outcome.problems.append(f"lost {outcome.lost} rows")
    if outcome.doubled and outcome.trial.mode == "upsert":
        outcome.problems.append(f"doubled {outcome.doubled} rows")
    recorded = runs(project)
    statuses = [run["status"] for run in recorded]
    wanted_first = {"success"} if outcome.exit_code == 0 else {"failed", "lost"}
    if outcome.had_ended:
        # The signal met Meltano on its way out, after its run was recorded.
        wanted_first.add("success")
    if len(statuses) != 2 or statuses[0] != "success":
        outcome.problems.append(f"recorded runs, newest first: {statuses}")
    elif statuses[1] not in wanted_first:
        outcome.problems.append(
            f"exit {outcome.exit_code} was recorded as {statuses[1]}"
        )


def database(project: Path) -> Path:
    return project / "data" / "warehouse.duckdb"


def trials(count: int, seed: int) -> list[Trial]:
    """Every cell of the matrix before any cell twice."""
    random_cells = [
        (victim, name, mode, "random")
        for victim, name, mode in itertools.product(VICTIMS, SIGNALS, MODES)
    ]
    failpoint_cells = [
        (victim, name, mode, failpoint)
        for victim, failpoints in FAILPOINTS.items()
        for failpoint, name, mode in itertools.product(failpoints, SIGNALS, MODES)
    ]
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    chance.shuffle(failpoint_cells)
    # Six failpoints follow each round of random kills, so 24 kills hold both kinds.
    cells: list[tuple[str, str, str, str]] = []
    for start_at in itertools.cycle(range(0, len(failpoint_cells), 6)):
        if len(cells) >= count:
            break
        cells += random_cells + failpoint_cells[start_at : start_at + 6]
    return [Trial(*cell, seed + n) for n, cell in enumerate(cells[:count])]


def prepare(folder: Path, entries: int = ENTRIES) -> Template:
    """Renders the project once; trials copy it."""
    template = folder / "template"
    (template / "pipelines").mkdir(parents=True)
    (template / "data").mkdir()
    (template / "ecosystem.yaml").write_text(ECOSYSTEM, "utf-8")
    (template / "pipelines" / f"{PIPELINE}.yaml").write_text(PIPELINE_YAML, "utf-8")
    digests = write_ldif(template / "people.ldif", entries)
    subprocess.run(["flexcore-gen", "generate"], cwd=template, check=True, timeout=60)
    # The first start migrates Meltano's own database; do it once for all trials.
    subprocess.run(
        ["meltano", "state", "list"],
        cwd=template,
        check=True,
        timeout=120,
        capture_output=True,
    )
    calm = folder / "calm"
    shutil.copytree(template, calm, symlinks=True)
    return Template(template, digests, lifetimes(calm))


def table(outcomes: list[Outcome]) -> str:
    """The published table: a line per victim and signal."""
    heading = (
        f"{'victim':8} {'signal':6} {'kills':>5} {'false success':>13} {'lost':>5}"
        f" {'doubled (upsert)':>16} {'stop s max':>10} {'rerun refused':>13}"
    )
    lines = [heading]
    for victim, name in itertools.product(VICTIMS, SIGNALS):
        cell = [
            o
            for o in outcomes
            if (o.trial.victim, o.trial.signal) == (victim, name) and o.was_hit
        ]
        if not cell:
            continue
        false_successes = sum("false success" in str(o.problems) for o in cell)
        doubled = sum(o.doubled for o in cell if o.trial.mode == "upsert")
        slowest = max(
            (o.stop_seconds for o in cell if o.trial.moment == "random"), default=0.0
        )
        refused = sum(o.rerun_exit_code != 0 for o in cell)
        lost = sum(o.lost for o in cell)
        lines.append(
            f"{victim:8} {name:6} {len(cell):5} {false_successes:13} {lost:5}"
            f" {doubled:16} {slowest:10.1f} {refused:13}"
        )
    return "\n".join(lines)


def say(outcome: Outcome) -> None:
    """A line per trial as it goes, and what broke a bar."""
    mark = "FAIL" if outcome.problems else "ok" if outcome.was_hit else "late"
    sys.stderr.write(f"{mark:4} {outcome.trial} exit {outcome.exit_code}\n")
    for problem in outcome.problems:
        sys.stderr.write(f"     {problem}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    arguments = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as folder:
        template = prepare(Path(folder), arguments.entries)
        for trial in trials(arguments.kills, arguments.seed):
            for outcome in run_until_hit(template, trial):
                outcomes.append(outcome)
                say(outcome)
    sys.stdout.write(table(outcomes) + "\n")
    kills = sum(outcome.was_hit for outcome in outcomes)
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    sys.stdout.write(f"{kills} kills, {failed} outside the bars\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
