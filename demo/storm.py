"""Twenty requests with one expired token: ``python -m demo.storm`` shows what that does to a session."""
# ruff: noqa: T201

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import quantiles

from wsgi_token_refresh.testing.handle import AuthorizationServerHandle
from wsgi_token_refresh.testing.process import run_in_process

from .browser import Browser
from .processes import ROOT, DidNotStartError, ended_by_signals, gunicorn

REQUESTS, AFTERWARDS, WORKERS = 20, 5, 4
LIFETIME, DELAY = 2, 0.2
GOOD = 200
TITLE = f"""
{REQUESTS} requests at once, all with the same expired access token.
gunicorn has {WORKERS} workers (gthread); the authorization server takes {DELAY * 1000:.0f} ms for a
refresh, and ends the session of whoever shows a refresh token a second time.
"""
CONTENDERS = {"ours": "with the middleware", "naive": "refresh if missing"}
MEANING = """
"refresh if missing" is what popular articles do: where the access token is
missing or expired, call the token endpoint and set cookies (demo/naive.py).
"""


def main() -> None:
    """Let both go through the storm, and print a table."""
    with ended_by_signals():
        try:
            print(TITLE, flush=True)
            results = [_storm(name) for name in CONTENDERS]
        except (DidNotStartError, RuntimeError) as error:
            sys.exit(str(error))
        print(_table(results))
        print(MEANING)


def _storm(contender: str) -> dict[str, str]:
    options = ["--workers", str(WORKERS), "--worker-class", "gthread", "--threads", "8"]
    with (
        run_in_process(access_lifetime=LIFETIME, delay=DELAY, reuse="revoke") as server,
        gunicorn(*options, f"demo.storm_app:{contender}()", folder=ROOT, AUTHORIZATION_SERVER=server.url) as url,
    ):
        return _weather(server, url)


def _weather(server: AuthorizationServerHandle, url: str) -> dict[str, str]:
    # Somebody else has every worker answer before it counts.
    _signed_in(url).get_at_once("/", REQUESTS)
    browser = _signed_in(url)
    browser.wait_for_expiry()
    before = server.counts()
    answers = browser.get_at_once("/", REQUESTS)
    counts = server.counts()
    browser.wait_for_expiry()
    afterwards = [browser.get("/") for _ in range(AFTERWARDS)]
    good = sum(answer.status == GOOD for answer in afterwards)
    cuts = quantiles([answer.seconds for answer in answers], n=100, method="inclusive")
    return {
        "refreshes granted": str(counts["grants"] - before["grants"]),
        "refreshes refused": str(counts["refused"] - before["refused"]),
        "good answers": f"{sum(answer.status == GOOD for answer in answers)} of {REQUESTS}",
        "signed in afterwards": f"{'yes' if good == AFTERWARDS else 'no'} ({good} of {AFTERWARDS})",
        "latency, median": f"{cuts[49] * 1000:.0f} ms",
        "latency, 95th percentile": f"{cuts[94] * 1000:.0f} ms",
    }


def _signed_in(url: str) -> Browser:
    browser = Browser(url)
    browser.get("/login")
    return browser


def _table(results: Sequence[dict[str, str]]) -> str:
    head = ["", *CONTENDERS.values()]
    lines = [head, *([name, *(result[name] for result in results)] for name in results[0])]
    return "\n".join(f"{name:<26}{''.join(f'{each:>22}' for each in values)}" for name, *values in lines)


if __name__ == "__main__":
    main()
