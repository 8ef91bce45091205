"""Turns the forms that FlexCore's users already have into the native form.

The vocabulary is that of the ecosystem integration guide: `pipeline:` files,
the request form, `oracle_integration`, `ldap_integration`, `flext_service` and
the environment files with `flexcore`, `services` and `ecosystem_integration`.
Each reading that is not obvious leaves a note, so `validate` can say what a
block became; what FlexCore has no use for is named too, never dropped quietly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flexcore_gen.errors import Mark, Problem
from flexcore_gen.loading import Value
from flexcore_gen.request_form import read_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Keys of the guide's `connection:` block, FlexCore's own connection pool.
_POOL_KEYS = {"max_connections", "connection_timeout", "read_timeout"}
_NO_SERVICE = "no such service runs: pipelines run in Meltano"


@dataclass(slots=True)
class Part:
    """A document in native form: keys of an ecosystem, and pipelines."""

    main: Value
    pipelines: list[tuple[Value, str]] = field(default_factory=list)
    environment: str | None = None


def normalise(value: Value, path: Path, problems: list[Problem]) -> Part:
    """The native form of one document.

    Args:
        value: The document.
        path: Its file; a request without a name is called after it.
        problems: Receives notes, warnings and errors.
    """
    if not isinstance(value.data, dict):
        problems.append(
            Problem(
                value.mark,
                f"the file holds {value.kind}, not a mapping",
                "start with `version: 1` and `project:`, or with `pipeline:`",
            )
        )
        return Part(Value({}, value.mark))
    if foreign := _foreign(value.data):
        problems.append(
            Problem(
                value.mark,
                f"this is a {foreign[0]}, which FlexCore writes and does not read",
                f"add {foreign[1]} to outputs in ecosystem.yaml and run "
                "`flexcore-gen generate`",
            )
        )
        return Part(Value({}, value.mark))
    return _Normaliser(value, path, problems).run()


def _foreign(entries: dict[str, Value]) -> tuple[str, str] | None:
    if "apiVersion" in entries:
        return "Kubernetes manifest", "kubernetes"
    if "scrape_configs" in entries:
        return "Prometheus configuration", "prometheus"
    if "dashboard" in entries:
        return "Grafana dashboard", "grafana"
    services = entries.get("services")
    if services and isinstance(services.data, dict):
        for service in services.data.values():
            if isinstance(service.data, dict) and service.data.keys() & {
                "image",
                "build",
            }:
                return "Compose file", "compose"
    return None


def _is_pool(value: Value) -> bool:
    return isinstance(value.data, dict) and value.data.keys() <= _POOL_KEYS


class _Normaliser:
    def __init__(self, value: Value, path: Path, problems: list[Problem]) -> None:
        self.value = value
        self.path = path
        self.problems = problems
        self.part = Part(value)
        self.entries: dict[str, Value] = {}
        self.marks: dict[str, Mark] = {}

    def run(self) -> Part:
        data = self.value.data
        assert isinstance(data, dict)  # noqa: S101 - checked by normalise
        handlers: dict[str, Callable[[Value], None]] = {
            "oracle_integration": self._oracle,
            "ldap_integration": self._ldap,
            "flext_service": self._service,
            "flexcore": self._flexcore,
            "services": self._services,
            "ecosystem_integration": self._integration,
            "security": self._security,
            "observability": self._observability,
        }
        if "pipeline_config" in data:
            pipeline = read_request(self.value, self.path, self.problems)
            self.part.pipelines.append(pipeline)
            return self._done()
        for key, item in data.items():
            if key == "pipeline":
                self._pipeline(item)
            elif key == "foreach" and "pipeline" in data:
                continue
            elif key == "connection" and _is_pool(item):
                self._pool(item)
            elif key == "steps" and "pipeline" not in data:
                self.part.pipelines.append((self.value, "pipeline"))
                return Part(Value({}, self.value.mark), self.part.pipelines)
            elif key in handlers:
                handlers[key](item)
            else:
                self._add(key, item, self.value.key_marks.get(key, item.mark))
        return self._done()

    def _done(self) -> Part:
        self.part.main = Value(self.entries, self.value.mark, "", self.marks)
        return self.part

    # what the handlers share ---------------------------------------------

    def _add(self, key: str, value: Value, mark: Mark) -> None:
        before = self.entries.get(key)
        if before and isinstance(before.data, dict) and isinstance(value.data, dict):
            for name in before.data.keys() & value.data.keys():
                self.problems.append(
                    Problem(
                        value.key_marks.get(name, value.data[name].mark),
                        f'"{name}" is given a second time in {key}; '
                        f"first at {before.key_marks.get(name, before.mark)}",
                        "keep one of the two",
                        f"{key}.{name}",
                    )
                )
            value = Value(
                {**before.data, **value.data},
                before.mark,
                "",
                {**before.key_marks, **value.key_marks},
            )
        self.entries[key] = value
        self.marks.setdefault(key, mark)

    def _note(self, mark: Mark, text: str) -> None:
        self.problems.append(Problem(mark, text, "", severity="note"))

    def _unused(self, path: str, value: Value, why: str) -> None:
        self._note(value.mark, f"{path} is not used: {why}")

    def _mapping(self, value: Value, path: str) -> dict[str, Value]:
        if isinstance(value.data, dict):
            return value.data
        if value.data is not None:
            self.problems.append(
                Problem(
                    value.mark,
                    f"here stands {value.kind}, and a mapping is needed",
                    "write a mapping",
                    path,
                )
            )
        return {}

    def _connection(
        self, name: Value, system: str, settings: dict[str, Value], path: str
    ) -> None:
        """Adds a connection; credentials it lacks come from named variables."""
        mark = name.mark
        variable = re.sub(r"[^A-Z0-9]+", "_", name.text.upper())
        entries = {"system": _text(system, mark), **settings}
        wanted = {"oracle": ("username", "password"), "ldap": ("password",)}[system]
        if system == "ldap" and "bind_dn" not in settings:
            wanted = ()
        added = [key for key in wanted if key not in settings]
        for key in added:
            entries[key] = _text(f"${{{variable}_{key.upper()}}}", mark)
        said = "".join(f", {key} from ${{{variable}_{key.upper()}}}" for key in added)
        self._note(mark, f'{path} became connection "{name.text}" to {system}{said}')
        self._add(
            "connections",
            Value({name.text: Value(entries, mark)}, mark, "", {name.text: mark}),
            mark,
        )

    # oracle_integration, ldap_integration ---------------------------------

    def _oracle(self, value: Value) -> None:
        self._listed(value, "oracle_integration", "connection_pools", "oracle")

    def _ldap(self, value: Value) -> None:
        self._listed(value, "ldap_integration", "connections", "ldap")

    def _listed(self, value: Value, key: str, items: str, system: str) -> None:
        entries = self._mapping(value, key)
        for name, item in entries.items():
            if name == "service":
                self._note(item.mark, f"{key}.service names what flext-{system} does")
            elif name != items:
                self.problems.append(
                    Problem(
                        value.key_marks.get(name, item.mark),
                        f'unknown key "{name}" in {key}',
                        f'did you mean "{items}"?',
                        f"{key}.{name}",
                    )
                )
        pools = entries.get(items)
        if pools is None or not isinstance(pools.data, list):
            self.problems.append(
                Problem(
                    (pools or value).mark,
                    f"{key} has no list of {items}",
                    f"add `{items}:` with one entry per connection",
                    key,
                )
            )
            return
        for index, pool in enumerate(pools.data):
            path = f"{key}.{items}[{index}]"
            settings = dict(self._mapping(pool, path))
            label = settings.pop("name", Value(None, pool.mark))
            if not label.text:
                self.problems.append(
                    Problem(pool.mark, f"{path} has no name", "add `name:`", path)
                )
                continue
            self._connection(label, system, settings, path)

    # flext_service, connection ---------------------------------------------

    def _service(self, value: Value) -> None:
        self._limits(value, "flext_service")

    def _pool(self, value: Value) -> None:
        self._limits(value, "connection")

    def _limits(self, value: Value, path: str) -> None:
        """Timeouts and retries become defaults of every plugin."""
        meaning = {
            "timeout_seconds": "request_timeout_seconds",
            "timeout": "request_timeout_seconds",
            "read_timeout": "request_timeout_seconds",
            "retry_attempts": "max_retries",
        }
        for key, item in self._mapping(value, path).items():
            setting = meaning.get(key)
            mark = value.key_marks.get(key, item.mark)
            if setting is None:
                self._unused(f"{path}.{key}", item, _NO_SERVICE)
                continue
            defaults = self.entries.get("defaults")
            if (
                defaults
                and isinstance(defaults.data, dict)
                and setting in defaults.data
            ):
                self._note(mark, f"{path}.{key} is already given as {setting}")
                continue
            self._note(mark, f"{path}.{key} became defaults.{setting}")
            self._add(
                "defaults", Value({setting: item}, mark, "", {setting: mark}), mark
            )

    # environment files ------------------------------------------------------

    def _flexcore(self, value: Value) -> None:
        for key, item in self._mapping(value, "flexcore").items():
            if key == "environment":
                self.part.environment = item.text
                self._note(item.mark, f"this file is for environment {item.text}")
                if self.path.stem not in {item.text, f"config-{item.text}"}:
                    self.problems.append(
                        Problem(
                            item.mark,
                            f'flexcore.environment says "{item.text}" and the file '
                            f'is called "{self.path.name}"',
                            f"call the file config/{item.text}.yaml",
                            "flexcore.environment",
                            "warning",
                        )
                    )
            elif key == "debug":
                self._unused(f"flexcore.{key}", item, "run with `--log-level=debug`")
            else:
                self._unused(f"flexcore.{key}", item, _NO_SERVICE)

    def _services(self, value: Value) -> None:
        for key, item in self._mapping(value, "services").items():
            if key == "flext_service":
                self._limits(item, "services.flext_service")
            elif key == "database":
                self._database(item)
            elif key == "redis":
                self._unused("services.redis", item, "nothing here needs a cache")
            else:
                self._unused(f"services.{key}", item, _NO_SERVICE)

    def _database(self, value: Value) -> None:
        """FlexCore's own database is where the history of runs is kept."""
        entries = self._mapping(value, "services.database")
        host = entries.get("host", _text("localhost", value.mark))
        port = entries.get("port", _text("5432", value.mark))
        database = entries.get("database", _text("flexcore", value.mark))
        ssl = entries.get("ssl_mode")
        for key in entries.keys() - {"host", "port", "database", "ssl_mode"}:
            self._unused(f"services.database.{key}", entries[key], "no pool is held")
        url = (
            "postgresql://${FLEXCORE_DATABASE_USERNAME}:${FLEXCORE_DATABASE_PASSWORD}"
            f"@{host.text}:{port.text}/{database.text}"
            + (f"?sslmode={ssl.text}" if ssl else "")
        )
        self._note(
            value.mark,
            "services.database became events.store, user and password from "
            "${FLEXCORE_DATABASE_USERNAME} and ${FLEXCORE_DATABASE_PASSWORD}",
        )
        mark = value.mark
        self._add("events", Value({"store": _text(url, mark)}, mark), mark)

    def _integration(self, value: Value) -> None:
        for key, item in self._mapping(value, "ecosystem_integration").items():
            path = f"ecosystem_integration.{key}"
            if key == "infrastructure_services":
                for system, service in self._mapping(item, path).items():
                    self._infrastructure(
                        system, service, item.key_marks[system], f"{path}.{system}"
                    )
            else:
                self._unused(path, item, "plugins are installed beside Meltano")

    def _infrastructure(self, system: str, value: Value, mark: Mark, path: str) -> None:
        settings = dict(self._mapping(value, path))
        if system not in {"oracle", "ldap"}:
            self.problems.append(
                Problem(
                    mark,
                    f'no infrastructure service is called "{system}"',
                    "allowed: oracle, ldap; define others below connections",
                    path,
                )
            )
            return
        name = Value(system, mark, system)
        if address := settings.pop("connection_string", None):
            settings.update(self._address(address, system, path))
        self._connection(name, system, settings, path)

    def _address(self, value: Value, system: str, path: str) -> dict[str, Value]:
        """Host, port, service and user of `oracle://user:password@host:port/service`.

        A password in it is dropped, because what we render is committed.
        """
        mark = value.mark
        try:
            url = urlsplit(value.text)
            port = url.port
        except ValueError:
            url, port = urlsplit(""), None
        if url.scheme != system or not url.hostname:
            self.problems.append(
                Problem(
                    mark,
                    "the connection string cannot be read",
                    f"write {system}://user@host:port/service",
                    f"{path}.connection_string",
                )
            )
            return {}
        found = {"host": _text(url.hostname, mark)}
        if port:
            found["port"] = Value(port, mark, str(port))
        if service := url.path.strip("/"):
            found["service_name"] = _text(service, mark)
        if url.username:
            found["username"] = _text(unquote(url.username), mark)
        if url.password:
            variable = f"{system.upper()}_PASSWORD"
            self.problems.append(
                Problem(
                    mark,
                    "the connection string holds a password; it is not used and "
                    f"comes from ${{{variable}}} instead",
                    f"remove it here and set {variable} in the environment or in .env",
                    f"{path}.connection_string",
                    "warning",
                )
            )
        return found

    def _security(self, value: Value) -> None:
        self._unused(
            "security", value, "certificates belong to connections (ca_file, wallets)"
        )

    def _observability(self, value: Value) -> None:
        for key, item in self._mapping(value, "observability").items():
            why = {
                "log_level": "set MELTANO_CLI_LOG_LEVEL",
                "metrics_enabled": "metrics are always kept; add prometheus to outputs",
                "tracing_enabled": "set OTEL_EXPORTER_OTLP_ENDPOINT",
            }.get(key, "there is no such switch")
            self._unused(f"observability.{key}", item, why)

    # pipelines ----------------------------------------------------------------

    def _pipeline(self, value: Value) -> None:
        data = self.value.data
        assert isinstance(data, dict)  # noqa: S101 - checked by normalise
        if "foreach" in data and isinstance(value.data, dict):
            value = Value(
                {**value.data, "foreach": data["foreach"]},
                value.mark,
                "",
                {**value.key_marks, "foreach": self.value.key_marks["foreach"]},
            )
        self.part.pipelines.append((value, "pipeline"))


def _text(text: str, mark: Mark) -> Value:
    return Value(text, mark, text)
