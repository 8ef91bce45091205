"""What FlextTap and FlextTarget have in common: settings, secrets, rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flext_singer import secrets, settings
from flext_singer.errors import SettingsError
from flext_singer.rejects import Rejects

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping
    from types import FrameType


class FlextPlugin:
    """Mixin before the SDK's `Tap` or `Target`."""

    if TYPE_CHECKING:
        name: str
        logger: logging.Logger
        config_jsonschema: ClassVar[Any]
        _config: dict[str, Any]
        _env_var_prefix: str

        @property
        def config(self) -> Mapping[str, Any]:
            """The settings."""

        @classmethod
        def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
            """Add settings."""

    _rejects: Rejects | None = None

    @property
    def rejects(self) -> Rejects:
        """The records this process could not move."""
        if self._rejects is None:
            self._rejects = Rejects(
                self.name,
                self.config.get("max_errors") or 0,
                self.config.get("rejects_path"),
            )
        return self._rejects

    def check_settings(self) -> list[str]:
        """Return what is wrong beyond the settings' schema; override to add.

        Returns:
            One sentence per fault, naming the setting, without secret values.
        """
        return []

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        # First of all, so that no message below can show a secret.
        secrets.register(secrets.secret_values(schema, self._config))
        errors = settings.problems(schema, self._config, prefix=self._env_var_prefix)
        secrets.register(secrets.secret_values(schema, self._config))
        if not errors:
            errors = [secrets.mask(error) for error in self.check_settings()]
        if errors and raise_errors:
            raise SettingsError(self.name, errors)
        for error in errors:
            self.logger.warning("%s", error)
        settings.warn_unknown(schema, self._config, self.logger)
        return errors

    def _setup_signal_handlers(self) -> None:
        """Leave signals alone: `command_line.entry_point` installs the rules.

        The SDK would install its draining handler here (meltano/sdk#3775), also
        in a process that merely uses this class, such as a test runner.
        """

    def _handle_termination(
        self,
        signum: int,
        frame: FrameType | None,  # noqa: ARG002 - the SDK's signature
    ) -> None:
        raise SystemExit(128 + signum)
