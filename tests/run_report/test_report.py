"""`flexcore-gen report` and `ui`, looked at in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.sqlite_store import SqliteStore

HOSTILE = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">'
BLOCKS = "flext-tap-ldif--people--read flext-target-ldif--people--write"
ECOSYSTEM = """
version: 1
project: acme
connections:
  hr: {system: ldif, path: in.ldif}
  out: {system: ldif, output_path: out.ldif}
environments: [development]
outputs: [meltano]
pipelines:
  - name: people
    steps:
      - {name: read, service: flext-tap-ldif, config: {connection: hr}}
      - name: write
        service: flext-target-ldif
        depends_on: [read]
        config: {connection: out}
"""


def event(name, run, minute, /, **data):
    return RunEvent(
        name=name,
        source="test",
        subject=data.pop("subject", "people"),
        aggregate_id=run,
        correlation_id=run,
        causation_id=None,
        data=data,
        time=f"2026-03-01T10:{minute:02d}:00.000000Z",
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "ecosystem.yaml").write_text(ECOSYSTEM)
    folder = tmp_path / ".flexcore"
    folder.mkdir()
    store = SqliteStore(folder / "events.db")
    store.append(event("PipelineStarted", "r1", 0, environment="development"))
    streams = {"ldif_entries": {"extracted": 1234, "loaded": 1234}}
    store.append(event("DataExtracted", "r1", 2, name=BLOCKS, streams=streams))
    store.append(event("PipelineCompleted", "r1", 3, rows=1234, duration_seconds=180.0))
    store.append(event("PipelineStarted", "r2", 30, subject=HOSTILE))
    failed = {"name": BLOCKS, "log_tail": [HOSTILE], "plugin": "p", "exit_code": 1}
    store.append(
        event(
            "PipelineFailed",
            "r2",
            40,
            subject=HOSTILE,
            error=HOSTILE,
            failed_step=failed,
        )
    )
    store.append(event("PipelineStarted", "r3", 50, environment="development"))
    store.append(event("PipelineLost", "r3", 59, error="its process is gone"))
    store.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments, cwd):
    return subprocess.run(
        ["flexcore-gen", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    with playwright.sync_playwright() as session:
        started = session.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield started
        started.close()


@pytest.fixture
def page(browser, project):
    made = call("report", cwd=project)
    assert made.returncode == 0, made.stderr
    assert made.stdout == "report.html: 3 runs\n"
    tab = browser.new_page(viewport={"width": 1100, "height": 800})
    tab.said, tab.asked = [], []
    tab.on("console", lambda message: tab.said.append(message.text))
    tab.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.goto((project / "report.html").as_uri())
    yield tab
    tab.close()


@pytest.mark.servers
def test_the_page_runs_nothing_and_loads_nothing(page, project):
    assert page.asked == [(project / "report.html").as_uri()]
    assert page.said == []
    assert page.locator("script, img, iframe, object, link").count() == 0
    assert page.locator(f"text={HOSTILE}").count() >= 2


@pytest.mark.servers
def test_the_timeline_shows_each_run_in_its_place_and_leads_to_it(page):
    bars = page.locator("svg a rect")
    boxes = {
        bars.nth(n).get_attribute("class"): bars.nth(n).bounding_box() for n in range(3)
    }
    assert set(boxes) == {"success", "failed", "lost"}
    assert boxes["success"]["x"] < boxes["failed"]["x"] < boxes["lost"]["x"]
    # 3, 10 and 9 minutes.
    assert boxes["failed"]["width"] / boxes["success"]["width"] == pytest.approx(
        10 / 3, 0.05
    )
    assert boxes["success"]["y"] == boxes["lost"]["y"] != boxes["failed"]["y"]
    page.locator("svg a", has=page.locator("rect.success")).click()
    assert page.url.endswith("#run-r1")
    page.locator("#run-r1 summary").click()
    assert "ldif_entries: 1234 rows" in page.locator("#run-r1 pre").inner_text()


@pytest.mark.servers
def test_failures_are_listed_with_their_reasons(page):
    rows = page.locator("h2#failures + div tr")
    assert rows.count() == 3  # a head and two
    assert "its process is gone" in rows.nth(1).inner_text()
    assert HOSTILE in rows.nth(2).inner_text()


@pytest.mark.servers
def test_the_lineage_goes_from_the_source_to_the_destination(page):
    names = page.locator("text.name")
    found = {
        names.nth(n).text_content(): names.nth(n).bounding_box()["x"]
        for n in range(names.count())
    }
    assert sorted(found, key=found.get) == ["hr", "read", "write", "out"]
    assert page.locator("path.edge").count() == 3


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_either_scheme(page, scheme):
    page.emulate_media(color_scheme=scheme)
    colours = page.evaluate(
        "() => [getComputedStyle(document.body).color,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    text, back = (luminance(colour) for colour in colours)
    bright, dark = max(text, back), min(text, back)
    assert (bright + 0.05) / (dark + 0.05) > 7  # WCAG 2.2, 1.4.6
    assert (back > text) == (scheme == "light")


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_project_in_which_nothing_ran_gets_a_page_that_says_so(tmp_path):
    (tmp_path / "ecosystem.yaml").write_text(ECOSYSTEM)
    made = call("report", "--out", "site/index.html", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "site/index.html").read_text()
    assert "Nothing has run yet" in text
    assert ">write<" in text  # the lineage is known before the first run


def test_an_ecosystem_with_errors_costs_the_lineage_and_not_the_report(project):
    (project / "ecosystem.yaml").write_text("version: 1\nprojekt: x\n")
    made = call("report", cwd=project)
    assert made.returncode == 0
    assert "no lineage is drawn" in made.stderr
    assert "its process is gone" in (project / "report.html").read_text()


def test_a_place_that_cannot_be_written_is_named_and_keeps_its_page(project):
    (project / "file").write_text("mine")
    made = call("report", "--out", "file/report.html", cwd=project)
    assert made.returncode == 3
    assert "cannot write file/report.html" in made.stderr
    assert (project / "file").read_text() == "mine"


def test_a_store_that_cannot_be_read_is_told_without_its_password(project):
    address = "postgresql://reader:canary@127.0.0.1:1/flexcore"
    for command in ("report", "ui"):
        refused = call(command, "--store", address, cwd=project)
        assert refused.returncode == 2
        assert "postgresql://reader:***@127.0.0.1:1/flexcore" in refused.stderr
        assert "canary" not in refused.stderr + refused.stdout


def test_the_report_needs_no_project_where_a_store_is_named(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    store = f"sqlite:///{project}/.flexcore/events.db"
    made = call("report", "--store", store, cwd=elsewhere)
    assert made.returncode == 0, made.stderr
    assert (elsewhere / "report.html").is_file()


def test_the_ui_takes_its_server_along_when_it_is_stopped(project):
    process = subprocess.Popen(
        ["flexcore-gen", "ui", "--port", "0"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process.stderr:
        for line in process.stderr:
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                break
        process.terminate()
        # The pipe ends when nobody holds it: the server is gone too.
        process.stderr.read()
    assert process.wait(20) == 0
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(found[1]))) != 0


@pytest.mark.servers
def test_the_ui_serves_the_store_on_this_host_only(project, browser):
    process = subprocess.Popen(
        ["flexcore-gen", "ui", "--port", "0"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for line in process.stderr:
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                break
        base = found[1]
        tab = browser.new_page()
        tab.goto(f"{base}/events/failures")
        assert "its process is gone" in tab.locator("table").inner_text()
        tab.goto(f"{base}/events/runs.json?_shape=array")
        assert tab.content().count('"run_id"') == 3
        tab.close()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.stderr.close()
        assert process.wait(20) is not None
    assert (
        oct((project / ".flexcore/ui-metadata.json").stat().st_mode & 0o777) == "0o600"
    )
