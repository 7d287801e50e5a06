"""The words of the settings, and the arguments that they stand for.

The words are the argument names of the collaborators; where two of them share one, or a name alone says too little,
it has a prefix: ``dialect_send``, ``jwks_timeout``.
"""

from __future__ import annotations

from collections.abc import Mapping

from .values import (
    Reader,
    as_it_is,
    as_life,
    as_list,
    as_number,
    as_path,
    as_samesite,
    as_seconds,
    as_text,
    as_truth,
    as_whole,
)

Table = Mapping[str, tuple[str, Reader]]
"""Words, with the argument for which each stands and what reads it."""

ENDPOINT: Table = {
    "token_endpoint": ("url", as_text),
    "client_id": ("client_id", as_text),
    "client_auth": ("client_auth", as_text),
    "timeout": ("timeout", as_number),
    "answer_timeout": ("answer_timeout", as_number),
    "default_expires_in": ("default_expires_in", as_life),
    "single_use": ("single_use", as_truth),
    "old_access_token_survives": ("old_access_token_survives", as_truth),
    "revocation_endpoint": ("revocation_endpoint", as_text),
    "scope": ("scope", as_text),
    "allow_insecure": ("allow_insecure", as_truth),
    "ca_bundle": ("ca_bundle", as_path),
    "max_calls": ("max_calls", as_whole),
}
DIALECT: Table = {
    "dialect_send": ("send", as_text),
    "dialect_refresh_token": ("refresh_token", as_text),
    "dialect_access_token": ("access_token", as_text),
    "dialect_new_refresh_token": ("new_refresh_token", as_text),
    "dialect_expires_in": ("expires_in", as_text),
    "dialect_refresh_expires_in": ("refresh_expires_in", as_text),
    "dialect_error": ("error", as_list),
    "rejected": ("rejected", as_list),
}
ROUTES: Table = {
    "protected": ("protected", as_list),
    "optional": ("optional", as_list),
    "public": ("public", as_list),
    "guest_only": ("guest_only", as_list),
    "sign_in": ("sign_in", as_list),
    "form_post": ("form_post", as_list),
    "login_url": ("login_url", as_text),
    "home_url": ("home_url", as_text),
    "trusted_origins": ("trusted_origins", as_list),
    "preflight": ("preflight", as_text),
}
VERIFIER: Table = {
    "jwks_url": ("jwks_url", as_text),
    "algorithms": ("algorithms", as_list),
    "audience": ("audience", as_list),
    "issuer": ("issuer", as_list),
    "leeway": ("leeway", as_number),
    "jwks_timeout": ("timeout", as_number),
    "keys_max_age": ("keys_max_age", as_number),
}
SHARED: Table = {"allow_insecure": ("allow_insecure", as_truth), "ca_bundle": ("ca_bundle", as_path)}
_ATTRIBUTES: Table = {
    "prefix": ("prefix", as_it_is),
    "secure": ("secure", as_truth),
    "domain": ("domain", as_text),
    "path": ("path", as_text),
    "samesite": ("samesite", as_samesite),
}
KINDS: Mapping[str, Table] = {
    "token_cookies": {
        **_ATTRIBUTES,
        "access_name": ("access_name", as_text),
        "refresh_name": ("refresh_name", as_text),
        "refresh_max_age": ("refresh_max_age", as_whole),
    },
    "sealed": {
        **_ATTRIBUTES,
        "session_name": ("name", as_text),
        "session_max_bytes": ("max_bytes", as_whole),
        "refresh_max_age": ("refresh_max_age", as_whole),
    },
    "server_side": {
        **_ATTRIBUTES,
        "session_name": ("name", as_text),
        "idle_lifetime": ("idle_lifetime", as_whole),
        "absolute_lifetime": ("absolute_lifetime", as_whole),
    },
}
_KEYS = ("session_keys", "session_keys_file")
SECRETS_OF = {"sealed": _KEYS, "server_side": ("index_key", "index_key_file", *_KEYS)}
SESSION_WORDS = frozenset(word for words in (*KINDS.values(), *SECRETS_OF.values()) for word in words)
TUNING: Table = {
    "refresh_before": ("refresh_before", as_seconds),
    "hand_over": ("hand_over", as_seconds),
    "wait_timeout": ("wait_timeout", as_seconds),
    "authorization_header": ("authorization_header", as_truth),
}

_TABLES = (ENDPOINT, DIALECT, ROUTES, VERIFIER, TUNING)
_CHOICES = (
    *("dialect", "client_secret", "client_secret_file", "key", "key_file", "verifier", "session", "store"),
    "redis_replicas",
)

WORDS = frozenset((*_CHOICES, "session_reads", *SESSION_WORDS, *(word for table in _TABLES for word in table)))
"""Every word that there is."""
