import os
from pathlib import Path

import pytest
from flext_ldif.file_urls import file_urls, refuse_urls


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "values"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    (folder / "a b.txt").write_bytes(b"space")
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("file:photo.jpg", b"\xff\xd8"),
        ("file:///{base}/photo.jpg", b"\xff\xd8"),
        ("FILE:a%20b.txt", b"space"),
        ("file://localhost{base}/photo.jpg", b"\xff\xd8"),
        ("file:../values/photo.jpg", b"\xff\xd8"),
    ],
)
def test_a_file_below_the_folder_is_read(base, url, data):
    assert file_urls(base)(url.format(base=base)) == data


@pytest.mark.parametrize(
    "url",
    [
        "file:../secret",
        "file:///etc/hostname",
        "file:%2e%2e/secret",
        "file:",
        "file:///",
        "file:.",
        "file://elsewhere/photo.jpg",
        "http://localhost/photo.jpg",
        "photo.jpg",
        "file:photo.jpg%00",
        "file:missing.jpg",
        "file:link-out",
        "file:pipe",
    ],
)
def test_anything_else_is_refused_with_its_reason(base, url):
    (base / "link-out").symlink_to(base.parent / "secret")
    os.mkfifo(base / "pipe")
    with pytest.raises(ValueError, match=r".") as caught:
        file_urls(base)(url)
    assert "secret" not in str(caught.value).replace(url, "")


def test_a_folder_whose_name_merely_begins_alike_is_outside(base):
    Path(f"{base}-other").mkdir()
    Path(f"{base}-other", "x").write_bytes(b"x")
    with pytest.raises(ValueError, match="leads out"):
        file_urls(base)("file:../values-other/x")


def test_without_a_folder_nothing_is_read():
    with pytest.raises(ValueError, match="url_base_dir is not set"):
        refuse_urls("file:///etc/hostname")
