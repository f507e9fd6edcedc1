"""Errors of the registry.

RegistryError
├── RegistryUnreachable        the chain behind the registry does not answer
│   └── RangeRefused           it does not answer for so many blocks, or so many events, at once
├── RegistryRefused            a contract refused a write, with its reason
├── RegistryArgumentError      an argument that no record could hold, refused before anything is sent
└── ConsortiumError            the contracts on this chain are not a consortium that can be trusted
    ├── ConsortiumNotFound     no consortium was founded on this chain
    ├── SeveralConsortia       more than one was: name the one to use
    ├── ConsortiumForged       the contracts are not the ones that this release compiles to
    └── CodeUnknown            the members voted for code that this release does not know
"""

from belmont.registry.reasons import Reason, WriteRefusal


class RegistryError(Exception):
    """Anything that the registry cannot do."""


class RegistryUnreachable(RegistryError):
    """The chain could not be read or written; a gate turns it into ``CHAIN_UNREACHABLE``."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"The registry's chain cannot be reached: {detail}. {Reason.CHAIN_UNREACHABLE.remedy}")
        self.detail = detail


class RangeRefused(RegistryUnreachable):
    """The chain's server refuses to give the events of a range; it may give those of a shorter one."""


class RegistryRefused(RegistryError):
    """A contract refused a write and nothing changed; ``reason`` is its word for why."""

    def __init__(self, reason: str) -> None:
        self.reason = str(reason)
        self.code: Reason | WriteRefusal | None = _code(self.reason)
        remedy = self.code.remedy if self.code else "Compare the call with the rules at the top of the contract."
        super().__init__(f"Refused: {self.reason or 'no reason given'}. {remedy}")


class RegistryArgumentError(RegistryError, ValueError):
    """An argument has a type, length or size that the contracts cannot hold."""


class ConsortiumError(RegistryError):
    """No trustworthy consortium at the given address."""


class ConsortiumNotFound(ConsortiumError):
    """Nothing was founded here."""


class SeveralConsortia(ConsortiumError):
    """More than one founding was announced on this chain."""


class ConsortiumForged(ConsortiumError):
    """The deployed contracts differ from the ones this release compiles to."""


class CodeUnknown(ConsortiumError):
    """The consortium's own vote pointed a contract to code that is not part of this release."""

    def __init__(self, contract: str, implementation: str) -> None:
        super().__init__(
            f"{Reason.CODE_UNKNOWN}: {contract} runs code, at {implementation}, that this release does not know. "
            f"{Reason.CODE_UNKNOWN.remedy}"
        )
        self.contract = contract
        self.implementation = implementation


def _code(reason: str) -> Reason | WriteRefusal | None:
    for words in (Reason, WriteRefusal):
        if reason in words.__members__:
            return words(reason)
    return None
