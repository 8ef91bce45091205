"""A file of entries alone is read once; one with anything else is read for both."""

import pytest
from flext_ldif import extraction

ENTRIES = "".join(f"dn: cn=a{i},dc=x\ncn: a{i}\n\n" for i in range(40))
CHANGE = "dn: cn=c,dc=x\nchangetype: delete\n\n"
BROKEN = "dn: cn=c,dc=x\nno colon\n\n"


@pytest.fixture(params=[1, 3], ids=["alone", "parallel"])
def settings(request):
    return {"parallel_jobs": request.param, "parallel_bytes": 1, "max_errors": 9}


@pytest.fixture
def passes(monkeypatch):
    """Return the kinds that files were read for, in order."""
    kinds = []
    read = extraction.Extraction.__iter__

    def noted(self):
        kinds.append(self.kind)
        return read(self)

    monkeypatch.setattr(extraction.Extraction, "__iter__", noted)
    return kinds


def test_a_file_of_entries_alone_is_read_once(tmp_path, read_ldif, passes, settings):
    path = tmp_path / "a.ldif"
    path.write_text(ENTRIES)
    state = read_ldif(path, **settings).state
    assert passes == ["entries"]
    marks = {name: one["files"] for name, one in state["bookmarks"].items()}
    assert marks["ldif_changes"] == marks["ldif_entries"]
    assert marks["ldif_changes"][0]["size"] == len(ENTRIES)


@pytest.mark.parametrize("more", [CHANGE, BROKEN])
def test_a_file_with_anything_else_is_read_for_changes_too(
    tmp_path, read_ldif, passes, settings, more
):
    path = tmp_path / "a.ldif"
    path.write_text(ENTRIES + more + ENTRIES)
    output = read_ldif(path, **settings)
    assert passes == ["entries", "changes"]
    assert len(output.records("ldif_changes")) == (more == CHANGE)
    assert len(output.records()) == 80


def test_changes_behind_a_filter_of_entries_are_found(tmp_path, read_ldif, settings):
    path = tmp_path / "a.ldif"
    path.write_text(ENTRIES + CHANGE)
    output = read_ldif(path, object_class_filter=["none"], **settings)
    assert output.records() == []
    assert output.dns("ldif_changes") == ["cn=c,dc=x"]


def test_a_file_that_changes_between_the_streams_is_read_again(
    tmp_path, read_ldif, monkeypatch, settings
):
    path = tmp_path / "a.ldif"
    path.write_text(ENTRIES)
    read = extraction.Extraction.__iter__

    def growing(self):
        yield from read(self)
        with path.open("a") as file:
            file.write(CHANGE)

    monkeypatch.setattr(extraction.Extraction, "__iter__", growing)
    assert read_ldif(path, **settings).dns("ldif_changes") == ["cn=c,dc=x"]


def test_what_a_file_grew_by_is_read_once_or_for_both(tmp_path, read_ldif, settings):
    path = tmp_path / "a.ldif"
    path.write_text(ENTRIES)
    state = read_ldif(path, **settings).state
    path.write_text(ENTRIES + "dn: cn=b,dc=x\ncn: b\n\n")
    output = read_ldif(path, state, **settings)
    assert output.dns() == ["cn=b,dc=x"]
    path.write_text(path.read_text() + CHANGE)
    output = read_ldif(path, output.state, **settings)
    assert (output.dns(), output.dns("ldif_changes")) == ([], ["cn=c,dc=x"])
