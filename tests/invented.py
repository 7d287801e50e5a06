"""A rule that no decision knows, as somebody adds one to ``Rule`` and forgets where rules are looked at."""

from __future__ import annotations

from wsgi_token_refresh.policy.routes import Rule


def invented_rule(value: int) -> Rule:
    """Make a rule of this strictness that is none of those that there are."""
    rule = int.__new__(Rule, value)
    rule._name_, rule._value_ = f"INVENTED_{abs(value)}", value
    return rule


INVENTED = tuple(invented_rule(value) for value in (-1, 0, 2, 9))
"""The laxest and the strictest of all, and two that are as strict as one that is known."""
