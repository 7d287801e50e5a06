"""Which site sent a request."""

from __future__ import annotations

import pytest

from wsgi_token_refresh.policy.origins import Origin, is_other_site, read_origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        pytest.param("https://a.example", Origin("https", "a.example", None), id="as browsers write it"),
        pytest.param(
            "HTTPS://A.Example:443", Origin("https", "a.example", None), id="case and default port are nothing"
        ),
        pytest.param("http://a.example:443", Origin("http", "a.example", 443), id="443 is no default port of http"),
        pytest.param("http://[::1]:8000", Origin("http", "[::1]", 8000), id="IPv6"),
        pytest.param("chrome-extension://abc", Origin("chrome-extension", "abc", None), id="another scheme"),
        pytest.param("https://a.example.", Origin("https", "a.example.", None), id="a dot behind makes another host"),
        pytest.param("null", None, id="null is none"),
        pytest.param("", None, id="nothing is none"),
        pytest.param("a.example", None, id="a host is none"),
        pytest.param("https://", None, id="a scheme is none"),
        pytest.param("https://a.example/", None, id="what has a path is none"),
        pytest.param("https://a.example\\", None, id="a backslash is no part of one"),
        pytest.param("https://u@a.example", None, id="a name is no part of one"),
        pytest.param("https://a.example:", None, id="a colon has a port behind it"),
        pytest.param("https://a.example:443x", None, id="a port has digits"),
        pytest.param("https://a.example https://b.example", None, id="two are none"),
        pytest.param("https://a.example,https://b.example", None, id="a list is none"),
        pytest.param(" https://a.example", None, id="blanks are no part of one"),
        pytest.param("https://a.example\n", None, id="nor is a line end"),
        pytest.param("https://\xe9.example", None, id="browsers write letters of other languages in ASCII"),
    ],
)
def test_read_origin(text, origin):
    assert read_origin(text) == origin


@pytest.mark.parametrize(
    ("site", "is_other"),
    [
        pytest.param("same-origin", False, id="same-origin is ours"),
        pytest.param("none", False, id="what a person typed is ours"),
        pytest.param("same-site", True, id="same-site is another origin"),
        pytest.param("cross-site", True, id="cross-site is another site"),
        pytest.param("same-origin, cross-site", True, id="two values are another site"),
        pytest.param("same-origin, same-origin", True, id="also two of one"),
        pytest.param("Same-Origin", True, id="no browser writes it so"),
        pytest.param(" same-origin", True, id="nor so"),
        pytest.param("same-origin\t", True, id="nor so, either"),
        pytest.param("", True, id="nothing is another site"),
        pytest.param("same-planet", True, id="what is not known is another site"),
    ],
)
@pytest.mark.parametrize("origin", [None, "https://ours.example", "https://evil.example"])
def test_sec_fetch_site_decides(site, origin, is_other):
    assert is_other_site(site, origin, "ours.example") is is_other


@pytest.mark.parametrize(
    ("origin", "host", "is_other"),
    [
        pytest.param(None, "ours.example", False, id="without a word it is no browser"),
        pytest.param("https://ours.example", "OURS.example", False, id="the host of the request"),
        pytest.param("https://ours.example", "ours.example:443", False, id="with its default port"),
        pytest.param("https://ours.example", "ours.example:80", False, id="with that which a proxy speaks on"),
        pytest.param("https://ours.example:8443", "ours.example:8443", False, id="with another port"),
        pytest.param("https://ours.example:8443", "ours.example", True, id="not without it"),
        pytest.param("https://ours.example", "ours.example:8443", True, id="nor with one of its own"),
        pytest.param("https://ours.example.", "ours.example", True, id="a dot behind makes another host"),
        pytest.param("http://[::1]:8000", "[::1]:8000", False, id="IPv6"),
        pytest.param("ftp://ours.example", "ours.example", True, id="another scheme"),
        pytest.param("null", "null", True, id="an opaque origin"),
        pytest.param("https://ours.example", "", True, id="no host"),
        pytest.param("https://ours.example", "ours.example, evil.example", True, id="two hosts"),
        pytest.param("https://ours.example", "evil.example@ours.example", True, id="a host that cannot be read"),
    ],
)
def test_else_origin_and_host(origin, host, is_other):
    assert is_other_site(None, origin, host) is is_other
