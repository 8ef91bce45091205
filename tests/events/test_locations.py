import pytest

from flexcore_gen.events.locations import find_root, store_address

BOTH = """
default_environment: dev
annotations:
  flexcore:
    events_store: sqlite:///project.db
environments:
- name: dev
- name: prod
  annotations:
    flexcore:
      events_store: sqlite:///${PLACE}/prod.db
"""
ONE = "annotations:\n  flexcore:\n    events_store: 'sqlite:///only.db'\n"
OF_AN_ENVIRONMENT = BOTH[BOTH.index("environments:") :]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("MELTANO_FLEXCORE_EVENTS_STORE", "MELTANO_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FLEXCORE_DIRECTORY", raising=False)
    monkeypatch.setenv("PLACE", "/var/events")


@pytest.mark.parametrize(
    ("text", "environment", "address"),
    [
        ("", None, "sqlite:///.flexcore/events.db"),
        (ONE, "dev", "sqlite:///only.db"),
        (BOTH, None, "sqlite:///project.db"),
        (BOTH, "dev", "sqlite:///project.db"),
        (BOTH, "prod", "sqlite:////var/events/prod.db"),
        (OF_AN_ENVIRONMENT, "prod", "sqlite:////var/events/prod.db"),
        (OF_AN_ENVIRONMENT, "dev", "sqlite:///.flexcore/events.db"),
        ("events_store: [", "dev", "sqlite:///.flexcore/events.db"),
    ],
)
def test_the_store_is_where_meltano_yml_says(tmp_path, text, environment, address):
    (tmp_path / "meltano.yml").write_text(text)

    assert store_address(tmp_path, None, environment) == address


def test_the_environment_of_the_command_line_decides(tmp_path, monkeypatch):
    (tmp_path / "meltano.yml").write_text(BOTH)
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "prod")

    assert store_address(tmp_path).endswith("/prod.db")


def test_the_variable_comes_before_the_file(tmp_path, monkeypatch):
    (tmp_path / "meltano.yml").write_text(ONE)
    monkeypatch.setenv("MELTANO_FLEXCORE_EVENTS_STORE", "sqlite:///mine.db")

    assert store_address(tmp_path) == "sqlite:///mine.db"


def test_the_folder_may_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEXCORE_DIRECTORY", "/var/lib/flexcore")

    assert store_address(tmp_path) == "sqlite:////var/lib/flexcore/events.db"


def test_the_nearest_project_upwards_is_found(tmp_path):
    (tmp_path / "ecosystem.yaml").touch()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    assert find_root(below) == tmp_path
    assert find_root(tmp_path.parent) is None
