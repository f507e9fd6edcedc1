"""Which members a hospital's Consents mean by their recipients (``provision.actor``).

1. A member's DID, as an identifier that is a URI, means that member at every hospital.
2. Other references, such as ``Organization/university``, mean whom the hospital's own ``recipients.json`` says: an
   object of references, each with a member's account or DID. It is read each time; damaged, or with somebody who is no
   member in it, it is refused.
3. Whatever else a Consent names means nobody.
"""

import json

from belmont.lab.errors import HomeError
from belmont.lab.home import Home
from belmont.registry.protocol import Registry
from belmont.registry.types import Address


def recipients_of(home: Home, slug: str, registry: Registry) -> dict[str, Address]:
    """Members' accounts by reference and by DID. Raises HomeError (2)."""
    found: dict[str, Address] = {}
    accounts: dict[str, Address] = {}
    for member in registry.members():
        found[member.did] = member.address  # 1
        accounts |= {member.did: member.address, member.address: member.address}
    path = home.recipients(slug)
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return found
    except ValueError as error:
        raise HomeError(f"{path} is damaged ({error}): correct it, or restore the file") from error
    if not isinstance(listed, dict):
        raise HomeError(f'{path} has to be an object: {{"Organization/university": "0x..."}}')
    for reference, named in listed.items():
        account = accounts.get(named) if isinstance(named, str) else None
        if account is None:
            raise HomeError(f"{path}: {reference!r} is to be {named!r}, which is no member's account or DID")
        if found.setdefault(reference, account) != account:
            raise HomeError(f"{path}: {reference!r} is another member's DID")
    return found
