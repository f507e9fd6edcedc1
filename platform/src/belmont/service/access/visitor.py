"""Who is asking: nobody known, an account, a patient, a member in a role. Roles are those of the chain, now."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from belmont.registry.types import Address, DatasetId, Member, Role


class Who(Enum):
    """Whom a route is for. A route for several is for anybody who is one of them."""

    ANYBODY = "anybody"
    SIGNED_IN = "whoever is signed in"
    PATIENT = "a patient who is enrolled with a key of their own at a hospital of this service"
    MEMBER = "an active member of the consortium, in any role"
    BOARD = "an active member of the ethics board"
    DATA_USER = "an active data user"
    DATA_HOLDER = "an active data holder"
    AUDITOR = "an active auditor or regulator"


ROLE_OF = {
    Who.BOARD: Role.ETHICS_BOARD,
    Who.DATA_USER: Role.DATA_USER,
    Who.DATA_HOLDER: Role.DATA_HOLDER,
    Who.AUDITOR: Role.AUDITOR,
}


ACTING: Final = (Who.BOARD, Who.DATA_HOLDER, Who.DATA_USER)
"""Who does something here. A member who only audits reads everything and writes nothing through this service."""
OVERSIGHT: Final = (Who.AUDITOR, Who.DATA_HOLDER)
"""Whom the trail of accesses is for."""


@dataclass(frozen=True)
class SessionView:
    """A sign-in that is valid now."""

    id: str
    """What names it in lists; no secret, and not what its cookie holds."""
    account: Address
    """The identity that signed in."""
    csrf: str = field(repr=False)
    """What an unsafe request by cookie has to bring along."""
    by_token: bool
    """By a bearer token, which no browser sends by itself."""
    method: str
    """ethereum, wallet or oidc."""
    since: int
    expires_at: int
    standing: str = ""
    """What names the secret that was shown, and is none: what a touch raised is kept by it. Empty in lists."""
    is_former: bool = False
    """Whether it was shown by the secret that a renewal replaced: it reads, and is renewed again, until it expires."""


class Sessions(Protocol):
    """Where sessions are kept."""

    def of_account(self, account: Address) -> list[tuple[SessionView, int]]:
        """Those of an account that have not ended, and when each was used; looking is no use."""


@dataclass(frozen=True)
class Visitor:
    """Who a request is by."""

    session: SessionView | None = None
    member: Member | None = None
    """The active member that the account is."""
    datasets_as_patient: tuple[DatasetId, ...] = ()
    """Datasets of this service's hospitals for which the account is enrolled."""

    @property
    def account(self) -> Address | None:
        """The identity that is signed in."""
        return self.session.account if self.session else None

    @property
    def roles(self) -> Role:
        """The roles of the member; none for anybody else."""
        return self.member.roles if self.member else Role.NONE

    def is_one_of(self, whom: tuple[Who, ...]) -> bool:
        """Whether a route for these is for this visitor."""
        return any(self._is(each) for each in whom)

    def _is(self, who: Who) -> bool:
        if who is Who.ANYBODY:
            return True
        if self.session is None:
            return False
        if who is Who.SIGNED_IN:
            return True
        if who is Who.PATIENT:
            return bool(self.datasets_as_patient)
        if who is Who.MEMBER:
            return self.member is not None
        return ROLE_OF[who] in self.roles
