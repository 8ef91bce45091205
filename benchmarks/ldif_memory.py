"""Memory of the LDIF tap and target as their input grows: it must stay the same.

    python benchmarks/ldif_memory.py [--gigabytes 5]

The LDIF is generated into a pipe and never stored; the tap reads it from stdin, the
target takes what the tap writes, and its file is removed at the end. The same is done
with a tenth of it first, so that a ratio shows. Entries are counted at both ends.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from pathlib import Path
from typing import IO

from ldif_entries import entries
from processes import OURS

LIMIT_MB = 300
GROWTH_BAR = 1.3
_BLOCK = 2000
_PLACE = b"dc=example,dc=com"


def block() -> bytes:
    """Some thousand entries as LDIF."""
    lines = []
    for dn, attributes in entries(_BLOCK):
        lines.append(f"dn: {dn}".encode())
        for name, values in attributes.items():
            for value in values:
                raw = value if isinstance(value, bytes) else value.encode()
                plain = raw.isascii() and not isinstance(value, bytes)
                text = raw if plain else b64encode(raw)
                lines.append(name.encode() + (b": " if plain else b":: ") + text)
        lines.append(b"")
    return b"\n".join(lines) + b"\n"


def generate(size: int, out: IO[bytes], made: list[int]) -> None:
    """Write LDIF of at least `size` bytes; put bytes and entries into `made`."""
    text = block()
    written = blocks = 0
    out.write(b"version: 1\n\n")
    while written < size:
        # Each block is a subtree of its own: no DN comes twice.
        piece = text.replace(_PLACE, b"o=block%d,dc=example,dc=com" % blocks)
        out.write(piece)
        written += len(piece)
        blocks += 1
    out.close()
    made += [written, blocks * _BLOCK]


def measure(size: int, folder: Path) -> tuple[int, int, float, float, float]:
    """Run tap and target; give bytes, entries, seconds and both peaks in MB.

    Raises:
        RuntimeError: One of them failed, or entries were lost on the way.
    """
    out = folder / "out" / "ldif_entries.ldif"
    out.parent.mkdir(exist_ok=True)
    configs = {}
    for name, settings in (
        ("tap", {"path": "-"}),
        ("target", {"output_path": str(out.parent)}),
    ):
        configs[name] = folder / f"{name}.json"
        configs[name].write_text(json.dumps(settings))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    began = time.monotonic()
    tap = subprocess.Popen(
        [OURS / "flext-tap-ldif", "--config", configs["tap"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    target = subprocess.Popen(
        [OURS / "flext-target-ldif", "--config", configs["target"]],
        stdin=tap.stdout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    if tap.stdout:
        tap.stdout.close()
    made: list[int] = []
    said: dict[str, bytes] = {}
    threads = [
        threading.Thread(target=generate, args=(size, tap.stdin, made)),
        *(
            threading.Thread(target=_read, args=(name, process.stderr, said))
            for name, process in (("tap", tap), ("target", target))
        ),
    ]
    for thread in threads:
        thread.start()
    peaks = []
    for process in (tap, target):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peaks.append(used.ru_maxrss / 1024)
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    if tap.returncode or target.returncode:
        raise RuntimeError(b"\n".join(said.values()).decode()[-2000:])
    found = 0
    with out.open("rb") as lines:
        for line in lines:
            found += line.startswith(b"dn:")
    out.unlink()
    if found != made[1]:
        raise RuntimeError(f"{made[1]} entries went in, {found} came out")
    return made[0], found, seconds, peaks[0], peaks[1]


def _read(name: str, stream: IO[bytes], said: dict[str, bytes]) -> None:
    said[name] = stream.read()


def main() -> int:
    """Print peaks for a small and a large input; fail if memory grew."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--gigabytes", type=float, default=5.0)
    size = int(parser.parse_args().gigabytes * 1e9)
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(size // 10, Path(folder)), measure(size, Path(folder))]
    print("bytes            entries    seconds  MB/s   tap MB  target MB")
    for read, found, seconds, tap, target in rows:
        print(
            f"{read:>15,}  {found:>9,}  {seconds:7.1f}  {read / seconds / 1e6:4.0f}"
            f"  {tap:7.0f}  {target:9.0f}"
        )
    growth = max(rows[1][3] / rows[0][3], rows[1][4] / rows[0][4])
    peak = max(rows[1][3:])
    fits = growth <= GROWTH_BAR and peak <= LIMIT_MB
    print(
        f"10 times the input, {growth:.2f} times the memory (bar {GROWTH_BAR}); "
        f"peak {peak:.0f} MB (bar {LIMIT_MB}): {'kept' if fits else 'MISSED'}"
    )
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
