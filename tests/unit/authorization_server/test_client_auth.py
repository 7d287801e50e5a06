"""What a client says of itself, by a secret that may change."""

from __future__ import annotations

import base64

import pytest

from wsgi_token_refresh.authorization_server.client_auth import ClientAuth, ClientSecretError, client_problems


def basic(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    ("method", "secret", "headers", "fields"),
    [
        pytest.param("none", None, {}, {"client_id": "web"}, id="none"),
        pytest.param("client_secret_basic", "s:t", basic("web", "s%3At"), {}, id="a text"),
        pytest.param("client_secret_basic", b"s", basic("web", "s"), {}, id="bytes"),
        pytest.param("client_secret_basic", lambda: "s", basic("web", "s"), {}, id="a function that gives text"),
        pytest.param("client_secret_basic", lambda: b"s", basic("web", "s"), {}, id="a function that gives bytes"),
        pytest.param("client_secret_post", "s", {}, {"client_id": "web", "client_secret": "s"}, id="in the form"),
    ],
)
def test_what_is_added_to_a_request(method, secret, headers, fields):
    client = ClientAuth(method, "web", secret)
    assert (client.headers(), client.fields()) == (headers, fields)


def test_a_function_is_asked_for_each_request():
    client = ClientAuth("client_secret_basic", "web", iter(["one", "two"]).__next__)
    assert [client.headers(), client.headers()] == [basic("web", "one"), basic("web", "two")]


def failing():
    raise RuntimeError("s3cret")


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        pytest.param(failing, "client_secret: failed by RuntimeError", id="an error"),
        pytest.param(lambda: None, "client_secret: its function gave no text", id="nothing"),
        pytest.param(lambda: 7, "client_secret: its function gave no text", id="a number"),
        pytest.param(lambda: "", "client_secret: its function gave no text", id="an empty text"),
        pytest.param(lambda: "s3cret\ud800", "client_secret: its function gave no text", id="half a character"),
        pytest.param(lambda: b"s3cret\xff", "client_secret: failed by UnicodeDecodeError", id="bytes that are no text"),
    ],
)
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_function_that_fails_shows_nothing(method, secret, says):
    client = ClientAuth(method, "web", secret)
    with pytest.raises(ClientSecretError) as caught:
        client.headers() or client.fields()
    assert str(caught.value) == says
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("secret", ["", b""], ids=["a text", "bytes"])
def test_a_secret_that_is_empty_is_none_that_was_forgotten(secret):
    problems = list(client_problems("none", "web", secret, "form"))
    assert problems == ["client_secret: is empty; give the secret, or leave it out"]
