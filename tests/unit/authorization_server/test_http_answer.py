"""Answers of every shape, whole and in pieces of any size."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.counting import calls_of
from wsgi_token_refresh.authorization_server.http_answer import AnswerReader

LIMIT = 100_000
JSON = json.dumps({"access_token": "a", "refresh_token": "r"}).encode()
LENGTH = b"Content-Length: %d\r\n" % len(JSON)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(JSON), JSON)
OK = b"HTTP/1.1 200 OK\r\n"


def wanted(status):
    return 200 <= status < 300 or 400 <= status < 500


def read(data, step=None, limit=LIMIT):
    """Read an answer in pieces, until it is whole or the connection ends."""
    reader = AnswerReader(wanted, limit)
    for start in range(0, len(data), step or len(data) or 1):
        reader.feed(data[start : start + (step or len(data))])
        if reader.whole:
            break
    return reader.ended()


@pytest.mark.parametrize("step", [None, 1, 7])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + LENGTH + b"\r\n" + JSON, id="a length"),
        pytest.param(OK + LENGTH + LENGTH + b"\r\n" + JSON, id="a length twice"),
        pytest.param(
            OK + b"Content-Length: %d, %d\r\n\r\n" % (len(JSON), len(JSON)) + JSON, id="a length twice in one"
        ),
        pytest.param(OK + b"Content-Length: 5\r\n" + LENGTH + b"\r\n" + JSON, id="two lengths, the second is right"),
        pytest.param(OK + LENGTH + b"Content-Length: 900\r\n\r\n" + JSON, id="two lengths, the first is right"),
        pytest.param(OK + b"Content-Length: 900\r\n\r\n" + JSON, id="a length that is too great"),
        pytest.param(OK + b"Content-Length: many\r\n\r\n" + JSON, id="a length that is none"),
        pytest.param(OK + b"Content-Length: -5\r\n\r\n" + JSON, id="a negative length"),
        pytest.param(OK + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n" + JSON, id="a length of 5000 digits"),
        pytest.param(OK + b"\r\n" + JSON, id="no length"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + JSON, id="HTTP/1.0"),
        pytest.param(OK.replace(b"\r", b"") + LENGTH.replace(b"\r", b"") + b"\n" + JSON, id="line feeds alone"),
        pytest.param(b"\r\n\r\n" + OK + LENGTH + b"\r\n" + JSON, id="blank lines before it"),
        pytest.param(b"HTTP/1.1 200\r\n\r\n" + JSON, id="no reason"),
        pytest.param(b"http/1.1  200\tJos\xe9 \x01\r\n\r\n" + JSON, id="an odd status line"),
        pytest.param(b"HTTP/2 200 \r\n\r\n" + JSON, id="an odd version"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + OK + LENGTH + b"\r\n" + JSON, id="100 Continue, nine times"
        ),
        pytest.param(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + LENGTH + b"\r\n" + JSON, id="early hints"
        ),
        pytest.param(OK + b"X: 1\r\n" * 1_000 + LENGTH + b"\r\n" + JSON, id="a thousand fields"),
        pytest.param(OK + b"X: " + b"x" * 90_000 + b"\r\n" + LENGTH + b"\r\n" + JSON, id="a field of 90 kB"),
        pytest.param(OK + b"no field\r\n" + LENGTH + b"\r\n" + JSON, id="a line without a colon"),
        pytest.param(OK + b": nothing\r\n" + LENGTH + b"\r\n" + JSON, id="a field without a name"),
        pytest.param(OK + b"X: 1\r\n 2\r\n\t3\r\n" + LENGTH + b"\r\n" + JSON, id="a folded line"),
        pytest.param(OK + b" folded at once\r\n" + LENGTH + b"\r\n" + JSON, id="a folded line of nothing"),
        pytest.param(OK + b"X: \xff\x00\x0b\r\n" + LENGTH + b"\r\n" + JSON, id="bytes that are no text"),
        pytest.param(OK + b"content-length : %d\r\n\r\n" % len(JSON) + JSON, id="a blank before the colon"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED, id="chunks"),
        pytest.param(OK + b"transfer-encoding:  ChunKed \r\n\r\n" + CHUNKED, id="chunks, spelt oddly"),
        pytest.param(OK + b'Transfer-Encoding: "x-chunked"\r\n\r\n' + CHUNKED, id="chunks, spelt very oddly"),
        pytest.param(OK + b"Transfer-Encoding: identity, chunked\r\n\r\n" + CHUNKED, id="chunks and identity"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + CHUNKED, id="chunks, said twice"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n" + CHUNKED, id="chunks and a length"
        ),
        pytest.param(OK + b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n" + JSON, id="identity"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n" + JSON, id="chunks said, none sent"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + JSON, id="chunks said, a length sent"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED.replace(b"\r\n{", b' ;a="b;c" \r\n{'),
            id="an extension",
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED.replace(b"\r\n{", b" 7\r\n{"), id="an odd one"
        ),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n000" + CHUNKED, id="zeros before a size"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED.replace(b"\r", b""), id="chunks by line feeds"
        ),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED[:-5], id="no last chunk"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED[:-2] + b"X: 1\r\n\r\n", id="a trailer"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED[:-5] + b"?\r\n", id="no chunk behind a chunk"
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"5\r\n" + JSON[:5] + b"\r\n3\r\n" + JSON[5:],
            id="a size too small",
        ),
        pytest.param(
            OK
            + b"Content-Length: 5\r\n"
            + b"Content-Encoding: gzip\r\n"
            + b"Content-Length: 900\r\n\r\n"
            + gzip.compress(JSON),
            id="two lengths, packed",
        ),
        pytest.param(OK + b"\r\n" + gzip.compress(JSON), id="gzip that nobody mentioned"),
        pytest.param(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(JSON), id="gzip"),
        pytest.param(OK + b"Content-Encoding: x-gzip\r\n\r\n" + gzip.compress(JSON), id="gzip by its old name"),
        pytest.param(OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(JSON), id="deflate"),
        pytest.param(
            OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(JSON)[2:-4], id="deflate without a frame"
        ),
        pytest.param(OK + b"Transfer-Encoding: gzip\r\n\r\n" + gzip.compress(JSON), id="gzip of the transfer"),
        pytest.param(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(JSON)[:-8], id="gzip without its end"),
        pytest.param(
            OK + b"Content-Encoding: gzip\r\nContent-Length: 999\r\n\r\n" + gzip.compress(JSON),
            id="gzip, length too great",
        ),
        pytest.param(OK + b"Content-Encoding: gzip\r\n" + LENGTH + b"\r\n" + JSON, id="gzip said, plain sent"),
        pytest.param(OK + b"Content-Encoding: deflate\r\n" + LENGTH + b"\r\n" + JSON, id="deflate said, plain sent"),
        pytest.param(OK + b"Content-Encoding: br\r\n" + LENGTH + b"\r\n" + JSON, id="br said, plain sent"),
        pytest.param(OK + b"Content-Encoding: br\r\n\r\n" + gzip.compress(JSON), id="br said, gzip sent"),
        pytest.param(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(gzip.compress(JSON)), id="gzip, twice"),
        pytest.param(
            OK + b"Content-Encoding: gzip, deflate\r\n\r\n" + zlib.compress(gzip.compress(JSON)),
            id="packed in two ways",
        ),
        pytest.param(OK + b"Content-Encoding: utf-8\r\n" + LENGTH + b"\r\n" + JSON, id="an encoding that is none"),
    ],
)
def test_the_body_is_found(answer, step):
    if step == 1 and len(answer) > 10_000:
        step = 101
    reply = read(answer, step)
    assert reply.status == 200
    assert json.loads(reply.body) == json.loads(JSON)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 207, 226, 299, 400, 499])
def test_a_body_comes_with_any_status_that_wants_one(status):
    assert read(b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, LENGTH, JSON)).body == JSON


@pytest.mark.parametrize("status", [204, 205])
def test_a_status_without_a_body_has_what_came_along(status):
    assert read(b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, LENGTH, JSON)).body == JSON
    assert read(b"HTTP/1.1 %d X\r\n\r\n" % status) == read(b"HTTP/1.1 %d X\r\n\r\n" % status, 1)


SAYS_ALL = b"HTTP/1.1 503 X\r\nRetry-After: 7\r\n"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(SAYS_ALL + LENGTH + b"\r\n" + JSON, JSON, id="whole"),
        pytest.param(SAYS_ALL + b"Content-Length: 900\r\n\r\nBusy", b"Busy", id="cut short"),
        pytest.param(SAYS_ALL + b"Content-Type: text/html\r\nContent-Length: 900\r\n\r\n", b"", id="none of it"),
        pytest.param(SAYS_ALL + b"Transfer-Encoding: chunked\r\n\r\n9\r\nB", b"B", id="half a chunk"),
    ],
)
@pytest.mark.parametrize("step", [None, 1])
def test_a_status_that_says_all_is_an_answer_whatever_comes_of_its_body(answer, body, step):
    reader = AnswerReader(lambda status: True, LIMIT, lambda status: status == 503)
    for start in range(0, len(answer), step or len(answer)):
        reader.feed(answer[start : start + (step or len(answer))])
    reply = reader.ended()
    assert (reply.status, reply.fields["retry-after"], reply.body) == (503, "7", body)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        pytest.param(OK + LENGTH + b"\r\n" + JSON[:-5], 200, JSON[:-5], id="a body"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n99\r\n" + JSON, 200, JSON, id="a chunk"),
        pytest.param(
            OK + b"Content-Encoding: gzip\r\nContent-Length: 999\r\n\r\n" + gzip.compress(b"x" * 9)[:-8],
            200,
            b"x" * 9,
            id="a packed body",
        ),
        pytest.param(JSON + b"\n", 200, JSON + b"\n", id="no status line"),
    ],
)
def test_what_has_come_of_an_answer_that_is_none_is_there(answer, status, body):
    reader = AnswerReader(wanted, LIMIT)
    with contextlib.suppress(http.client.HTTPException):
        reader.feed(answer)
        reader.ended()
    reply = reader.remains()
    assert (reply.status, reply.body, reply.reusable, reply.cut) == (status, body, False, True)


def test_nothing_has_come_of_no_answer():
    assert AnswerReader(wanted, LIMIT).remains() is None


def test_what_is_beyond_the_length_belongs_to_the_answer():
    """A length that counts characters is less than the bytes."""
    body = json.dumps({"access_token": "a", "name": "José"}, ensure_ascii=False).encode()
    reply = read(OK + b"Content-Length: %d\r\n\r\n%s" % (len(body) - 1, body))
    assert (reply.body, reply.reusable) == (body, False)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(b"", http.client.RemoteDisconnected, id="nothing"),
        pytest.param(b"\r\n\r\n", http.client.RemoteDisconnected, id="blank lines"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", http.client.RemoteDisconnected, id="no answer yet"),
        pytest.param(b"SSH-2.0-x\r\n", http.client.BadStatusLine, id="another protocol"),
        pytest.param(b'{"access_token": "a"}\n', http.client.BadStatusLine, id="no status line"),
        pytest.param(b"HTTP/1.1 20", http.client.BadStatusLine, id="half a status"),
        pytest.param(b"HTTP/1.1 2000 OK\r\n\r\n", http.client.BadStatusLine, id="a status of four digits"),
        pytest.param(OK + LENGTH + b"\r\n" + JSON[:-1], http.client.IncompleteRead, id="cut short"),
        pytest.param(OK + b"Content-Length: 9\r\n\r\nshort", http.client.IncompleteRead, id="a text cut short"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nshort", http.client.IncompleteRead, id="half a chunk"
        ),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n", http.client.IncompleteRead, id="no chunk at all"),
        pytest.param(
            b"HTTP/1.1 400 X\r\nContent-Length: 5\r\n\r\n", http.client.IncompleteRead, id="a refusal without its body"
        ),
        pytest.param(
            b"HTTP/1.1 400 X\r\nContent-Type: application/json\r\n\r\n",
            http.client.IncompleteRead,
            id="a refusal of a type without its body",
        ),
        pytest.param(b"HTTP/1.1 400 X\r\nContent-Le", http.client.IncompleteRead, id="a refusal cut in its head"),
        pytest.param(OK + b"X: " + b"x" * LIMIT + b"\r\n\r\n", http.client.LineTooLong, id="a head over the limit"),
    ],
)
def test_what_is_no_answer(answer, error):
    for step in (None, 101 if len(answer) > 10_000 else 1):
        with pytest.raises(error):
            read(answer, step)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n", b"", id="a refusal with no body"),
        pytest.param(b"HTTP/1.1 400 X\r\n\r\n", b"", id="a refusal that ends with the connection"),
        pytest.param(b"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"", id="a refusal of no chunk"),
        pytest.param(b"HTTP/1.1 400 X\r\n\r\nno", b"no", id="a text that ends with the connection"),
        pytest.param(b"HTTP/1.1 503 X\r\nContent-Length: 99999\r\n\r\n", b"", id="a body that nobody wants"),
        pytest.param(b"HTTP/1.1 101 X\r\n\r\n", b"", id="another protocol from here on"),
    ],
)
def test_other_answers(answer, body):
    assert read(answer).body == body
    assert read(answer, 1).body == body


@pytest.mark.parametrize(
    ("answer", "reusable"),
    [
        pytest.param(OK + LENGTH + b"\r\n" + JSON, True, id="a length"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED, True, id="chunks"),
        pytest.param(b"HTTP/1.1 204 X\r\n\r\n", True, id="no body"),
        pytest.param(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", True, id="a body of nothing that nobody wants"),
        pytest.param(
            b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + LENGTH + b"\r\n" + JSON, True, id="HTTP/1.0, kept"
        ),
        pytest.param(b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\n" + JSON, False, id="HTTP/1.0"),
        pytest.param(OK + b"Connection: x, Close\r\n" + LENGTH + b"\r\n" + JSON, False, id="closed by order"),
        pytest.param(OK + LENGTH + b"\r\n" + JSON + b"?", False, id="more than its length"),
        pytest.param(OK + LENGTH + b"Content-Length: 900\r\n\r\n" + JSON, False, id="two lengths"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + b"?", False, id="more than its chunks"),
        pytest.param(b"HTTP/1.1 204 X\r\n\r\n" + JSON, False, id="a body where none may be"),
        pytest.param(b"HTTP/1.1 503 X\r\nContent-Length: 9\r\n\r\n", False, id="a body that nobody wants"),
        pytest.param(OK + b"\r\n" + JSON, False, id="no length"),
    ],
)
def test_a_connection_is_used_again_only_where_the_answer_has_a_clear_end(answer, reusable):
    assert read(answer).reusable is reusable


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"\r\n" + b" " * 999_999,
        OK + b"Content-Length: 999999\r\n\r\n" + b" " * 999_999,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b" " * 0x400 + b"\r\n" * 999,
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 9_999_999),
    ],
    ids=["no length", "a length", "chunks", "packed"],
)
def test_no_more_is_kept_than_it_takes_to_see_that_it_is_too_long(answer):
    assert 0 < len(read(answer, 500, limit=1_000).body) <= 1_000 + 65_536


@pytest.mark.parametrize("step", [1_000, 65_536])
def test_a_long_body_takes_no_more_steps_than_its_length(step):
    def steps(size):
        answer = OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n%s\r\n" % (b"x" * 1_000) * (size // 1_000)
        return calls_of(lambda: read(answer + b"0\r\n\r\n", step, limit=size))

    assert steps(2_000_000) < 3 * steps(1_000_000)


@given(data=st.binary(max_size=60), step=st.integers(1, 9))
def test_no_bytes_raise_anything_else(data, step):
    for head in (b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n", OK + b"Content-Encoding: gzip\r\n\r\n"):
        with contextlib.suppress(http.client.HTTPException):
            assert read(head + data, step).status
