"""What a provider answers: what it is told by, and that it never becomes part of a way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.counting import calls_of
from wsgi_token_refresh.policy.answers import LONGEST_QUERY, is_answer_of_a_provider, query_to_return_with


@pytest.mark.parametrize(
    ("query", "is_one"),
    [
        pytest.param("code=a&state=b", True, id="code and state"),
        pytest.param("state=b&scope=c&code=a", True, id="in any order"),
        pytest.param("error=access_denied&state=b", True, id="an error and state"),
        pytest.param("code=a&iss=https://as.example", True, id="code and issuer"),
        pytest.param("code=a&session_state=b", True, id="code and session_state"),
        pytest.param("code=&state=", True, id="whatever they hold"),
        pytest.param("c%6fde=a&%73tate=b", True, id="however they are spelt"),
        pytest.param("code=a;state=b", True, id="with semicolons"),
        pytest.param("response=eyJh.eyJz.sig", True, id="JARM"),
        pytest.param("response=eyJh..iv.text.tag", True, id="JARM, encrypted"),
        pytest.param("oauth_token=a&oauth_verifier=b", True, id="OAuth 1.0"),
        pytest.param("SAMLResponse=a&RelayState=b", True, id="SAML"),
        pytest.param("next=%2Fcallback%3Fcode%3Da%26state%3Db", True, id="in the value of next"),
        pytest.param("next=%252Fcallback%253Fcode%253Da%2526state%253Db", True, id="in there, encoded twice"),
        pytest.param("next=%25252Fcb%25253Fcode%25253Da%252526state%25253Db", True, id="in there, encoded three times"),
        pytest.param("a=1&u=https://h/cb?code=a&state=b", True, id="in a URL that is not encoded"),
        pytest.param("next=%2Flogin%3Fnext%3D%252Fcb%253Fcode%253Da%2526state%253Db", True, id="in a next in a next"),
        pytest.param("code[]=a&state=b", True, id="in a list"),
        pytest.param("code%5B0%5D=a&state%5B%5D=b", True, id="in lists, encoded"),
        pytest.param("Code=a&STATE=b", True, id="in capitals"),
        pytest.param("+code=a&%20state=b", True, id="behind blanks that PHP drops"),
        pytest.param("#code=a&state=b", True, id="in a fragment that was encoded"),
        pytest.param("id_token=a&state=b", True, id="an ID token and state"),
        pytest.param("access_token=a&token_type=bearer&state=b", True, id="an access token and state"),
        pytest.param("SAMLart=a&RelayState=b", True, id="SAML, by an artifact"),
        pytest.param("openid.mode=id_res&openid.sig=b", True, id="OpenID 2.0"),
        pytest.param("samlresponse=a", True, id="SAML in small letters"),
        pytest.param("q=a%26code%3D1&state=CA", False, id="code in a value and state beside it"),
        pytest.param("zip=94110&state=CA", False, id="a state of the country"),
        pytest.param("code=94110&country=US", False, id="a code of the post"),
        pytest.param("oauth_token=a", False, id="a token of OAuth 1.0 alone"),
        pytest.param("code=a&state=b&" + "x" * LONGEST_QUERY, False, id="more than anybody looks at"),
        pytest.param("", False, id="nothing"),
        pytest.param("code=a", False, id="a code alone may be of anything"),
        pytest.param("state=b", False, id="so may a state"),
        pytest.param("encode=a&state=b", False, id="another name that ends so"),
        pytest.param("response=yes", False, id="another response"),
    ],
)
def test_is_answer_of_a_provider(query, is_one):
    assert is_answer_of_a_provider(query) is is_one


ALL, NOTHING = "all", ""


@pytest.mark.parametrize(
    ("path", "query", "kept"),
    [
        pytest.param("/shop", "code=94110", ALL, id="a code alone on a page"),
        pytest.param("/shop", "state=CA", ALL, id="a state alone on a page"),
        pytest.param("/callback", "state=CA", ALL, id="a state alone anywhere"),
        pytest.param("/shop", "error=1&page=2", ALL, id="an error alone on a page"),
        pytest.param("/tickets", "ticket=4711", ALL, id="a ticket of support"),
        pytest.param("/", "next=/a%3Fb%3Dc%2526d", ALL, id="a way back of the application's own"),
        pytest.param("/a", "q=100%&r=%zz&s=%C3%A9", ALL, id="percent signs of every kind"),
        pytest.param("/callbacks", "code=1", ALL, id="a path that only begins like a sign-in"),
        pytest.param("/author", "code=1", ALL, id="so does an author"),
        pytest.param("/a", "", ALL, id="no query"),
        pytest.param("/cb", "code=a&state=b", None, id="code and state"),
        pytest.param("/shop", "code=a&state=b", None, id="code and state on any page"),
        pytest.param("/callback", "code=a", None, id="a code alone where a sign-in ends"),
        pytest.param("/accounts/github/login/callback/", "code=a", None, id="in a path of several"),
        pytest.param("/signin-oidc", "code=a", None, id="in the path of ASP.NET"),
        pytest.param("/OAuth2/Code", "code[]=a", None, id="in capitals, as a list"),
        pytest.param("/cas", "ticket=x", None, id="any ticket there"),
        pytest.param("/auth", "error=access_denied", None, id="an error there"),
        pytest.param("/oauth", "oauth_token=x", None, id="a token of OAuth 1.0 there"),
        pytest.param("/a", "oauth_token=x&oauth_verifier=y", None, id="OAuth 1.0"),
        pytest.param("/a", "SAMLResponse=x", None, id="SAML"),
        pytest.param("/a", "error=x&state=y", None, id="an error and state"),
        pytest.param("/a", "next=/callback?code=x", None, id="a URL of a sign-in in the query"),
        pytest.param("/a", "next=%2Fcallback%3Fcode%3Dx", None, id="a URL of a sign-in in the query, encoded"),
        pytest.param("/a", "u=%2Fb%3Fu%3D%252Fcallback%253Fcode%253Dx", None, id="in a URL in a URL"),
        pytest.param("/go/https://h/cb?code=x&state=y", "", None, id="a URL in the path"),
        pytest.param("/go/https://h/cb%3Fcode=x%26state=y", "", None, id="a URL in the path, encoded"),
        pytest.param("/a;code=x;state=y", "b=c", None, id="parameters of the path"),
        pytest.param("/a", "access_token=x", NOTHING, id="an access token on a page"),
        pytest.param("/a", "b=c&id_token=x", NOTHING, id="an ID token on a page"),
        pytest.param("/a", "refresh_token=x", NOTHING, id="a refresh token on a page"),
        pytest.param("/a", "ticket=ST-1-abc", NOTHING, id="a ticket of CAS, which comes to any page"),
        pytest.param("/a", "u=%2Fb%3Fticket%3DPT-1-abc", NOTHING, id="a ticket of CAS in a URL"),
        pytest.param("/a", "b=" + "%25" * 4 + "2e", ALL, id="percent signs of its own"),
        pytest.param("/a", "b=%2525252541", NOTHING, id="encoded more often than anybody looks"),
        pytest.param("/a", "b" * (LONGEST_QUERY + 1), NOTHING, id="more than anybody looks at"),
    ],
)
def test_what_is_kept_to_return_with(path, query, kept):
    assert query_to_return_with(path, query) == (query if kept is ALL else kept)


ENCODED = [
    "code=a",
    "state=b",
    "&",
    "%26",
    "%3D",
    "%3F",
    "code%3Da",
    "%2526",
    "%253D",
    "x=",
    "/a?",
    "next=",
    "%",
    "#",
    "[]",
]


@given(st.lists(st.sampled_from(ENCODED), max_size=9).map("".join))
def test_what_is_kept_has_no_code_with_a_state_however_it_is_read(query):
    kept = query_to_return_with("/a", query)
    assert not (kept and is_answer_of_a_provider(kept))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_answered(path, query):
    assert query_to_return_with(path, query) in (None, "", query)
    assert is_answer_of_a_provider(query) in (True, False)


@pytest.mark.parametrize("piece", ["%25", "&a", "a=%26", "?", ";%3B", "%", "code", "callback/"])
def test_what_a_query_costs_is_bounded(piece):
    def steps(length):
        text = (piece * length)[:length]
        return calls_of(lambda: (query_to_return_with("/" + text, text), is_answer_of_a_provider(text)))

    assert steps(LONGEST_QUERY) < 6 * steps(LONGEST_QUERY // 4)
    assert steps(1_000_000) < 10
