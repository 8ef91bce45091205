"""What the event hook adds to a `meltano run`, and to any other command.

Pairs of runs with and without FLEXCORE_HOOK=0, in turns, so that the machine's load
falls on both alike. Prints the median and the quartiles of the differences, the
processor time beside the wall time, and fails past the bar of 150 ms.

    python benchmarks/hook_overhead.py [--pairs 15] [--bar-ms 150] [--store ADDRESS]
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FAKES = Path(__file__).parents[1] / "tests" / "fakes" / "meltano"
COMMANDS = {
    "meltano run (extract, load, dbt)": ["run", "people"],
    "meltano config list": ["config", "list", "fake-tap"],
}


def prepare(folder: Path) -> Path:
    """Return a project with stand-ins for tap, target and dbt."""
    root = folder / "demo"
    root.mkdir()
    shutil.copy(FAKES / "meltano.yml", root)
    shutil.copytree(FAKES, root / "bin", ignore=shutil.ignore_patterns("*.yml"))
    return root


def environment(store: str | None) -> dict[str, str]:
    """Return the environment of commands."""
    dropped = ("FLEXCORE_", "MELTANO_", "PYTHONDONTWRITE", "PYTHONUNBUFFERED")
    env = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    if store:
        env["MELTANO_FLEXCORE_EVENTS_STORE"] = store
    return env


def recorded(root: Path, store: str | None) -> int:
    """Return how many runs the hook has recorded as successful."""
    listed = subprocess.run(
        ["flexcore-gen", "runs", "--json", "--status", "success", "--limit", "9999"],  # noqa: S607 - found on PATH, as users do
        cwd=root,
        env=environment(store),
        check=True,
        capture_output=True,
        timeout=120,
    )
    return len(json.loads(listed.stdout))


def measure(
    root: Path, command: list[str], hook: str, store: str | None
) -> tuple[float, float]:
    """Run one command; return its wall and processor seconds, plugins included."""
    env = environment(store)
    env |= {"FLEXCORE_HOOK": hook, "FAKE_TARGET_PATH": str(root / "loaded.jsonl")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        ["meltano", *command],  # noqa: S607 - found on PATH, as users do
        cwd=root,
        env=env,
        check=True,
        capture_output=True,
        timeout=120,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def main() -> int:
    """Print the figures; return 1 past the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--bar-ms", type=float, default=150.0)
    parser.add_argument("--store", help="Default: SQLite, in the project.")
    options = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        root = prepare(Path(folder))
        before = recorded(root, options.store)
        for label, command in COMMANDS.items():
            for hook in "01":
                measure(root, command, hook, options.store)  # caches and bytecode
            pairs = []
            for at in range(options.pairs):
                order = "01" if at % 2 else "10"
                found = {
                    hook: measure(root, command, hook, options.store) for hook in order
                }
                pairs.append((found["0"], found["1"]))
            added = [1000 * (on[0] - off[0]) for off, on in pairs]
            used = [1000 * (on[1] - off[1]) for off, on in pairs]
            low, middle, high = statistics.quantiles(added, n=4)
            without = 1000 * statistics.median(off[0] for off, _ in pairs)
            print(
                f"{label}: {without:.0f} ms without the hook; the hook adds "
                f"{middle:.0f} ms wall (quartiles {low:.0f} to {high:.0f}), "
                f"{statistics.median(used):.0f} ms processor; "
                f"ratio {(without + middle) / without:.3f}; {len(pairs)} pairs"
            )
            worst = max(worst, middle)
        seen = recorded(root, options.store) - before
    if seen != options.pairs + 1:
        print(f"the hook recorded {seen} of {options.pairs + 1} runs: no measurement")
        return 1
    is_kept = worst <= options.bar_ms
    print(f"bar: {options.bar_ms:.0f} ms; {'kept' if is_kept else 'MISSED'}")
    return int(not is_kept)


if __name__ == "__main__":
    sys.exit(main())
