"""Handlers: signed, retried, at least once, and never in a run's way."""

import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import os
import signal
import stat
import subprocess
import time
from email import message_from_string

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flexcore_gen.events import delivery
from flexcore_gen.events.destinations import read
from flexcore_gen.events.run_event import RunEvent

SECRET = "s3cret-4711"


def event(name="PipelineFailed", run="r1", **data):
    return RunEvent(
        name=name,
        source="/flexcore/demo/dev",
        subject="people\r\nBcc: all@example.org",
        aggregate_id=run,
        correlation_id=run,
        causation_id=None,
        data={"error": "the target said ü", **data},
    )


@pytest.fixture
def deliver(place, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    store = place.open()
    store.append(event("PipelineStarted"))
    store.append(event("PipelineFailed"))

    def run(*handlers, start=0, **options):
        return delivery.deliver_all(
            read({"handlers": list(handlers)}),
            place.address,
            tmp_path,
            tmp_path / "own",
            start=start,
            **options,
        )

    run.store = store
    yield run
    store.close()


def hook(http, path, **more):
    return {
        "type": "webhook",
        "url": f"http://127.0.0.1:{http.port}/{path}",
        "secret": "${HOOK_SECRET}",
        "timeout_seconds": 2,
        **more,
    }


def test_a_webhook_is_signed_and_gets_each_event_once(deliver, http):
    (report,) = deliver(hook(http, "ok"))
    assert (report.delivered, report.problem) == (1, None)
    (got,) = http.received()
    body = got["body"].encode("latin-1")
    when, signature = got["headers"]["flexcore-signature"].split(",")
    signed = when.removeprefix("t=").encode() + b"." + body
    wanted = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert signature == f"v1={wanted}"
    assert abs(int(when.removeprefix("t=")) - time.time()) < 60
    said = json.loads(body)
    assert (said["specversion"], said["name"]) == ("1.0", "PipelineFailed")
    assert all(name.isalnum() for name in said)

    deliver(hook(http, "ok"))
    assert len(http.received()) == 1
    deliver.store.append(event("PipelineFailed", "r2"))
    deliver(hook(http, "ok"))
    assert len(http.received()) == 2
    (report,) = deliver(hook(http, "ok"), again_from=0)
    assert (report.delivered, len(http.received())) == (2, 4)


def test_a_busy_server_is_tried_again_and_the_outcome_is_kept(deliver, http):
    (report,) = deliver(hook(http, "twice-busy"))
    assert report.delivered == 1
    assert len(http.received()) == 3
    row = deliver.store.deliveries(10)[0]
    assert (row["outcome"], row["attempts"]) == ("delivered", 3)


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("500", "away"),
        ("silent", "away"),
        ("drip", "away"),
        ("garbage", "away"),
        ("endless", "away"),
        ("400", "refused"),
        ("moved", "refused"),
        ("large", "delivered"),
    ],
)
def test_bad_manners_of_a_server_cost_time_that_is_bounded(
    place, deliver, http, path, outcome
):
    if place.table != "events" and path not in {"500", "400"}:
        return
    began = time.monotonic()
    (report,) = deliver(hook(http, f"{path}?key={SECRET}", attempts=2))
    assert time.monotonic() - began < 8
    row = deliver.store.deliveries(1)[0]
    assert row["outcome"] == outcome, row
    assert SECRET not in json.dumps(row) + str(report)
    assert "/elsewhere" not in {each["path"] for each in http.received()}
    # What could not be delivered is delivered later; what was refused is done with.
    (later,) = deliver(hook(http, "ok"))
    assert later.delivered == (1 if outcome == "away" else 0)


def test_one_destination_that_is_away_does_not_hold_up_another(deliver, http, tmp_path):
    gone = {**hook(http, "ok"), "url": "http://127.0.0.1:1/", "name": "gone"}
    reports = deliver(gone, hook(http, "ok"), {"type": "audit_log", "path": "a.jsonl"})
    assert [each.delivered for each in reports] == [0, 1, 2]
    assert reports[0].problem
    audit = tmp_path / "a.jsonl"
    assert stat.S_IMODE(audit.stat().st_mode) == 0o600
    names = [json.loads(line)["name"] for line in audit.read_text().splitlines()]
    assert names == ["PipelineStarted", "PipelineFailed"]


def test_plain_http_to_another_machine_and_missing_secrets_are_refused(
    deliver, http, monkeypatch
):
    (report,) = deliver({"type": "webhook", "url": "http://192.0.2.1/x"})
    assert "sends in clear" in report.problem
    monkeypatch.setenv("HOOK_SECRET", "")
    (report,) = deliver({**hook(http, "ok"), "name": "other"})
    assert "secret is not set" in report.problem
    assert http.received() == []


@pytest.fixture
def certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(pem))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tmp_path / "cert.pem", tmp_path / "key.pem"


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [("tls", "delivered"), ("busy", "delivered"), ("full", "refused"),
     ("plain", "refused"), ("unknown", "refused")],
)  # fmt: skip
def test_mail_goes_by_starttls_or_not_at_all(
    place, deliver, certificate, receivers, tmp_path, mode, outcome
):
    if place.table != "events":
        return
    receiver = receivers("smtp_receiver.py", tmp_path / "smtp", *certificate, mode)
    try:
        (report,) = deliver(
            {
                "type": "email",
                "host": "127.0.0.1",
                "port": receiver.port,
                "username": "flexcore",
                "password": "${HOOK_SECRET}",
                "from": "flexcore@example.org",
                "to": ["ops@example.org", "data@example.org"],
                **({} if mode == "unknown" else {"ca_file": str(certificate[0])}),
            }
        )
    finally:
        receiver.stop()
    row = deliver.store.deliveries(1)[0]
    assert row["outcome"] == outcome, row
    assert SECRET not in json.dumps(row)
    assert report.delivered == (outcome == "delivered")
    if outcome != "delivered":
        assert receiver.received() == []
        return
    (mail,) = receiver.received()
    assert mail["is_tls"]
    assert mail["to"] == ["ops@example.org", "data@example.org"]
    message = message_from_string(mail["content"])
    assert (
        message["Subject"].strip().startswith("[flexcore] PipelineFailed: people Bcc:")
    )
    assert message["Bcc"] is None


def with_handlers(project, *handlers):
    path = project.root / "meltano.yml"
    notes = {"flexcore": {"handlers": list(handlers)}}
    path.write_text(path.read_text() + f"\nannotations: {json.dumps(notes)}\n")


@pytest.mark.end_to_end
def test_a_run_tells_in_the_background_and_a_killed_delivery_is_made_up_for(
    project, http
):
    slow = hook(http, "silent", timeout_seconds=20, events=["PipelineCompleted"])
    with_handlers(project, slow)
    began = time.monotonic()
    result = project.run("run", "load-people", HOOK_SECRET=SECRET)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - began < 15
    while not http.received():
        assert time.monotonic() - began < 60
        time.sleep(0.02)
    lock = project.root / ".flexcore/delivery/webhook.lock"
    os.kill(int(lock.read_text()), signal.SIGKILL)

    path = project.root / "meltano.yml"
    path.write_text(path.read_text().replace("/silent", "/ok"))
    result = project.run("run", "orders", HOOK_SECRET=SECRET, FLEXCORE_DELIVERY="wait")
    assert result.returncode == 0, result.stderr
    fine = [each for each in http.received() if each["path"] == "/ok"]
    told = [json.loads(each["body"])["subject"] for each in fine]
    assert told == ["load-people", "orders"]


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"streams": {"people": {"min_rows": 1000}}}, "at least 1000 wanted"),
        ({"streams": {"nobody": {"min_rows": 1}}}, '"nobody" did not come'),
        ({"streams": {"people": {"min_rows": 1, "max_rejected": 0}}}, None),
        ({"streams": {"people": {"min_rows": 1000}}, "pipelines": ["orders"]}, None),
    ],
)
def test_quality_rules_turn_a_run_into_a_failure(project, rules, problem):
    with_handlers(project, {"type": "quality", **rules})
    result = project.run("run", "load-people")
    assert result.returncode == (1 if problem else 0), result.stderr
    run = project.last_run()
    assert run["status"] == ("failed" if problem else "success")
    if problem:
        assert problem in result.stderr
        assert problem in run["error"]
        assert project.last_event()["data"]["reason"] == "quality"


@pytest.mark.end_to_end
def test_an_environment_and_its_secrets_from_dotenv_reach_the_delivery(project, http):
    path = project.root / "meltano.yml"
    notes = {
        "events_store": "sqlite:///prod.db",
        "handlers": [hook(http, "ok", events="PipelineCompleted")],
    }
    own = json.dumps({"name": "prod", "annotations": {"flexcore": notes}})
    own = own.replace('"events_store":', "events_store:")
    path.write_text(path.read_text().replace("- name: prod\n", f"- {own}\n"))
    (project.root / ".env").write_text(f"HOOK_SECRET={SECRET}\n")
    command = ("--environment", "prod", "run", "load-people")
    result = project.run(*command, FLEXCORE_DELIVERY="wait")
    assert result.returncode == 0, result.stderr
    (told,) = http.received()
    assert json.loads(told["body"])["source"] == "/flexcore/demo/prod"
    assert "flexcore-signature" in told["headers"]
    assert (project.root / "prod.db").exists()


@pytest.mark.end_to_end
def test_what_ran_while_delivery_was_off_is_delivered_by_hand(project, http):
    with_handlers(project, hook(http, "ok", events=["PipelineCompleted"]))
    for job in ("load-people", "orders"):
        result = project.run("run", job, FLEXCORE_DELIVERY="off")
        assert result.returncode == 0, result.stderr
    assert http.received() == []
    done = subprocess.run(
        ["flexcore-gen", "events", "deliver"],
        cwd=project.root,
        env={**project.env, "HOOK_SECRET": SECRET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "webhook: 2 delivered\n", done.stderr
    told = [json.loads(each["body"])["subject"] for each in http.received()]
    assert told == ["load-people", "orders"]
