"""Each example, run by the commands of its README."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from wsgi_token_refresh.testing.handle import AuthorizationServerHandle

from .commands import PATIENCE, ROOT, commands_of, copy_with_ports, free_port, running, wait_for

PAGE = {"Accept": "text/html"}
ADA = {"username": "ada", "password": "lovelace"}


@dataclass(frozen=True)
class Example:
    """An application that runs, and the authorization server that it asks."""

    url: str
    server: AuthorizationServerHandle


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("flask_app", 1), id="flask under gunicorn"),
        pytest.param(("pyramid_app", 1), id="pyramid under pserve"),
        pytest.param(("pyramid_app", 2), id="pyramid under gunicorn"),
    ],
)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    name, number = request.param
    runtime = tmp_path_factory.mktemp("run")
    folder, theirs, ours = runtime / name, free_port(), free_port()
    copy_with_ports(ROOT / "examples" / name, folder, {"9000": theirs, "8000": ours})
    commands = commands_of(folder / "README.md")
    with (
        running(commands[0], folder=ROOT, runtime=runtime) as server,
        running(commands[number], folder=folder, runtime=runtime) as app,
    ):
        served = Example(f"http://127.0.0.1:{ours}", AuthorizationServerHandle(f"http://127.0.0.1:{theirs}"))
        wait_for(served.server.jwks_url, server)
        wait_for(f"{served.url}/login", app)
        yield served


@pytest.fixture(autouse=True)
def _reset(example: Example) -> None:
    example.server.reset()


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def ada(example: Example, browser: requests.Session) -> requests.Session:
    """A browser in which ada is signed in."""
    assert browser.post(f"{example.url}/login", ADA, headers=PAGE).url == f"{example.url}/dashboard"
    return browser


def test_sends_people_to_the_login_page_and_back_to_where_they_wanted_to_go(
    example: Example, browser: requests.Session
) -> None:
    form = browser.get(f"{example.url}/settings", headers=PAGE)
    assert form.url == f"{example.url}/login?next=/settings"
    assert 'name="password"' in form.text
    assert browser.get(f"{example.url}/static/style.css").status_code == 200
    page = browser.post(form.url, ADA, headers=PAGE)
    assert page.url == f"{example.url}/settings"
    assert "Bearer " in page.text
    assert "<code>access_token</code>" in page.text


def test_goes_nowhere_else_after_the_login(example: Example, browser: requests.Session) -> None:
    answer = browser.post(f"{example.url}/login?next=//evil.example", ADA, headers=PAGE)
    assert answer.url == f"{example.url}/dashboard"


def test_refuses_a_wrong_password(example: Example, browser: requests.Session) -> None:
    answer = browser.post(f"{example.url}/login", {**ADA, "password": "wrong"})
    assert answer.status_code == 403
    assert "another password" in answer.text
    assert not browser.cookies


def test_refuses_a_form_that_another_site_has_sent(example: Example, ada: requests.Session) -> None:
    evil = {**PAGE, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = ada.post(f"{example.url}/login", ADA, headers=evil)
    assert answer.status_code == 403
    assert "Another site" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert ada.get(f"{example.url}/api/me").json()["claims"]["sub"] == "ada"


def test_answers_a_fetch_without_a_session_with_json(example: Example, browser: requests.Session) -> None:
    answer = browser.get(f"{example.url}/api/me")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["reason"] == "no_session"


def test_who_is_signed_in_needs_no_login_page(example: Example, ada: requests.Session) -> None:
    assert ada.get(f"{example.url}/login", headers=PAGE).url == f"{example.url}/dashboard"
    assert ada.get(f"{example.url}/", headers=PAGE).url == f"{example.url}/dashboard"


def test_shows_how_long_the_token_is_good_for(example: Example, ada: requests.Session) -> None:
    me = ada.get(f"{example.url}/api/me").json()
    assert me["claims"]["sub"] == "ada"
    assert 0 < me["seconds_left"] <= 30
    assert me["refreshes"] == 0
    assert "Hello, ada" in ada.get(f"{example.url}/dashboard").text


def test_refreshes_by_itself(example: Example, browser: requests.Session) -> None:
    example.server.set(access_lifetime=2)
    browser.post(f"{example.url}/login", ADA)
    first = browser.cookies["access_token"]
    ends = time.monotonic() + PATIENCE
    while example.server.counts()["grants"] == 0:
        assert browser.get(f"{example.url}/api/me").status_code == 200
        assert time.monotonic() < ends
    assert browser.get(f"{example.url}/api/me").json()["refreshes"] >= 1
    assert browser.cookies["access_token"] != first
    assert example.server.counts()["refused"] == 0


def test_logs_out_everywhere(example: Example, ada: requests.Session) -> None:
    other_tab = {"refresh_token": ada.cookies["refresh_token"]}
    assert ada.post(f"{example.url}/logout", headers=PAGE).url == f"{example.url}/login"
    assert not ada.cookies
    assert ada.get(f"{example.url}/api/me").status_code == 401
    assert requests.get(f"{example.url}/api/me", cookies=other_tab, timeout=10).status_code == 401
    assert example.server.counts()["live"] == 0
