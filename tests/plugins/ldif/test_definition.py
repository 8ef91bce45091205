"""The Meltano definition says what the plugins themselves say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from flext_ldif.tap import TapLdif
from flext_ldif.target import TargetLdif

DEFINITION = Path(__file__).parents[3] / "plugins/flext-ldif/flext-ldif.meltano.yml"
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
    ("plugin", "section"), [(TapLdif, "extractors"), (TargetLdif, "loaders")]
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
        types = own["type"] if isinstance(own["type"], list) else [own["type"]]
        kinds = [kind for kind in types if kind != "null"]
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
    config = {"path": "x.ldif"}
    found = [stream.name for stream in TapLdif(config=config).discover_streams()]
    assert sorted(streams) == sorted(found)


def test_tap_and_target_do_not_import_each_other():
    folder = DEFINITION.parent / "flext_ldif"
    pattern = re.compile(r"^\s*from flext_ldif\.(\w+) import", re.MULTILINE)
    arrows = {
        path.stem: set(pattern.findall(path.read_text()))
        for path in folder.glob("*.py")
    }
    seen = {"tap": set(), "target": set()}
    for side, reached in seen.items():
        waiting = [side]
        while waiting:
            for name in arrows[waiting.pop()] - reached:
                reached.add(name)
                waiting.append(name)
    assert "target" not in seen["tap"]
    assert "sinks" not in seen["tap"]
    assert "tap" not in seen["target"]
    assert "streams" not in seen["target"]


@pytest.mark.parametrize("plugin", [TapLdif, TargetLdif])
def test_the_readme_tells_of_every_setting_of_our_own(plugin):
    readme = (DEFINITION.parent / "README.md").read_text("utf-8")
    shared = {"catalog_cache_path", "catalog_cache_seconds", "request_timeout_seconds"}
    shared |= {"max_retries", "max_buffer_bytes", "process_activate_version_messages"}
    shared |= {"add_record_metadata", "batch_size_rows", "faker_config"}
    own = [
        name
        for name in plugin._get_about_info().settings["properties"]
        if name not in shared and not name.startswith(("flattening", "stream_map"))
    ]
    assert [name for name in own if f"`{name}`" not in readme] == []
