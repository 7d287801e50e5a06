"""Every word of the settings reaches the argument for which it stands."""

from __future__ import annotations

import pytest

from tests.unit.settings.conftest import LEAST, PEM, SECRET, URL
from wsgi_token_refresh.authorization_server.dialects import DIALECTS, Dialect
from wsgi_token_refresh.settings import WORDS

# Every word, as text and as a value of its own.

ENDPOINT, ROUTES, VERIFIER, SESSION = "token_endpoint", "routes", "verifier", "session"
SEALED, SERVER_SIDE = "session = sealed", "session = server_side"

ARGUMENTS = [
    ("token_endpoint", URL, ENDPOINT, "url", URL),
    ("client_id", " web ", ENDPOINT, "client_id", "web"),
    ("client_secret", SECRET, ENDPOINT, "client_secret", SECRET),
    ("client_secret", " 100% ", ENDPOINT, "client_secret", " 100% "),
    ("client_secret", str, ENDPOINT, "client_secret", str),
    ("client_auth", "none", ENDPOINT, "client_auth", "none"),
    ("timeout", "2.5", ENDPOINT, "timeout", 2.5),
    ("timeout", 3, ENDPOINT, "timeout", 3.0),
    ("default_expires_in", "3600", ENDPOINT, "default_expires_in", 3600.0),
    ("default_expires_in", " Never", ENDPOINT, "default_expires_in", "never"),
    ("answer_timeout", "30", ENDPOINT, "answer_timeout", 30.0),
    ("single_use", "no", ENDPOINT, "single_use", False),
    ("single_use", False, ENDPOINT, "single_use", False),
    ("old_access_token_survives", "Off", ENDPOINT, "old_access_token_survives", False),
    ("revocation_endpoint", URL, ENDPOINT, "revocation_endpoint", URL),
    ("scope", "openid offline_access", ENDPOINT, "scope", "openid offline_access"),
    ("allow_insecure", "1", ENDPOINT, "allow_insecure", True),
    ("allow_insecure", "1", VERIFIER, "allow_insecure", True),
    ("ca_bundle", "/etc/ca.pem", ENDPOINT, "ca_bundle", "/etc/ca.pem"),
    ("max_calls", "4", ENDPOINT, "max_calls", 4),
    ("dialect", "simplejwt", ENDPOINT, "dialect", "simplejwt"),
    ("dialect_send", "json", ENDPOINT, "dialect", Dialect(send="json")),
    ("dialect_refresh_token", "token", ENDPOINT, "dialect", Dialect(refresh_token="token")),
    ("dialect_access_token", "data.token", ENDPOINT, "dialect", Dialect(access_token="data.token")),
    ("dialect_new_refresh_token", "next", ENDPOINT, "dialect", Dialect(new_refresh_token="next")),
    ("dialect_expires_in", "ttl", ENDPOINT, "dialect", Dialect(expires_in="ttl")),
    ("dialect_refresh_expires_in", "rttl", ENDPOINT, "dialect", Dialect(refresh_expires_in="rttl")),
    ("dialect_error", "status errors[0].type", ENDPOINT, "dialect", Dialect(error=("status", "errors[0].type"))),
    ("rejected", "400: 400:Refresh%20token*", ENDPOINT, "dialect", Dialect(rejected=("400:", "400:Refresh%20token*"))),
    ("rejected", "invalid_grant\n 401:gone", ENDPOINT, "dialect", Dialect(rejected=("invalid_grant", "401:gone"))),
    ("protected", "/dashboard\n/settings", ROUTES, "protected", ["/dashboard", "/settings"]),
    ("protected", ("/a", "/b"), ROUTES, "protected", ["/a", "/b"]),
    ("protected", "", ROUTES, "protected", []),
    ("optional", "/ /blog", ROUTES, "optional", ["/", "/blog"]),
    ("public", "/static", ROUTES, "public", ["/static"]),
    ("guest_only", "/sign-up", ROUTES, "guest_only", ["/sign-up"]),
    ("login_url", "/in", ROUTES, "login_url", "/in"),
    ("home_url", "/home", ROUTES, "home_url", "/home"),
    ("trusted_origins", "https://a.example https://b.example", ROUTES, "trusted_origins", ["https://a.example", "https://b.example"]),
    ("sign_in", "/callback", ROUTES, "sign_in", ["/callback"]),
    ("form_post", "/callback", ROUTES, "form_post", ["/callback"]),
    ("preflight", "pass", ROUTES, "preflight", "pass"),
    ("key", SECRET, VERIFIER, "key", SECRET),
    ("key", SECRET.encode(), VERIFIER, "key", SECRET.encode()),
    ("key", PEM.replace("\n", "\\n"), VERIFIER, "key", PEM),
    ("jwks_url", URL, VERIFIER, "jwks_url", URL),
    ("jwks_timeout", "2", VERIFIER, "timeout", 2.0),
    ("keys_max_age", "60", VERIFIER, "keys_max_age", 60.0),
    ("algorithms", "RS256 ES256", VERIFIER, "algorithms", ["RS256", "ES256"]),
    ("audience", "api account", VERIFIER, "audience", ["api", "account"]),
    ("issuer", "https://auth.example.com/", VERIFIER, "issuer", ["https://auth.example.com/"]),
    ("leeway", "0", VERIFIER, "leeway", 0.0),
    ("access_name", "at", SESSION, "access_name", "at"),
    ("refresh_name", "rt", SESSION, "refresh_name", "rt"),
    ("prefix", "__Host-", SESSION, "prefix", "__Host-"),
    ("prefix", "", SESSION, "prefix", ""),
    ("secure", "false", SESSION, "secure", False),
    ("domain", "example.com", SESSION, "domain", "example.com"),
    ("path", "/app", SESSION, "path", "/app"),
    ("samesite", "strict", SESSION, "samesite", "Strict"),
    ("refresh_max_age", "86400", SESSION, "refresh_max_age", 86_400),
    ("session_keys", "one two", SEALED, "keys", ["one", "two"]),
    ("session_keys", ["one", "two"], SEALED, "keys", ["one", "two"]),
    ("session_keys", ("one", "two"), SEALED, "keys", ["one", "two"]),
    ("session_keys", list, SEALED, "keys", list),
    ("session_keys", b"one two", SEALED, "keys", ["one", "two"]),
    ("session_name", "s", SEALED, "name", "s"),
    ("session_max_bytes", "4096", SEALED, "max_bytes", 4096),
    ("refresh_max_age", "86400", SEALED, "refresh_max_age", 86_400),
    ("secure", "no", SEALED, "secure", False),
    ("session_name", "s", SERVER_SIDE, "name", "s"),
    ("idle_lifetime", "3600", SERVER_SIDE, "idle_lifetime", 3600),
    ("absolute_lifetime", "86400", SERVER_SIDE, "absolute_lifetime", 86_400),
    ("index_key", SECRET, SERVER_SIDE, "index_key", SECRET),
    ("index_key", "one two", SERVER_SIDE, "index_key", "one two"),
    ("index_key", "one\r\n\ntwo\n", SERVER_SIDE, "index_key", ["one", "two"]),
    ("index_key", [SECRET], SERVER_SIDE, "index_key", [SECRET]),
    ("index_key", str, SERVER_SIDE, "index_key", str),
    ("session_keys", f"{SECRET} {SECRET}", SERVER_SIDE, "keys", [SECRET, SECRET]),
    ("samesite", "strict", SERVER_SIDE, "samesite", "Strict"),
]  # fmt: skip


@pytest.mark.parametrize(
    "case",
    ARGUMENTS,
    ids=[f"{case[0]}={str(case[1])[:20]!r}" for case in ARGUMENTS],
)
def test_a_word_reaches_its_argument(given, case):
    word, value, collaborator, argument, read = case
    collaborator, _, kind = collaborator.partition(" = ")
    settings = {"token_endpoint": URL, "jwks_url": URL, "store": "memory", "session": kind or None, word: value}
    found = given(settings)[collaborator].arguments
    assert found[argument] == read
    assert type(found[argument]) is type(read)


@pytest.mark.parametrize(
    ("word", "value", "read"),
    [
        ("refresh_before", "60", 60.0),
        ("hand_over", 30, 30.0),
        ("wait_timeout", "2.5", 2.5),
        ("authorization_header", "no", False),
    ],
)
def test_a_word_of_the_middlewares_own(given, word, value, read):
    assert given({**LEAST, word: value})[word] == read


def test_every_word_has_a_case():
    covered = {case[0] for case in ARGUMENTS} | {"refresh_before", "hand_over", "wait_timeout", "authorization_header"}
    files = ["client_secret_file", "index_key_file", "key_file", "session_keys_file"]
    assert sorted(WORDS - covered) == sorted(
        [*files, "redis_replicas", "session", "session_reads", "store", "verifier"]
    )


def test_what_is_not_said_is_left_to_the_defaults(given):
    made = given({"token_endpoint": URL, "jwks_url": URL})
    assert made["routes"].arguments == made["session"].arguments == {}
    assert made["token_endpoint"].arguments == {"url": URL, "client_secret": None, "dialect": "oauth2"}
    assert made["store"] is None
    assert "refresh_before" not in made


@pytest.mark.parametrize("word", [word for word in WORDS if word.startswith("dialect_")] + ["rejected"])
def test_a_named_dialect_can_be_changed(given, word):
    value = "json" if word == "dialect_send" else "400"
    made = given({**LEAST, "dialect": "simplejwt", word: value})["token_endpoint"].arguments["dialect"]
    name = word.removeprefix("dialect_")
    for each in ("send", "refresh_token", "access_token", "new_refresh_token", "expires_in", "rejected"):
        wanted = getattr(DIALECTS["simplejwt"], each)
        changed = ("400",) if each == "rejected" else value
        assert getattr(made, each) == (changed if each == name else wanted)
