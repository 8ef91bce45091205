"""An image goes from one environment to the next, and nothing else moves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flexcore_gen.deployment import Image
from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.errors import FlexCoreError
from flexcore_gen.promotion import with_image

DIGEST = f"sha256:{'a' * 64}"
NEW = Image("registry.example.com/flexcore", digest=DIGEST)
ECOSYSTEM = "version: 1\nproject: acme\nenvironments: [test, production]\n"
TEST = f"deploy: {{image: {{repository: r.example.com/f, digest: '{DIGEST}'}}}}\n"
FORMS = [
    "",
    "# only a comment\n",
    "events: {store: sqlite:///e.db}",
    "deploy:\n",
    "deploy: # nothing yet\nevents: {}\n",
    "deploy: {}\n",
    "deploy: {namespace: n}  # flow\n",
    '{"deploy": {"namespace": "n"}}',
    '{"deploy": {"image": {"tag": "1"}, "namespace": "n"}}',
    "deploy:\n  # mine\n  namespace: n\nevents: {}\n",
    "deploy:\n    image:   {tag: '1'}   # the old one\n    namespace: n\n",
    "deploy:\n  image:\n    repository: o\n    tag: '1'\n\n  # kept\n  namespace: n\n",
    "deploy:\n  namespace: n\n  image:\n    tag: '1' # old\n# end\n",
    "deploy:\r\n  namespace: n\r\n",
]


@pytest.mark.parametrize("text", FORMS)
def test_only_the_image_changes_whatever_the_form(text):
    edited = with_image(text, NEW, "o.yaml")
    expected = yaml.safe_load(text) or {}
    image = {"repository": NEW.repository, "digest": DIGEST}
    expected["deploy"] = {**(expected.get("deploy") or {}), "image": image}
    assert yaml.safe_load(edited) == expected
    assert yaml.safe_load(with_image(edited, NEW, "o.yaml")) == expected
    for comment in ("# only a comment", "# mine", "# kept", "# end", "# flow"):
        assert (comment in edited) == (comment in text)


def test_a_form_without_a_safe_place_is_refused_with_what_to_write():
    with pytest.raises(FlexCoreError, match="cannot be edited without risk") as caught:
        with_image("{events: {store: sqlite:///e.db}}", NEW, "config/production.yaml")
    assert DIGEST in str(caught.value.fix)


@given(
    st.sampled_from(FORMS),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
)
def test_a_comment_of_any_text_stays(text, comment):
    comment = comment.replace("\u2028", "").replace("\u2029", "").replace("\ufeff", "")
    commented = f"# {comment}\n{text}"
    try:
        yaml.safe_load(commented)
    except yaml.YAMLError:
        return
    assert with_image(commented, NEW, "o.yaml").startswith(f"# {comment}\n")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "ecosystem.yaml").write_text(ECOSYSTEM)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/test.yaml").write_text(TEST)
    return tmp_path


def promote(project, *names):
    command = Path(sys.executable).with_name("flexcore-gen")
    return subprocess.run(
        [command, "promote", *names],
        cwd=project, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_production_gets_what_was_tested(project):
    overlay = project / "config/production.yaml"
    overlay.write_text("# ours\ndeploy:\n  namespace: live\n")
    overlay.chmod(0o640)

    done = promote(project, "test", "production")

    assert done.returncode == 0, done.stderr
    assert f"flexcore:latest → r.example.com/f@{DIGEST}" in done.stdout
    assert overlay.read_text().startswith("# ours\ndeploy:\n  image: ")
    assert overlay.stat().st_mode & 0o777 == 0o640
    names = {path.name for path in overlay.parent.iterdir()}
    assert names == {"production.yaml", "test.yaml"}
    ecosystem = load_ecosystem(project)
    assert {ecosystem.deployment_in(e).image for e in ecosystem.environments} == {
        Image("r.example.com/f", digest=DIGEST)
    }
    again = promote(project, "test", "production")
    assert (again.returncode, again.stdout) == (0, "")
    assert "has r.example.com/f@sha256:" in again.stderr


def test_an_environment_without_an_overlay_gets_one(project):
    assert promote(project, "test", "production").returncode == 0
    written = yaml.safe_load((project / "config/production.yaml").read_text())
    assert written["deploy"]["image"]["digest"] == DIGEST


def test_the_overlay_is_found_from_any_folder_and_in_any_of_its_forms(project):
    overlay = project / "config/production.json"
    overlay.write_text('{"deploy": {"namespace": "live"}}')
    done = promote(project.parent, "test", "production", project / "ecosystem.yaml")
    assert done.returncode == 0, done.stderr
    assert json.loads(overlay.read_text())["deploy"]["image"]["digest"] == DIGEST
    assert sorted(path.name for path in overlay.parent.iterdir()) == [
        "production.json",
        "test.yaml",
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("production", "test"), "production has no image of its own"),
        (("test", "prod"), 'no environment is called "prod"'),
    ],
)
def test_nothing_is_written_when_there_is_nothing_to_promote(project, names, said):
    done = promote(project, *names)
    assert done.returncode == 2
    assert said in done.stderr
    assert (project / "config/test.yaml").read_text() == TEST
    assert not (project / "config/production.yaml").exists()
