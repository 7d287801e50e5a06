"""Secrets in files that change while they are used."""

from __future__ import annotations

import os

import pytest

from wsgi_token_refresh.secret_files import SecretFile, SecretList


@pytest.fixture
def path(tmp_path):
    (tmp_path / "secret").write_text("first\n")
    return tmp_path / "secret"


def aged(path):
    """Let a file be older than any clock of a file system is coarse."""
    os.utime(path, ns=(1, 1))


def replace(path, content):
    """Put another file in its place, as whatever mounts secrets does."""
    (path.parent / "next").write_text(content)
    os.replace(path.parent / "next", path)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        pytest.param(b"s3cret", "s3cret", id="as it is"),
        pytest.param(b"s3cret\n", "s3cret", id="less a line break"),
        pytest.param(b"s3cret\r\n", "s3cret", id="less a line break of Windows"),
        pytest.param(b"s3cret\n\n", "s3cret\n", id="and no more than one"),
        pytest.param(b"\xef\xbb\xbfs3cret", "s3cret", id="less a byte order mark"),
        pytest.param(" s3crät ".encode(), " s3crät ", id="with its blanks"),
    ],
)
def test_what_a_file_holds(path, content, secret):
    path.write_bytes(content)
    assert SecretFile(path)() == SecretFile(str(path))() == secret


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_text("second"), id="written over"),
        pytest.param(lambda path: path.write_text("worst\n"), id="written over by as many bytes"),
        pytest.param(lambda path: replace(path, "second"), id="replaced"),
    ],
)
def test_a_change_is_seen(path, change):
    secret = SecretFile(path)
    assert secret() == "first"
    change(path)
    assert secret() != "first"


def test_a_link_that_leads_elsewhere_is_a_change(path):
    link = path.parent / "link"
    link.symlink_to(path)
    secret = SecretFile(link)
    (path.parent / "other").write_text("second")
    (path.parent / "new link").symlink_to(path.parent / "other")
    os.replace(path.parent / "new link", link)
    assert secret() == "second"


def test_what_has_not_changed_is_not_read_again(path, monkeypatch):
    aged(path)
    secret = SecretFile(path)
    monkeypatch.setattr("builtins.open", None)
    assert [secret(), secret()] == ["first", "first"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(lambda path: path.unlink(), "cannot be read (No such file or directory)", id="missing"),
        pytest.param(lambda path: path.write_text(""), "is empty", id="empty"),
        pytest.param(lambda path: path.write_text("\n"), "is empty", id="a line break and no more"),
        pytest.param(lambda path: path.write_bytes(b"\xff"), "is no text in UTF-8", id="no text"),
    ],
)
def test_while_it_holds_none_the_last_one_counts(path, caplog, spoil, says):
    now = [0.0]
    secret = SecretFile(path, monotonic=lambda: now[0])
    spoil(path)
    assert [secret() for _ in range(3)] == ["first"] * 3
    (line,) = caplog.messages
    assert line == f"{str(path)!r} {says}; what it held before is used"
    now[0] += 60
    assert secret() == "first"
    assert len(caplog.messages) == 2
    replace(path, "second")
    assert secret() == "second"


@pytest.mark.parametrize(
    ("age", "seen", "settled"),
    [
        pytest.param(0, 0, False, id="not what was written just now"),
        pytest.param(3, 0, True, id="what was written long ago"),
        pytest.param(-3600, 0, False, id="not what another clock has just written"),
        pytest.param(-3600, 3, True, id="what has been the same for so long, whatever a clock says"),
    ],
)
def test_a_file_has_settled(path, age, seen, settled):
    now = [100.0]
    written = path.stat().st_mtime_ns - age * 10**9
    os.utime(path, ns=(written, written))
    secret = SecretFile(path, monotonic=lambda: now[0])
    now[0] += seen
    assert secret.look() == ("first", settled)


def test_several_secrets_in_a_file(path):
    several = SecretList(SecretFile(path), str.split)
    assert several() == ["first"]
    replace(path, "second\nfirst\n")
    assert (several(), several.path) == (["second", "first"], str(path))
    assert "first" not in repr(several) + repr(vars(several))


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_without_a_secret_at_the_start_there_is_none(path, content):
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=r"secret' .*; give the path of a file"):
        SecretFile(path)


def test_it_shows_no_secret(path):
    path.write_text("s3cret")
    assert "s3cret" not in repr(SecretFile(path)) + repr(vars(SecretFile(path)))
