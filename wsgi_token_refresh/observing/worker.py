"""What can be seen of the server's worker in which this runs."""

from __future__ import annotations

import signal
import socket
import ssl
import sys
from collections.abc import Mapping
from typing import Any

from urllib3.util import wait_for_read


def killed_after() -> tuple[float, str] | None:
    """Tell after how many seconds the server kills a worker in the middle of a request, and which setting says so.

    None where nothing can be seen: gunicorn's sync workers and uWSGI's harakiri can.
    """
    return _by_gunicorn() or _by_uwsgi()


def is_wanted(environ: Mapping[str, Any]) -> bool:
    """Tell whether somebody waits for the thread in which a request has been answered.

    On the same connection, or, where it is the only thread of its worker, at the door. False where nothing can be seen:
    gunicorn lets see both.
    """
    if _has_more(environ.get("gunicorn.socket")):
        return True
    worker = _gunicorns()
    doors = getattr(worker, "sockets", ()) if _class_of(worker) == "sync" else ()
    return any(wait_for_read(door, 0) for door in doors)


def _has_more(connection: Any) -> bool:
    """Tell whether the next request has come on a connection; that it was closed is none. TLS does not let see it."""
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return False
    try:
        return wait_for_read(connection, 0) and connection.recv(1, socket.MSG_PEEK) != b""
    except (OSError, ValueError):
        return False


def _gunicorns() -> Any:
    """Find gunicorn's worker: it is nowhere to be asked for, but handles the signal by which it is killed."""
    return getattr(signal.getsignal(signal.SIGABRT), "__self__", None)


def _class_of(worker: Any) -> str:
    return str(getattr(getattr(worker, "cfg", None), "worker_class_str", ""))


def _by_gunicorn() -> tuple[float, str] | None:
    worker = _gunicorns()
    if _class_of(worker) != "sync" or not worker.cfg.timeout:
        return None
    return float(worker.cfg.timeout), "timeout of gunicorn"


def _by_uwsgi() -> tuple[float, str] | None:
    options: Any = getattr(sys.modules.get("uwsgi"), "opt", {})
    seconds = options.get("harakiri", options.get(b"harakiri", b""))
    return (float(seconds), "harakiri of uWSGI") if isinstance(seconds, bytes) and seconds.isdigit() else None
