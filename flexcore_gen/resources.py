"""Finds the templates, plugin definitions and dbt packages that we ship.

In a checkout they stand at the top of the repository; in an installed wheel
below the package, where hatch put them. `resource_root` is the one function
that knows the difference.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from flexcore_gen.errors import FlexCoreError

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = {
    "templates": "_templates",
    "plugins": "_plugins",
    "packages": "_dbt_packages",
}
_CHECKOUT = {
    "templates": "templates",
    "plugins": "plugins",
    "packages": "transform/packages",
}


@cache
def resource_root(kind: str) -> Path:
    """The folder of one kind of resource.

    Args:
        kind: "templates", "plugins" or "packages" (the dbt packages).

    Raises:
        FlexCoreError: Neither a checkout nor a complete installation.
    """
    installed = _PACKAGE / _INSTALLED[kind]
    if installed.is_dir():
        return installed
    checkout = _PACKAGE.parent / _CHECKOUT[kind]
    if checkout.is_dir():
        return checkout
    raise FlexCoreError(
        f"the {kind} folder of FlexCore is missing",
        where=f"searched {installed} and {checkout}",
        fix="install the package again: `uv pip install --reinstall flexcore`",
    )


def definition_files() -> tuple[Path, ...]:
    """Every plugin package's definition file, sorted."""
    return tuple(sorted(resource_root("plugins").glob("flext-*/flext-*.meltano.yml")))


def dbt_package_folder(system: str) -> Path | None:
    """The dbt package of a system, or None while there is none."""
    try:
        folder = resource_root("packages") / system
    except FlexCoreError:
        return None
    return folder if (folder / "dbt_project.yml").is_file() else None


@cache
def dbt_package_models(system: str) -> frozenset[str]:
    """The models of a system's dbt package, by name; none while there is none."""
    folder = dbt_package_folder(system)
    if folder is None:
        return frozenset()
    return frozenset(path.stem for path in (folder / "models").rglob("*.sql"))
