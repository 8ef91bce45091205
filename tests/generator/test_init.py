"""`init` and `new plugin` with the names and at the moments that people have."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flexcore_gen.errors import FlexCoreError
from flexcore_gen.scaffold import new_folder

COMMAND = str(Path(sys.executable).with_name("flexcore-gen"))


def call(*arguments, cwd):
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("parent", ["{{x}}", "{% raw"])
def test_a_folder_named_like_a_template_is_a_folder(tmp_path, parent):
    made = call("init", f"{parent}/{parent}", "--project=demo", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    root = tmp_path / parent / parent
    assert call("check", cwd=root).returncode == 0
    assert call("new", "plugin", "acme-crm", cwd=root).returncode == 0
    assert (root / "plugins/acme-crm/acme_crm/tap.py").is_file()


def test_the_next_command_can_be_copied_where_the_folder_has_a_space(tmp_path):
    said = call("init", "my data", cwd=tmp_path).stderr
    assert said == "next: cd 'my data'; meltano run people-directory\n"


def test_what_is_said_twice_is_written_once_and_no_environment_is_two(tmp_path):
    call("init", "one", *["--output=compose"] * 2, cwd=tmp_path)
    overlay = yaml.safe_load((tmp_path / "one/config/production.yaml").read_text())
    assert overlay["outputs"] == ["compose"]
    twice = call("init", "two", *["--environment=dev"] * 2, cwd=tmp_path)
    assert twice.returncode == 2
    assert '"dev" is named twice' in twice.stderr
    assert not (tmp_path / "two").exists()


def test_a_file_on_the_way_is_told_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("mine")
    refused = call("init", "file/sub/project", cwd=tmp_path)
    assert refused.returncode == 3
    assert "fix:   name a folder where you may write" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("is_there", [True, False])
def test_an_interrupted_init_leaves_the_folder_as_it_was(tmp_path, is_there):
    root = tmp_path / "above/project"
    if is_there:
        (root / ".git").mkdir(parents=True)

    def be_interrupted():
        with new_folder(root) as stage:
            (stage / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == (["above", "above/project", "above/project/.git"] * is_there)


def test_a_second_init_does_not_mix_with_the_first(tmp_path):
    root = tmp_path / "project"

    def come_second():
        with new_folder(root) as stage:
            (stage / "ecosystem.yaml").write_text("second")
            (root / "ecosystem.yaml").write_text("first")

    with pytest.raises(FlexCoreError, match="filled meanwhile"):
        come_second()
    assert [path.name for path in root.iterdir()] == ["ecosystem.yaml"]
    assert (root / "ecosystem.yaml").read_text() == "first"


@pytest.mark.parametrize("name", ["flext-ldap", "class", "json"])
def test_a_plugin_does_not_take_a_name_that_is_in_use(tmp_path, name):
    refused = call("new", "plugin", name, cwd=tmp_path)
    assert refused.returncode == 2
    assert "choose another name" in refused.stderr
    assert list(tmp_path.iterdir()) == []
