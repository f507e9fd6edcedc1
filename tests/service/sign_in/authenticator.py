"""A hardware key in software, with real answers (WebAuthn, level 3, sections 5.8.1, 6.1 and 6.5)."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url


@dataclass
class Authenticator:
    """One key; what it is told to say may be changed before it is signed."""

    origin: str
    counter: int = 0
    counts: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def create(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Answers ``navigator.credentials.create``."""
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})
        attested = bytes(16) + len(self.credential).to_bytes(2) + self.credential + cose
        data = self._data(options["rp"]["id"], 0x45, **changes) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            clientDataJSON=self._client_data("webauthn.create", options, **changes), attestationObject=attestation
        )

    def get(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Answers ``navigator.credentials.get``."""
        if self.counts:
            self.counter += 1
        client_data = self._client_data("webauthn.get", options, **changes)
        data = self._data(options["rpId"], 0x05, **changes)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client_data, authenticatorData=data, signature=signature)

    def _data(self, asked: str, usual: int, **changes: Any) -> bytes:
        host_hash = hashlib.sha256(changes.get("host", asked).encode()).digest()
        return host_hash + bytes([changes.get("flags", usual)]) + changes.get("counter", self.counter).to_bytes(4)

    def _client_data(self, kind: str, options: dict[str, Any], **changes: Any) -> bytes:
        challenge = changes.get("challenge", base64url_to_bytes(options["challenge"]))
        content = {
            "type": changes.get("type", kind),
            "challenge": bytes_to_base64url(challenge),
            "origin": changes.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(content).encode()

    def _answer(self, **response: bytes) -> dict[str, Any]:
        id_ = bytes_to_base64url(self.credential)
        written = {name: bytes_to_base64url(value) for name, value in response.items()}
        return {"id": id_, "rawId": id_, "type": "public-key", "response": written, "clientExtensionResults": {}}
