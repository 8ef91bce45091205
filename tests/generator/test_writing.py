"""Files have owners, nothing of a person's is lost, nothing is half written."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from flexcore_gen.changes import check_path
from flexcore_gen.errors import FlexCoreError
from flexcore_gen.project import compare_project, write_project
from flexcore_gen.write import link_folder, write_file

ECOSYSTEM = """\
version: 1
project: demo
connections:
  files: {system: ldif, path: in.ldif, output_path: out.ldif}
  more: {system: ldif, path: more.ldif}
"""
STEPS = """\
pipeline:
  name: {name}
  steps:
    - {{name: read, service: flext-tap-ldif, config: {{connection: files}}}}
    - name: model
      service: flext-dbt-ldif
      depends_on: [read]
      config: {{model: people}}
"""


@pytest.fixture
def root(write):
    return write(ecosystem=ECOSYSTEM, pipelines__p=STEPS.format(name="p"))


def generate(root):
    outcome = compare_project(root)
    if not any(change.kind == "conflict" for change in outcome.changes):
        write_project(outcome)
    return {change.path: change.kind for change in outcome.changes}


def tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "locks" not in path.parts
    }


def test_generating_twice_changes_nothing(root):
    assert "create" in set(generate(root).values())
    before = tree(root)
    assert set(generate(root).values()) <= {"same", "keep"}
    assert tree(root) == before


def test_an_edited_file_is_a_conflict_and_nothing_is_written(root):
    generate(root)
    (root / "meltano.yml").write_text("mine: true\n")
    (root / "ecosystem.yaml").write_text(ECOSYSTEM.replace("in.ldif", "b.ldif"))
    before = tree(root)
    assert generate(root)["meltano.yml"] == "conflict"
    assert tree(root) == before


def test_a_file_that_was_never_ours_is_a_conflict(root):
    (root / "meltano.yml").write_text("mine: true\n")
    assert generate(root)["meltano.yml"] == "conflict"


def test_a_file_that_is_already_right_is_taken_in(root):
    generate(root)
    (root / ".flexcore/manifest.json").unlink()
    assert set(generate(root).values()) <= {"same", "keep"}
    manifest = json.loads((root / ".flexcore/manifest.json").read_text())
    assert "meltano.yml" in manifest["files"]


def test_a_file_that_was_taken_over_is_kept(root):
    generate(root)
    (root / "meltano.yml").write_text("mine: true\n")
    (root / "ecosystem.yaml").write_text(ECOSYSTEM + "owned: [meltano.yml]\n")
    assert generate(root)["meltano.yml"] == "keep"
    assert (root / "meltano.yml").read_text() == "mine: true\n"


def test_a_deleted_file_of_ours_is_written_again(root):
    generate(root)
    (root / "meltano.yml").unlink()
    assert generate(root)["meltano.yml"] == "create"


def test_a_starter_is_written_once_and_then_left_alone(root):
    path = root / "transform/models/people.sql"
    assert generate(root)["transform/models/people.sql"] == "create"
    path.write_text("select 1 as mine\n")
    assert generate(root)["transform/models/people.sql"] == "keep"
    assert path.read_text() == "select 1 as mine\n"


def test_a_model_that_exists_elsewhere_gets_no_starter(root):
    path = root / "transform/models/marts/people.sql"
    path.parent.mkdir(parents=True)
    path.write_text("select 1 as mine\n")
    assert "transform/models/people.sql" not in generate(root)


def test_what_nothing_plans_any_more_is_removed_if_nobody_touched_it(root):
    text = STEPS.format(name="q").replace("connection: files", "connection: more")
    (root / "pipelines/q.yaml").write_text(text.replace("model: people", "model: q"))
    generate(root)
    path = root / "transform/models/sources/more.yml"
    assert path.exists()
    (root / "pipelines/q.yaml").unlink()
    kinds = generate(root)
    assert kinds["transform/models/sources/more.yml"] == "remove"
    assert not path.exists()
    assert kinds["transform/models/q.sql"] == "release"
    assert (root / "transform/models/q.sql").exists()


def test_what_nothing_plans_any_more_stays_if_it_was_edited(root):
    generate(root)
    path = root / "transform/models/sources/files.yml"
    path.write_text("mine: true\n")
    (root / "pipelines/p.yaml").unlink()
    assert generate(root)["transform/models/sources/files.yml"] == "release"
    assert path.read_text() == "mine: true\n"
    assert "transform/models/sources/files.yml" not in generate(root)


def test_a_folder_that_becomes_empty_goes_too(root):
    generate(root)
    (root / "pipelines/p.yaml").unlink()
    generate(root)
    assert not (root / "transform/profiles").exists()


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../x", "a//b", "", "a\\b", "a/./b", "a\nb", "."]
)
def test_a_path_outside_the_project_is_refused(tmp_path, path):
    with pytest.raises(FlexCoreError, match="outside the project"):
        check_path(path)
    with pytest.raises(FlexCoreError):
        write_file(tmp_path, path, b"x")


@pytest.mark.parametrize("link", ["meltano.yml", "transform", ".flexcore"])
def test_a_symbolic_link_on_the_way_is_refused(root, tmp_path_factory, link):
    outside = tmp_path_factory.mktemp("outside")
    target = outside / "victim"
    if link == "meltano.yml":
        target.write_text("victim\n")
    else:
        target.mkdir()
    (root / link).symlink_to(target)
    with pytest.raises(FlexCoreError) as caught:
        generate(root)
    assert caught.value.exit_code == 3
    if link == "meltano.yml":
        assert target.read_text() == "victim\n"
    else:
        assert not list(target.iterdir())


def test_a_link_that_appears_after_comparing_is_refused_too(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    outcome = compare_project(root)
    (root / "transform").symlink_to(outside)
    with pytest.raises(FlexCoreError, match="symbolic link"):
        write_project(outcome)
    assert not list(outside.iterdir())


def test_a_folder_in_the_way_is_an_error_with_a_way_out(root):
    (root / "meltano.yml").mkdir()
    with pytest.raises(FlexCoreError) as caught:
        generate(root)
    assert caught.value.fix


def test_a_damaged_manifest_is_named_with_a_way_out(root):
    generate(root)
    (root / ".flexcore/manifest.json").write_text("{")
    with pytest.raises(FlexCoreError, match="is damaged") as caught:
        generate(root)
    assert "version control" in caught.value.fix


def test_a_second_writer_is_told_so(root):
    generate(root)
    (root / "ecosystem.yaml").write_text(ECOSYSTEM.replace("in.ldif", "b.ldif"))
    with (root / ".flexcore/locks/generate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FlexCoreError, match="another flexcore-gen"):
            generate(root)


def test_a_full_disk_leaves_the_old_file(root, monkeypatch):
    generate(root)
    before = tree(root)
    (root / "ecosystem.yaml").write_text(ECOSYSTEM.replace("in.ldif", "b.ldif"))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FlexCoreError, match="the disk is full") as caught:
        generate(root)
    assert caught.value.exit_code == 3
    after = tree(root)
    assert after.keys() == before.keys()
    assert after["meltano.yml"] == before["meltano.yml"]


KILLED = """\
import os, sys
from pathlib import Path
import flexcore_gen.write as write
from flexcore_gen.project import compare_project, write_project
passed = 0
real = os.replace
def replace(*arguments, **options):
    global passed
    passed += 1
    if passed == int(sys.argv[1]):
        os.kill(os.getpid(), 9)
    return real(*arguments, **options)
write.os.replace = replace
write_project(compare_project(Path.cwd()))
"""


def test_a_killed_run_is_carried_on_by_the_next(root):
    """At each replacement, also after the input changed in between."""
    generate(root)
    for moment in range(1, 6):
        for text in ("b.ldif", "c.ldif"):
            (root / "ecosystem.yaml").write_text(
                ECOSYSTEM.replace("in.ldif", f"{moment}-{text}")
            )
            (root / "pipelines/p.yaml").write_text(
                STEPS.format(name=f"p{moment}{text[0]}")
            )
            run = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(KILLED), str(moment)],
                cwd=root,
                timeout=60,
                capture_output=True,
                check=False,
            )
            assert run.returncode in {0, -signal.SIGKILL}, run.stderr
            for path in (root / "meltano.yml", root / ".flexcore/manifest.json"):
                assert path.read_text().endswith("\n")
        assert "conflict" not in generate(root).values()
        assert set(generate(root).values()) <= {"same", "keep"}


def test_files_can_be_read_by_everyone(root):
    generate(root)
    assert stat.S_IMODE((root / "meltano.yml").stat().st_mode) & 0o444 == 0o444


def test_dbt_finds_the_packages_through_relative_links(tmp_path):
    (tmp_path / "transform/packages/ldif").mkdir(parents=True)
    path = "transform/dbt_packages/flext_dbt_ldif"
    assert link_folder(tmp_path, path, "../packages/ldif") is True
    assert link_folder(tmp_path, path, "../packages/ldif") is False
    assert (tmp_path / path).resolve() == tmp_path / "transform/packages/ldif"


def test_a_link_that_dbt_deps_made_is_replaced_and_a_copy_is_left(tmp_path):
    place = tmp_path / "transform/dbt_packages/flext_dbt_ldif"
    place.parent.mkdir(parents=True)
    place.symlink_to("/nowhere")
    assert link_folder(tmp_path, str(place.relative_to(tmp_path)), "../packages/ldif")
    place.unlink()
    place.mkdir()
    (place / "mine").write_text("x")
    assert not link_folder(tmp_path, str(place.relative_to(tmp_path)), "../x")
    assert (place / "mine").exists()


def test_every_generated_text_file_says_where_it_comes_from(root):
    generate(root)
    for name in ("meltano.yml", "transform/profiles/profiles.yml"):
        first = (root / name).read_text().splitlines()[0]
        assert first.startswith("# Written by flexcore-gen from ecosystem.yaml")
        assert "owned" in first
