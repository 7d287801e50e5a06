"""What README and docs say: the quickstart runs, links lead somewhere, and every name and word has its place."""

from __future__ import annotations

import ast
import inspect
import json
import re
import time
from functools import cache
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask, request

import wsgi_token_refresh
from tests.unit.test_layers import HOUSE
from wsgi_token_refresh import JwtVerifier, Routes, TokenEndpoint, TokenRefreshMiddleware, get_session
from wsgi_token_refresh.settings import WORDS, read_settings
from wsgi_token_refresh.stores.memory import MemoryStore
from wsgi_token_refresh.stores.redis import RedisStore
from wsgi_token_refresh.stores.sqlite import SqliteStore
from wsgi_token_refresh.testing import RotatingAuthorizationServer
from wsgi_token_refresh.testing.faults import FAULTS
from wsgi_token_refresh.tokens import unverified_claims

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("examples/*/README.md")])
PAGE = {"Accept": "text/html"}
ADA = {"username": "ada", "password": "lovelace"}
DAY = 86_400

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


def read(path):
    return path.read_text(encoding="utf-8")


def name_of(path):
    return str(path.relative_to(ROOT))


def quickstart():
    """Give the code block that follows the marker."""
    return _FENCE.search(read(ROOT / "README.md").partition("<!-- quickstart:")[2])[2]


def test_the_settings_of_the_readme_make_what_it_says(tmp_path):
    block = next(text for kind, text in _FENCE.findall(read(ROOT / "README.md")) if "session = sealed" in text)
    keys = tmp_path / "session_keys"
    keys.write_text(Fernet.generate_key().decode())
    said = dict(line.split(" = ") for line in block.replace("/run/secrets/session_keys", str(keys)).splitlines())
    made = read_settings({**said, "token_endpoint": "https://auth.example.com/token", "verifier": "none"}, {})
    assert (repr(made["session"]), repr(made["store"])) == (
        "SealedCookie(name='token_session')",
        "RedisStore(cache.internal:6379/0)",
    )


# The quickstart.


class Clock:
    """A clock that can be put back."""

    late = 0.0

    def __call__(self):
        return time.time() - self.late


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    server = RotatingAuthorizationServer(
        users={"ada": "lovelace"}, clients={"web": "secret"}, access_lifetime=DAY, clock=clock
    )
    with server.serve() as served:
        yield served


@pytest.fixture
def client(server, tmp_path, monkeypatch):
    """A browser of the quickstart's application, whose store lies in a directory of this test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("AUTHORIZATION_SERVER", server.url)
    monkeypatch.setenv("CLIENT_SECRET", "secret")
    namespace = {"__name__": "quickstart"}
    exec(compile(quickstart(), "README.md", "exec"), namespace)
    return namespace["app"].test_client()


def test_the_quickstart_has_at_most_40_lines():
    assert len(quickstart().splitlines()) <= 40


def test_the_quickstart_signs_in_and_goes_back_to_where_one_wanted_to_go(client, server):
    first = client.get("/dashboard?tab=2", headers=PAGE)
    assert (first.status_code, first.location) == (303, "/login?next=/dashboard%3Ftab%3D2")
    form = client.get(first.location)
    assert "password" in form.text
    answer = client.post(first.location, data=ADA)
    assert (answer.status_code, answer.location) == (303, "/dashboard?tab=2")
    assert client.get(answer.location).text == "Hello, ada"
    assert server.counts()["grants"] == 0


def test_the_quickstart_refuses_a_wrong_password(client):
    answer = client.post("/login", data={**ADA, "password": "wrong"})
    assert answer.status_code == 403
    assert client.get_cookie("refresh_token") is None


def test_the_quickstart_signs_nobody_in_by_a_form_of_another_site(client):
    client.post("/login", data=ADA)
    before = client.get_cookie("refresh_token").value
    answer = client.post("/login", data=ADA, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, client.get_cookie("refresh_token").value) == (500, before)


def test_the_quickstart_goes_nowhere_else_after_the_login(client):
    assert client.post("/login?next=//evil.example", data=ADA).location == "/dashboard"


def test_the_quickstart_refreshes_an_expired_token_once(client, server, clock):
    clock.late = 2 * DAY
    expired = server.login()
    clock.late = 0
    for name in ("access_token", "refresh_token"):
        client.set_cookie(name, expired[name])
    answer = client.get("/dashboard")
    assert (answer.status_code, answer.text) == (200, "Hello, ada")
    assert client.get_cookie("refresh_token").value != expired["refresh_token"]
    assert unverified_claims(client.get_cookie("access_token").value)["exp"] > time.time()
    assert client.get("/dashboard").status_code == 200
    counts = server.counts()
    assert (counts["grants"], counts["refused"]) == (1, 0)


def test_the_quickstart_signs_out(client, server):
    client.post("/login", data=ADA)
    assert client.post("/logout").location == "/login"
    assert client.get_cookie("refresh_token") is None
    assert client.get("/dashboard", headers=PAGE).status_code == 303


def test_the_quickstart_signs_out_while_the_authorization_server_is_down(client, server, clock):
    clock.late = 2 * DAY
    client.set_cookie("refresh_token", server.login()["refresh_token"])
    server.set(down=True)
    assert client.get("/dashboard").status_code == 503
    assert client.get_cookie("refresh_token") is not None
    assert client.post("/logout").location == "/login"
    assert client.get_cookie("refresh_token") is None


def test_the_quickstart_answers_a_fetch_with_a_status(client):
    answer = client.get("/dashboard")
    assert (answer.status_code, answer.json["reason"]) == (401, "no_session")


# Links and code.


@cache
def anchors(path):
    """Give the anchors that code hosts make of the headings of a page."""
    headings = _HEADING.findall(_FENCE.sub("", read(path)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    for page in PAGES:
        for link in _LINK.findall(_FENCE.sub("", read(page))):
            if "://" not in link:
                yield pytest.param(page, link, id=f"{name_of(page)}: {link}")


@pytest.mark.parametrize(("page", "link"), list(links()))
def test_a_link_leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.is_file()
    assert not anchor or anchor in anchors(target)


def python_blocks():
    for page in PAGES:
        found = [code for language, code in _FENCE.findall(read(page)) if language == "python"]
        for number, code in enumerate(found, 1):
            yield pytest.param(code, id=f"{name_of(page)} {number}")


@pytest.mark.parametrize("code", list(python_blocks()))
def test_python_compiles_and_imports_what_there_is(code):
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wsgi_token_refresh"):
            exec(compile(ast.Module([node], []), "docs", "exec"), {})


def collaborators():
    """Give the collaborators that ``docs/servers.md`` makes, by section."""
    for section in read(DOCS / "servers.md").split("\n## ")[1:]:
        for number, (_, code) in enumerate(_FENCE.findall(section), 1):
            yield pytest.param(code, id=f"{section.partition(chr(10))[0]} {number}")


@pytest.mark.parametrize("code", list(collaborators()))
def test_what_is_to_be_written_for_a_server_can_be_constructed(code, monkeypatch):
    key = '"0123456789abcdef0123456789abcdef"'
    code = re.sub(r'open\("[^"]*"\)\.read\(\), algorithms=\["RS256"\]', f'{key}, algorithms=["HS256"]', code)
    made = {}
    exec(compile(code, "servers.md", "exec"), made)
    assert isinstance(made["token_endpoint"], wsgi_token_refresh.TokenEndpoint)


def examples_of_tests():
    for language, code in _FENCE.findall(read(DOCS / "testing.md")):
        if language == "python" and "def test_" in code:
            yield pytest.param(code, id=re.search(r"def (test_\w+)", code)[1])


@pytest.mark.parametrize("code", list(examples_of_tests()))
def test_the_tests_of_the_testing_page_pass(code):
    made = {}
    exec(compile(code, "testing.md", "exec"), made)
    (test,) = (made[name] for name in made if name.startswith("test_"))
    wanted = inspect.signature(test).parameters
    app = Flask("app")
    app.add_url_rule("/dashboard", view_func=lambda: f"Hello, {get_session(request.environ).claims['sub']}")
    with RotatingAuthorizationServer().serve() as server:
        if "client" in wanted:
            app.wsgi_app = TokenRefreshMiddleware(
                app.wsgi_app,
                token_endpoint=TokenEndpoint(server.token_endpoint),
                routes=Routes(),
                verifier=JwtVerifier(jwks_url=server.jwks_url, algorithms=["RS256"]),
                store=MemoryStore(),
            )
        fixtures = {"app": app, "client": app.test_client(), "rotating_authorization_server": server}
        test(**{name: fixtures[name] for name in wanted})


# Nothing is left out.


@pytest.mark.parametrize("name", wsgi_token_refresh.__all__)
def test_every_public_name_stands_in_the_reference(name):
    assert re.search(rf"\b{name}\b", read(DOCS / "reference.md"))


def test_the_reference_has_every_setting_and_no_other():
    table = read(DOCS / "reference.md").partition("## Settings")[2].partition("## Testing")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(word for row in rows for word in _CODE.findall(row)) == sorted(WORDS)


def test_the_faults_of_the_testing_page_are_those_that_there_are():
    table = read(DOCS / "testing.md").partition("## Faults")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(fault for row in rows for fault in _CODE.findall(row)) == sorted(FAULTS)


def test_the_house_of_contributing_is_the_one_that_the_layers_test_enforces():
    rows = re.findall(r"^\| `([a-z_]+)(/?)` \|([^|]*)\|", read(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    named = {room: tuple(_CODE.findall(inside)) for room, _, inside in rows}
    assert {room: inside for room, inside in named.items() if room in HOUSE} == HOUSE
    assert [room for room in named if room in HOUSE] == list(HOUSE)


# Log lines.


@cache
def texts():
    """Give every text of the package, as it is once the pieces of a literal are joined."""
    found = []
    for path in Path(wsgi_token_refresh.__file__).parent.rglob("*.py"):
        tree = ast.parse(read(path))
        found += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(found)


def log_lines():
    table = read(DOCS / "troubleshooting.md").partition("## Log lines")[2]
    for line in table.splitlines():
        if line.startswith("| `"):
            yield from _CODE.findall(line.split("|")[1])


@pytest.mark.parametrize("line", list(log_lines()))
def test_a_log_line_of_the_troubleshooting_page_is_written_somewhere(line):
    assert all(piece in texts() for piece in line.split("…") if piece)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_lines_that_can_be_read(page):
    prose = _FENCE.sub("", read(page)).splitlines()
    assert not [line for line in prose if len(line) > 160 and not line.startswith("|")]


# Arguments: what the reference names is what there is.

ARGUMENTS = {
    "TokenRefreshMiddleware": TokenRefreshMiddleware,
    "TokenEndpoint": TokenEndpoint,
    "Dialect": wsgi_token_refresh.Dialect,
    "Routes": Routes,
    "JwtVerifier": JwtVerifier,
    "TokenCookies": wsgi_token_refresh.TokenCookies,
    "SealedCookie": wsgi_token_refresh.SealedCookie,
    "ServerSideSession": wsgi_token_refresh.ServerSideSession,
}
STORES = (SqliteStore, MemoryStore, RedisStore)
FOR_TESTS = {"clock", "monotonic", "fetch"}


def section(name):
    """Give what the reference says under a heading."""
    (found,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", read(DOCS / "reference.md"), re.MULTILINE | re.DOTALL)
    return found


def arguments(name):
    """Give the arguments that a section lists, with what it says of their defaults."""
    table = section(name).partition("### ")[0]
    for row in re.findall(r"^\| (`.*?) \|(.*?)\|", table, re.MULTILINE):
        names, defaults = _CODE.findall(row[0]), _CODE.findall(row[1]) or [row[1].strip()]
        for number, argument in enumerate(names):
            yield argument, defaults[number] if len(defaults) == len(names) else ""


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_reference_has_every_argument_and_no_other(name):
    wanted = set(inspect.signature(ARGUMENTS[name]).parameters)
    assert {argument for argument, _ in arguments(name)} - FOR_TESTS == wanted - FOR_TESTS


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_default_of_the_reference_is_the_one_of_the_code(name):
    parameters = inspect.signature(ARGUMENTS[name]).parameters
    for argument, said in arguments(name):
        default = parameters[argument].default if argument in parameters else None
        if said and (isinstance(default, bool | int | float | str) or said.startswith(('"', "["))):
            assert said in (repr(default), json.dumps(default), in_words(default), "see right"), argument


def in_words(value):
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return f"{value // DAY} days" if isinstance(value, int) and value >= DAY else str(value)


@pytest.mark.parametrize("kind", STORES, ids=lambda kind: kind.__name__)
def test_the_reference_has_every_argument_of_a_store(kind):
    (row,) = re.findall(rf"`wsgi_token_refresh\.stores\.\w+\.{kind.__name__}\((.*?)\)`", section("Stores"))
    named = {argument.partition("=")[0].strip() for argument in row.split(",")}
    assert named == set(inspect.signature(kind).parameters) - FOR_TESTS
