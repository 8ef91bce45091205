"""`events:` of ecosystem.yaml: each kind of handler and exporter knows its keys."""

import pytest

from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.errors import InvalidEcosystemError
from flexcore_gen.events.run_event import TYPES
from flexcore_gen.events.sending import SENDERS
from flexcore_gen.shapes import EVENT_NAMES, EXPORTER, HANDLER

HEAD = "version: 1\nproject: demo\nevents:\n  handlers:\n  - "


def load(tmp_path, text):
    (tmp_path / "ecosystem.yaml").write_text(HEAD + text + "\n")
    return load_ecosystem(tmp_path / "ecosystem.yaml")


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("{type: webhok, url: h}", "5:12", '"webhok" is not allowed'),
        ("{type: webhook}", "5:5", 'has no "url"'),
        ("{type: webhook, url: h, to: me}", "5:29", 'has no "to"'),
        ("{type: audit_log, events: PipelineFaild}", "5:31", "not allowed"),
        ("{type: quality, streams: {a: {min_row: 1}}}", "5:35", "min_row"),
        ("{type: quality, streams: {a: {min_rows: x}}}", "5:45", "whole number"),
        ("{type: email, host: h, from: a, to: b, password: p}", "5:54", "plain text"),
    ],
)
def test_what_is_wrong_is_named_at_its_place(tmp_path, text, place, what):
    with pytest.raises(InvalidEcosystemError) as caught:
        load(tmp_path, text)
    (problem,) = caught.value.problems
    assert f"{problem.mark.line}:{problem.mark.column}" == place
    assert what in problem.what


def test_the_shapes_know_what_the_hook_knows():
    assert set(EVENT_NAMES) == set(TYPES)
    kinds = {*HANDLER.field("type").choices, *EXPORTER.field("type").choices}
    assert kinds == {*SENDERS, "quality"}
