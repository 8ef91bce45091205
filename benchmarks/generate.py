"""How long `flexcore-gen` needs for many pipelines.

    python benchmarks/generate.py [sizes...]        default: 50 500 5000
    python benchmarks/generate.py 500 --plain       nothing that deploys
    python benchmarks/generate.py 500 --meltano     also Meltano's own start-up

Each size is a project of its own with one file per pipeline (extract, transform,
two loads), twenty connections and three environments: overlays change every
connection, and a setting of every tenth pipeline. Times are wall / CPU seconds of the
real command, start-up included: `first` writes every file, `again` changes nothing,
`check` compares, `one more` adds a pipeline, `diff` renders two environments. `MB` is
the highest peak of them; `CPU µs each` is of `again`, and stays the same where nothing
is quadratic.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = Path(sys.executable).with_name("flexcore-gen")
CONNECTIONS = 20
PIPELINE = """\
pipeline:
  name: customers-{number}
  schedule: "{minute} * * * *"
  steps:
    - name: extract-customers
      service: flext-tap-oracle
      config:
        connection: oracle-{connection}
        query: "SELECT * FROM customers WHERE tenant = {number}"
    - name: transform-customers
      service: flext-dbt-oracle
      depends_on: [extract-customers]
      config: {{model: customers_{number}}}
    - name: update-directory
      service: flext-target-ldap
      depends_on: [transform-customers]
      config: {{connection: directory, operation: upsert}}
    - name: sync-wms
      service: flext-target-oracle-wms
      depends_on: [transform-customers]
      config: {{connection: wms, batch_size: 500}}
"""
DEPLOYED = """\
warehouse: {system: postgres, host: db.example.com, database: w, username: u,
  password: "${WAREHOUSE_PASSWORD}"}
events: {store: "postgresql://e:${EVENTS_PASSWORD}@db.example.com/flexcore"}
outputs: [compose, kubernetes, airflow]
deploy: {postgres: {host: db.example.com}, egress: ["10.0.0.1/32:5432"]}"""


def main() -> None:
    """Prints one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[50, 500, 5000])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--meltano", action="store_true")
    arguments = parser.parse_args()
    header = ("pipelines", "first", "again", "check", "one more", "diff", "MB")
    header += ("CPU µs each",)
    print("  ".join(f"{name:>11}" for name in header))
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            write_project(root, size, is_deployed=not arguments.plain)
            first = timed(root, "generate")
            again = timed(root, "generate")
            check = timed(root, "check")
            write_pipeline(root, size)
            one_more = timed(root, "generate")
            difference = timed(root, "diff", "development", "production")
            costs = (first, again, check, one_more, difference)
            row = [f"{size}", *(f"{wall:.2f}/{cpu:.2f}" for wall, cpu, _ in costs)]
            row.append(f"{max(peak for _, _, peak in costs):.0f}")
            row.append(f"{again[1] / size * 1e6:.0f}")
            print("  ".join(f"{cell:>11}" for cell in row), flush=True)
            if arguments.meltano:
                print_meltano(root)


def write_project(root: Path, size: int, *, is_deployed: bool) -> None:
    """An ecosystem with `size` pipelines, two of its environments deployed or not."""
    lines = ["version: 1", "project: benchmark", "connections:"]
    lines += [
        f"  oracle-{number}: {{system: oracle, host: db{number}.example.com, "
        f"service_name: PROD, username: app, password: '${{ORACLE_{number}}}'}}"
        for number in range(CONNECTIONS)
    ]
    lines.append(
        "  directory: {system: ldap, url: 'ldaps://ldap.example.com', "
        "bind_dn: 'cn=app', password: '${LDAP_PASSWORD}', base_dn: 'dc=example'}"
    )
    lines.append(
        "  wms: {system: oracle-wms, base_url: 'https://wms.example.com/prod', "
        "username: app, password: '${WMS_PASSWORD}'}"
    )
    lines.append("environments: [development, staging, production]")
    lines.append(
        "outputs: [meltano, dbt, prometheus, grafana, github_actions, gitlab_ci]"
    )
    (root / "ecosystem.yaml").write_text("\n".join(lines) + "\n")
    (root / "config").mkdir()
    for environment in ("staging", "production"):
        lines = ["connections:"]
        lines += [
            f"  oracle-{number}: {{host: db{number}.{environment}.example.com}}"
            for number in range(CONNECTIONS)
        ]
        lines.append("pipelines:")
        lines += [
            f"  customers-{number}: {{sync-wms: {{batch_size: 100}}}}"
            for number in range(0, size, 10)
        ]
        if is_deployed:
            lines.append(DEPLOYED)
        (root / f"config/{environment}.yaml").write_text("\n".join(lines) + "\n")
    (root / "pipelines").mkdir()
    for number in range(size):
        write_pipeline(root, number)


def write_pipeline(root: Path, number: int) -> None:
    """One pipeline file."""
    text = PIPELINE.format(
        number=number, minute=number % 60, connection=number % CONNECTIONS
    )
    (root / f"pipelines/customers-{number}.yaml").write_text(text)


def timed(root: Path, command: str, *more: str) -> tuple[float, float, float]:
    """Wall and CPU seconds of one command, and its peak in MB."""
    start = time.perf_counter()
    with (root / "said").open("w+") as said:
        process = subprocess.Popen(
            [COMMAND, command, *more], cwd=root, stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and command != "diff":
            said.seek(0)
            sys.exit(f"flexcore-gen {command} failed:\n{said.read()}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def print_meltano(root: Path) -> None:
    """CPU and wall of the cheapest `meltano` command that reads the project."""
    meltano = Path(sys.executable).with_name("meltano")
    before = os.times()
    start = time.perf_counter()
    run = subprocess.run(
        [meltano, "run", "--dry-run", "customers-0"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    seconds = time.perf_counter() - start
    after = os.times()
    cpu = after.children_user - before.children_user
    print(
        f"{'':>11}  meltano run --dry-run: {seconds:.1f} s wall, {cpu:.1f} s CPU, "
        f"exit {run.returncode}"
    )


if __name__ == "__main__":
    main()
