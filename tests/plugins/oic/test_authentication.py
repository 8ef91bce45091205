"""Tokens, roles, hosts: who gets credentials, and when the tap gives up."""

from __future__ import annotations

import json
import threading

import pytest
from fakes.oic.tokens import AUDIENCE, CLIENT
from flext_oracle_oic.client import Client
from flext_oracle_oic.errors import (
    AuthenticationError,
    OicError,
    PermissionDeniedError,
    RequestRefusedError,
    TransientError,
)
from servers.oic_commands import run

SCOPES = [f"{AUDIENCE}/ic/api/", f"{AUDIENCE}urn:opc:resource:consumer::all"]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_both_scopes_and_both_ways_of_showing_the_client_get_a_token(
    stand, scope, client_auth
):
    client = stand.client(oauth_scope=scope, oauth_client_auth=client_auth)
    assert client.get("projects")["items"]
    assert stand.sim.tokens.requests == 1


def test_a_user_assertion_gets_a_token_too(stand):
    client = stand.client(oauth_grant="jwt_assertion", oauth_assertion="a.b.c")
    assert client.get("projects")["items"]


def test_a_scope_with_a_slash_before_urn_is_explained(stand):
    scope = f"{AUDIENCE}/urn:opc:resource:consumer::all"
    with pytest.raises(AuthenticationError, match="Invalid scope") as caught:
        stand.client(oauth_scope=scope).get("projects")
    assert "no slash before urn" in caught.value.fix


@pytest.mark.parametrize("form", ["int", "string", "absent"])
def test_the_lifetime_of_a_token_may_come_in_any_form(start, form):
    assert start(expires_in=form).client().get("projects")["items"]


def test_a_token_that_ends_is_renewed_once_for_all_requests(stand):
    client = stand.client()
    client.get("projects")
    stand.sim.tokens.issued.clear()
    threads = [
        threading.Thread(target=client.get, args=("projects",)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stand.sim.tokens.requests == 2


def test_a_missing_role_stops_after_one_new_token(start):
    stand = start(role="missing")
    client = stand.client()
    with pytest.raises(AuthenticationError, match="401") as caught:
        client.get("integrations")
    assert "ServiceUser" in caught.value.fix
    with pytest.raises(AuthenticationError):
        client.get("connections")
    assert stand.sim.tokens.requests == 2
    assert len(stand.requests("/ic/api/")) == 2


def test_a_role_that_is_too_low_is_told(start):
    with pytest.raises(PermissionDeniedError, match="Role is too low"):
        start(role="low").client().get("integrations")


def test_gen2_takes_basic_and_no_instance(start):
    stand = start("gen2")
    client = Client(stand.basic, user_agent="test")
    assert len(client.get("packages")["items"]) == 3
    client.close()


def test_integration_3_refuses_basic(stand):
    client = Client(
        {**stand.basic, "integration_instance": "acme-oic"}, user_agent="test"
    )
    with pytest.raises(AuthenticationError):
        client.get("monitoring", "instances")
    client.close()


@pytest.mark.parametrize(
    ("instance", "error", "hint"),
    [(None, RequestRefusedError, "integration_instance"), ("other", OicError, "")],
)
def test_a_missing_or_wrong_instance_is_told(stand, instance, error, hint):
    with pytest.raises(error) as caught:
        stand.client(integration_instance=instance).get("projects")
    assert hint in caught.value.fix


def test_design_calls_follow_the_redirect_to_a_host_of_the_settings(stand):
    client = stand.client()
    client._design_origin = stand.urls["instance"]  # as without design_url
    for _ in range(3):
        assert client.get("projects")["items"]
    assert len(stand.requests("projects", "instance")) == 1
    assert len(stand.requests("projects", "design")) == 3


@pytest.mark.parametrize("target", ["evil", "design"])
def test_a_redirect_to_an_unknown_host_gets_no_credentials(start, target):
    stand = start(redirect=target)
    with pytest.raises(OicError, match="gets no"):
        stand.client(design_url=None).get("projects")
    log = [e for e in stand.sim.log if e["listener"] in {"evil", "design"}]
    assert log == []


@pytest.mark.parametrize(
    ("base", "location", "is_trusted"),
    [
        ("a-b-ia.integration.eu-x-1", "design.integration.eu-x-1", True),
        ("a-b-ia.integration.eu-x-1", "design.integration.eu-y-1", False),
        ("a-b-ia.integration.eu-x-1", "xdesign.integration.eu-x-1", False),
    ],
)
def test_only_the_design_host_of_the_own_region_is_trusted(
    stand, base, location, is_trusted
):
    domain = "ocp.oraclecloud.com"
    client = stand.client(base_url=f"https://{base}.{domain}", design_url=None)

    class Redirect:
        headers = {"Location": f"https://{location}.{domain}/ic/api/x"}  # noqa: RUF012

    if is_trusted:
        found = client._trusted_origin(Redirect, "GET x")
        assert found == f"https://{location}.{domain}"
    else:
        with pytest.raises(OicError, match="gets no"):
            client._trusted_origin(Redirect, "GET x")


def test_a_redirect_loop_ends(start):
    stand = start(redirect="loop")
    with pytest.raises(OicError, match="redirected"):
        stand.client(design_url=None).get("projects")
    assert len(stand.requests("projects")) <= 3


@pytest.mark.parametrize("kind", ["429", "503"])
def test_a_busy_token_endpoint_is_asked_again(stand, kind):
    stand.fault(kind, path="/oauth2", retry_after="2")
    assert stand.client().get("projects")["items"]
    assert stand.waits == [2.0]


def test_a_token_endpoint_that_stays_away_ends_the_run(stand):
    stand.fault("503", path="/oauth2", times=99)
    with pytest.raises(TransientError, match="no token"):
        stand.client().get("projects")


@pytest.mark.parametrize(
    "kind", ["login_page", "null", "empty", "truncated", "500_html"]
)
def test_what_is_no_token_is_never_sent_on(stand, kind):
    stand.fault(kind, path="/oauth2", times=99)
    with pytest.raises(OicError):
        stand.client().get("projects")
    assert stand.requests("/ic/api/") == []


@pytest.mark.parametrize("kind", ["slow_headers", "reset_before", "truncated"])
def test_a_token_endpoint_that_recovers_costs_nothing(stand, kind):
    stand.fault(kind, path="/oauth2", times=1, seconds=3)
    assert stand.client(request_timeout_seconds=1).get("projects")["items"]


def test_a_token_endpoint_that_redirects_gets_the_secret_nowhere_else(start):
    stand = start(redirect="evil")
    elsewhere = f"{stand.urls['instance']}/ic/api/integration/v1/projects"
    with pytest.raises(OicError):
        stand.client(oauth_token_url=elsewhere).get("projects")
    assert stand.requests(listener="evil") == []


def test_no_secret_is_in_any_output(stand, tmp_path):
    secret = "s3cr3t-Canary-77"
    config = {**stand.config, "oauth_client_secret": secret, "streams": ["projects"]}
    done = run("flext-tap-oracle-oic", config, tmp_path, LOGLEVEL="DEBUG")
    assert done.returncode == 1
    assert secret.encode() not in done.stdout + done.stderr
    assert b"oauth_client_secret" in done.stderr  # the hint names the setting

    done = run("flext-tap-oracle-oic", stand.config, tmp_path, LOGLEVEL="DEBUG")
    assert done.returncode == 0, done.stderr
    both = done.stdout + done.stderr
    assert CLIENT[1].encode() not in both
    for token in stand.sim.tokens.issued:
        assert token.encode() not in both
    assert json.dumps("***").encode() in done.stdout  # properties are there, redacted
