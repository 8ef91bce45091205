"""The Meltano definition says what the plugins themselves say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from flext_ldap.tap import TapLdap
from flext_ldap.target import TargetLdap

DEFINITION = Path(__file__).parents[3] / "plugins/flext-ldap/flext-ldap.meltano.yml"
KINDS = {
    "string": {"string", "file", "options"},
    "integer": {"integer"},
    "number": {"integer"},
    "boolean": {"boolean"},
    "array": {"array"},
    "object": {"object"},
}


def defined(section):
    data = yaml.safe_load(DEFINITION.read_text())["plugins"][section]
    (plugin,) = data
    return plugin


@pytest.mark.parametrize(
    ("plugin", "section"), [(TapLdap, "extractors"), (TargetLdap, "loaders")]
)
def test_the_definition_agrees_with_about(plugin, section):
    definition = defined(section)
    about = plugin._get_about_info()
    assert definition["name"] == definition["executable"] == plugin.name
    assert definition["capabilities"] == sorted(c.value for c in about.capabilities)
    settings = {setting["name"]: setting for setting in definition["settings"]}
    aliases = {a for s in settings.values() for a in s.get("aliases", ())}
    properties = about.settings["properties"]
    assert set(settings) | aliases == set(properties)
    assert not set(settings) & aliases
    for name, setting in settings.items():
        own = properties[name]
        kinds = [k for k in own["type"] if k != "null"]
        assert any(setting["kind"] in KINDS[kind] for kind in kinds), name
        assert bool(setting.get("sensitive")) == bool(own.get("secret")), name
        if own.get("enum"):
            assert [o["value"] for o in setting["options"]] == [
                value for value in own["enum"] if value is not None
            ]
        assert setting["description"]
        assert "$" not in setting["description"]


def test_the_definition_names_the_fixed_streams():
    streams = defined("extractors")["annotations"]["flexcore"]["streams"]
    config = {"url": "ldaps://localhost"}
    found = [stream.name for stream in TapLdap(config=config).discover_streams()]
    assert sorted(streams) == sorted(found)
