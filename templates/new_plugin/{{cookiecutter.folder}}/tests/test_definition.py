"""The Meltano definition says what the plugin itself says."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SECTIONS = yaml.safe_load((ROOT / "{{cookiecutter.name}}.meltano.yml").read_text())["plugins"]
MODULES = {"extractors": "tap", "loaders": "target"}


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_setting_is_one_that_the_plugin_knows(section):
    (definition,) = SECTIONS[section]
    module = f"{{cookiecutter.package}}.{MODULES[section]}"
    assert importlib.import_module(module).main
    printed = subprocess.run(
        [sys.executable, "-m", module, "--about", "--format=json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    about = json.loads(printed.stdout)
    known = about["settings"]["properties"]
    for setting in definition["settings"]:
        assert setting["name"] in known
        secret = bool(known[setting["name"]].get("secret"))
        assert bool(setting.get("sensitive")) == secret, setting["name"]
    assert sorted(about["capabilities"]) == definition["capabilities"]
    assert definition["executable"] == definition["name"] == about["name"]
