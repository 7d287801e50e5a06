"""Where settings are said: in a mapping, in Flask's config, in the environment."""

from __future__ import annotations

import logging

import pytest

from tests.unit.settings.conftest import LEAST, URL, problems_of
from wsgi_token_refresh.policy.routes import Rule
from wsgi_token_refresh.settings import read_settings


def test_the_environment_has_what_the_mapping_lacks(given):
    environ = {"TOKEN_REFRESH_CLIENT_ID": "environment", "TOKEN_REFRESH_TIMEOUT": "3", "PATH": "/bin"}
    made = given({**LEAST, "client_id": "mapping"}, environ)["token_endpoint"].arguments
    assert (made["client_id"], made["timeout"]) == ("mapping", 3.0)


def test_the_environment_is_enough():
    made = read_settings(environ={f"TOKEN_REFRESH_{word.upper()}": value for word, value in LEAST.items()})
    assert made["verifier"] is None


def test_an_empty_variable_is_none():
    assert read_settings(LEAST, {"TOKEN_REFRESH_PROTECTED": ""})["routes"].rule_for("/") is Rule.PROTECTED


def test_flasks_config(given):
    config = {
        "SECRET_KEY": "x",
        "DEBUG": False,
        "TOKEN_REFRESH_TOKEN_ENDPOINT": URL,
        "TOKEN_REFRESH_VERIFIER": "none",
        "TOKEN_REFRESH_DOMAIN": None,
        "TOKEN_REFRESH_PROTECTED": ["/dashboard"],
    }
    made = given(config, {"TOKEN_REFRESH_DOMAIN": "example.com"})
    assert made["routes"].arguments == {"protected": ["/dashboard"]}
    assert made["session"].arguments == {"domain": "example.com"}


def test_pastes_own_keys_are_no_settings():
    assert read_settings({**LEAST, "here": "/srv", "__file__": "/srv/production.ini"}, {})["verifier"] is None


def test_what_others_write_into_the_environment_is_ignored(caplog):
    caplog.set_level(logging.WARNING)
    read_settings(LEAST, {"TOKEN_REFRESH_SERVICE_HOST": "10.0.0.1", "TOKEN_REFRESH_PORT_80_TCP_ADDR": "10.0.0.1"})
    assert [record.getMessage() for record in caplog.records] == [
        f"TOKEN_REFRESH_{name} in the environment is no setting of ours, and is ignored"
        for name in ("SERVICE_HOST", "PORT_80_TCP_ADDR")
    ]


def test_a_word_that_is_nearly_right_in_the_environment():
    assert problems_of(LEAST, {"TOKEN_REFRESH_PROTECTD": "/"}) == (
        "TOKEN_REFRESH_PROTECTD in the environment: protectd is no setting; did you mean protected?",
    )


@pytest.mark.parametrize(("word", "value"), [("SECURE", "flase"), ("MAX_CALLS", "0"), ("PROTECTED", "/a,/b")])
def test_a_wrong_value_in_the_environment_is_named_by_its_variable(word, value):
    (problem,) = problems_of(LEAST, {f"TOKEN_REFRESH_{word}": value})
    assert problem.startswith(f"TOKEN_REFRESH_{word} in the environment: ")
