"""What we ship works where it is installed, away from this checkout."""

import os
import shutil
import subprocess

import pytest


def call(*arguments, cwd, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory, request):
    """A fresh virtual environment with the wheel and what it depends on."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is missing; it comes with meltano: `uv sync`")
    repository = request.path.parents[2]
    folder = tmp_path_factory.mktemp("wheel")
    built = call(uv, "build", "--wheel", "-o", folder / "dist", cwd=repository)
    assert built.returncode == 0, built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    made = call(uv, "venv", folder / "venv", cwd=folder)
    assert made.returncode == 0, made.stderr
    installed = call(
        uv, "pip", "install", wheel, cwd=folder, VIRTUAL_ENV=str(folder / "venv")
    )
    if installed.returncode and "fetch" in installed.stderr:
        pytest.skip(f"no package index within reach: {installed.stderr[-300:]}")
    assert installed.returncode == 0, installed.stderr
    return folder / "venv/bin"


def test_the_wheel_makes_and_checks_an_environment(environment, tmp_path):
    command = environment / "flexcore-gen"
    made = call(command, "init", "acme-data", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    root = tmp_path / "acme-data"
    package = root / "transform/packages/ldif/dbt_project.yml"
    assert package.read_text().startswith("# Written by flexcore-gen")
    assert (root / "transform/dbt_packages/flext_dbt_ldif").is_symlink()
    assert not (root / "transform/packages/ldif/integration_tests").exists()
    checked = call(command, "check", cwd=root)
    assert checked.returncode == 0, checked.stdout
    listed = call(command, "list", "plugins", cwd=tmp_path)
    assert listed.stdout.count("flext-tap-") >= 5
    version = call(command, "--version", cwd=tmp_path)
    assert version.stdout.startswith("flexcore-gen, version ")
