"""The demo: ``python -m demo`` starts everything, says where, and ends with Ctrl-C."""
# ruff: noqa: T201

from __future__ import annotations

import sys
import threading

from wsgi_token_refresh.testing.process import run_in_process

from .processes import ROOT, DidNotStartError, ended_by_signals, gunicorn

TEXT = """
  Open   {url}/

  1. Log in as ada, with the password lovelace. An access token lives for {lifetime} s here.
  2. Let its seconds run out, then press "Twenty at once": one refresh, twenty good answers.
  3. Open twenty tabs, wait, and reload them all: still one refresh, and nobody is logged out.
  4. Log out in one of them: the session is over in all.

  gunicorn runs the Flask example with {workers} workers, beside an authorization server that takes a
  refresh token once and ends the session of who shows it again. Ctrl-C ends everything.
"""
LIFETIME = 30
WORKERS = 4


def main() -> None:
    """Run until Ctrl-C or SIGTERM."""
    with ended_by_signals():
        try:
            _run()
        except (DidNotStartError, RuntimeError) as error:
            sys.exit(str(error))
    print("\nAll has ended.")


def _run() -> None:
    users = {"ada": "lovelace"}
    with (
        run_in_process(access_lifetime=LIFETIME, users=users) as server,
        gunicorn(
            "--workers", str(WORKERS), folder=ROOT / "examples" / "flask_app", AUTHORIZATION_SERVER=server.url
        ) as url,
    ):
        print(TEXT.format(url=url, lifetime=LIFETIME, workers=WORKERS), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
