"""Metrics, alert rules and dashboards, judged by Prometheus' own programs."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import time

import httpx
import pytest
import yaml

from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.sqlite_store import SqliteStore
from flexcore_gen.outputs.grafana import _dashboard
from flexcore_gen.schedules import longest_interval

PROGRAMS = ("prometheus", "promtool", "amtool")
ECOSYSTEM = """
version: 1
project: acme
connections:
  hr: {system: ldif, path: in.ldif}
  out: {system: ldif, output_path: out.ldif}
environments: [production]
outputs: [meltano, prometheus, grafana]
watch:
  targets: ["TARGET"]
  chat: true
  emails: [ops@example.com]
  smtp_server: smtp.example.com:587
  smtp_from: flexcore@example.com
  smtp_username: flexcore
pipelines:
  - name: people
    schedule: "0 2 * * 1-5"
    steps:
      - {name: read, service: flext-tap-ldif, config: {connection: hr}}
      - name: write
        service: flext-target-ldif
        depends_on: [read]
        config: {connection: out}
"""
TAP, TARGET = "flext-tap-ldif--people--read", "flext-target-ldif--people--write"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def call(*arguments, cwd):
    return subprocess.run(
        arguments, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)
    return found


class Store:
    def __init__(self, path):
        self.store = SqliteStore(path)
        self.runs = 0

    def add(self, name, /, **data):
        run = f"r{self.runs}"
        self.store.append(
            RunEvent(
                name=name,
                source="test",
                subject="people",
                aggregate_id=run,
                correlation_id=run,
                causation_id=None,
                data=data,
            )
        )

    def run(self, *, success=True, rejected=0, seconds=5.0):
        self.runs += 1
        self.add("PipelineStarted", environment="production")
        numbers = {"extracted": 10, "loaded": 10 - rejected, "rejected": rejected}
        name = f"{TAP} {TARGET}"
        moved = {"plugin": TAP, "target": TARGET, "streams": {"s": numbers}}
        self.add("DataExtracted", name=name, duration_seconds=seconds, **moved)
        self.add("TargetLoaded", name=name, plugin=TARGET, rows=10 - rejected)
        if success:
            self.add("PipelineCompleted", rows=10, duration_seconds=seconds)
        else:
            failed = {"name": "dbt:build", "plugin": "dbt"}
            self.add("PipelineFailed", error="no", failed_step=failed)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "ecosystem.yaml").write_text(
        ECOSYSTEM.replace("TARGET", "127.0.0.1:9464")
    )
    (tmp_path / ".flexcore").mkdir()
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def programs():
    for name in PROGRAMS:
        if shutil.which(name) is None:
            pytest.skip(
                f"{name} is missing: apt-get install prometheus prometheus-alertmanager"
            )


def samples(text):
    return dict(
        line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#"
    )


def test_metrics_say_what_ran_and_promtool_finds_no_fault(project):
    empty = call("flexcore-gen", "metrics", cwd=project)
    assert empty.returncode == 0, empty.stderr
    store = Store(project / ".flexcore/events.db")
    store.run()
    store.run(success=False, rejected=3)
    store.runs += 1
    store.add("PipelineStarted", environment="production")

    printed = call("flexcore-gen", "metrics", cwd=project)
    judged = subprocess.run(
        ["promtool", "check", "metrics"],
        input=printed.stdout,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")
    found = samples(printed.stdout)
    place = 'environment="production",pipeline="people"'
    name = "flexcore_pipeline_runs_total"
    assert (
        found[f'{name}{{environment="production",outcome="success",pipeline="people"}}']
        == "1.0"
    )
    assert found[f"flexcore_runs_running{{{place}}}"] == "1.0"
    assert found[f"flexcore_pipeline_last_run_success{{{place}}}"] == "0.0"
    executions = "flexcore_plugin_executions_total"
    assert found[f'{executions}{{outcome="success",plugin_name="{TAP}"}}'] == "2.0"
    assert found[f'{executions}{{outcome="failed",plugin_name="dbt"}}'] == "1.0"
    rejected = (
        'flexcore_records_total{direction="rejected",pipeline="people",stream="s"}'
    )
    assert found[rejected] == "3.0"
    interval = 'flexcore_pipeline_expected_interval_seconds{pipeline="people"}'
    assert float(found[interval]) == 3 * 24 * 3600  # from Friday to Monday


def test_a_text_file_is_written_in_one_step(project):
    Store(project / ".flexcore/events.db").run()
    path = project / "flexcore.prom"
    done = call("flexcore-gen", "metrics", "--textfile", path, cwd=project)
    assert (done.returncode, done.stdout) == (0, "")
    assert "flexcore_pipeline_runs_total" in path.read_text()
    assert not [p for p in project.iterdir() if p.name.startswith("flexcore.prom.")]
    refused = call("flexcore-gen", "metrics", "--textfile", "no/such.prom", cwd=project)
    assert refused.returncode == 3
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [("@hourly", 1), ("*/15 * * * *", 0.25), ("0 2 * * *", 24), ("0 2 * * 1-5", 72)],
)
def test_the_longest_interval_of_a_schedule(schedule, hours):
    assert longest_interval(schedule).total_seconds() == hours * 3600


def test_a_schedule_that_never_comes_has_no_interval():
    assert longest_interval("0 0 31 2 *") is None


def test_rendered_configurations_pass_their_own_programs(project):
    assert call("flexcore-gen", "generate", cwd=project).returncode == 0
    folder = project / "deploy/prometheus"
    for command in (
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "check", "rules", "rules.yml"),
        ("promtool", "test", "rules", "rules_test.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ):
        judged = call(*command, cwd=folder)
        assert judged.returncode == 0, (command, judged.stdout, judged.stderr)
    tested = yaml.safe_load((folder / "rules_test.yml").read_text())["tests"]
    fired = {
        each["alertname"]
        for test in tested
        for each in test["alert_rule_test"]
        if each["exp_alerts"]
    }
    groups = yaml.safe_load((folder / "rules.yml").read_text())["groups"]
    assert fired == {r["alert"] for g in groups for r in g["rules"] if "alert" in r}
    receiver = (folder / "alertmanager.yml").read_text()
    assert "api_url_file" in receiver
    assert "auth_password_file" in receiver


def test_a_rule_that_is_broken_fails_its_tests(project):
    """The rendered tests can fail."""
    assert call("flexcore-gen", "generate", cwd=project).returncode == 0
    rules = project / "deploy/prometheus/rules.yml"
    rules.write_text(rules.read_text().replace("success == 0", "success == 1"))
    folder = rules.parent
    assert call("promtool", "test", "rules", "rules_test.yml", cwd=folder).returncode


@contextlib.contextmanager
def started(command, cwd):
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.mark.servers
def test_a_real_prometheus_answers_every_panel_of_the_dashboard(project):
    ours, theirs = free_port(), free_port()
    (project / "ecosystem.yaml").write_text(
        ECOSYSTEM.replace("TARGET", f"127.0.0.1:{ours}")
    )
    assert call("flexcore-gen", "generate", cwd=project).returncode == 0
    store = Store(project / ".flexcore/events.db")
    store.run()
    config = project / "deploy/prometheus/prometheus.yml"
    text = config.read_text().replace("_interval: 30s", "_interval: 1s")
    quick = config.with_name("quick.yml")
    quick.write_text(text)
    data = project / "prometheus"
    serve = ["flexcore-gen", "metrics", "serve", "--port", str(ours)]
    prometheus = [
        "prometheus",
        f"--config.file={quick}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{theirs}",
        "--log.level=error",
    ]

    def ask(expr):
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(
                f"http://127.0.0.1:{theirs}/api/v1/query", params={"query": expr}
            ).json()
            assert answer["status"] == "success", (expr, answer)
            return answer["data"]["result"]
        return []

    with started(serve, project), started(prometheus, project):
        total = 'flexcore_pipeline_runs_total{outcome="success"}'
        wait_until(lambda: ask(total), "the first scrape")
        store.run()
        store.run(success=False, rejected=2)
        store.runs += 1
        store.add("PipelineStarted", environment="production")
        wait_until(
            lambda: ask(total) and ask(total)[0]["value"][1] == "2", "the second scrape"
        )
        for panel in _dashboard("acme")["panels"]:
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", "1m")
                expr = re.sub(r"\$(pipeline|environment)", ".*", expr)
                assert wait_until(lambda e=expr: ask(e), panel["title"])
        alerts = wait_until(
            lambda: ask('ALERTS{alertname="FlexcorePipelineFailed"}'), "an alert"
        )
        assert alerts[0]["metric"]["pipeline"] == "people"


def test_the_dashboard_has_a_counterpart_for_each_panel_of_the_guide():
    titles = {panel["title"]: panel for panel in _dashboard("x")["panels"]}
    executions = titles["FlexCore Plugin Executions"]
    assert executions["type"] == "timeseries"
    assert "flexcore_plugin_executions_total" in executions["targets"][0]["expr"]
    assert titles["Run durations"]["type"] == "heatmap"
    places = [
        (p["gridPos"]["x"], p["gridPos"]["y"], p["gridPos"]["w"], p["gridPos"]["h"])
        for p in titles.values()
    ]
    cells = [
        (column, row)
        for x, y, w, h in places
        for column in range(x, x + w)
        for row in range(y, y + h)
    ]
    assert len(cells) == len(set(cells)), "two panels lie on each other"
    assert max(column for column, _ in cells) < 24


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("targets", ["no port"], "is not host:port"),
        ("targets", ["a:1\n- evil:2"], "is not host:port"),
        ("emails", ["a@b, c@d"], "is not name@host"),
        ("smtp_server", "smtp", "is no mail server"),
        ("chat", "https://hooks.example.com/T0K3N", "true or false"),
        ("tragets", ["a:1"], "targets"),
    ],
)
def test_what_cannot_be_watched_is_told_at_its_line(project, key, value, text):
    document = yaml.safe_load(ECOSYSTEM)
    document["watch"][key] = value
    (project / "ecosystem.yaml").write_text(json.dumps(document))
    done = call("flexcore-gen", "validate", cwd=project)
    assert done.returncode == 2
    assert text in done.stderr
    assert re.search(r"ecosystem.yaml:\d+:\d+: error", done.stderr)


def test_serving_on_a_taken_port_is_told(project):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = str(sock.getsockname()[1])
        done = call("flexcore-gen", "metrics", "serve", "--port", port, cwd=project)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
