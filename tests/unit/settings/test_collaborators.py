"""What settings make: secrets in files, stores, kinds of session, and what is said about wrong ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.unit.settings.conftest import KEY, LEAST, PEM, SECRET, URL, problems_of
from wsgi_token_refresh import SealedCookie, ServerSideSession, TokenCookies, TokenRefreshMiddleware
from wsgi_token_refresh.settings import read_settings
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.tokens import Tokens

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


def test_mounted_keys_are_those_that_the_file_holds_now(tmp_path):
    path = _written(tmp_path / "keys", KEY)
    made = read_settings({**LEAST, "session": "sealed", "session_keys_file": str(path)}, {})["session"]
    old = _sealed(made)
    new = Fernet.generate_key().decode()
    _written(path, f"{new}\n{KEY}\n")
    assert made.load(_sealed(made)) == made.load(old) == (Tokens("access", "refresh"),)
    assert SealedCookie(keys=[new]).load(_sealed(made)) == (Tokens("access", "refresh"),)


@pytest.mark.parametrize("word", ["session_keys_file", "index_key_file"])
def test_mounted_keys_of_sessions_on_the_server_are_those_that_the_file_holds_now(tmp_path, word):
    path, new = _written(tmp_path / "keys", SECRET), SECRET[::-1]
    made = read_settings({**LEAST, "session": "server_side", "store": "memory", word: str(path)}, {})["session"]
    assert made.secrets == (SECRET.encode(),)
    _written(path, f"{new}\n{SECRET}\n")
    assert made.secrets == (new.encode(), SECRET.encode())


@pytest.mark.parametrize(
    ("word", "given"),
    [
        ("session_keys", lambda: [KEY]),
        ("TOKEN_REFRESH_SESSION_KEYS", lambda: [KEY]),
        ("index_key", lambda: SECRET),
    ],
)
def test_a_function_may_give_keys(word, given):
    kind = "server_side" if word == "index_key" else "sealed"
    made = read_settings({**LEAST, "session": kind, "store": "memory", word: given}, {})["session"]
    assert made.secrets == ((SECRET if word == "index_key" else KEY).encode(),)


def _sealed(kind):
    return kind.begin(Tokens("access", "refresh"), 0)[0].partition(";")[0]


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
    ({"session": "sealed", "session_keys": 7}, "session_keys: is no list of keys"),
    ({"session": "sealed", "session_keys": ["hunter2", 7]}, "session_keys[1] is no key"),
    ({"session": "sealed", "session_keys": lambda: "hunter2"}, "session_keys is no list but of type str"),
    ({"session": "sealed", "session_keys": lambda: {}["hunter2"]}, "session_keys: its function failed by KeyError"),
    ({"session": "server_side", "session_keys": "", "store": "memory"}, "session_keys: is empty"),
    ({"session": "server_side", "index_key": 7, "store": "memory"}, "index_key: is no text"),
    ({"client_secret": 7}, "client_secret: is no text"),
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


SERVER_SIDE = {"session": "server_side", "store": "memory"}


@pytest.mark.parametrize("where", ["mapping", "environment"])
@pytest.mark.parametrize(
    ("said", "word", "content", "problem"),
    [
        ({"session": "sealed"}, "session_keys_file", f"{KEY} hunter2", "session_keys_file[1] is no key; make one"),
        ({"session": "sealed"}, "session_keys_file", " \n", "session_keys_file is empty; give a key"),
        (SERVER_SIDE, "session_keys_file", "hunter2", "session_keys_file is too short for a secret"),
        (SERVER_SIDE, "index_key_file", f"{SECRET}\nhunter2", "index_key_file[1] is too short for a secret"),
        ({"client_id": "web", "client_auth": "none"}, "client_secret_file", "hunter2", "client_secret_file: is sent"),
        ({"verifier": None, "algorithms": "RS256"}, "key_file", "hunter2", "key_file is no public key"),
        ({"verifier": None, "algorithms": "HS256"}, "key_file", "hunter2", "key_file is shorter than the 32 bytes"),
    ],
)
def test_what_a_file_holds_is_named_by_the_word_of_the_file(tmp_path, said, word, content, problem, where):
    path = str(_written(tmp_path / "secret", content))
    if where == "environment":
        found = problems_of({**LEAST, **said}, {f"TOKEN_REFRESH_{word.upper()}": path})
        problem = problem.replace(word, f"TOKEN_REFRESH_{word.upper()} in the environment")
    else:
        found = problems_of({**LEAST, **said, word: path})
    assert [each.startswith(problem) for each in found] == [True]
    assert "hunter2" not in str(found)


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
