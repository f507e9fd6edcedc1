"""Native precompiles (being filled)."""

from __future__ import annotations

from typing import Any

NATIVE_PRECOMPILES: dict[bytes, Any] = {}
