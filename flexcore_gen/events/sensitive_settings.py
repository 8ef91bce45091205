"""Asks Meltano for the values of a run's plugins that must not be written down."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.masking import Secrets, is_secret_name, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def environment_secrets(project: Any) -> Secrets:  # noqa: ANN401 - meltano.core.project.Project
    """Return the secrets of the environment and of the project's .env file."""
    secrets = Secrets()
    secrets.add_environment(os.environ)
    secrets.add_environment({k: v or "" for k, v in project.dotenv_env.items()})
    return secrets


def add_plugin_secrets(
    secrets: Secrets,
    project: Any,  # noqa: ANN401 - meltano.core.project.Project
    plugin_names: Iterable[str],
) -> None:
    """Add the values of sensitive, or secretly named, settings of plugins."""
    from meltano.core.plugin.settings_service import (  # noqa: PLC0415 - only for runs
        PluginSettingsService,
    )

    for name in sorted(set(plugin_names)):
        settings = PluginSettingsService(project, project.plugins.find_plugin(name))
        for definition in settings.definitions(extras=False):
            if definition.sensitive or is_secret_name(definition.name):
                secrets.add(texts_of(settings.get(definition.name)))
