"""Settings as mappings, ini files and environments have them, and what is said about wrong ones."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

import wsgi_token_refresh.settings.words as settings_module
from wsgi_token_refresh import (
    ConfigurationError,
    SealedCookie,
    ServerSideSession,
    TokenCookies,
    TokenRefreshMiddleware,
)
from wsgi_token_refresh.authorization_server.dialects import DIALECTS, Dialect
from wsgi_token_refresh.policy.routes import Rule
from wsgi_token_refresh.settings import WORDS, read_settings
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.tokens import Tokens

URL = "https://auth.example.com/token"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
LEAST = {"token_endpoint": URL, "verifier": "none"}
SECRET = "hunter2-hunter2-hunter2-hunter2-"
PEM = """\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


class Recorder:
    """Stands for a collaborator, and keeps what it was given."""

    def __init__(self, **arguments):
        self.arguments = arguments


@pytest.fixture
def given(monkeypatch):
    """Read settings, and give what each collaborator was given."""

    def read(settings, environ=None):
        with monkeypatch.context() as patched:
            for name in ("TokenEndpoint", "Routes", "JwtVerifier", "TokenCookies", "SealedCookie", "ServerSideSession"):
                patched.setattr(settings_module, name, Recorder)
            return read_settings(settings, environ or {})

    return read


def problems_of(settings, environ=None):
    with pytest.raises(ConfigurationError) as caught:
        read_settings(settings, environ or {})
    return caught.value.problems


# Every word, as text and as a value of its own.

ENDPOINT, ROUTES, VERIFIER, SESSION = "token_endpoint", "routes", "verifier", "session"
SEALED, SERVER_SIDE = "session = sealed", "session = server_side"

ARGUMENTS = [
    ("token_endpoint", URL, ENDPOINT, "url", URL),
    ("client_id", " web ", ENDPOINT, "client_id", "web"),
    ("client_secret", SECRET, ENDPOINT, "client_secret", SECRET),
    ("client_secret", " 100% ", ENDPOINT, "client_secret", " 100% "),
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
    ("session_keys", b"one two", SEALED, "keys", ["one", "two"]),
    ("session_name", "s", SEALED, "name", "s"),
    ("session_max_bytes", "4096", SEALED, "max_bytes", 4096),
    ("refresh_max_age", "86400", SEALED, "refresh_max_age", 86_400),
    ("secure", "no", SEALED, "secure", False),
    ("session_name", "s", SERVER_SIDE, "name", "s"),
    ("idle_lifetime", "3600", SERVER_SIDE, "idle_lifetime", 3600),
    ("absolute_lifetime", "86400", SERVER_SIDE, "absolute_lifetime", 86_400),
    ("index_key", SECRET, SERVER_SIDE, "index_key", SECRET),
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


# Where words are said.


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


# Secrets in files.


@pytest.mark.parametrize("content", [SECRET, SECRET + "\n", SECRET + "\r\n"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_mounted_secret(given, tmp_path, content, kind):
    (tmp_path / "secret").write_bytes(content.encode())
    made = given({**LEAST, "client_secret_file": kind(tmp_path / "secret")})
    assert made["token_endpoint"].arguments["client_secret"]() == SECRET


def test_a_mounted_secret_is_the_one_that_the_file_holds_now(given, tmp_path):
    (tmp_path / "secret").write_text("first")
    made = given({**LEAST, "client_secret_file": str(tmp_path / "secret")})
    (tmp_path / "secret").write_text("second")
    assert made["token_endpoint"].arguments["client_secret"]() == "second"


def test_one_line_break_is_taken_off(given, tmp_path):
    (tmp_path / "secret").write_text(SECRET + "\n\n")
    made = given({**LEAST, "client_secret_file": str(tmp_path / "secret")})
    assert made["token_endpoint"].arguments["client_secret"]() == SECRET + "\n"


def test_a_mounted_key(tmp_path):
    (tmp_path / "key.pem").write_text(PEM)
    made = read_settings({"token_endpoint": URL, "key_file": str(tmp_path / "key.pem"), "algorithms": "EdDSA"}, {})
    assert made["verifier"] is not None


# Stores.


def test_the_memory_store():
    assert isinstance(read_settings({**LEAST, "store": "memory"}, {})["store"], MemoryStore)


@pytest.mark.parametrize("slashes", ["sqlite://", "sqlite:///"])
def test_a_sqlite_store(tmp_path, slashes):
    store = read_settings({**LEAST, "store": f"{slashes}{tmp_path}/sessions.sqlite"}, {})["store"]
    assert isinstance(store, SqliteStore)
    assert (tmp_path / "sessions.sqlite").exists()
    store.close()


def test_kinds_of_session(tmp_path):
    index = _written(tmp_path / "index", SECRET)
    said = {"session": "server_side", "session_reads": "token_cookies sealed", "session_keys": KEY, "store": "memory"}
    made = read_settings({**LEAST, **said}, {"TOKEN_REFRESH_INDEX_KEY_FILE": str(index)})
    assert isinstance(made["session"], ServerSideSession)
    assert made["session"]._store is made["store"]
    assert [type(each) for each in made["session_reads"]] == [TokenCookies, SealedCookie]
    TokenRefreshMiddleware(app, **made)


def test_sessions_on_the_server_take_the_default_store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = read_settings({**LEAST, "session": "server_side"}, {})
    assert made["session"]._store is made["store"]
    assert isinstance(made["store"], SqliteStore)


def test_a_mounted_list_of_keys(tmp_path):
    path = _written(tmp_path / "keys", f"{Fernet.generate_key().decode()}\n{KEY}\n")
    made = read_settings({**LEAST, "session": "sealed", "session_keys_file": str(path)}, {})["session"]
    sealed = SealedCookie(keys=[KEY]).begin(Tokens("access", "refresh"), 0)[0].partition(";")[0]
    assert made.load(sealed) == (Tokens("access", "refresh"),)


def _written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("url", ["redis://cache/0", "rediss://cache:6380/1", "unix:///run/redis.sock"])
def test_a_redis_store(url):
    assert isinstance(read_settings({**LEAST, "store": url}, {})["store"], RedisStore)


def test_a_redis_store_may_wait_for_replicas():
    store = read_settings({**LEAST, "store": "redis://cache/0", "redis_replicas": "1"}, {})["store"]
    assert store._replicas == 1


def test_a_redis_store_without_its_client_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wsgi_token_refresh.stores.redis", None)
    assert problems_of({**LEAST, "store": "redis://cache"}) == (
        "store: wants redis-py: pip install 'wsgi-token-refresh[redis]'",
    )


def test_the_sqlite_store_of_this_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    store = read_settings({**LEAST, "store": "sqlite"}, {})["store"]
    assert isinstance(store, SqliteStore)
    store.close()


# What is wrong.

WRONG = [
    ({"clientid": "web"}, "clientid: is no setting; did you mean client_id?"),
    ({"TOKEN_REFRESH_ALGORITHM": "RS256"}, "algorithm: is no setting; did you mean algorithms?"),
    ({"zzzz": "x"}, "zzzz: is no setting; there are: absolute_lifetime, "),
    ({"domain": "a.example", "TOKEN_REFRESH_DOMAIN": "a.example"}, "domain: is said twice, as domain and as TOKEN_"),
    ({"timeout": "5s"}, "timeout: is no number"),
    ({"redis_replicas": "1"}, "redis_replicas: means nothing to this store"),
    ({"store": "redis://cache", "redis_replicas": "1.5"}, "redis_replicas: is no whole number"),
    ({"store": "redis://cache", "redis_replicas": "17"}, "store: RedisStore: replicas is 17; give a number, 0 to 16"),
    ({"default_expires_in": "ever"}, "default_expires_in: is no number"),
    ({"default_expires_in": 0}, "default_expires_in: is not more than 0"),
    ({"timeout": True}, "timeout: is no number"),
    ({"timeout": "nan"}, "timeout: is no number"),
    ({"timeout": 10**400}, "timeout: is no number"),
    ({"timeout": "-1"}, "timeout: -1.0 is no number of seconds from above 0"),
    ({"max_calls": "2.5"}, "max_calls: is no whole number"),
    ({"max_calls": "0"}, "max_calls: 0 is no number of calls from 1 up"),
    ({"refresh_before": "0"}, "refresh_before: is not more than 0"),
    ({"hand_over": -1}, "hand_over: is not more than 0"),
    ({"secure": "maybe"}, "secure: is neither true nor false"),
    ({"allow_insecure": "maybe"}, "allow_insecure: is neither true nor false"),
    ({"client_id": "  "}, "client_id: is empty or no text"),
    ({"client_id": 7}, "client_id: is empty or no text"),
    ({"prefix": 7}, "prefix: is no text"),
    ({"protected": 7}, "protected: is no list of texts"),
    ({"protected": "/dashboard, /admin"}, "protected: has a comma; separate several by white space only"),
    ({"trusted_origins": "https://a.example,https://b.example"}, "trusted_origins: has a comma"),
    ({"cookie_secure": "no"}, "cookie_secure: is no setting; did you mean secure?"),
    ({"protected": [7]}, "protected: is no list of texts"),
    ({"protected": "dashboard"}, "protected has 'dashboard'; a prefix begins with '/'"),
    ({"protected": "/a", "public": "/a"}, "'/a' is protected and public"),
    ({"token_endpoint": "ftp://x"}, "token_endpoint: is no URL"),
    ({"token_endpoint": "http://auth.example.com/"}, "token_endpoint: http:// sends tokens in the clear"),
    ({"token_endpoint": None}, "token_endpoint: is missing"),
    ({"dialect": "klingon"}, "dialect: 'klingon' is unknown"),
    ({"dialect_send": "mail"}, "dialect_send: 'mail' is unknown"),
    ({"dialect_access_token": "a b"}, "dialect_access_token: 'a b' is no name"),
    ({"rejected": ""}, "rejected: empty"),
    ({"dialect_error": "a..b"}, "dialect_error: ('a..b',) names no place"),
    ({"client_auth": "kerberos"}, "client_auth: 'kerberos' is unknown"),
    ({"client_secret": ""}, "client_secret: is empty"),
    ({"client_secret": SECRET, "client_id": "web", "client_secret_file": "/nowhere"}, "client_secret: is said in"),
    ({"client_secret_file": "/nowhere"}, "client_secret_file: '/nowhere' cannot be read (No such file or directory)"),
    ({"verifier": None}, "verifier: is not said"),
    ({"verifier": "maybe"}, "verifier: is unknown; give jwt or none"),
    ({"verifier": "jwt"}, "key and jwks_url are both missing"),
    ({"algorithms": "RS256"}, "verifier: none verifies nothing, but algorithms is said"),
    ({"verifier": None, "jwks_url": URL}, "algorithms is empty"),
    ({"verifier": None, "jwks_url": URL, "jwks_timeout": "0"}, "jwks_timeout is 0.0"),
    ({"verifier": None, "key": SECRET[:20], "algorithms": "HS256"}, "key is shorter than the 32 bytes"),
    ({"path": 7}, "path: is empty or no text"),
    ({"samesite": "sometimes"}, "samesite is 'Sometimes'"),
    ({"refresh_max_age": "0"}, "refresh_max_age is 0"),
    ({"prefix": "__Host-", "secure": "no"}, "the cookie '__Host-access_token' needs secure=True"),
    ({"store": "mysql://:hunter2@cache"}, "store: is unknown; give memory, sqlite, sqlite:///"),
    ({"store": "redis://:hunter2@cache:port"}, "store: RedisStore: the url cannot be read; give redis://"),
    ({"store": "sqlite:///"}, "store: is unknown"),
    ({"session": "sealed"}, "session_keys is empty"),
    ({"session": "sealed", "session_keys": "hunter2"}, "session_keys[0] is no key"),
    ({"session": "sealed", "session_keys": f"{KEY},{KEY}"}, "session_keys[0] is no key"),
    ({"session": "sealed", "session_keys": KEY, "access_name": "a"}, "access_name: means nothing to sealed"),
    ({"session_keys": KEY}, "session_keys: means nothing to token_cookies"),
    ({"session": "server_side", "index_key": "hunter2", "store": "memory"}, "index_key is too short"),
    ({"session": "server_side", "idle_lifetime": "0", "store": "memory"}, "idle_lifetime is 0"),
    ({"session": "jar"}, "session: is unknown; give token_cookies or sealed or server_side"),
    ({"session_reads": "jar"}, "session_reads: is unknown"),
    ({"store": "sqlite:///nowhere/at/all.sqlite"}, "store: SqliteStore: /nowhere/at/all.sqlite cannot be written"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "problem"), WRONG, ids=[str(case[0])[:60] for case in WRONG])
def test_what_is_wrong_is_named_once_with_its_cure(changes, problem):
    problems = problems_of({**LEAST, **changes})
    assert len([each for each in problems if each.startswith(problem)]) == 1
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(("content", "problem"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "is no text in")])
def test_a_file_that_holds_no_secret(tmp_path, content, problem):
    (tmp_path / "secret").write_bytes(content)
    (found,) = problems_of({**LEAST, "client_secret_file": str(tmp_path / "secret")})
    assert problem in found


def test_a_word_that_is_nearly_right_in_the_environment():
    assert problems_of(LEAST, {"TOKEN_REFRESH_PROTECTD": "/"}) == (
        "TOKEN_REFRESH_PROTECTD in the environment: protectd is no setting; did you mean protected?",
    )


@pytest.mark.parametrize(("word", "value"), [("SECURE", "flase"), ("MAX_CALLS", "0"), ("PROTECTED", "/a,/b")])
def test_a_wrong_value_in_the_environment_is_named_by_its_variable(word, value):
    (problem,) = problems_of(LEAST, {f"TOKEN_REFRESH_{word}": value})
    assert problem.startswith(f"TOKEN_REFRESH_{word} in the environment: ")


def test_all_that_is_wrong_is_said_at_once():
    problems = problems_of(
        {
            "client_auth": "kerberos",
            "client_secret": SECRET,
            "dialect_send": "mail",
            "protected": "dashboard",
            "jwks_url": "ftp://x",
            "algorithms": "none",
            "samesite": "sometimes",
            "store": "redis://:hunter2@cache:port",
            "refresh_before": "soon",
            "colour": "red",
        }
    )
    named = "colour dialect_send token_endpoint client_auth protected algorithms jwks_url store samesite refresh_before"
    assert [problem.partition(":")[0].split()[0] for problem in problems] == named.split()
    assert SECRET not in str(problems)
    assert "hunter2" not in str(problems)


# The middleware.


def app(environ, start_response):
    start_response("200 OK", [])
    return []


def test_from_settings():
    wrapped = TokenRefreshMiddleware.from_settings(app, {**LEAST, "store": "memory", "refresh_before": "60"})
    assert isinstance(wrapped, TokenRefreshMiddleware)


def test_from_the_environment_alone(monkeypatch):
    for word, value in {**LEAST, "store": "memory"}.items():
        monkeypatch.setenv(f"TOKEN_REFRESH_{word.upper()}", value)
    assert isinstance(TokenRefreshMiddleware.from_settings(app), TokenRefreshMiddleware)
