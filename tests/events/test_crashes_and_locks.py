"""A killed run frees its pipeline at once; a living one refuses a second."""

import json
import os
import signal
import stat
import subprocess

import pytest

CANARY = "canary-4711"
pytestmark = pytest.mark.end_to_end


def kill(project, process):
    os.kill(process.pid, signal.SIGKILL)
    return project.finish(process)


def test_after_kill_9_the_rerun_is_accepted_at_once_and_the_lost_run_is_closed(project):
    process, plugin = project.start_and_hang("run", "load-people")
    kill(project, process)
    assert project.last_run()["status"] == "running"

    result = project.run("run", "load-people")

    assert result.returncode == 0, result.stderr
    assert "already running" not in result.stderr
    assert [run["status"] for run in project.runs()] == ["success", "lost"]
    lost = next(e for e in project.envelopes() if e["name"] == "PipelineLost")
    assert lost["data"]["pid"] == process.pid
    assert "vanished without a word" in lost["data"]["error"]
    assert not is_running(plugin)


def test_after_kill_9_of_el_the_rerun_of_its_state_id_is_accepted_at_once(project):
    command = ("el", "fake-tap", "fake-target", "--state-id", "s")
    process, _ = project.start_and_hang(*command)
    kill(project, process)

    result = project.run(*command)

    assert result.returncode == 0, result.stderr
    assert [run["status"] for run in project.runs()] == ["success", "lost"]


def test_a_dbt_left_behind_by_kill_9_is_stopped_before_the_rerun(project):
    process, dbt = project.start_and_hang("run", "dbt-only")
    kill(project, process)
    assert is_running(dbt)

    result = project.run("run", "dbt-only")

    assert result.returncode == 0, result.stderr
    assert not is_running(dbt)
    assert "left behind by run" in result.stderr


def test_another_pipeline_closes_the_lost_run_and_leaves_the_rerun_possible(project):
    process, _ = project.start_and_hang("run", "load-people")
    kill(project, process)

    assert project.run("run", "orders").returncode == 0
    assert [run["status"] for run in project.runs()] == ["success", "lost"]
    result = project.run("run", "load-people")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("next_run", ["load-people", "orders"])
def test_configuration_left_by_a_killed_run_is_swept_and_was_never_readable(
    project, next_run
):
    process, plugin = project.start_and_hang(
        "run", "load-people", FAKE_TAP_PASSWORD=CANARY
    )
    kill(project, process)
    left = list((project.root / ".meltano/run").rglob("*.config.json"))
    assert any(CANARY in path.read_text() for path in left)
    assert {stat.S_IMODE(path.stat().st_mode) for path in left} == {0o600}

    project.run("run", next_run)

    assert list((project.root / ".meltano/run").rglob("*.config.json")) == []
    assert not is_running(plugin)


def test_plugins_write_with_the_umask_of_the_person(project):
    os.umask(usual := os.umask(0o022))
    project.run("run", "load-people")

    loaded = project.root / "loaded.jsonl"
    assert stat.S_IMODE(loaded.stat().st_mode) == 0o666 & ~usual
    run_directory = project.root / ".meltano/run"
    assert stat.S_IMODE(run_directory.stat().st_mode) == 0o700


def test_a_second_run_of_a_pipeline_is_refused_and_told_who_holds_it(project):
    process, _ = project.start_and_hang("run", "load-people")
    holder = project.last_run()

    result = project.run("run", "load-people")

    assert result.returncode == 75
    assert holder["run_id"] in result.stderr
    assert f"pid {process.pid} on {os.uname().nodename}" in result.stderr
    assert "since 20" in result.stderr
    assert len(project.runs()) == 1
    forced = project.run("run", "--force", "load-people")
    assert forced.returncode == 75

    process.send_signal(signal.SIGTERM)
    project.finish(process)
    assert project.run("run", "load-people").returncode == 0


def test_tasks_of_one_engine_run_go_side_by_side_and_keep_all_other_runs_out(project):
    names = ("fake-tap--people--extract", "fake-target--people--load")
    first = {
        "FLEXCORE_PIPELINE": "people",
        "FLEXCORE_CORRELATION_ID": "11111111-1111-4111-8111-111111111111",
        "FLEXCORE_ENGINE_RUN": "22222222-2222-4222-8222-222222222222",
    }
    second = {
        "FLEXCORE_PIPELINE": "people",
        "FLEXCORE_CORRELATION_ID": "33333333-3333-4333-8333-333333333333",
    }
    beside = {**first, "FLEXCORE_ENGINE_RUN": "44444444-4444-4444-8444-444444444444"}
    own = first["FLEXCORE_ENGINE_RUN"]
    process, _ = project.start_and_hang("run", "--run-id", own, *names, **first)
    assert project.last_run()["run_id"] == own

    assert project.run("run", "orders", **beside).returncode == 0
    assert project.run("run", *names, **beside).returncode == 75, "the same task"
    assert project.run("run", "orders", **second).returncode == 75
    assert project.run("run", "people").returncode == 75, "started by hand"

    process.kill()
    project.finish(process)
    assert project.run("run", "orders", **second).returncode == 0


def test_a_second_el_of_a_state_id_is_refused(project):
    command = ("el", "fake-tap", "fake-target", "--state-id", "s")
    project.start_and_hang(*command)

    assert project.run(*command).returncode != 0
    assert len(project.runs()) == 1


def test_other_pipelines_and_other_environments_run_beside_it(project):
    project.start_and_hang("run", "load-people")

    assert project.run("run", "orders").returncode == 0
    prod = project.run("--environment=prod", "run", "dbt-only")
    assert prod.returncode == 0, prod.stderr
    assert [run["status"] for run in project.runs()] == [
        "success",
        "success",
        "running",
    ]


def test_a_living_runs_configuration_is_not_swept(project):
    _, plugin = project.start_and_hang("run", "load-people")
    dead, _ = project.start_and_hang("run", "orders")
    kill(project, dead)

    assert project.run("run", "orders").returncode == 0
    living = project.root / ".meltano/run/fake-tap--people--extract"
    assert list(living.glob("*.config.json"))
    assert is_running(plugin)


def test_many_starts_at_once_let_exactly_one_run(project):
    project.run("run", "orders")
    holder, _ = project.start_and_hang("run", "load-people")
    others = [project.start("run", "load-people") for _ in range(4)]

    assert {project.finish(each).returncode for each in others} == {75}
    assert holder.poll() is None


def test_after_kill_9_a_retry_with_the_same_run_id_is_accepted_at_once(project):
    command = ("run", "--run-id", "3f2c8a0e-7f0e-4c55-9d05-0a6c1c5f7d11", "load-people")
    process, _ = project.start_and_hang(*command)
    kill(project, process)

    result = project.run(*command)

    assert result.returncode == 0, result.stderr
    assert [run["status"] for run in project.runs()] == ["success", "lost"]


def test_the_same_run_id_twice_is_two_runs_of_one_correlation(project):
    run_id = "3f2c8a0e-7f0e-4c55-9d05-0a6c1c5f7d11"
    for _ in range(2):
        result = project.run("run", "--run-id", run_id, "load-people")
        assert result.returncode == 0, result.stderr

    runs = project.runs()
    assert len({run["run_id"] for run in runs}) == 2
    assert {run["correlation_id"] for run in runs} == {run_id}
    assert project.runs(run_id)[0] == runs[0]


def test_an_engines_tasks_run_beside_each_other_and_each_is_asked_for_by_its_id(
    project,
):
    correlation = "7d5f3f0e-1df2-4f0c-9a5f-0f6f0a1f7c22"
    first = "3f2c8a0e-7f0e-4c55-9d05-0a6c1c5f7d11"
    second = "3f2c8a0e-7f0e-4c55-9d05-0a6c1c5f7d12"
    retry = "3f2c8a0e-7f0e-4c55-9d05-0a6c1c5f7d13"
    given = {"FLEXCORE_CORRELATION_ID": correlation}
    process, _ = project.start_and_hang(
        "run", "--run-id", first, "load-people", **given
    )

    beside = project.run("run", "--run-id", second, "orders", **given)
    again = project.run("run", "--run-id", retry, "load-people", **given)

    assert beside.returncode == 0, beside.stderr
    assert again.returncode == 75, "a task ran twice at once"
    assert [run["status"] for run in project.runs(first)] == ["running"]
    assert [run["status"] for run in project.runs(second)] == ["success"]
    assert {run["correlation_id"] for run in project.runs()} == {correlation}
    asked = ("runs", retry, "--status", "success")
    refused = subprocess.run(
        ["flexcore-gen", *asked], cwd=project.root, env=project.env,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert f'no run "{retry}"' in refused.stderr

    kill(project, process)
    assert project.run("run", "--run-id", retry, "load-people", **given).returncode == 0
    assert [run["status"] for run in project.runs(retry)] == ["success"]
    assert [run["status"] for run in project.runs(first)] == ["lost"]


def test_taps_targets_and_dbt_get_the_ids_of_the_run(project):
    file = project.root / "environment.json"
    project.run("run", "load-people", FAKE_TAP_ENVIRONMENT=file)

    given = json.loads(file.read_text())
    started = project.envelopes()[0]
    correlation = started["correlation_id"]
    assert given["FLEXCORE_CORRELATION_ID"] == correlation
    assert given["FLEXCORE_RUN_ID"] == started["aggregate_id"]
    assert given["TRACEPARENT"] == (
        f"00-{correlation.replace('-', '')}-{started['data']['span_id']}-01"
    )


def test_plugins_hang_below_the_run_in_lineage_if_it_is_reported(project):
    file = project.root / "environment.json"
    above = {
        "OPENLINEAGE_PARENT_ID": f"a/b/dag.task/{'1' * 8}-1111-4111-8111-{'1' * 12}",
        "OPENLINEAGE_ROOT_PARENT_ID": f"a/b/dag/{'2' * 8}-2222-4222-8222-{'2' * 12}",
    }
    parent, root = above.values()
    given = {"FAKE_TAP_ENVIRONMENT": file, **above}
    project.run("run", "load-people", **given)
    handed_on = json.loads(file.read_text())
    assert {name: handed_on[name] for name in above} == above

    path = project.root / "meltano.yml"
    notes = {"flexcore": {"exporters": [{"type": "openlineage", "namespace": "n"}]}}
    path.write_text(path.read_text() + f"\nannotations: {json.dumps(notes)}\n")
    project.run("run", "load-people", **given, FLEXCORE_DELIVERY="off")
    handed_on = json.loads(file.read_text())
    run = project.last_run()["run_id"]
    assert handed_on["OPENLINEAGE_PARENT_ID"] == f"n/load-people/{run}"
    assert handed_on["OPENLINEAGE_ROOT_PARENT_ID"] == root
    begun = project.envelopes(run)[0]["data"]
    assert begun["openlineage_parent"] == parent

    project.run(
        "run", "load-people", FAKE_TAP_ENVIRONMENT=file, FLEXCORE_DELIVERY="off"
    )
    alone = json.loads(file.read_text())
    run = project.last_run()["run_id"]
    assert {alone[name] for name in above} == {f"n/load-people/{run}"}


def test_an_incoming_trace_is_continued(project):
    file = project.root / "environment.json"
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    project.run(
        "run",
        "load-people",
        FAKE_TAP_ENVIRONMENT=file,
        TRACEPARENT=f"00-{trace}-{parent}-00",
    )

    data = project.envelopes()[0]["data"]
    assert (data["trace_id"], data["parent_span_id"]) == (trace, parent)
    given = json.loads(file.read_text())["TRACEPARENT"]
    assert given == f"00-{trace}-{data['span_id']}-00"
    assert data["span_id"] != parent


def test_a_scheduled_run_continues_an_incoming_trace_too(project):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    traceparent = f"00-{trace}-00f067aa0ba902b7-01"
    project.run("schedule", "run", "nightly", TRACEPARENT=traceparent)

    assert project.envelopes()[0]["data"]["trace_id"] == trace


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - a line of /proc
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
