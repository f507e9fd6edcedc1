"""Errors of the light client.

    LightError
    ├── ProofRefused            what was given does not prove what it says; never to be believed
    │   ├── HeadersRefused      headers do not lead to the checkpoint, or break a rule of the chain
    │   ├── CheckpointRefused   the bundle was made for another checkpoint, or too few members signed it
    │   └── CodeChanged         another code stands at the contract than the checkpoint names
    ├── BundleMalformed         not a bundle that this version reads, or larger than any that it makes
    ├── FileUnusable            a file cannot be read, or its writing would overwrite one
    ├── NotThere                the source has nothing like what was asked for
    ├── PathUnknown             the contract keeps nothing under this name
    ├── SourceUnreachable       a source of headers and proofs did not answer usably
    └── SourcesDisagree         two sources have different blocks at one height

``ProofRefused`` and ``BundleMalformed`` are verdicts about what was given; the others say that nothing was judged.
"""


class LightError(Exception):
    """Base of the area's errors; the text says what to do."""


class ProofRefused(LightError):
    """Rule ``rule`` of the verifier does not hold."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"refused by rule {rule}: {why}")
        self.rule = rule


class HeadersRefused(ProofRefused):
    """The headers do not lead to the checkpoint."""


class CheckpointRefused(ProofRefused):
    """The checkpoint is not the one that is trusted."""


class CodeChanged(ProofRefused):
    """The contract's code at that block is not the one that the checkpoint names."""


class BundleMalformed(LightError):
    """The file is no bundle of this format."""


class FileUnusable(LightError):
    """A file is missing, cannot be read, or is there already."""


class NotThere(LightError):
    """The chain has no such event, block or contract."""


class PathUnknown(LightError):
    """No variable, member or element of that name."""


class SourceUnreachable(LightError):
    """A source did not answer, or not with what the protocol says."""


class SourcesDisagree(LightError):
    """Sources have different blocks at the same height: at least one lies, or the chain was forked."""
