"""Fingerprints and seals."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgi_token_refresh.ledger.sealing import Marks, fingerprint, key_under, new_key, seal, unseal

IDENTITY = ("https://auth.example.com/token", "web")


def test_a_fingerprint_is_the_same_every_time():
    assert fingerprint(IDENTITY, "token") == fingerprint(IDENTITY, "token")
    assert len(fingerprint(IDENTITY, "token")) == 64


@pytest.mark.parametrize(
    ("identity", "token"),
    [
        pytest.param(IDENTITY, "token2", id="another token"),
        pytest.param((IDENTITY[0], "web2"), "token", id="another client"),
        pytest.param(("https://other.example/token", "web"), "token", id="another token endpoint"),
        pytest.param((IDENTITY[0] + "w", "eb"), "token", id="the same text, cut elsewhere"),
        pytest.param((IDENTITY[0], "webt"), "oken", id="the same text, cut elsewhere again"),
        pytest.param(IDENTITY, "", id="no token"),
    ],
)
def test_a_fingerprint_differs_for(identity, token):
    assert fingerprint(identity, token) != fingerprint(IDENTITY, "token")


def test_bytes_that_are_no_text_have_a_fingerprint():
    assert fingerprint(IDENTITY, "\udcff") != fingerprint(IDENTITY, "\udcfe")


@given(st.binary(), st.text(st.characters(codec="utf-8")))
def test_who_has_the_key_opens_the_seal(plain, about):
    key = new_key()
    assert unseal(key, seal(key, plain, about), about) == plain


KEY = new_key()
SEALED = seal(KEY, b"plain", "about")


@pytest.mark.parametrize(
    ("key", "sealed", "about"),
    [
        pytest.param(new_key(), SEALED, "about", id="another key"),
        pytest.param(KEY, SEALED, "other", id="another thing it is about"),
        pytest.param(KEY, SEALED[:-1], "about", id="a byte less"),
        pytest.param(KEY, SEALED + b"x", "about", id="a byte more"),
        pytest.param(KEY, bytes([SEALED[0] ^ 1]) + SEALED[1:], "about", id="another nonce"),
        pytest.param(KEY, SEALED[:-1] + bytes([SEALED[-1] ^ 1]), "about", id="a bit turned"),
        pytest.param(KEY, SEALED[:5], "about", id="less than a nonce"),
        pytest.param(KEY, b"", "about", id="nothing"),
    ],
)
def test_nothing_else_opens(key, sealed, about):
    assert unseal(key, sealed, about) is None


def test_two_seals_of_one_thing_differ():
    assert seal(KEY, b"plain", "about") != seal(KEY, b"plain", "about")


def test_keys_are_random_and_have_256_bits():
    assert new_key() != new_key()
    assert len(new_key()) == 32


def test_a_key_under_a_token_is_that_of_token_and_family():
    key = key_under("token", "family")
    assert key == key_under("token", "family")
    assert len({key, key_under("token2", "family"), key_under("token", "family2"), key_under("\udcff", "family")}) == 4


SAID = ["access", "refresh", 1_800_000_900.0, 900.0, None]


@pytest.mark.parametrize(
    ("writes", "reads", "genuine"),
    [
        pytest.param([b"one"], [b"one"], True, id="with the same secret"),
        pytest.param([b"one"], [b"two", b"one"], True, id="with one that is no longer the first"),
        pytest.param([b"one"], [b"two"], False, id="with another"),
        pytest.param([b"one"], [], False, id="with none"),
        pytest.param([], [b"one"], False, id="written without a secret"),
        pytest.param([], [], False, id="without any"),
    ],
)
def test_what_comes_out_of_a_store_is_genuine(writes, reads, genuine):
    mark = json.loads(json.dumps(Marks(lambda: writes).of("family", SAID)))
    assert Marks(lambda: reads).are_genuine(mark, "family", SAID) is genuine


@pytest.mark.parametrize(
    ("about", "said"),
    [
        pytest.param("another", SAID, id="about another session"),
        pytest.param("family", ["other", *SAID[1:]], id="of another token"),
        pytest.param("family", [*SAID[:2], SAID[2] + 1, *SAID[3:]], id="with another end"),
    ],
)
def test_a_mark_is_not_for(about, said):
    marks = Marks(lambda: [b"one"])
    assert not marks.are_genuine(marks.of("family", SAID), about, said)


def test_a_mark_is_that_of_the_secrets_of_the_moment():
    secrets = [b"one"]
    marks = Marks(lambda: secrets)
    mark = marks.of("family", SAID)
    secrets[:] = [b"two", b"one"]
    assert marks.of("family", SAID) != mark
    assert marks.are_genuine(mark, "family", SAID)
    secrets[:] = [b"two"]
    assert not marks.are_genuine(mark, "family", SAID)


@pytest.mark.parametrize("mark", [None, True, 1, "", "ä" * 32, "0" * 32, ["0"]], ids=repr)
def test_what_is_no_mark(mark):
    assert not Marks(lambda: [b"one"]).are_genuine(mark, "family", SAID)
