"""Whatever type the value of a setting has, what comes of it is a ConfigurationError that names it, or what it says."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from tests.unit.settings.conftest import KEY, LEAST, SECRET, URL
from wsgi_token_refresh import ConfigurationError, TokenRefreshMiddleware
from wsgi_token_refresh.settings import WORDS, read_settings
from wsgi_token_refresh.settings.words import KINDS, SECRETS_OF, VERIFIER

WRONG = {
    "a number": 7,
    "a huge number": 10**400,
    "a fraction": 0.5,
    "zero": 0,
    "less than nothing": -7,
    "no number": math.nan,
    "infinity": math.inf,
    "a truth": True,
    "half a character": "\ud800",
    "a NUL": "a\0b",
    "no text": "",
    "blanks": " \n",
    "bytes": b"\xff",
    "a list": [None],
    "an empty list": [],
    "words": ["word"],
    "a mapping": {"a": 1},
    "a set": {1},
    "an iterator": map(str, ()),
    "a path": Path("nowhere"),
    "an object": object(),
    "a type": int,
}
NUMBERS = ["a number", "a fraction"]
TRUTHS = ["a truth", "zero"]
NONE = ["no text", "blanks", "an empty list"]
RIGHT = {
    **dict.fromkeys(["timeout", "jwks_timeout", "answer_timeout", "keys_max_age"], NUMBERS),
    **dict.fromkeys(["refresh_before", "hand_over", "wait_timeout"], NUMBERS),
    "leeway": [*NUMBERS, "zero"],
    "default_expires_in": NUMBERS,
    "max_calls": ["a number"],
    "redis_replicas": ["a number", "zero"],
    **dict.fromkeys(["refresh_max_age", "idle_lifetime"], NUMBERS[:1]),
    **dict.fromkeys(["secure", "single_use", "old_access_token_survives", "authorization_header"], TRUTHS),
    "allow_insecure": TRUTHS,
    **dict.fromkeys(["protected", "optional", "public", "guest_only", "sign_in", "form_post", "trusted_origins"], NONE),
    **dict.fromkeys(["audience", "issuer"], ("half a character", "a NUL", "words")),
    "dialect_error": ["words", "a NUL"],
    "rejected": ["words"],
    "client_id": ["a NUL"],
    "scope": ["a NUL"],
    "session_reads": NONE,
    "prefix": ["no text"],
    "client_secret": ["a NUL", "blanks", "a type"],
    "key": ["a type"],
    "dialect_refresh_token": ["a NUL"],
    "dialect_access_token": ["a NUL"],
    "dialect_new_refresh_token": ["a NUL"],
    "dialect_expires_in": ["a NUL"],
    "dialect_refresh_expires_in": ["a NUL"],
}
"""The words, and what of the above is right for them; None is as if nothing were said."""
NAMES = ("access_name", "refresh_name", "session_name", "prefix")
OTHERWISE = {"redis_replicas": "replicas", **dict.fromkeys(NAMES, "the cookie name")}
"""How some words are named where their type is right, and what they say is not."""


def beside(word):
    """Give what must be said beside a word, so that it means something."""
    kind = next((name for name in KINDS if word in (*KINDS[name], *SECRETS_OF.get(name, ()))), "token_cookies")
    said = {**LEAST, "session": kind, "store": "redis://cache/0" if word == "redis_replicas" else "memory"}
    if kind == "sealed":
        said["session_keys"] = KEY
    if word in (*VERIFIER, "key", "key_file", "verifier"):
        said |= {"verifier": "jwt", "algorithms": "RS256"} | ({} if word in ("key", "key_file") else {"jwks_url": URL})
    if word in ("client_secret", "client_secret_file"):
        said["client_id"] = "web"
    if word in ("session_keys_file", "verifier"):
        said.pop("session_keys" if word == "session_keys_file" else word, None)
    return said


def cases():
    for word in sorted(WORDS):
        for kind, value in WRONG.items():
            yield pytest.param(word, kind, value, id=f"{word} is {kind}")


@pytest.mark.parametrize(("word", "kind", "value"), list(cases()))
def test_a_wrong_type_is_a_configuration_error_that_names_the_setting(word, kind, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {**beside(word), word: value}
    if kind in RIGHT.get(word, []):
        read_settings(said, {})
        return
    with pytest.raises(ConfigurationError) as caught:
        read_settings(said, {})
    assert all(problem.isascii() for problem in caught.value.problems)
    is_of_a_right_type = kind in ("a NUL", "blanks", "less than nothing")
    named = (word, OTHERWISE.get(word, word)) if is_of_a_right_type else (word,)
    assert any(name in problem for problem in caught.value.problems for name in named)


@pytest.mark.parametrize("word", sorted(WORDS - {"token_endpoint"}))
def test_none_is_as_if_nothing_were_said(word):
    said = beside(word)
    said.pop(word, None)
    without = _outcome(said)
    assert _outcome({**said, word: None}) == without


def _outcome(said):
    try:
        return sorted(read_settings(said, {}))
    except ConfigurationError as error:
        return error.problems


@pytest.mark.parametrize("settings", [7, "text", b"bytes", ["token_endpoint"], {"token_endpoint"}, True, object()])
def test_settings_that_are_no_mapping(settings):
    with pytest.raises(ConfigurationError, match="settings: is no mapping but of type"):
        TokenRefreshMiddleware.from_settings(lambda environ, start_response: [], settings)


def test_a_path_may_be_one(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    read_settings({**LEAST, "ca_bundle": tmp_path / "ca.pem"}, {})


@pytest.mark.parametrize("word", sorted(word for word in WORDS if word.endswith("_file")))
def test_a_path_that_none_can_be(word):
    assert f"{word}: is no path; give the path of a file" in _outcome({**beside(word), word: "a\0b"})


def test_nothing_said_is_shown(caplog):
    caplog.set_level(logging.DEBUG)
    for word in ("client_secret", "session_keys", "index_key", "key"):
        for value in (SECRET, SECRET.encode(), [SECRET], {SECRET: 1}):
            assert "hunter2" not in str(_outcome({**beside(word), word: value}))
    assert "hunter2" not in caplog.text
