"""What can be seen of the server's worker in which this runs."""

from __future__ import annotations

import signal
import sys
from typing import Any


def killed_after() -> tuple[float, str] | None:
    """Tell after how many seconds the server kills a worker in the middle of a request, and which setting says so.

    None where nothing can be seen: gunicorn's sync workers and uWSGI's harakiri can.
    """
    return _by_gunicorn() or _by_uwsgi()


def _by_gunicorn() -> tuple[float, str] | None:
    # Its worker is nowhere to be asked for, but handles the signal by which it is killed.
    worker = getattr(signal.getsignal(signal.SIGABRT), "__self__", None)
    settings: Any = getattr(worker, "cfg", None)
    if settings is None or getattr(settings, "worker_class_str", "") != "sync" or not settings.timeout:
        return None
    return float(settings.timeout), "timeout of gunicorn"


def _by_uwsgi() -> tuple[float, str] | None:
    options: Any = getattr(sys.modules.get("uwsgi"), "opt", {})
    seconds = options.get("harakiri", options.get(b"harakiri", b""))
    return (float(seconds), "harakiri of uWSGI") if isinstance(seconds, bytes) and seconds.isdigit() else None
