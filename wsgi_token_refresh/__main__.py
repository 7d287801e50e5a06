"""The command ``wsgi-token-refresh``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence

from cryptography.fernet import Fernet


def main(argv: Sequence[str] | None = None) -> None:
    """Print a new key for ``SealedCookie(keys=[...])``, or for ``ServerSideSession(index_key=...)``."""
    parser = ArgumentParser(prog="wsgi-token-refresh")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("keygen", help="print a new key: keep it as secret as a password, and out of the repository")
    parser.parse_args(argv)
    print(Fernet.generate_key().decode())  # noqa: T201


if __name__ == "__main__":
    main()
