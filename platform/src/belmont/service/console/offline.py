"""Commands that check on another machine what a page shows, filled in (docs/light_client.md).

Whoever distrusts the service runs them against their own node, with a checkpoint whose fingerprint came by another way.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Offline:
    """Templates know it as ``offline``."""

    chain: str
    """The JSON-RPC address that the service itself asks."""

    def events(
        self, name: str, *, permit: int | None = None, study: int | None = None, actor: str = "", dataset: bytes = b""
    ) -> str:
        """Events with their proofs."""
        asked = [f"--event {name}"]
        asked += [f"--permit {permit}"] if permit is not None else []
        asked += [f"--study {study}"] if study is not None else []
        asked += [f"--actor {actor}"] if actor else []
        asked += [f"--dataset 0x{dataset.hex()}"] if dataset else []
        return self._verified(" ".join(asked), "events")

    def vote(self, study: int, actor: str) -> str:
        """One vote."""
        return self._verified(f"--vote {study} --actor {actor}", "vote")

    def permit(self, number: int) -> str:
        """The record of a permit, as it is stored."""
        return self._verified(f"--storage 'Permits._permits[{number}]'", "permit")

    def consents(self, dataset: bytes) -> str:
        """Patients' statements."""
        return self._verified(f"--consent 0x{dataset.hex()}", "consents")

    def release(self, permit: int, model: bytes) -> str:
        """Whether a model is released."""
        return self._verified(f"--release {permit} 0x{model.hex()}", "release")

    def file(self, expected: bytes, name: str) -> str:
        """That a file is the one whose hash is on chain."""
        return f"echo '{expected.hex()}  {name}' | sha256sum --check"

    def round(self, record: str = "round.json") -> str:
        """That a secure round's total is the sum of what the hospitals delivered, from its record: the file that
        the round left, or that was handed in here."""
        return f"belmont verify-round {record} --url {self.chain}"

    def relay(self) -> str:
        """Handing in a signed file without this service."""
        return f"belmont relay signed.json --url {self.chain}"

    def _verified(self, asked: str, name: str) -> str:
        bundle = f"{name}.bundle"
        return (
            f"belmont light fetch --url {self.chain} {asked} --out {bundle}\n"
            f"belmont light verify {bundle} --checkpoint FINGERPRINT"
        )
