"""What real authorization servers issue verifies with the right set-up, and says what is wrong with the usual one."""

from __future__ import annotations

import pytest

from tests.wild import FLASK_JWT_EXTENDED, NOW, SERVERS, SIMPLEJWT, Wild, sign, token_response
from wsgi_token_refresh.authorization_server.dialects import DIALECTS, read_token_response
from wsgi_token_refresh.authorization_server.verifier import JwtVerifier
from wsgi_token_refresh.tokens import Failed, Verified, received, refresh_window, same_subject, token_times

_each = pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
_each_jwt = pytest.mark.parametrize("server", [s for s in SERVERS if s.claims], ids=lambda server: server.name)


def _verifier(server: Wild, **changes: object) -> JwtVerifier:
    return JwtVerifier(**{**server.verifier_settings(), **changes})


@_each_jwt
def test_it_verifies_with_the_right_settings(server: Wild):
    assert _verifier(server).verify(sign(server)) == Verified(dict(server.claims))


@_each_jwt
def test_it_verifies_without_a_word_about_audience_and_issuer(server: Wild):
    assert isinstance(_verifier(server, audience=None, issuer=None).verify(sign(server)), Verified)


@_each
def test_the_usual_wrong_audience_is_named(server: Wild):
    verdict = _verifier(server, audience="web").verify(sign(server))
    if server.wrong_audience:
        assert verdict == Failed(server.wrong_audience)
    else:
        assert isinstance(verdict, Verified)


@_each_jwt
def test_a_wrong_issuer_is_named(server: Wild):
    held = server.claims.get("iss")
    holds = f"holds {held!r}" if held else "missing"
    verdict = _verifier(server, issuer="https://wrong.example.com").verify(sign(server))
    assert verdict == Failed(f"iss: {holds}, wanted 'https://wrong.example.com'")


@_each
def test_its_times_are_read(server: Wild):
    tokens = received(sign(server), server.refresh_token, now=NOW, expires_in=server.expires_in)
    assert (tokens.expires_at, tokens.lifetime) == (server.expires_at, server.lifetime)


@_each_jwt
def test_a_jwt_tells_its_end_by_itself(server: Wild):
    expires_at, lifetime = token_times(sign(server))
    assert expires_at == server.expires_at
    assert lifetime == (server.lifetime if "iat" in server.claims else None)


@_each
def test_its_window_is_a_third_of_its_life_at_most_and_up_to_a_tenth_less(server: Wild):
    tokens = received(sign(server), None, now=NOW, expires_in=server.expires_in)
    assert 0.9 * server.window <= refresh_window(tokens, 300) <= server.window


@_each
def test_a_renewed_token_is_the_same_person_s(server: Wild):
    assert same_subject(sign(server), sign(server, exp=server.expires_at + 300, jti="another"))


@pytest.mark.parametrize(
    ("server", "claim"),
    [(server, claim) for server in SERVERS for claim in server.subject],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_token_of_somebody_else_is_not(server: Wild, claim: str):
    assert not same_subject(sign(server), sign(server, **{claim: "somebody else"}))


@_each
def test_its_response_is_read_in_its_dialect(server: Wild):
    access_token = sign(server)
    tokens = read_token_response(token_response(server, access_token), DIALECTS[server.dialect], NOW)
    assert tokens == received(
        access_token,
        server.refresh_token,
        now=NOW,
        expires_in=server.expires_in,
        refresh_expires_in=server.refresh_expires_in,
    )


@pytest.mark.parametrize(
    ("server", "claim"),
    [(SIMPLEJWT, "token_type"), (FLASK_JWT_EXTENDED, "type")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_refresh_token_that_is_a_jwt_of_the_same_key_is_no_access_token(server: Wild, claim: str):
    verdict = _verifier(server).verify(sign(server, **{claim: "refresh"}))
    assert verdict == Failed(f"{claim}: holds 'refresh', wanted an access token")
