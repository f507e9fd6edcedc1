"""A bundle in a notebook: ``light.verified("use.bundle", checkpoint="0x3ebc...")`` verifies it offline, as a card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.lab import cards
from belmont.lab.errors import LabError
from belmont.light.bundle import BUNDLE_BYTES_MAX, Bundle
from belmont.light.errors import BundleMalformed, ProofRefused
from belmont.light.verify import Finding, Fingerprint, SignedBy, Trust, Verified, shown, verify, when

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium


@dataclass(frozen=True)
class LightProof:
    """What a bundle proves, or why it proves nothing: exactly one of ``result`` and ``refusal`` is there."""

    name: str
    result: Verified | None
    refusal: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is proven. Raises ``LabError`` where the bundle was refused."""
        if self.result is None:
            raise LabError(f"{self.name} proves nothing: {self.refusal}")
        return self.result.findings

    def __repr__(self) -> str:
        if self.result is None:
            return f"LightProof({self.name}: refused, {self.refusal})"
        return f"LightProof({self.name}: {'; '.join(each.words() for each in self.result.findings)})"

    def _repr_html_(self) -> str:
        if self.result is None:
            mark = cards.badge("refused", cards.BAD)
            return cards.card(self.name, cards.facts({"why": self.refusal, "shown": "nothing"}), mark=mark)
        newest = self.result.newest
        about = {
            "trusted because": self.result.trusted_because,
            "known up to": f"block {newest.number:,}, {when(newest.timestamp)}",
            "checkpoint": cards.short(self.result.checkpoint.fingerprint),
            "from": f"{self.result.headers:,} headers, with no network",
            "not shown": "that there is nothing else, or what happened later; times are by the sequencer's clock",
        }
        parts = [cards.facts(about)]
        for finding in self.result.findings:
            fields = {name.replace("_", " "): shown(value) for name, value in finding.fields.items()}
            parts += [cards.Html(f"<p><b>{cards.text(finding.words())}</b></p>"), cards.facts(fields)]
        return cards.card(self.name, *parts, mark=cards.badge("verified", cards.GOOD))


def verified(
    bundle: Path | str, checkpoint: str | None = None, signers: Sequence[str] = (), at_least: int | None = None
) -> LightProof:
    """Verifies a bundle file offline, for a trusted checkpoint's fingerprint or members who signed its checkpoint.

    Raises ``LabError`` where there is no such file, or nothing is said to be trusted.
    """
    path = Path(bundle)
    if not path.is_file():
        raise LabError(f"{path} is no file: name one that belmont light fetch wrote")
    trust = _trust(checkpoint, signers, at_least)
    with path.open("rb") as file:
        data = file.read(BUNDLE_BYTES_MAX + 1)
    try:
        return LightProof(path.name, verify(Bundle.from_bytes(data), trust))
    except (BundleMalformed, ProofRefused) as refused:
        return LightProof(path.name, None, str(refused))


def keep_evidence(consortium: "Consortium", path: Path | str, contract: str, event: str, **fields: int | bytes) -> str:
    """Downloads every event of this name and fields with its proof, as one file; returns the checkpoint's fingerprint.

    Whoever verifies the file gets the fingerprint by another way. Raises ``LabError`` where the file is there already,
    and the errors of ``belmont.light``.
    """
    from eth_utils.address import to_canonical_address

    from belmont.light.fetch import Wanted, fetch, take_checkpoint
    from belmont.light.sources import Source

    target, source = Path(path), Source(consortium.url)
    if target.exists():
        raise LabError(f"{target} is there already: name a new file")
    addresses = {name: to_canonical_address(each) for name, each in consortium.registry.addresses.items()}
    checkpoint = take_checkpoint([source], addresses)
    target.write_bytes(fetch(source, checkpoint, [Wanted(contract, event, fields)]).to_bytes())
    return "0x" + checkpoint.fingerprint.hex()


def _trust(checkpoint: str | None, signers: Sequence[str], at_least: int | None) -> Trust:
    if (checkpoint is None) == (not signers):
        raise LabError("say what you trust: checkpoint=, a fingerprint that came by another way, or signers=")
    if checkpoint is None:
        return SignedBy(tuple(signers), len(set(signers)) if at_least is None else at_least)
    try:
        return Fingerprint(bytes.fromhex(checkpoint.removeprefix("0x")))
    except ValueError as error:
        raise LabError(f"{checkpoint!r} is no fingerprint: 0x and 64 hexadecimal digits") from error
