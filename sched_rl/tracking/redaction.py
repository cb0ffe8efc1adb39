"""Passwords and tokens out of addresses, before anything is written or shown."""

from __future__ import annotations

import re

HIDDEN = "***"

_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<userinfo>[^/\s]+)@", re.IGNORECASE)
_QUERY = re.compile(r"(?P<name>[?&;][^=&\s]*(?:pass|pwd|token|secret|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide the password of every URI in a text: `postgresql://user:***@host/db?token=***`."""
    return _QUERY.sub(rf"\g<name>{HIDDEN}", _USERINFO.sub(_hide_userinfo, text))


def is_redacted(uri: str) -> bool:
    """Whether a recorded URI has lost its password."""
    return f"{HIDDEN}@" in uri or f"={HIDDEN}" in uri


def _hide_userinfo(match: re.Match[str]) -> str:
    user, colon, _ = match["userinfo"].partition(":")
    if not colon and match["scheme"].lower() not in ("http://", "https://"):
        return match[0]  # postgresql://user@host: a name, no secret
    return f"{match['scheme']}{user + ':' if colon else ''}{HIDDEN}@"
