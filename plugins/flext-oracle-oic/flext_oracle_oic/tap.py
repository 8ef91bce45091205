"""The command `flext-tap-oracle-oic`."""

from __future__ import annotations

import difflib
import functools
from typing import TYPE_CHECKING, Any

from flext_singer import FlextTap, entry_point
from singer_sdk import typing as th

from flext_oracle_oic.catalogue import ALIASES as STREAM_ALIASES
from flext_oracle_oic.catalogue import SPECS
from flext_oracle_oic.client import Client
from flext_oracle_oic.errors import OicError
from flext_oracle_oic.keys import instant, text
from flext_oracle_oic.paging import ListReader
from flext_oracle_oic.settings import ALIASES, CONNECTION, canonical, problems
from flext_oracle_oic.streams import (
    DEFAULT_LOOKBACK_SECONDS,
    DEFAULT_PAGE_SIZE,
    DEFAULT_RETENTION_DAYS,
    make_stream,
)
from flext_oracle_oic.windows import MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk import Stream

    from flext_oracle_oic.catalogue import StreamSpec

LIST = th.CustomType({"type": ["array", "string"], "items": {"type": "string"}})


class TapOracleOic(FlextTap):
    """Reads one service instance of Oracle Integration Cloud."""

    name = "flext-tap-oracle-oic"
    package_name = "flext-oracle-oic"
    dynamic_catalog = True
    config_jsonschema = th.PropertiesList(
        *CONNECTION,
        th.Property(
            "streams",
            LIST,
            title="Streams",
            description="Only these streams; default all but activity_stream, history.",
        ),
        th.Property(
            "details",
            th.BooleanType,
            default=True,
            title="Details",
            description="Ask for each integration and connection in full.",
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=1000),
            default=DEFAULT_PAGE_SIZE,
            title="Page size",
            description="Rows per request; the service may send fewer.",
        ),
        th.Property(
            "start_date",
            th.StringType,
            title="Start date",
            description="Earliest monitoring that the first run reads; default all.",
        ),
        th.Property(
            "lookback_seconds",
            th.NumberType(minimum=0),
            default=DEFAULT_LOOKBACK_SECONDS,
            title="Look-back (seconds)",
            description="How far before the bookmark a run begins, for late arrivals.",
        ),
        th.Property(
            "retention_days",
            th.NumberType(exclusive_minimum=0),
            default=DEFAULT_RETENTION_DAYS,
            title="Retention (days)",
            description="How long the instance keeps monitoring data.",
        ),
        th.Property(
            "max_window_rows",
            th.IntegerType(minimum=1),
            default=MOST_ROWS,
            title="Rows per window",
            description="Rows that monitoring lists page before they end silently.",
        ),
        th.Property(
            "history_frequency",
            th.StringType,
            default="HOURLY",
            title="History frequency",
            description="frequency of the stream history.",
        ),
    ).to_dict()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        config = canonical(self._config, ALIASES, ["streams"])
        if isinstance(config.get("streams"), list):
            config["streams"] = [
                STREAM_ALIASES.get(str(name), str(name)) for name in config["streams"]
            ]
        self._config = config
        return super()._validate_config(raise_errors=raise_errors)

    def check_settings(self) -> list[str]:
        """Sentences about settings that do not go together."""
        found = problems(self.config)
        for name in self.config.get("streams") or ():
            if name not in SPECS:
                near = difflib.get_close_matches(name, [*SPECS, *STREAM_ALIASES], 1)
                hint = f'; did you mean "{near[0]}"?' if near else ""
                found.append(f'there is no stream "{name}"{hint}')
        if start := self.config.get("start_date"):
            try:
                instant(start)
            except ValueError:
                found.append(
                    f"start_date {start!r} is no date: write 2024-01-31 or"
                    " 2024-01-31T08:00:00Z"
                )
        return found

    @functools.cached_property
    def client(self) -> Client:
        """The connection; made when it is first needed."""
        return Client(self.config, user_agent=f"{self.name}/{self.plugin_version}")

    def discover_streams(self) -> Sequence[Stream]:
        """One stream per list that is wanted; nothing is asked for it."""
        named = self.config.get("streams")
        wanted = self.wanted_streams()
        selected = wanted.names or frozenset()
        for name in sorted(selected - set(SPECS)):
            near = difflib.get_close_matches(name, SPECS, 1)
            known = STREAM_ALIASES.get(name) or (near[0] if near else None)
            raise OicError(
                f"there is no stream {name!r}",
                where="the selection (MELTANO_EXTRACT__SELECT)",
                fix=f"select {known!r}" if known else "see --discover",
            )
        return [
            make_stream(self, spec)
            for spec in SPECS.values()
            if wanted.matches(spec.name)
            and (
                spec.name in named
                if named
                else spec.is_default
                or spec.name in selected
                or self.input_catalog is not None
            )
        ]

    def listed(self, spec: StreamSpec) -> Iterator[Any]:
        """Yields the rows of a list."""
        where = f"GET {'/'.join(spec.path)}"
        order = {"orderBy": "name"} if spec.orders_by_name else {}
        size = str(int(self.config.get("page_size") or DEFAULT_PAGE_SIZE))

        def ask(offset: int) -> Any:  # noqa: ANN401 - JSON of any shape
            return self.client.get(*spec.path, limit=size, offset=str(offset), **order)

        def key(row: Any) -> object:  # noqa: ANN401 - JSON of any shape
            return row.get(spec.keys[0]) if isinstance(row, dict) else None

        return ListReader(ask, key, where).read()

    def integration_codes(self) -> list[str]:
        """The codes of all integrations."""
        rows = self.listed(SPECS["integrations"])
        return [text(row["code"]) for row in rows if row.get("code")]


main = entry_point(TapOracleOic)
