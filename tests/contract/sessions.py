"""What every kind of session does; a test class inherits it and gives ``kind`` a fixture."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.http import parse_cookie
from werkzeug.sansio.http import parse_cookie as parse_cookie_header

from wsgi_token_refresh.tokens import Tokens

NOW = 1_700_000_000.0
FULL = Tokens("opaque-access", "opaque-refresh", NOW + 300, 600)
FOREIGN = "theme=dark; lang=en"
GARBAGE = st.lists(
    st.sampled_from(["NAME", "=", ";", "; ", ",", '"', "%", "\\", "x", "\xe9", "\x00", " ", "ey", ".", "OTHER"]),
    max_size=30,
).map("".join)


class Jar(dict):
    """A browser's cookies, as far as a session goes."""

    def take(self, set_cookies):
        """Keep what a response sets, and drop what it expires."""
        for each in set_cookies:
            parts = each.split("; ")
            name, _, value = parts[0].partition("=")
            if "Max-Age=0" in parts:
                self.pop(name, None)
            else:
                self[name] = value

    @property
    def header(self):
        """Give the ``Cookie`` header."""
        return "; ".join(f"{name}={value}" for name, value in self.items())


def with_jar(kind, tokens=FULL):
    jar = Jar()
    jar.take(kind.begin(tokens, NOW))
    return jar


class SessionContract:
    @pytest.mark.parametrize(
        "tokens",
        [
            pytest.param(FULL, id="both"),
            pytest.param(Tokens("access", None, NOW + 300, 600), id="the access token alone"),
            pytest.param(Tokens('a;b c,d"e\\f%é', "g=h; i", NOW + 300, 600), id="odd characters"),
            pytest.param(Tokens("a" * 1900, "r" * 1000, NOW + 300, 600), id="as large as they come"),
        ],
    )
    def test_what_was_set_is_loaded(self, kind, tokens):
        assert kind.load(with_jar(kind, tokens).header) == (tokens,)

    def test_new_tokens_replace_old_ones(self, kind):
        jar = with_jar(kind)
        newer = Tokens("newer-access", "newer-refresh", NOW + 900, 600)
        jar.take(kind.begin(newer, NOW))
        assert kind.load(jar.header) == (newer,)

    def test_tokens_without_a_refresh_token_leave_no_older_one(self, kind):
        jar = with_jar(kind)
        jar.take(kind.begin(Tokens("access", None, NOW + 300, 600), NOW))
        assert [tokens.refresh_token for tokens in kind.load(jar.header)] == [None]

    def test_expiring_empties_the_jar(self, kind):
        jar = with_jar(kind)
        jar.take(kind.expire())
        assert jar == {}

    def test_what_is_set_cannot_be_read_by_scripts_and_says_how_long(self, kind):
        for each in (*kind.begin(FULL, NOW), *kind.expire()):
            assert "HttpOnly" in each.split("; ")
            assert any(part.startswith("Max-Age=") for part in each.split("; "))

    def test_no_cookie_lives_longer_than_the_refresh_token_may(self, kind):
        ages = [int(part[8:]) for each in kind.begin(FULL, NOW) for part in each.split("; ") if part[:8] == "Max-Age="]
        assert max(ages) <= kind.refresh_max_age

    def test_what_is_set_has_no_line_ends(self, kind):
        for each in kind.begin(Tokens("a\r\nb", "c\r\nd", NOW + 300, 600), NOW):
            assert each.isprintable()

    def test_nothing_is_loaded_from_nothing(self, kind):
        assert kind.load("") == ()
        assert kind.load(FOREIGN) == ()

    def test_foreign_cookies_do_no_harm(self, kind):
        header = f"{FOREIGN}; {with_jar(kind).header}; bad=\xe9\xff; x"
        assert kind.load(header) == (FULL,)

    def test_a_torn_header_raises_nothing(self, kind):
        header = with_jar(kind).header
        for end in range(len(header)):
            for tokens in kind.load(header[:end]):
                assert tokens.access_token or tokens.refresh_token

    def test_at_most_four_sessions_are_loaded(self, kind):
        assert len(kind.load("; ".join([with_jar(kind).header] * 9))) <= 4

    def test_the_application_sees_the_access_token_and_nothing_else(self, kind):
        shown = kind.for_application(f"theme=dark; {with_jar(kind).header}; lang=en", FULL)
        cookies = parse_cookie_header(shown)
        assert (cookies.pop("theme"), cookies.pop("lang")) == ("dark", "en")
        assert list(cookies.values()) in ([FULL.access_token], [])
        assert "opaque-refresh" not in shown

    def test_the_application_sees_the_fresh_token(self, kind):
        shown = kind.for_application(with_jar(kind).header, Tokens("fresh", "next", NOW + 900, 600))
        assert "opaque-access" not in shown
        assert "next" not in shown

    def test_without_a_session_the_application_sees_nothing_of_ours(self, kind):
        assert kind.for_application(f"{FOREIGN}; {with_jar(kind).header}", None) == FOREIGN

    def test_public_paths_see_no_refresh_token(self, kind):
        shown = kind.without_refresh_token(f"{FOREIGN}; {with_jar(kind).header}")
        assert "opaque-refresh" not in shown
        assert parse_cookie(shown)["theme"] == "dark"
        assert [tokens.refresh_token for tokens in kind.load(shown)] in ([None], [])

    def test_what_fits_goes_out_and_the_rest_is_told(self, kind):
        assert kind.renew(FULL, NOW)[1] is None
        cookies, error = kind.renew(Tokens("a" * 9000, "refresh", NOW + 300, 600), NOW)
        assert error is None or "a" * 100 not in str(error)
        assert all(len(each.partition(";")[0]) <= 4097 for each in cookies)

    def test_repr_shows_no_token(self, kind):
        assert "opaque" not in repr(kind)

    @given(template=GARBAGE)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_garbage_raises_nothing(self, kind, template):
        names = list(with_jar(kind)) or ["x"]
        header = template.replace("NAME", names[0]).replace("OTHER", names[-1])
        for tokens in kind.load(header):
            assert tokens.access_token or tokens.refresh_token
        shown = kind.for_application(header, None)
        assert kind.load(shown) == ()
        assert all(tokens.refresh_token is None for tokens in kind.load(kind.without_refresh_token(header)))
