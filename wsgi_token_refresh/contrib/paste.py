"""``use = egg:wsgi-token-refresh`` in a Paste pipeline (PasteDeploy)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..middleware import TokenRefreshMiddleware
from ..settings import WORDS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("wsgi_token_refresh")


def filter_app_factory(app: WSGIApplication, global_conf: Mapping[str, str], **settings: str) -> TokenRefreshMiddleware:
    """Wrap the application that follows in a pipeline: a ``paste.filter_app_factory``.

    The section's own keys are the settings; ``[DEFAULT]`` holds none. A ``%`` is written ``%%`` there, or the
    secret comes from ``client_secret_file`` or from the environment. Raises ``ConfigurationError``.
    """
    for word in sorted(WORDS & global_conf.keys()):
        # Paste leaves out of a section what stands in [DEFAULT] too, and tells nobody.
        log.warning("%s stands in [DEFAULT]: it is no setting there, and hides one of that name in the section", word)
    return TokenRefreshMiddleware.from_settings(app, settings)
