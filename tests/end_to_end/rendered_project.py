"""A rendered project, driven as a user drives it: by its commands."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "samples" / "ldif" / "people.ldif"
SECONDS = 240

ECOSYSTEM = """\
version: 1
project: end-to-end
warehouse: {system: duckdb, path: data/warehouse.duckdb}
connections:
  directory: {system: ldif, path: people.ldif}
  export: {system: ldif, output_path: output/people.ldif}
environments: [development, production]
outputs: [meltano, dbt]
"""
PIPELINE = """\
pipeline:
  name: people
  steps:
    - {name: extract, service: flext-tap-ldif, config: {connection: directory}}
    - {name: model, service: flext-dbt-ldif, depends_on: [extract]}
    - name: export
      service: flext-target-ldif
      depends_on: [model]
      config: {connection: export, model: ldif__entries}
"""
TAP = "flext-tap-ldif--people--extract"
LANDING = "flext-target-warehouse--people--extract"


@dataclass
class Project:
    root: Path

    def run(self, *command, check=True, cwd=None, **env):
        """Runs a command in the project; gives the finished process, text streams."""
        done = subprocess.run(
            command,
            cwd=cwd or self.root,
            env={**os.environ, "NO_COLOR": "1", **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def runs(self):
        return json.loads(self.run("flexcore-gen", "runs", "--json").stdout)

    def events(self, run_id):
        command = ("flexcore-gen", "events", "--json", "--run", run_id)
        return json.loads(self.run(*command).stdout)

    @property
    def exported(self):
        return self.root / "output" / "people.ldif"
