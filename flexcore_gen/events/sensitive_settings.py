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


def add_secrets_of(secrets: Secrets, invoker: Any) -> None:  # noqa: ANN401 - meltano.core.plugin_invoker.PluginInvoker
    """Add the secrets of a plugin that is about to start; its settings are resolved."""
    definitions = invoker.settings_service.definitions(extras=False)
    sensitive = {each.name for each in definitions if each.sensitive}
    for name, value in invoker.plugin_config.items():
        if name in sensitive or is_secret_name(name):
            secrets.add(texts_of(value))
    secrets.add_environment(invoker.plugin_config_env)
    secrets.add_environment(invoker.settings_service.env_override)


def add_secrets_by_name(
    secrets: Secrets,
    project: Any,  # noqa: ANN401 - meltano.core.project.Project
    plugin_names: Iterable[str],
) -> None:
    """Add the secrets of plugins that have not started."""
    from meltano.core.plugin.settings_service import (  # noqa: PLC0415 - rarely
        PluginSettingsService,
    )

    for name in plugin_names:
        settings = PluginSettingsService(project, project.plugins.find_plugin(name))
        for definition in settings.definitions(extras=False):
            if definition.sensitive or is_secret_name(definition.name):
                secrets.add(texts_of(settings.get(definition.name)))
