"""How the warehouse is named to its plugins and to dbt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flexcore_gen.known_plugins import Plugin
    from flexcore_gen.model import Ecosystem, Warehouse

#: dbt setting, its variable, the warehouse setting, and which systems have it.
_DBT = (
    ("warehouse_path", "FLEXCORE_WAREHOUSE_PATH", "path", ("duckdb",)),
    ("warehouse_host", "FLEXCORE_WAREHOUSE_HOST", "host", ("postgres", "oracle")),
    ("warehouse_port", "FLEXCORE_WAREHOUSE_PORT", "port", ("postgres", "oracle")),
    ("warehouse_database", "FLEXCORE_WAREHOUSE_DATABASE", "database", ("postgres",)),
    ("warehouse_service", "FLEXCORE_WAREHOUSE_SERVICE", "service_name", ("oracle",)),
    (
        "warehouse_username",
        "FLEXCORE_WAREHOUSE_USERNAME",
        "username",
        ("postgres", "oracle"),
    ),
    (
        "warehouse_password",
        "DBT_ENV_SECRET_WAREHOUSE_PASSWORD",
        "password",
        ("postgres", "oracle"),
    ),
)
_PORTS = {"postgres": 5432, "oracle": 1521}


def uses_own_plugin(warehouse: Warehouse) -> bool:
    """Whether the warehouse is reached through a system's own plugins."""
    return warehouse.system == "oracle"


def warehouse_systems(ecosystem: Ecosystem) -> tuple[str, ...]:
    """The warehouse systems of all environments, sorted."""
    found = {ecosystem.warehouse.system}
    found.update(e.warehouse.system for e in ecosystem.environments if e.warehouse)
    return tuple(sorted(found))


def plugin_config(warehouse: Warehouse, plugin: Plugin) -> dict[str, Any]:
    """Settings with which a plugin reaches the warehouse."""
    settings = warehouse.settings
    if warehouse.system == "oracle":
        return {
            key: settings[key]
            for key in ("host", "port", "service_name", "username", "password")
            if key in settings
        }
    if warehouse.system == "duckdb":
        return {"url": f"duckdb:///{rooted(str(settings['path']))}"}
    place = f"{settings['host']}:{settings.get('port', _PORTS['postgres'])}"
    database = settings["database"]
    if {"username", "password"} <= plugin.settings.keys():
        return {
            "url": f"postgresql://{place}/{database}",
            "username": settings["username"],
            "password": settings["password"],
        }
    user = _in_url(str(settings["username"]))
    return {
        "url": f"postgresql://{user}:{settings['password']}@{place}/{database}",
    }


def _in_url(text: str) -> str:
    return text if "$" in text else quote(text, safe="")


def rooted(path: str) -> str:
    """A path that counts from the project's root, as Meltano expands it."""
    if path.startswith(("/", "$")):
        return path
    return f"$MELTANO_PROJECT_ROOT/{path.removeprefix('./')}"


def dbt_settings(systems: tuple[str, ...]) -> list[dict[str, Any]]:
    """Settings of the dbt utility; plugin `env:` would lose the project's root."""
    found: list[dict[str, Any]] = [
        {
            "name": "project_dir",
            "env": "DBT_PROJECT_DIR",
            "value": "$MELTANO_PROJECT_ROOT/transform",
        },
        {
            "name": "profiles_dir",
            "env": "DBT_PROFILES_DIR",
            "value": "$MELTANO_PROJECT_ROOT/transform/profiles",
        },
        {"name": "target", "env": "DBT_TARGET"},
        {
            "name": "send_anonymous_usage_stats",
            "env": "DBT_SEND_ANONYMOUS_USAGE_STATS",
            "value": "false",
        },
        {"name": "version_check", "env": "DBT_VERSION_CHECK", "value": "false"},
        {"name": "use_colors", "env": "DBT_USE_COLORS", "value": "false"},
    ]
    for name, variable, key, wanted in _DBT:
        if not set(wanted) & set(systems):
            continue
        setting: dict[str, Any] = {"name": name, "env": variable}
        if key == "password":
            setting["sensitive"] = True
        found.append(setting)
    return found


def dbt_config(warehouse: Warehouse) -> dict[str, Any]:
    """The dbt utility's settings for one warehouse."""
    config: dict[str, Any] = {"target": warehouse.system}
    settings = {"port": _PORTS.get(warehouse.system), **warehouse.settings}
    for name, _, key, wanted in _DBT:
        if warehouse.system in wanted and settings.get(key) is not None:
            value = settings[key]
            config[name] = rooted(str(value)) if key == "path" else value
    return config


def dbt_profile(systems: tuple[str, ...], schema: str) -> Mapping[str, Any]:
    """transform/profiles/profiles.yml: every value comes from a variable."""
    variables = {key: variable for _, variable, key, _ in _DBT}

    def env(key: str, suffix: str = "") -> str:
        return "{{ env_var('" + variables[key] + "')" + suffix + " }}"

    common = {
        "schema": "{{ var('flexcore_schema', '" + schema + "') }}",
        "threads": 4,
    }
    outputs: dict[str, Any] = {
        "duckdb": {"type": "duckdb", "path": env("path"), **common},
        "postgres": {
            "type": "postgres",
            "host": env("host"),
            "port": env("port", " | as_number"),
            "dbname": env("database"),
            "user": env("username"),
            "password": env("password"),
            **common,
        },
        "oracle": {
            "type": "oracle",
            # Unset, dbt-oracle 1.11 connects by a protocol called "none".
            "protocol": "tcp",
            "host": env("host"),
            "port": env("port", " | as_number"),
            # No "database": one that is not exactly DB_NAME, as a service seldom
            # is, hides what is there from dbt, and the second run fails.
            "service": env("service_name"),
            "user": env("username"),
            "password": env("password"),
            **common,
        },
    }
    return {
        "flexcore": {
            "target": "{{ env_var('DBT_TARGET', '" + systems[0] + "') }}",
            "outputs": {system: outputs[system] for system in systems},
        }
    }
