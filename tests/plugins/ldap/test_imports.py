"""Arrows inside the package: tap and target share the session, never each other."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "plugins/flext-ldap/flext_ldap"


def imports_of(path):
    """The modules of this package, and the other packages, that a file imports."""
    own, foreign = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "flext_ldap":
                own |= {alias.name for alias in node.names}
            elif node.module.startswith("flext_ldap."):
                own.add(node.module.split(".")[1])
            else:
                foreign.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
    return own, foreign


def reached_from(start):
    found, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module in found or not (PACKAGE / f"{module}.py").exists():
            continue
        found.add(module)
        waiting.extend(imports_of(PACKAGE / f"{module}.py")[0])
    return found


def test_tap_and_target_do_not_import_each_other():
    assert not reached_from("tap") & {"target", "sinks", "entry_writer", "write_plan"}
    assert not reached_from("target") & {"tap", "streams", "directory_stream"}


def test_the_protocol_knows_nothing_of_singer():
    for module in ("ber", "messages", "connection", "filters", "dn", "subschema"):
        reached = reached_from(module)
        foreign = {
            name for part in reached for name in imports_of(PACKAGE / f"{part}.py")[1]
        }
        assert not foreign & {"flext_singer", "singer_sdk"}, module


def test_no_other_system_is_imported():
    for path in PACKAGE.glob("*.py"):
        foreign = imports_of(path)[1]
        flext = {name for name in foreign if name.startswith("flex")}
        assert flext <= {"flext_singer"}, path.name


def test_every_module_is_reached_from_a_command():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert modules == reached_from("tap") | reached_from("target")
