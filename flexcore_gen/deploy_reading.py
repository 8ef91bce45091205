"""Reads `deploy:`. Texts that end up in other tools' languages have patterns."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from flexcore_gen.deployment import (
    Airflow,
    Deployment,
    Image,
    Resources,
    Runs,
    Secrets,
)
from flexcore_gen.shapes import DEPLOY

if TYPE_CHECKING:
    from flexcore_gen.loading import Value
    from flexcore_gen.reading import Reader
    from flexcore_gen.shapes import Field

_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
#: Field, its pattern, and what a person should write.
_PATTERNS = {
    "repository": (
        r"[a-z0-9]+([._-][a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
        "registry.example.com/team/flexcore",
    ),
    "tag": (r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "1.4.0"),
    "digest": (r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits"),
    "time_zone": (r"[A-Za-z]+([/_+-][A-Za-z0-9]+)*", "Europe/Berlin"),
    "cpus": (r"(?=.*[1-9])[0-9]{1,3}(\.[0-9]{1,3})?", "0.5"),
    "host": (_HOST, "postgres.example.com"),
}
#: Field: lowest and highest value.
_RANGES = {
    "port": (1, 65_535),
    "memory_mb": (64, 4_194_304),
    "disk_mb": (64, 16_777_216),
    "retries": (0, 100),
    "retry_delay_minutes": (0, 1440),
    "timeout_minutes": (1, 43_200),
}


def read_deployment(value: Value | None, reader: Reader) -> Deployment:
    """The deployment; the defaults if the section is absent."""
    if value is None:
        return Deployment()
    entries = reader.fields(value, DEPLOY, "deploy")
    read = {
        field.name: _section(entries[field.name], field, reader)
        for field in DEPLOY.fields
        if field.kind == "shape" and field.name in entries
    }
    image, secrets = read.get("image", {}), read.get("secrets", {})
    if "tag" in image and "digest" in image:
        reader.error(
            entries["image"].mark,
            "an image has a tag or a digest, and here are both",
            "keep the digest",
            "deploy.image",
        )
    if secrets.get("backend") == "vault" and "store" not in secrets:
        reader.error(
            entries["secrets"].mark,
            "secrets from vault need the name of an External Secrets store",
            "add `store:`",
            "deploy.secrets",
        )
    plain: dict[str, str] = {}
    for name in ("namespace", "time_zone"):
        if name in entries:
            found = _scalar(entries[name], DEPLOY.field(name), f"deploy.{name}", reader)
            if isinstance(found, str):
                plain[name] = found
    parts: tuple[str, ...] = ()
    if "parts" in entries:
        parts = reader.choices(entries["parts"], DEPLOY.field("parts"), "deploy.parts")
    return Deployment(
        image=Image(**image),  # type: ignore[arg-type] # read by its shape
        resources=Resources(**read.get("resources", {})),  # type: ignore[arg-type] # same
        secrets=Secrets(**secrets),  # type: ignore[arg-type] # same
        airflow=Airflow(**read.get("airflow", {})),  # type: ignore[arg-type] # same
        runs=Runs(**read.get("runs", {})),  # type: ignore[arg-type] # same
        postgres=read.get("postgres", {}),
        parts=parts,
        egress=_egress(entries.get("egress"), reader),
        **plain,
    )


def _section(value: Value, field: Field, reader: Reader) -> dict[str, str | int]:
    assert field.shape is not None  # noqa: S101 - asked by the caller
    path = f"deploy.{field.name}"
    found = {}
    for name, item in reader.fields(value, field.shape, path).items():
        read = _scalar(item, field.shape.field(name), f"{path}.{name}", reader)
        if read is not None:
            found[name] = read
    return found


def _scalar(value: Value, field: Field, path: str, reader: Reader) -> str | int | None:
    if field.kind == "integer":
        return reader.integer(value, path, *_RANGES[field.name])
    if field.kind in {"name", "identifier"}:
        read = reader.name if field.kind == "name" else reader.identifier
        return read(value, path)
    if field.choices:
        return reader.choice(value, field.choices, path)
    if field.name == "password":
        return reader.secret(field.name, value, path)
    text = reader.text(value, path)
    pattern, sample = _PATTERNS[field.name]
    if text is not None and not re.fullmatch(pattern, text):
        reader.error(
            value.mark,
            f"this is not a {field.name.replace('_', ' ')}",
            f"write it as {sample}",
            path,
        )
        return None
    return text


def _egress(value: Value | None, reader: Reader) -> tuple[tuple[str, int], ...]:
    found = []
    for text in reader.texts(value, "deploy.egress") if value is not None else ():
        network, _, port = text.rpartition(":")
        try:
            cidr = str(ipaddress.ip_network(network.strip("[]")))
            number = int(port) if port.isascii() and port.isdigit() else 0
        except ValueError:
            cidr, number = "", 0
        if cidr and 0 < number <= _RANGES["port"][1]:
            found.append((cidr, number))
        else:
            assert value is not None  # noqa: S101 - a text came from it
            reader.error(
                value.mark,
                f'"{text}" is not a network and a port',
                "write it as 10.20.30.40/32:1521",
                "deploy.egress",
            )
    return tuple(found)
