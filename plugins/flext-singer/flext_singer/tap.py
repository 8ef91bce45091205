"""`FlextTap`: the SDK's tap with our settings, output and discovery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import _ConfigInput

from flext_singer import batch_files, settings
from flext_singer.plugin import FlextPlugin
from flext_singer.selection import DiscoveryCache, WantedStreams, cache_folder
from flext_singer.writer import BufferedWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    import click
    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class FlextTap(FlextPlugin, Tap):
    """A Singer tap on the lean record path.

    A system sets `name`, `package_name` and `config_jsonschema`, and overrides
    `discover_streams`.
    """

    message_writer_class = BufferedWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the settings that every tap understands."""
        settings.merge_missing(config_jsonschema, settings.COMMON, settings.TAP)
        if PluginCapabilities.BATCH in cls.capabilities:
            settings.merge_missing(config_jsonschema, settings.BATCH)
        super().append_builtin_config(config_jsonschema)

    @classmethod
    def cb_discover(
        cls,
        ctx: click.Context,
        param: click.Option,  # noqa: ARG003 - click's signature
        value: bool,
    ) -> None:
        """Run discovery; wrong settings are an error like any other.

        A tap whose catalog depends on its settings sets `dynamic_catalog = True`,
        so that they are checked first.
        """
        if not value:
            return
        given: _ConfigInput = ctx.params.get("config") or _ConfigInput()
        tap = cls(
            config=given.config,
            parse_env_config=given.parse_env,
            validate_config=cls.dynamic_catalog,
            setup_mapper=False,
        )
        tap.run_discovery()
        ctx.exit()

    @property
    def writer(self) -> BufferedWriter:
        """The output of this tap."""
        writer = self.message_writer
        if not isinstance(writer, BufferedWriter):
            message = f"{self.name} writes through {type(writer).__name__}"
            raise TypeError(message)
        return writer

    def wanted_streams(self) -> WantedStreams:
        """Return which streams this run asks for, to discover only those."""
        return WantedStreams.from_environment()

    def batch_folder(self, config: BatchConfig) -> Path:
        """Return the folder of this run's batch files; made at the first call."""
        if self._batch_folder is None:
            root = batch_files.storage_root(config.storage.asdict())
            name = f"{config.storage.prefix or ''}{self.name}"
            self._batch_folder = batch_files.run_folder(root or Path(), name)
        return self._batch_folder

    _batch_folder: Path | None = None

    def cached_discovery(
        self,
        compute: Callable[[], Any],
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Return what `compute` discovers, computed once per run and settings.

        Args:
            compute: Asks the system; returns a value that JSON can hold.
        """
        parts = {
            "plugin": self.name,
            "version": self.plugin_version,
            "settings": dict(self.config),
            "wanted": repr(WantedStreams.from_environment()),
        }
        folder = cache_folder(self.config.get("catalog_cache_path"))
        seconds = self.config.get("catalog_cache_seconds") or 0
        return DiscoveryCache(folder, parts, seconds).get(compute)
