"""The middleware in a Paste pipeline, configured by an ini file."""

from __future__ import annotations

import logging
from configparser import InterpolationSyntaxError
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from paste.deploy import loadapp

import wsgi_token_refresh.contrib.paste as contrib
from wsgi_token_refresh import ConfigurationError, TokenRefreshMiddleware


def is_installed():
    try:
        entry_points = distribution("wsgi-token-refresh").entry_points
    except PackageNotFoundError:
        return False
    return any(each.group == "paste.filter_app_factory" for each in entry_points)


BY_EGG = "use = egg:wsgi-token-refresh"
BY_NAME = "paste.filter_app_factory = wsgi_token_refresh.contrib.paste:filter_app_factory"
installed = pytest.mark.skipif(not is_installed(), reason="the package is not installed, so there is no egg:")
WAYS = [pytest.param(BY_EGG, marks=installed, id="by egg"), pytest.param(BY_NAME, id="by name")]

PIPELINE = """
[DEFAULT]
debug = true
colour = red

[pipeline:main]
pipeline = refresh hello

[filter:refresh]
{way}
token_endpoint = https://auth.example.com/token
client_id = web
{secret}
protected =
    /dashboard
    /settings
optional = /
verifier = none
store = sqlite:///%(here)s/sessions.sqlite

[app:hello]
paste.app_factory = tests.unit.test_paste:hello_factory
"""


def hello_factory(global_conf, **settings):
    def hello(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    return hello


def status_of(app, path):
    seen = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_SEC_FETCH_MODE": "cors"}
    for _ in app(environ, lambda status, headers: seen.append(status)):
        pass
    return seen[0]


@pytest.fixture
def load(tmp_path):
    def load(way=BY_NAME, secret="", pipeline=PIPELINE):
        ini = tmp_path / "production.ini"
        ini.write_text(pipeline.format(way=way, secret=secret))
        return loadapp(f"config:{ini}")

    return load


@pytest.fixture
def settings_of(load, monkeypatch):
    """Load a pipeline and give the settings that reached the middleware."""
    seen = []
    monkeypatch.setattr(
        contrib.TokenRefreshMiddleware, "from_settings", classmethod(lambda cls, app, settings: seen.append(settings))
    )

    def settings_of(**arguments):
        load(**arguments)
        return seen.pop()

    return settings_of


@pytest.mark.parametrize("way", WAYS)
def test_a_pipeline(load, tmp_path, way):
    app = load(way)
    assert isinstance(app, TokenRefreshMiddleware)
    assert (tmp_path / "sessions.sqlite").exists()
    assert [status_of(app, path) for path in ("/", "/dashboard", "/settings/mail")] == [
        "200 OK",
        "401 Unauthorized",
        "401 Unauthorized",
    ]


def test_a_filter_app(load):
    body = PIPELINE.partition("[filter:refresh]\n")[2].partition("[app:hello]")[0]
    pipeline = PIPELINE.replace(
        "[pipeline:main]\npipeline = refresh hello\n", f"[filter-app:main]\nnext = hello\n{body}"
    )
    assert status_of(load(pipeline=pipeline), "/dashboard") == "401 Unauthorized"


def test_a_filter_with(load):
    pipeline = PIPELINE.replace("[pipeline:main]\npipeline = refresh hello\n", "")
    pipeline = pipeline.replace("[app:hello]", "[app:main]\nfilter-with = refresh")
    assert status_of(load(pipeline=pipeline), "/dashboard") == "401 Unauthorized"


def test_only_the_section_holds_settings(settings_of):
    assert sorted(settings_of()) == ["client_id", "optional", "protected", "store", "token_endpoint", "verifier"]


def test_what_stands_in_default_too_is_told(load, caplog):
    caplog.set_level(logging.WARNING)
    load(secret="timeout = 3", pipeline=PIPELINE.replace("[DEFAULT]", "[DEFAULT]\ntimeout = 60"))
    assert "timeout stands in [DEFAULT]" in caplog.text


# A percent sign in a secret.


def test_a_percent_sign_is_written_twice(settings_of):
    assert settings_of(secret="client_secret = 50%%off%%")["client_secret"] == "50%off%"


def test_a_percent_sign_alone_is_refused_by_paste(load):
    with pytest.raises(InterpolationSyntaxError):
        load(secret="client_secret = 50%off")


def test_a_percent_sign_in_a_mounted_file(load, tmp_path):
    (tmp_path / "secret").write_text("50%off\n")
    app = load(secret="client_secret_file = %(here)s/secret\nclient_auth = client_secret_post")
    assert isinstance(app, TokenRefreshMiddleware)


def test_a_percent_sign_in_the_environment(load, monkeypatch):
    monkeypatch.setenv("TOKEN_REFRESH_CLIENT_SECRET", "50%off")
    assert isinstance(load(secret="client_auth = client_secret_post"), TokenRefreshMiddleware)


# What is wrong.


def test_what_is_wrong_is_said_in_the_words_of_the_ini(load):
    with pytest.raises(ConfigurationError) as caught:
        load(secret="client_auth = client_secret_post\nclientsecret = x\ntimeout = soon")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "clientsecret",
        "timeout",
        "client_auth",
    ]
