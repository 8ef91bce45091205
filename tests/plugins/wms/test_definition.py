"""The Meltano definition, the README and the plugins say the same."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from fakes.wms.switches import Switches
from flext_oracle_wms.tap import TAP_ALIASES, TapOracleWms
from flext_oracle_wms.target import TARGET_ALIASES, TargetOracleWms

PACKAGE = Path(__file__).parents[3] / "plugins/flext-oracle-wms"
KINDS = {
    "string": {"string", "file", "options", "date_iso8601"},
    "integer": {"integer"},
    "number": {"integer"},
    "boolean": {"boolean"},
    "array": {"array"},
    "object": {"object"},
}
BOTH = [
    (TapOracleWms, "extractors", TAP_ALIASES),
    (TargetOracleWms, "loaders", TARGET_ALIASES),
]
PLAIN = {
    "max_page_size",
    "forbidden_entity",
    "late_commit_seconds",
    "stage_max_parallel",
}
"""Switches that are numbers and names for the others."""
OF_THE_SDK = re.compile(
    r"stream_map|faker|flattening|batch_config|add_record|load_method|batch_size_rows"
)


@pytest.mark.parametrize(("plugin", "section", "aliases"), BOTH)
def test_the_definition_agrees_with_about(plugin, section, aliases):
    path = PACKAGE / "flext-oracle-wms.meltano.yml"
    (definition,) = yaml.safe_load(path.read_text())["plugins"][section]
    about = plugin._get_about_info()
    assert definition["name"] == definition["executable"] == plugin.name
    assert definition["capabilities"] == sorted(c.value for c in about.capabilities)
    settings = {setting["name"]: setting for setting in definition["settings"]}
    properties = about.settings["properties"]
    assert set(settings) == set(properties)
    assert aliases == {
        alias: name
        for name, setting in settings.items()
        for alias in setting.get("aliases", ())
    }
    for name, setting in settings.items():
        own = properties[name]
        kinds = [k for k in own["type"] if k != "null"]
        assert any(setting["kind"] in KINDS[kind] for kind in kinds), name
        assert bool(setting.get("sensitive")) == bool(own.get("secret")), name
        if own.get("enum"):
            values = [getattr(v, "value", v) for v in own["enum"] if v is not None]
            assert [o["value"] for o in setting["options"]] == values
        assert setting["description"]
        assert "$" not in setting["description"]


@pytest.mark.parametrize(("plugin", "section", "aliases"), BOTH)
def test_the_readme_tells_of_every_setting(plugin, section, aliases):
    del section
    text = (PACKAGE / "README.md").read_text()
    for name in plugin._get_about_info().settings["properties"]:
        if not OF_THE_SDK.match(name):
            assert f"`{name}`" in text, name
    for alias in aliases:
        assert f"`{alias}`" in text, alias


def test_tap_and_target_do_not_import_each_other():
    pattern = re.compile(r"^\s*from flext_oracle_wms\.(\w+) import", re.MULTILINE)
    arrows = {
        path.stem: set(pattern.findall(path.read_text()))
        for path in (PACKAGE / "flext_oracle_wms").glob("*.py")
    }
    seen = {"tap": set(), "target": set(), "client": set()}
    for side, reached in seen.items():
        waiting = [side]
        while waiting:
            for name in arrows[waiting.pop()] - reached:
                reached.add(name)
                waiting.append(name)
    assert not seen["tap"] & {"target", "sinks", "staging", "rest_writes"}
    assert not seen["target"] & {"tap", "streams", "records", "queries"}
    assert seen["client"] == {"answers", "authentication", "errors", "links"}


@pytest.mark.parametrize("alias", ["wms_username", "include_entities", "lookback"])
def test_names_that_movers_hold_are_understood(alias):
    config = {"base_url": "https://h/e", "username": "u", "password": "p"}
    if alias == "wms_username":
        del config["username"]
    value = {"wms_username": "u", "include_entities": ["item"], "lookback": 60}[alias]
    tap = TapOracleWms(config={**config, alias: value}, setup_mapper=False)
    assert tap.config[TAP_ALIASES[alias]] == value


def test_the_table_of_scenarios_names_tests_and_switches_that_exist():
    folder = Path(__file__).parent
    table = (folder / "README.md").read_text()
    tests = "".join(path.read_text() for path in folder.parent.rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", table))
    assert {name for name in named if f"def {name}(" not in tests} == set()
    switches = {field.name for field in dataclasses.fields(Switches)}
    assert {name for name in switches if f"`{name}`" not in table} <= PLAIN
