"""People as a directory holds them, from a seed: data of the LDIF benchmarks."""

from __future__ import annotations

import random
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor"
    " incididunt ut labore"
)
FIRST = ["Ana", "Bruno", "Érica", "Fábio", "Inês", "João", "Karl", "Lúcia", "Märta"]
LAST = ["Silva", "Müller", "García", "O'Brien", "Smith", "Dvořák", "Łuczak", "李", "Ng"]


def entries(count: int) -> Iterator[tuple[str, dict[str, list[str | bytes]]]]:
    """Yield people as a directory holds them; the same ones on each run."""
    dice = random.Random(7)
    people = "ou=people,dc=example,dc=com"
    for i in range(count):
        first, last = dice.choice(FIRST), dice.choice(LAST)
        attributes: dict[str, list[str | bytes]] = {
            "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson"],
            "uid": [f"u{i:06d}"],
            "cn": [f"{first} {last} {i}"],
            "sn": [last],
            "givenName": [first],
            "displayName": [f"{last}, {first}"],
            "mail": [f"u{i}@example.com", f"user.{i}@mail.example.com"],
            "telephoneNumber": [f"+55 11 {dice.randrange(10**8):08d}"],
            "mobile": [f"+55 11 9{dice.randrange(10**8):08d}"],
            "employeeNumber": [str(i)],
            "employeeType": [dice.choice(["full", "part", "ext"])],
            "title": [dice.choice(["Engineer", "Analyst", "Diretor", "Técnico"])],
            "ou": [f"dept{i % 50:02d}"],
            "l": [dice.choice(["São Paulo", "Berlin", "Lisboa"])],
            "street": [f"Rua {dice.randrange(999)} nº {dice.randrange(9999)}"],
            "postalCode": [f"{dice.randrange(99999):05d}"],
            "description": [f"{LOREM} {i}"],
            "userPassword": ["{SSHA}" + b64encode(dice.randbytes(28)).decode()],
            "manager": [f"uid=u{i // 10:06d},ou=dept{i // 10 % 50:02d},{people}"],
        }
        if i % 100 == 0:
            attributes["jpegPhoto"] = [b"\xff\xd8\xff\xe0" + dice.randbytes(2000)]
        yield f"uid=u{i:06d},ou=dept{i % 50:02d},{people}", attributes
