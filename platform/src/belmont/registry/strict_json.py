"""`belmont.identity.strict_json`, for areas that see the registry and not the identities."""

from belmont.identity.strict_json import loads as loads
