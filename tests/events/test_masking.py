import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexcore_gen.events.masking import Secrets, is_secret_name, texts_of


@pytest.mark.parametrize(
    "name",
    [
        "ORACLE_PROD_PASSWORD",
        "AD_PASSWORD",
        "CRM_PW",
        "OAUTH_CLIENT_SECRET",
        "oauth_client_secret",
        "auth.password",
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "APIKEY",
        "API_KEY",
        "SIGNING_KEY",
        "wallet-passphrase",
        "GOOGLE_CREDENTIALS",
    ],
)
def test_names_of_secrets_are_recognised(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "HOME",
        "PWD",
        "USERNAME",
        "MONKEY_ISLAND",
        "SPINNER",
        "replication_key",
        "key_properties",
        "oauth_token_url",
        "private_key_path",
        "auth_method",
    ],
)
def test_other_names_are_not(name):
    assert not is_secret_name(name)


@given(st.text(min_size=4).filter(lambda text: len(text.strip()) > 3))
def test_a_secret_is_masked_in_every_form_it_takes_in_logs(value):
    value = value.strip()
    if value.lower() in {"true", "false", "none", "null"}:
        return
    secrets = Secrets([value])
    forms = {
        "plain": value,
        "json": json.dumps(value)[1:-1],
        "utf8 json": json.dumps(value, ensure_ascii=False)[1:-1],
        "url": quote(value.encode("utf-8", "surrogatepass"), safe=""),
        "form": quote_plus(value.encode("utf-8", "surrogatepass")),
        "base64": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode(),
    }
    for form, text in forms.items():
        assert secrets.mask(f"<<{text}>>") == "<<***>>", form


def test_a_short_secret_is_masked_as_a_word_only():
    assert Secrets(["abc"]).mask("abc, abcd; x=abc") == "***, abcd; x=***"


def test_longer_secrets_are_masked_before_the_shorter_ones_inside_them():
    assert Secrets(["pass", "password1"]).mask("password1 pass") == "*** ***"


def test_passwords_in_addresses_and_assignments_are_masked_without_being_known():
    text = Secrets().mask("postgresql://me:s3cret@db/x password=hunter2 token: abc")
    assert text == "postgresql://me:***@db/x password=*** token: ***"


def test_a_key_of_several_lines_is_masked_line_by_line():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ==\n-----END KEY-----"
    masked = Secrets([key]).mask("log: kqhkiG9w0BAQ== and MIIEvQIBADANBg")
    assert masked == "log: *** and ***"


def test_plain_words_and_numbers_of_settings_stay_readable():
    secrets = Secrets(["true", "", "  ", "None"])
    assert secrets.mask("true None") == "true None"


def test_every_text_of_a_nested_value_is_masked_keys_included():
    secrets = Secrets(["canary"])
    masked = secrets.mask_all({"canary": [1, None, {"a": ("x canary",)}], "b": True})
    assert masked == {"***": [1, None, {"a": ["x ***"]}], "b": True}


def test_texts_inside_a_setting_are_found():
    assert texts_of({"a": ["x", {"b": "y"}], "c": None, "d": True}) == ["x", "y"]


def test_the_character_0_does_not_reach_a_store():
    assert Secrets().mask("a\0b") == "a\ufffdb"
