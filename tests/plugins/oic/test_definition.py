"""The Meltano definition, the README and the plugins say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from flext_oracle_oic.settings import ALIASES
from flext_oracle_oic.tap import TapOracleOic
from flext_oracle_oic.target import TargetOracleOic

PACKAGE = Path(__file__).parents[3] / "plugins/flext-oracle-oic"
KINDS = {
    "string": {"string", "file", "options", "date_iso8601"},
    "integer": {"integer"},
    "number": {"integer"},
    "boolean": {"boolean"},
    "array": {"array"},
    "object": {"object"},
}
BOTH = [
    (TapOracleOic, "extractors", ALIASES),
    (TargetOracleOic, "loaders", ALIASES),
]
OF_THE_SDK = re.compile(
    r"stream_map|faker|flattening|batch_config|add_record|load_method|batch_size_rows"
)


@pytest.mark.parametrize(("plugin", "section", "aliases"), BOTH)
def test_the_definition_agrees_with_about(plugin, section, aliases):
    path = PACKAGE / "flext-oracle-oic.meltano.yml"
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
    pattern = re.compile(r"^\s*from flext_oracle_oic\.(\w+) import", re.MULTILINE)
    arrows = {
        path.stem: set(pattern.findall(path.read_text()))
        for path in (PACKAGE / "flext_oracle_oic").glob("*.py")
    }
    seen = {"tap": set(), "target": set(), "client": set()}
    for side, reached in seen.items():
        waiting = [side]
        while waiting:
            for name in arrows[waiting.pop()] - reached:
                reached.add(name)
                waiting.append(name)
    assert not seen["tap"] & {"target", "lookups", "lookup_writing", "artefacts"}
    assert not seen["target"] & {"tap", "streams", "windows", "paging"}
    assert seen["client"] == {
        "answers",
        "archives",
        "authentication",
        "errors",
        "hosts",
        "keys",
    }


def test_names_that_movers_hold_are_understood():
    config = {
        "oauth_client_id": "a",
        "oauth_client_secret": "b",
        "oic_url": "https://h",
    }
    tap = TapOracleOic(
        config={**config, "oauth_token_endpoint": "https://t", "instance_id": "i"},
        setup_mapper=False,
    )
    assert tap.config["base_url"] == "https://h"
    assert tap.config["integration_instance"] == "i"
    assert tap.config["oauth_token_url"] == "https://t"
