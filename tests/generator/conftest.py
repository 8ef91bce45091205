"""Small ecosystems on the disk, and the ways to read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.errors import InvalidEcosystemError
from flexcore_gen.plan import plan_project

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository():
    return REPOSITORY


@pytest.fixture
def blocks():
    shared = Path(os.environ.get("FLEXCORE_SHARED", REPOSITORY.parent / "shared"))
    folder = shared / "seed/blocks"
    if not folder.is_dir():
        pytest.skip(f"no seed blocks at {folder}; set FLEXCORE_SHARED")
    return folder


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes files below an empty folder, which becomes the current one."""
    monkeypatch.chdir(tmp_path)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / _path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def _path(name):
    """`pipelines__x` is pipelines/x.yaml; a name with a dot is a path."""
    return name if "." in name else name.replace("__", "/") + ".yaml"


@pytest.fixture
def errors():
    """What is wrong with an ecosystem: `place: what` of each error, in order."""

    def errors(root):
        try:
            plan_project(load_ecosystem(root))
        except InvalidEcosystemError as error:
            return [f"{p.mark}: {p.what}" for p in error.problems if p.is_error]
        return []

    return errors


@pytest.fixture
def fixes():
    """How to fix each error, in order."""

    def fixes(root):
        try:
            plan_project(load_ecosystem(root))
        except InvalidEcosystemError as error:
            return [p.fix for p in error.problems if p.is_error]
        return []

    return fixes


@pytest.fixture
def project(write):
    """The project that these files plan."""

    def project(**files):
        return plan_project(load_ecosystem(write(**files)))

    return project
