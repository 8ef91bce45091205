"""`flexcore-gen events …` on both kinds of store."""

import json
import stat

import pytest
from click.testing import CliRunner

from flexcore_gen.events.commands import events as command
from flexcore_gen.events.run_event import RunEvent


def add(store, run, *names, correlation=None):
    for name in names:
        store.append(
            RunEvent(
                name=name,
                source="/flexcore/demo/dev",
                subject="people",
                aggregate_id=run,
                correlation_id=correlation or run,
                causation_id=None,
                data={"rows": 3, "environment": "dev", "error": "a'b"},
            )
        )


@pytest.fixture
def ask(place):
    store = place.open()
    for run in ("r1", "r2"):
        add(store, run, "PipelineStarted", "DataExtracted", "PipelineFailed")
    add(store, "r3", "PipelineStarted", correlation="dag-1")
    store.close()

    def run(*words, code=0):
        result = CliRunner().invoke(command, [*words, "--store", place.address])
        assert result.exit_code == code, result.output
        assert "canary" not in result.output
        return result

    return run


def test_a_query_says_how_many_there_are_and_where_the_next_page_begins(ask):
    first = json.loads(ask("query", "--pipeline", "people", "--limit", "4").stdout)
    assert (first["total"], first["has_more"], first["next_after"]) == (7, True, 4)
    after = ("--limit", "4", "--after", "4")
    rest = json.loads(ask("query", "--pipeline", "people", *after).stdout)
    assert (rest["total"], rest["has_more"], rest["next_after"]) == (7, False, None)
    assert [e["sequence"] for e in first["events"] + rest["events"]] == [*range(1, 8)]

    for words, total in {
        ("--run", "r2"): 3,
        ("--correlation", "dag-1"): 1,
        ("--type", "PipelineFailed"): 2,
        ("--type", "flexcore.pipeline.failed.v1", "--run", "r1"): 1,
        ("--since", "2999-01-01"): 0,
        ("--until", "2999-01-01T00:00:00+02:00"): 7,
    }.items():
        assert json.loads(ask("query", *words).stdout)["total"] == total, words
    assert '"soon" is no time' in ask("query", "--since", "soon", code=2).stderr


def test_an_anchor_finds_a_cut_tail(ask, place, tmp_path):
    anchors = tmp_path / "anchors.jsonl"
    ask("anchor", "--file", str(anchors))
    store = place.open()
    add(store, "r3", "PipelineCompleted")
    store.close()
    ask("anchor", "--file", str(anchors))
    assert stat.S_IMODE(anchors.stat().st_mode) == 0o600
    assert json.loads(ask("anchor").stdout)["events"] == 8
    assert "8 events, unbroken" in ask("verify", "--anchor", str(anchors)).stdout

    place.drop_triggers()
    place.rows("DELETE FROM events WHERE sequence = 8")
    ask("verify")
    refused = ask("verify", "--anchor", str(anchors), code=1)
    assert "event 8, anchored 20" in refused.stderr

    anchors.write_text("{}\n")
    assert "anchors.jsonl:1" in ask("verify", "--anchor", str(anchors), code=2).stderr


def test_replay_compares_each_run_with_the_table_of_runs(ask, place):
    assert ask("replay").stdout == "3 runs, each as its events say\n"
    view = place.rows("SELECT run_id, status FROM runs ORDER BY started_at")
    assert view == [("r1", "failed"), ("r2", "failed"), ("r3", "running")]

    if place.table == "events":
        place.rows("DROP VIEW runs")
        place.rows(VIEW)
    else:
        place.rows(VIEW.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))
    refused = ask("replay", code=1)
    assert "the table of runs says 'success'" in refused.stderr


VIEW = """CREATE VIEW runs AS SELECT aggregate_id AS run_id, correlation_id,
  subject AS pipeline, 'dev' AS environment, 'success' AS status,
  time AS started_at, time AS ended_at,
  CAST(1.5 AS double precision) AS duration_seconds,
  CAST(3 AS bigint) AS rows, time AS error FROM events WHERE name = 'PipelineStarted'"""


def test_the_sql_for_postgres_is_printed_or_run(tmp_path):
    printed = CliRunner().invoke(command, ["init"]).stdout
    assert "GRANT SELECT, INSERT ON flexcore.events TO flexcore_writer" in printed
    refused = CliRunner().invoke(
        command, ["init", "--apply", "--store", str(tmp_path / "x.db")]
    )
    assert refused.exit_code == 2
    assert "only an event store in Postgres needs this" in refused.stderr


@pytest.mark.servers
def test_init_apply_makes_the_store(postgres):
    address = postgres.create_database("events_made_by_init")
    missing = CliRunner().invoke(command, ["verify", "--store", address])
    assert missing.exit_code == 2
    assert "events init" in missing.stderr
    made = CliRunner().invoke(command, ["init", "--apply", "--store", address])
    assert made.exit_code == 0, made.stderr
    assert "secret" not in made.output
    empty = CliRunner().invoke(command, ["verify", "--store", address])
    assert "0 events, unbroken" in empty.stdout


@pytest.mark.parametrize(
    "words",
    [[], ["verify"], ["query"], ["replay"], ["freshness"], ["deliver"], ["reconcile"]],
)
def test_a_store_that_is_named_and_not_there_is_no_success(tmp_path, words):
    address = f"sqlite:///{tmp_path}/misspelt.db"
    result = CliRunner().invoke(command, [*words, "--store", address])
    assert result.exit_code == 2, result.output
    assert "there is no event store" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_or_a_type_that_does_not_exist_is_told(ask):
    assert 'no run "nope"' in ask("--run", "nope", code=2).stderr
    typed = ask("query", "--type", "PipelineFialed", code=2)
    assert 'did you mean "PipelineFailed"?' in typed.stderr
