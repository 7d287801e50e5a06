"""Which kind of session has what, and what is written of it."""

from __future__ import annotations

import pytest

from tests.contract.sessions import NOW, Jar, with_jar
from tests.unit.ledger.test_single_flight import Disturbed
from wsgi_token_refresh import TokenCookies
from wsgi_token_refresh.errors import ConfigurationError, StoreError
from wsgi_token_refresh.sessions.sealed_cookie import SealedCookie
from wsgi_token_refresh.sessions.server_side import ServerSideSession
from wsgi_token_refresh.sessions.several import Several
from wsgi_token_refresh.tokens import Tokens

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
MINE, THEIRS = (Tokens(f"{who}-access", f"{who}-refresh", NOW + 300, 600) for who in ("mine", "theirs"))
NEWER = Tokens("newer-access", "newer-refresh", NOW + 900, 600)
LARGE = Tokens("a" * 9000, "newer-refresh", NOW + 900, 600)


@pytest.fixture
def store():
    return Disturbed(lambda: NOW)


@pytest.fixture
def kinds(store):
    return {"sealed": SealedCookie(keys=[KEY]), "server": ServerSideSession(store), "plain": TokenCookies()}


def header(*jars):
    return "; ".join(jar.header for jar in jars)


def test_one_kind_alone_has_what_it_has(kinds):
    plain = kinds["plain"]
    assert Several(plain, ()).load_each(with_jar(plain, MINE).header) == ((MINE,),)


def test_each_kind_has_its_own_in_the_order_in_which_they_are_named(kinds):
    jars = header(*(with_jar(kinds[name], tokens) for name, tokens in (("plain", THEIRS), ("sealed", MINE))))
    assert Several(kinds["sealed"], [kinds["plain"]]).load_each(jars) == ((MINE,), (THEIRS,))
    assert Several(kinds["server"], [kinds["plain"], kinds["sealed"]]).load_each(jars) == ((), (THEIRS,), (MINE,))
    assert Several(kinds["server"], [kinds["plain"], kinds["sealed"]]).load(jars) == (THEIRS, MINE)


def test_what_marks_is_that_of_every_kind_as_it_is_now(kinds, store):
    given = {"index_key": KEY}
    server = ServerSideSession(store, index_key=lambda: given["index_key"], monotonic=iter(range(99)).__next__)
    several = Several(kinds["sealed"], [kinds["plain"], server])
    assert several.secrets == (KEY.encode(), KEY.encode())
    given["index_key"] = OTHER_KEY
    assert several.secrets == (KEY.encode(), OTHER_KEY.encode())


def test_what_a_lost_key_has_sealed_is_nothing(kinds):
    lost = with_jar(SealedCookie(keys=[OTHER_KEY]), THEIRS)
    several = Several(kinds["sealed"], [kinds["plain"]])
    assert several.load_each(header(lost, with_jar(kinds["plain"], MINE))) == ((), (MINE,))


def test_a_store_that_is_down_matters_to_who_shows_a_cookie_of_it(kinds, store):
    several = Several(kinds["server"], [kinds["plain"]])
    jar, plain = with_jar(kinds["server"], THEIRS), with_jar(kinds["plain"], MINE)
    store.go_down()
    with pytest.raises(StoreError):
        kinds["server"].end(jar.header)
    down, found = several.load_each(header(jar, plain))
    assert isinstance(down, StoreError)
    assert found == (MINE,)
    assert several.load(header(jar, plain)) == (MINE,)
    assert several.load_each(plain.header) == ((), (MINE,))
    assert several.load_each("") == ((), ())
    with pytest.raises(StoreError):
        several.load(jar.header)


@pytest.mark.parametrize("writes", ["sealed", "server", "plain"])
@pytest.mark.parametrize("reads", ["sealed", "server", "plain"])
def test_an_answer_that_expires_cookies_sets_its_own(kinds, writes, reads):
    if writes == reads:
        return
    several = Several(kinds[writes], [kinds[reads]])
    mine, theirs = with_jar(kinds[writes], MINE), with_jar(kinds[reads], THEIRS)
    cookies, problem = several.renew(NEWER, NOW, header(mine, theirs), MINE)
    jar = Jar({**mine, **theirs})
    jar.take(cookies)
    assert problem is None
    assert several.load_each(jar.header) == ((NEWER,), ())
    assert kinds[writes].load("; ".join(each.partition(";")[0] for each in cookies)) == (NEWER,)


def test_what_does_not_fit_goes_to_the_kind_that_has_shown_it_alone(kinds):
    several = Several(kinds["sealed"], [kinds["plain"], kinds["server"]])
    mine, planted = with_jar(kinds["sealed"], MINE), with_jar(kinds["plain"], THEIRS)
    old = with_jar(kinds["server"], MINE)
    sealed, _ = several.renew(LARGE, NOW, header(mine, planted), MINE)
    assert kinds["plain"].load("; ".join(sealed)) == ()
    assert kinds["sealed"].load("; ".join(sealed)) == (Tokens(refresh_token="newer-refresh"),)
    assert several.renew(LARGE, NOW, header(planted, old), MINE)[0] == []
    assert kinds["server"].load(old.header) == (LARGE,)
    assert several.renew(LARGE, NOW, header(planted), MINE)[0] == []


def test_what_cannot_be_written_goes_to_no_store_that_is_down(kinds, store):
    several = Several(kinds["server"], [kinds["plain"]])
    mine, planted = with_jar(kinds["server"], MINE), with_jar(kinds["plain"], THEIRS)
    store.go_down()
    cookies, problem = several.renew(NEWER, NOW, header(mine, planted), MINE)
    assert cookies == []
    assert isinstance(problem, StoreError)


def test_a_kind_that_is_named_twice_is_refused(kinds):
    with pytest.raises(ConfigurationError, match="names a kind of session twice"):
        Several(kinds["plain"], [TokenCookies()])


def test_public_paths_see_no_refresh_token_of_any_kind(kinds):
    jars = header(with_jar(kinds["sealed"], MINE), with_jar(kinds["plain"], THEIRS))
    shown = Several(kinds["sealed"], [kinds["plain"]]).without_refresh_token(f"theme=dark; {jars}")
    assert shown == "theme=dark; access_token=theirs-access; access_token_expires=1700000300.600"
