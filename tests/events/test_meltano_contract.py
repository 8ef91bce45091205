"""What the hook takes from inside Meltano. When one of these fails, Meltano has
changed: read its change, adapt the hook, then raise the pin in pyproject.toml.
"""

import importlib
import inspect
import json
import re

import pytest
from meltano.cli.utils import CliError
from meltano.core.job.job import sigterm_received
from meltano.core.plugin_invoker import PluginInvoker

from flexcore_gen.events import listener, stale_rows
from flexcore_gen.events.listener import Text

RUN_TEXTS = {
    "meltano.core.block.block_parser": [
        Text.COMMAND_FOUND,
        Text.PLUGIN_FOUND,
        Text.EL_BLOCK_FOUND,
        Text.COMMAND_BLOCK_FOUND,
    ],
    "meltano.cli.run": [
        Text.RUN_STARTS,
        Text.BLOCK_DONE,
        Text.TIMED_OUT,
        Text.STOPPING,
        Text.RUN_DONE,
    ],
    "meltano.cli.elt": [
        Text.EL_STARTS,
        Text.EL_EXTRACT_FAILED,
        Text.EL_LOAD_FAILED,
        Text.EL_DONE,
    ],
}


def source(module):
    # `meltano.cli.run` is also the name of the command inside `meltano.cli`.
    return inspect.getsource(importlib.import_module(module))


@pytest.mark.parametrize(
    ("module", "text"),
    [(module, text) for module, texts in RUN_TEXTS.items() for text in texts],
)
def test_meltano_still_says(module, text):
    assert json.dumps(text) in source(module)


@pytest.mark.parametrize("name", ["set_number=", "block_type=", "exit_codes="])
def test_meltano_still_gives_the_fields_of_a_finished_block(name):
    assert name in source("meltano.cli.run")


@pytest.mark.parametrize("module", stale_rows.MODULES)
def test_meltano_still_fails_stale_jobs_before_it_looks_for_running_ones(module):
    text = source(module)
    assert text.index("fail_stale_jobs(") < text.index(".latest_running(")


def test_meltano_still_has_what_the_hook_replaces_or_asks():
    assert PluginInvoker.Popen_options(None) == {}
    assert CliError("x", exit_code=75).exit_code == 75
    assert sigterm_received() is False
    assert "def _install_plugins_and_exit(" in source("meltano.cli.params")


def test_the_hook_listens_to_the_loggers_that_meltano_uses():
    for name in (listener.RUN_LOGGER, listener.EL_LOGGER, listener.ERROR_LOGGER):
        assert re.search(r"get_?[lL]ogger\(__name__\)", source(name))
    named = 'f"meltano.plugin.{io}.{self.plugin.type}.{self.plugin.name}"'
    assert named in source("meltano.core.plugin_invoker")
