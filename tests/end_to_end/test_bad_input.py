"""What goes wrong for users: one clear line, non-zero, nothing half written."""

import json
import re
import subprocess
import sys
import time

import duckdb
import pytest
from end_to_end.rendered_project import LANDING, TAP

pytestmark = pytest.mark.end_to_end

BROKEN = "dn: cn=broken,dc=example,dc=com\nobjectClass: top\nno colon here\n"


def failure(project, *command, **env):
    """Runs what has to fail; gives the recorded run and all that was printed."""
    done = project.run(*command, check=False, **env)
    assert done.returncode != 0
    run = project.runs()[0]
    assert run["status"] == "failed"
    assert "Traceback" not in (run["error"] or "")
    return run, done.stdout + done.stderr


def test_a_broken_entry_is_refused_with_its_line_and_the_run_fails(project):
    source = project.root / "people.ldif"
    line = source.read_bytes().count(b"\n") + 2
    source.write_text(source.read_text("utf-8") + "\n" + BROKEN, "utf-8")

    run, printed = failure(project, "meltano", "run", "people")

    assert f"people.ldif:{line + 2}" in printed
    assert "no colon here" in printed or "colon" in printed
    assert "cn=broken,dc=example,dc=com" in printed
    assert "people.ldif" in run["error"]
    assert not project.exported.exists()


def test_a_broken_entry_that_is_allowed_goes_to_the_rejects_alone(project):
    source = project.root / "people.ldif"
    before = source.read_text("utf-8")
    source.write_text(before + "\n" + BROKEN, "utf-8")
    rejects = project.root / "rejects.jsonl"
    setting = "FLEXT_TAP_LDIF__PEOPLE__EXTRACT"
    env = {f"{setting}_MAX_ERRORS": "1", f"{setting}_REJECTS_PATH": str(rejects)}

    project.run("meltano", "run", TAP, LANDING, **env)

    (reject,) = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert "people.ldif:" in json.dumps(reject)
    with duckdb.connect(str(project.root / "data/warehouse.duckdb")) as warehouse:
        (count,) = warehouse.sql(
            "select count(*) from raw_directory.ldif_entries"
        ).fetchall()[0]
    assert count == len(re.findall(r"^dn:", before, re.MULTILINE | re.IGNORECASE))


def test_a_missing_file_is_named(project):
    (project.root / "people.ldif").unlink()
    run, _ = failure(project, "meltano", "run", "people")
    assert "people.ldif" in run["error"]


def test_an_output_folder_that_cannot_be_made_is_named(project):
    (project.root / "output").write_text("a file stands where the folder should be")
    run, _ = failure(project, "meltano", "run", "people")
    assert "output" in run["error"]


def test_a_locked_warehouse_names_who_holds_it(project):
    database = project.root / "data" / "warehouse.duckdb"
    holding = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]);"
        " print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        run, _ = failure(project, "meltano", "run", "people")
        holder.stdin.close()
    assert str(holder.pid) in run["error"]
    assert "warehouse.duckdb" in run["error"]


def test_a_full_disk_fails_the_run_and_leaves_the_old_export(project):
    project.run("meltano", "run", "people")
    small = project.root / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mount of a small tmpfs is not permitted: run as root")
    try:
        old = small / "people.ldif"
        old.write_text("old\n")
        (project.root / "people.ldif").write_text(many_entries(), "utf-8")
        env = {"FLEXT_TARGET_LDIF__PEOPLE__EXPORT_OUTPUT_PATH": str(old)}
        run, _ = failure(project, "meltano", "run", "people", **env)
        assert "No space left" in run["error"] or "full" in run["error"]
        assert old.read_text() == "old\n"
        assert list(small.iterdir()) == [old]
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def many_entries():
    return "".join(
        f"dn: cn=u{n},dc=example,dc=com\nobjectClass: device\ncn: u{n}\n\n"
        for n in range(2000)
    )


def test_an_unknown_environment_is_refused_before_anything_runs(project):
    done = project.run("meltano", "--environment=nowhere", "run", "people", check=False)
    assert done.returncode != 0
    assert "nowhere" in done.stdout + done.stderr
    assert project.runs() == []


def test_a_second_run_of_a_running_pipeline_is_refused_with_its_holder(project):
    (project.root / "people.ldif").write_text(many_entries() * 30, "utf-8")
    command = ["meltano", "run", "people"]
    with subprocess.Popen(
        command,
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        deadline = time.monotonic() + 60
        while not project.runs():
            assert time.monotonic() < deadline, "the first run never started"
        done = project.run(*command, check=False)
        assert done.returncode != 0
        assert project.runs()[-1]["run_id"] in done.stdout + done.stderr
        first.terminate()


def test_a_lost_warehouse_is_no_success_and_a_full_refresh_brings_it_back(project):
    project.run("meltano", "run", TAP, LANDING)
    database = project.root / "data" / "warehouse.duckdb"
    database.unlink()

    run, _ = failure(project, "meltano", "run", TAP, LANDING)
    assert "--full-refresh" in run["error"] or "were loaded" in run["error"]

    project.run("meltano", "run", "--full-refresh", TAP, LANDING)
    with duckdb.connect(str(database)) as warehouse:
        (count,) = warehouse.sql(
            "select count(*) from raw_directory.ldif_entries"
        ).fetchall()[0]
    assert count > 0
