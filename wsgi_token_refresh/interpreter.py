"""Says in words of ours why this cannot run in a sub-interpreter, where cryptography cannot be loaded."""

from __future__ import annotations

try:
    import cryptography.hazmat.bindings._rust  # noqa: F401
except ImportError as error:
    if "subinterpreter" not in str(error):
        raise
    raise ImportError(
        "wsgi_token_refresh needs cryptography, which loads in the main interpreter of a process only, and this is a "
        "sub-interpreter: under mod_wsgi say 'WSGIApplicationGroup %{GLOBAL}' (docs/deployment.md), under uWSGI "
        "'single-interpreter = true'"
    ) from error
