"""What holds for any input: order, containment, no secrets, nothing injected."""

import random
import shlex

import pytest
import yaml
from generator.hostile import TEXTS, leaves, outputs, replaced, shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flexcore_gen.changes import check_path
from flexcore_gen.errors import InvalidEcosystemError
from flexcore_gen.known_plugins import known_plugins
from flexcore_gen.render import dump_yaml

CANARY = "c4n4ry"


def ecosystem(**changes):
    """A document in which every kind of field can be replaced."""
    document = {
        "version": 1,
        "project": "demo",
        "description": "d",
        "warehouse": {"system": "duckdb", "path": "w.duckdb"},
        "connections": {
            "files": {"system": "ldif", "path": "in.ldif", "output_path": "out.ldif"},
            "db": {
                "system": "oracle",
                "host": "h",
                "service_name": "s",
                "username": "u",
                "password": "${DB_PASSWORD}",
            },
        },
        "pipelines": [
            {
                "name": "p",
                "description": "d",
                "schedule": "@daily",
                "metadata": {"owner": "me"},
                "steps": [
                    {
                        "name": "read",
                        "service": "flext-tap-oracle",
                        "config": {
                            "connection": "db",
                            "query": "SELECT 1",
                            "select": ["a.*"],
                        },
                    },
                    {
                        "name": "model",
                        "service": "flext-dbt-ldif",
                        "depends_on": ["read"],
                        "config": {"model": "m", "vars": {"key": "value"}},
                    },
                    {
                        "name": "write",
                        "service": "flext-target-ldif",
                        "depends_on": ["model"],
                        "config": {
                            "connection": "files",
                            "dn_template": "uid={uid}",
                            "stream": "people",
                            "fields": {"a": "b"},
                        },
                    },
                ],
            }
        ],
        "environments": ["development"],
        "events": {
            "store": "sqlite:///e.db",
            "handlers": [{"type": "webhook", "url": "h"}],
        },
        "state_backend": "s3://bucket/state",
    }
    document.update(changes)
    return document


PATHS = sorted(leaves(ecosystem()), key=str)


BASE = {
    path: shape(yaml.safe_load(text))
    for path, text in outputs(ecosystem()).items()
    if path.endswith(".yml")
}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), text=TEXTS)
def test_any_text_in_any_field_is_refused_or_comes_out_inert(path, text):
    """Inert: the rendered YAML keeps its structure, and every path its place."""
    document = replaced(ecosystem(), path, text)
    try:
        found = outputs(document)
    except InvalidEcosystemError as error:
        refused = error
    else:
        refused = None
    if refused:
        assert refused.problems
        assert all(p.mark.line >= 1 and p.what.isprintable() for p in refused.problems)
        return
    for name, content in found.items():
        check_path(name)
        if not name.endswith(".yml"):
            continue
        loaded = yaml.safe_load(content)
        dumped = dump_yaml(loaded)
        assert yaml.safe_load(dumped) == loaded
        if name in BASE and path[-1] != "*" and text.strip() == "- injected: true":
            assert shape(loaded) == BASE[name]
    main = yaml.safe_load(found["meltano.yml"])
    for command in main["plugins"]["utilities"][0]["commands"].values():
        arguments = shlex.split(command["args"])
        assert arguments[0] in {"build", "deps"}
        assert set(arguments[1::2]) <= {
            "--exclude-resource-type",
            "--select",
            "--vars",
        }
    for job in main["jobs"]:
        assert all(len(task.split()) <= 2 for task in job["tasks"])


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), text=TEXTS)
def test_a_dollar_only_comes_out_as_a_named_variable(path, text):
    try:
        found = outputs(replaced(ecosystem(), path, text))
    except InvalidEcosystemError:
        return
    rest = found["meltano.yml"]
    for allowed in ("$MELTANO_PROJECT_ROOT", "$MELTANO_EXTRACTOR_NAME"):
        rest = rest.replace(allowed, "")
    names = {"${DB_PASSWORD}", "${X}"}
    for name in names:
        rest = rest.replace(name, "")
    assert "$" not in rest


@settings(max_examples=40, deadline=None)
@given(seed=st.integers())
def test_the_order_of_keys_changes_nothing(seed):
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret

    def shuffled(value, path=()):
        if isinstance(value, dict):
            items = [(key, shuffled(item, (*path, key))) for key, item in value.items()]
            if path[-1:] not in {("fields",), ("metadata",)}:
                chance.shuffle(items)
            return dict(items)
        if isinstance(value, list):
            items = [shuffled(item, path) for item in value]
            if path[-1:] == ("steps",):
                chance.shuffle(items)
            return items
        return value

    assert outputs(shuffled(ecosystem())) == outputs(ecosystem())


def sensitive():
    """Every place where a plugin's secret may stand."""
    plugins = known_plugins()
    for name in plugins.services:
        plugin = plugins[name]
        for setting in plugin.settings.values():
            if setting.is_sensitive:
                for key in (setting.name, *setting.aliases):
                    yield plugin.system, key


@pytest.mark.parametrize(("system", "key"), sorted(set(sensitive())))
def test_a_literal_secret_is_refused_and_repeated_nowhere(system, key):
    document = ecosystem()
    document["connections"]["x"] = {"system": system, key: CANARY}
    with pytest.raises(InvalidEcosystemError) as caught:
        outputs(document)
    assert any("holds a secret as plain text" in p.what for p in caught.value.problems)
    assert CANARY not in "".join(map(str, caught.value.problems))


@pytest.mark.parametrize(("system", "key"), sorted(set(sensitive())))
def test_a_secret_in_the_environment_reaches_no_output(system, key, monkeypatch):
    document = ecosystem()
    document["connections"]["x"] = {"system": system, key: "${X_SECRET}"}
    monkeypatch.setenv("X_SECRET", CANARY)
    monkeypatch.setenv("DB_PASSWORD", CANARY)
    try:
        found = outputs(document)
    except InvalidEcosystemError as error:
        found = {str(problem.mark): str(problem) for problem in error.problems}
    assert CANARY not in "".join(found.values())


@pytest.mark.parametrize(
    "place",
    [
        {"events": {"store": f"postgresql://u:{CANARY}@h/d"}},
        {"events": {"handlers": [{"smtp_password": CANARY}]}},
        {"events": {"handlers": [{"headers": {"api_key": CANARY}}]}},
        {"events": {"exporters": [{"url": f"https://u:{CANARY}@h"}]}},
        {"state_backend": f"s3://k:{CANARY}@b"},
        {
            "warehouse": {
                "system": "postgres",
                "host": "h",
                "database": "d",
                "username": "u",
                "password": CANARY,
            }
        },
    ],
)
def test_a_literal_secret_outside_connections_is_refused_too(place):
    with pytest.raises(InvalidEcosystemError) as caught:
        outputs(ecosystem(**place))
    assert CANARY not in "".join(map(str, caught.value.problems))
