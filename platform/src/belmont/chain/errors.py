"""Errors of the chain.

    ChainError
    ├── ChainUnreachable        no answer: connection refused, timed out, not HTTP 200, not JSON-RPC
    ├── BadChainData            an answer came, and it is not what the protocol says
    ├── RpcRefused              the server answered with a JSON-RPC error (code, message, data)
    │   └── ContractReverted    the EVM reverted; `reason` is the contract's own string
    ├── TransactionRefused      the chain did not include the transaction, or it could not be followed
    ├── WrongChain              the server's chain id is not the expected one
    ├── ChainLocked             another process writes to this directory
    ├── ChainDirectoryError     the directory belongs to another chain or another version
    │   └── ChainDamaged        what is in the directory is not what was written there
    ├── ChainStartError         a server process did not come up
    ├── AuditUnavailable        the executable specification is not installed
    ├── DeploymentError         a contract was not deployed, or not where it was predicted
    └── CompilationError        a contract's source does not compile or is not there

`ChainUnreachable` and `ContractReverted` never stand for one another: a caller that fails closed can tell "the rule
says no" from "nobody answered".
"""

from __future__ import annotations


class ChainError(Exception):
    """Base of every error of this package."""


class ChainUnreachable(ChainError):
    """No usable answer from the chain's server; whether a transaction that was being sent is included is unknown."""


class BadChainData(ChainError):
    """The server answered, but not with what the Ethereum JSON-RPC specification says."""


class RpcRefused(ChainError):
    """The server answered with a JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class ContractReverted(RpcRefused):
    """The EVM reverted. `reason` is the revert string, or "" when the contract gave none."""

    def __init__(self, reason: str, data: object = None) -> None:
        super().__init__(3, f"execution reverted: {reason}" if reason else "execution reverted", data)
        self.reason = reason


class TransactionRefused(ChainError):
    """The transaction was not included, or failed when executed; the message says why and what to do."""


class WrongChain(ChainError):
    """The server serves another chain than the one expected."""


class ChainLocked(ChainError):
    """Another process holds this chain's directory; stop it first, or choose another directory."""


class ChainDirectoryError(ChainError):
    """The chain's directory cannot be used as asked; the message says why."""


class ChainDamaged(ChainDirectoryError):
    """The chain's database is damaged: something in it is missing, or is not what was written. Nothing of it is served,
    and nothing more is sealed. What to do: docs/chain.md, "When the database is damaged"."""


class ChainStartError(ChainError):
    """A chain server was started and did not answer; the message holds its last output."""


class AuditUnavailable(ChainError):
    """The package that audits execute with is not installed; the message says how to install it."""


class DeploymentError(ChainError):
    """A contract was not deployed, or not at the address that was predicted."""


class CompilationError(ChainError):
    """A contract's source is missing or does not compile."""
