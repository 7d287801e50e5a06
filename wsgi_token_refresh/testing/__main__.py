"""Serves a rotating authorization server until it is told to end: ``python -m wsgi_token_refresh.testing``."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Sequence
from contextlib import suppress

from .authorization_server import RotatingAuthorizationServer
from .dialects import DIALECTS
from .families import REUSE


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m wsgi_token_refresh.testing",
        description="Serves an authorization server that rotates refresh tokens; prints its URL when ready.",
    )
    say = parser.add_argument
    say("--port", type=int, default=0, help="on 127.0.0.1; 0 (the default) is any free one")
    say("--access-lifetime", type=_seconds, metavar="SECONDS")
    say("--refresh-lifetime", type=_seconds, metavar="SECONDS")
    say("--rotate", action=BooleanOptionalAction, help="a refresh token is good for one use (the default)")
    say("--reuse", choices=REUSE, help="what a spent refresh token does")
    say("--delay", type=_seconds, metavar="SECONDS", help="before each refresh")
    say(
        "--user",
        dest="users",
        type=_user,
        action="append",
        metavar="NAME=PASSWORD",
        help="without one anybody signs in",
    )
    say("--client", dest="clients", type=_pair, action="append", metavar="ID[=SECRET]", help="without one any will do")
    say("--issuer")
    say("--audience")
    say("--dialect", choices=sorted(DIALECTS))
    say("--opaque", action=BooleanOptionalAction, help="access tokens that are no JWTs")
    say("--until-stdin-ends", action="store_true", help="end with the process that holds the other end of stdin")
    return parser


def _seconds(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name, value if equals else None


def _user(text: str) -> tuple[str, str | None]:
    name, password = _pair(text)
    if not (name and password):
        raise ArgumentTypeError(f"{name!r} has no password; give NAME=PASSWORD")
    return name, password


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; the one line on stdout is the URL."""
    options = {name: value for name, value in vars(_parser().parse_args(argv)).items() if value is not None}
    port, until_stdin_ends = options.pop("port"), options.pop("until_stdin_ends")
    for name in {"users", "clients"} & options.keys():
        options[name] = dict(options[name])
    for number in (signal.SIGTERM, signal.SIGINT):
        # SIGINT too: who was started in the background ignores it.
        signal.signal(number, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt), RotatingAuthorizationServer(**options).serve(port) as served:
            print(served.url, flush=True)  # noqa: T201
            if until_stdin_ends:
                sys.stdin.read()
            else:
                threading.Event().wait()
    except OSError as error:
        sys.exit(f"port {port} of 127.0.0.1 cannot be served on: {error.strerror}; give another by --port")


if __name__ == "__main__":
    main()
