"""How a process ends: signals inside C, a gone reader, a gone parent, errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from plugins_as_processes import command, messages, run, run_tap, run_target

STOP_SECONDS = 10
SECRET = {"password": "hunter2222"}


def wait_for(condition, seconds=STOP_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def start(tmp_path, **config):
    return subprocess.Popen(
        command("reference_tap", {"records": 9, **config}, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_until_hung(process):
    """Wait until it has said that it starts and burns a whole core in C."""
    for line in process.stderr:
        if b"Starting incremental sync" in line:
            break
    shown = psutil.Process(process.pid)
    before = sum(shown.cpu_times()[:2])
    assert wait_for(lambda: sum(shown.cpu_times()[:2]) > before + 0.2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_tap_inside_a_c_call(tmp_path, number):
    with start(tmp_path, hang_at=5) as process:
        wait_until_hung(process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 128 + number
    assert not messages(output, "STATE")
    assert f"stopped by {number.name}" in errors.decode()
    assert "Traceback" not in errors.decode()


def test_a_tap_inside_a_c_call_notices_that_its_reader_is_gone(tmp_path):
    with start(tmp_path, hang_at=5) as process:
        wait_until_hung(process)
        process.stdout.close()
        process.wait(STOP_SECONDS)
        assert process.returncode == 1
        assert "reader of the output is gone" in process.stderr.read().decode()


PARENT = """
import subprocess, sys, time, signal
if sys.argv[1] == "outlive": signal.signal(signal.SIGHUP, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[2:], stdout=open("out", "w"), stderr=open("err", "w"))
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("wish", ["follow", "outlive"])
def test_a_tap_follows_its_parent_unless_it_ignores_hangups(tmp_path, wish):
    config = {"records": 1000, "pause_seconds": 0.02 if wish == "outlive" else 1}
    if wish == "outlive":
        config["records"] = 150
    arguments = command("reference_tap", config, tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, wish, *arguments],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        errors = tmp_path / "err"
        assert wait_for(lambda: "Starting incremental" in errors.read_text())
        parent.kill()
    assert wait_for(lambda: not child.is_running(), 20)
    was_cut = "the process that started this one is gone" in errors.read_text()
    whole = messages((tmp_path / "out").read_bytes(), "RECORD")
    if wish == "outlive":
        assert not was_cut
        assert len(whole) == 150
    else:
        assert was_cut


def test_a_target_whose_state_nobody_reads_does_not_say_success(tmp_path):
    config = {"path": str(tmp_path / "out.db")}
    process = subprocess.Popen(
        command("reference_target", config, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        process.stdin.write(run_tap(tmp_path, records=10).stdout)
        process.stdin.flush()
        process.stdout.close()
        process.wait(STOP_SECONDS)
        assert process.returncode == 1


def test_an_error_is_three_parts_without_traceback_and_secrets(tmp_path):
    ended = run_tap(tmp_path, records=500, fail_at=300, **SECRET)
    errors = ended.stderr.decode()
    assert ended.returncode == 1
    assert "tap-reference: error: lost login **** (ConnectionError)\n" in errors
    assert "  where: stream 'numbers'\n  fix:   " in errors
    assert "Traceback" not in errors
    assert "hunter2222" not in errors
    # What was read before is good data and goes out; a STATE would be as good.
    assert len(messages(ended.stdout, "RECORD")) == 299


def test_at_debug_the_traceback_is_there_and_the_secret_is_not(tmp_path):
    arguments = command("reference_tap", {"fail_at": 3, **SECRET}, tmp_path)
    ended = run(arguments, LOGLEVEL="DEBUG")
    assert b"Traceback" in ended.stderr
    assert b"hunter2222" not in ended.stderr


def test_under_structured_logging_the_error_is_a_record_with_its_exception(tmp_path):
    log_config = tmp_path / "log.yaml"
    log_config.write_text(
        "version: 1\n"
        "disable_existing_loggers: false\n"
        "formatters: {json: {(): singer_sdk.logging.StructuredFormatter}}\n"
        "handlers: {e: {class: logging.StreamHandler, formatter: json,"
        " stream: ext://sys.stderr}}\n"
        "root: {level: INFO, handlers: [e]}\n"
    )
    arguments = command("reference_tap", {"fail_at": 3, **SECRET}, tmp_path)
    ended = run(arguments, SINGER_SDK_LOG_CONFIG=str(log_config))
    records = [json.loads(line) for line in ended.stderr.splitlines()]
    failed = [record for record in records if record["level"] == "error"]
    assert failed[-1]["exception"]["type"] == "ConnectionError"
    assert failed[-1]["exception"]["message"] == "lost login ****"
    assert b"hunter2222" not in ended.stderr


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"records": "many", "password": 7}, ['"records"', '"password"']),
        ({"max_errors": -1, "batch_config": 1}, ['"max_errors"', '"batch_config"']),
    ],
)
def test_wrong_settings_are_told_all_at_once(tmp_path, config, words):
    ended = run_tap(tmp_path, **config)
    assert ended.returncode == 1
    assert not ended.stdout
    for word in words:
        assert word in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()


def test_a_misspelt_failpoint_fails_without_traceback(tmp_path):
    ended = run_tap(tmp_path, failpoint="tap.nowhere")
    assert ended.returncode == 1
    assert "no failpoint 'tap.nowhere'" in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr


def test_a_missing_setting_says_where_it_was_looked_for(tmp_path):
    arguments = command("reference_target", {}, tmp_path)
    ended = run(arguments)
    assert ended.returncode == 1
    assert 'setting "path" is missing; searched --config' in ended.stderr.decode()
    assert "TARGET_REFERENCE_PATH" in ended.stderr.decode()


@pytest.mark.parametrize("text", ["", "{", None])
def test_a_config_file_that_is_none_is_an_error_without_traceback(tmp_path, text):
    arguments = command("reference_tap", {}, tmp_path)
    path = arguments[arguments.index("--config") + 1]
    os.unlink(path)  # noqa: PTH108 - it is a string
    if text is not None:
        with open(path, "w") as file:  # noqa: PTH123 - it is a string
            file.write(text)
    ended = run(arguments)
    assert ended.returncode != 0
    assert b"Traceback" not in ended.stderr
    assert b"error" in ended.stderr.lower()


def test_a_broken_line_names_its_number_and_commits_nothing_after_it(tmp_path):
    lines = run_tap(tmp_path, records=20).stdout.splitlines(keepends=True)
    data = b"".join([*lines[:5], b"half a li\n", *lines[5:]])
    ended = run_target(tmp_path, data)
    assert ended.returncode == 1
    assert "line 6 of the input is no Singer message" in ended.stderr.decode()
    assert not ended.stdout


def test_version_about_and_help_answer(tmp_path):
    for option in ("--version", "--about", "--help"):
        ended = run(command("reference_tap", {}, tmp_path, option))
        assert ended.returncode == 0
        assert b"tap-reference" in ended.stdout
    about = run(command("reference_target", {}, tmp_path, "--about", "--format=json"))
    settings = json.loads(about.stdout)["settings"]["properties"]
    assert {"max_errors", "rejects_path", "max_buffer_bytes", "load_method"} <= set(
        settings
    )
    ended = run(command("reference_tap", {}, tmp_path, "--nonsense"))
    assert ended.returncode == 2
