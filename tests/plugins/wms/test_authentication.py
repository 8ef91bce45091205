"""Who may ask: Basic, OAuth2, and what happens when the answer is no."""

from __future__ import annotations

import pytest
from fakes.wms.auth import CLIENT, USER
from flext_oracle_wms.errors import (
    AuthenticationError,
    PermissionDeniedError,
    TransientError,
    WmsError,
)
from flext_oracle_wms.tap import TapOracleWms
from flext_singer.errors import SettingsError
from servers.wms_commands import read, run


def test_basic_credentials_open_the_door(stand):
    assert read(stand, "company").ids("company") == [1, 2]


def test_a_wrong_password_is_tried_once_so_that_no_user_is_locked(stand):
    client = stand.client(password="wrong")
    for _ in range(10):
        with pytest.raises(AuthenticationError, match="HTTP 401") as caught:
            client.get_json(client.entity_path())
    assert "may lock the user" in caught.value.fix
    assert len(stand.requests()) == 1
    assert stand.sim.counters()["is_locked"] is False


def test_the_stand_in_locks_a_user_that_is_tried_again_and_again(stand):
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            stand.client(password="wrong").get_json("/acme_test/wms/lgfapi/v10/entity/")
    with pytest.raises(AuthenticationError):
        stand.client().get_json("/acme_test/wms/lgfapi/v10/entity/")
    assert stand.sim.counters()["is_locked"] is True


@pytest.mark.parametrize(
    "grant",
    [
        {"oauth_grant": "client_credentials"},
        {"oauth_grant": "password", "username": USER[0], "password": USER[1]},
        {"auth_method": "oauth2_client_credentials"},
        {"auth_method": "oauth2_password", "username": USER[0], "password": USER[1]},
    ],
)
def test_every_grant_gets_a_token(stand, grant):
    run = read(stand, "company", **{**stand.oauth, **grant})
    assert run.ids("company") == [1, 2]
    assert stand.sim.auth.token_requests == 1


def test_a_token_that_is_refused_is_asked_for_once(stand):
    """With the password grant each try could bring the user nearer to a lock."""
    client = stand.client(**stand.oauth)
    client.get_json(client.entity_path())
    stand.sim.auth.tokens.clear()
    stand.switch(token_scope="another")
    before = stand.sim.auth.token_requests
    for _ in range(3):
        with pytest.raises(AuthenticationError, match="scope is not allowed"):
            client.get_json(client.entity_path())
    assert stand.sim.auth.token_requests == before + 1


def test_a_refresh_token_is_exchanged_and_the_new_one_used_next(stand):
    stand.sim.auth.refresh["first"] = "old"
    client = stand.client(
        **stand.oauth | {"oauth_grant": "refresh_token", "oauth_refresh_token": "first"}
    )
    client.get_json(client.entity_path())
    del stand.sim.auth.refresh["first"]
    stand.sim.auth.tokens.clear()
    client.get_json(client.entity_path())
    assert stand.sim.auth.token_requests == 2


def test_a_token_url_elsewhere_with_a_scope_is_asked_there(start):
    scope = "urn:resource:fusion:scm:logistics:wms:lgfapi/"
    stand = start(token_scope=scope)
    url = stand.base_url.replace("/acme_test", "/oauth2/v1/token")
    read(stand, "company", **stand.oauth, oauth_token_url=url, oauth_scope=scope)
    assert stand.requests("/oauth2/v1/token")


def test_a_wrong_scope_is_named(start):
    stand = start(token_scope="right")
    with pytest.raises(AuthenticationError, match="HTTP 400: The scope is not allowed"):
        read(stand, "company", **stand.oauth, oauth_scope="wrong")


def test_a_wrong_client_secret_is_named_and_never_shown(stand):
    with pytest.raises(AuthenticationError, match="Client authentication") as caught:
        read(stand, "company", **stand.oauth | {"oauth_client_secret": "s3cret-wrong"})
    assert "s3cret-wrong" not in f"{caught.value} {caught.value.where}"
    assert stand.sim.auth.token_requests == 1


@pytest.mark.parametrize("form", ["int", "string", "absent"])
def test_expires_in_may_be_a_number_a_text_or_missing(start, form):
    stand = start(expires_in=form)
    client = stand.client(**stand.oauth)
    for _ in range(3):
        client.get_json(client.entity_path())
    assert stand.sim.auth.token_requests == 1


def test_a_token_that_ends_while_pages_are_read_loses_no_page(start):
    stand = start(rows=60)
    client = stand.client(**stand.oauth)
    pages = client_pages(client)
    ids = [row["id"] for row in next(pages)]
    stand.sim.auth.tokens.clear()  # ended early, whatever expires_in said
    ids += [row["id"] for page in pages for row in page]
    assert ids == stand.ids("order_hdr")
    assert stand.sim.auth.token_requests == 2


def client_pages(client):
    from flext_oracle_wms.listing import read_pages  # noqa: PLC0415

    return read_pages(client, "order_hdr", {}, page_size=20)


def test_a_new_token_that_is_refused_too_ends_the_run(stand):
    stand.fault("401", times=-1)
    with pytest.raises(AuthenticationError) as caught:
        read(stand, "company", **stand.oauth)
    assert "scope" in caught.value.fix
    assert len(stand.requests("/entity/")) == 2  # once more with a new token


@pytest.mark.parametrize(("kind", "wait"), [("429", "7"), ("503", "0")])
def test_a_busy_token_endpoint_is_asked_again_as_it_says(stand, kind, wait):
    stand.fault(kind, path="oauth2/token", retry_after=wait)
    client = stand.client(**stand.oauth)
    client.get_json(client.entity_path())
    assert stand.waits == [float(wait)]


def test_a_token_endpoint_that_stays_away_is_no_wrong_password(stand):
    stand.fault("503", path="oauth2/token", times=-1)
    with pytest.raises(TransientError, match="no token: HTTP 503, 4 times"):
        read(stand, "company", **stand.oauth)


def test_a_user_without_read_access_gets_an_error_that_names_it(stand):
    stand.sim.auth.denied = {"read"}
    with pytest.raises(PermissionDeniedError, match="HTTP 403") as caught:
        read(stand, "company")
    assert "lgfapi read" in caught.value.fix


def test_rows_of_other_facilities_do_not_exist_for_the_user(stand):
    stand.rows.hidden.add(("order_hdr", 3))
    assert 3 not in read(stand, "order_hdr").ids("order_hdr")


def test_http_is_refused_unless_it_is_allowed_by_name(stand):
    with pytest.raises(WmsError, match="in the clear") as caught:
        stand.client(insecure_http=False)
    assert caught.value.where == "setting base_url"


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "username is missing"),
        ({"auth_method": "oauth2"}, "oauth_client_id is missing"),
        ({"auth_method": "oauth2_password"}, "username is missing"),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings, missing):
    with pytest.raises(SettingsError, match="wrong settings") as caught:
        TapOracleWms(config={"base_url": "https://example.com/env", **settings})
    assert any(missing in error for error in caught.value.errors)


def test_no_secret_is_written_anywhere(stand, tmp_path):
    config = {**stand.oauth, "entities": ["company"], "oauth_scope": "x"}
    stand.switch(token_scope="y")
    done = run("flext-tap-oracle-wms", config, tmp_path, LOGLEVEL="DEBUG")
    assert done.returncode == 1
    text = done.stdout.decode() + done.stderr.decode()
    assert CLIENT[1] not in text
    config = {**stand.basic, "entities": ["company"], "password": "c4nary-password"}
    done = run("flext-tap-oracle-wms", config, tmp_path, LOGLEVEL="DEBUG")
    text = done.stdout.decode() + done.stderr.decode()
    assert "HTTP 401" in text
    assert "c4nary-password" not in text
    assert "Authorization" not in text
