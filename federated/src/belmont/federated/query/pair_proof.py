"""Proof that a shared secret is the one of two X25519 keys on chain, without the private key.

Two hospitals signed different seeds for their pair: one of them did not derive them from its key. Each shows its secret
K = a·B to the ethics board and proves log_G(A) = log_B(K) (Chaum and Pedersen, CRYPTO 1992, made non-interactive with
SHA-512), A being its own public key and B its peer's. Whoever cannot is the one who lied. K is known to the liar in any
case, so it protects nothing of the honest one's any more.

X25519 keeps the u coordinate only; the proof is over the birationally equivalent Edwards curve (RFC 7748, 4.1; RFC 8032
for its arithmetic). A and B are lifted to the point with even x; the private scalar takes the sign that fits, and K is
the Edwards point with that scalar, which has the u of the shared secret either way. A clamped scalar is a multiple of
the cofactor 8, so A and K are in the subgroup of order L, which the verifier checks; B need not be, and is multiplied
by 8.

Not constant-time: it runs at the hospital, over its own key, in a dispute.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from belmont.federated.errors import QueryError

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
PROOF_BYTES = 96
KNOWLEDGE_BYTES = 64
_LABEL = b"belmont/pair-proof/1"
_KNOWLEDGE_LABEL = b"belmont/mask-key-known/1"
Point: TypeAlias = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T of -x^2 + y^2 = 1 + d x^2 y^2."""
_NEUTRAL: Point = (0, 1, 1, 0)


@dataclass(frozen=True)
class PairProof:
    """The shared point and the proof for it. It is for the board: the shared point gives the pair's seeds."""

    shared: bytes
    """Edwards point, 32 bytes as in RFC 8032."""
    challenge: int
    response: int

    def __repr__(self) -> str:
        return "PairProof(not shown)"

    @property
    def secret(self) -> bytes:
        """The X25519 shared secret."""
        return _u_of(_decompress(self.shared)).to_bytes(32, "little")

    def to_bytes(self) -> bytes:
        """96 bytes."""
        return self.shared + self.challenge.to_bytes(32) + self.response.to_bytes(32)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PairProof":
        """Raises QueryError unless these are 96 bytes."""
        if len(data) != PROOF_BYTES:
            raise QueryError(f"a pair proof is {PROOF_BYTES} bytes")
        return cls(data[:32], int.from_bytes(data[32:64]), int.from_bytes(data[64:]))


def check_key(public_key: bytes) -> None:
    """Raise QueryError for a mask key that no pair proof could be made over: X25519 itself takes some of them.

    Those are keys of the curve's twist, keys not in their one encoding, and keys of small order.
    """
    if len(public_key) != 32 or public_key[31] & 128:
        raise QueryError("not a canonical X25519 key")
    if _affine(_times(8, _lift(public_key))) == (0, 1):
        raise QueryError("an X25519 key of small order")


def prove_knowledge(private_key: X25519PrivateKey, context: bytes) -> bytes:
    """Proof for ``context`` that whoever made it knows this key (Schnorr, CRYPTO 1989), 64 bytes.

    Whoever shows a pair's secret because the peer knows it anyway needs this of the peer first: its key could be a
    multiple of a third one's, and the secret with it gives the secret with that one.
    """
    own = private_key.public_key().public_bytes_raw()
    eighth, nonce = _scalar(private_key) * pow(8, -1, L) % L, secrets.randbelow(L)
    challenge = _knowledge_challenge(own, context, _times(8 * nonce % L, _generator()))
    return challenge.to_bytes(32) + ((nonce + challenge * eighth) % L).to_bytes(32)


def check_knowledge(proof: bytes, own: bytes, context: bytes) -> None:
    """Raise QueryError unless whoever made this proof for ``context`` knows the private key of ``own``."""
    if len(proof) != KNOWLEDGE_BYTES:
        raise QueryError(f"a proof of a mask key is {KNOWLEDGE_BYTES} bytes")
    challenge, response = int.from_bytes(proof[:32]), int.from_bytes(proof[32:])
    if not (0 <= challenge < L and 0 <= response < L):
        raise QueryError("the proof of a mask key has a number out of range")
    lifted = _lift(own)
    if _affine(_times(L, lifted)) != (0, 1) or _affine(lifted) == (0, 1):
        raise QueryError("the proof of a mask key is over a point outside the subgroup")
    first = _plus(_times(8 * response % L, _generator()), _times(L - challenge, lifted))
    if _knowledge_challenge(own, context, first) != challenge:
        raise QueryError("the proof of a mask key does not hold")


def prove_pair(private_key: X25519PrivateKey, peer: bytes, context: bytes) -> PairProof:
    """The shared secret with ``peer``, proved for ``context`` (what the dispute is about)."""
    own = private_key.public_key().public_bytes_raw()
    a, base = _scalar(private_key), _times(8, _lift(peer))
    # K = a·B = (a / 8)·(8·B); modulo L, since 8·B is in the subgroup.
    eighth = a * pow(8, -1, L) % L
    shared = _compress(_times(eighth, base))
    nonce = secrets.randbelow(L)
    first, second = _times(8 * nonce % L, _generator()), _times(nonce, base)
    challenge = _challenge(own, peer, shared, context, first, second)
    return PairProof(shared, challenge, (nonce + challenge * eighth) % L)


def check_pair(proof: PairProof, own: bytes, peer: bytes, context: bytes) -> bytes:
    """The shared secret of two public keys. Raises QueryError if the proof, made with ``own``'s key, does not hold."""
    if not (0 <= proof.challenge < L and 0 < proof.response < L):
        raise QueryError("the pair proof has a number out of range")
    lifted, shared, base = _lift(own), _decompress(proof.shared), _times(8, _lift(peer))
    for point in (lifted, shared, base):
        if _affine(_times(L, point)) != (0, 1) or _affine(point) == (0, 1):
            raise QueryError("the pair proof is over a point outside the subgroup")
    minus = L - proof.challenge
    # With s = a/8: 8·s·G = A and s·(8·B) = K.
    first = _plus(_times(8 * proof.response % L, _generator()), _times(minus, lifted))
    second = _plus(_times(proof.response, base), _times(minus, shared))
    if _challenge(own, peer, proof.shared, context, first, second) != proof.challenge:
        raise QueryError("the pair proof does not hold")
    return proof.secret


def _scalar(private_key: X25519PrivateKey) -> int:
    """The clamped scalar, with the sign that gives the lifted public key."""
    raw = bytearray(private_key.private_bytes_raw())
    raw[0] &= 248
    raw[31] = raw[31] & 127 | 64
    a = int.from_bytes(raw, "little")
    own = _lift(private_key.public_key().public_bytes_raw())
    return a if _affine(_times(a, _generator())) == _affine(own) else -a


def _knowledge_challenge(own: bytes, context: bytes, first: Point) -> int:
    parts = (own, hashlib.sha256(context).digest(), _compress(first))
    return int.from_bytes(hashlib.sha512(_KNOWLEDGE_LABEL + b"".join(parts)).digest(), "little") % L


def _challenge(own: bytes, peer: bytes, shared: bytes, context: bytes, first: Point, second: Point) -> int:
    parts = (own, peer, shared, hashlib.sha256(context).digest(), _compress(first), _compress(second))
    return int.from_bytes(hashlib.sha512(_LABEL + b"".join(parts)).digest(), "little") % L


def _plus(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    if scalar < 0:
        scalar, point = -scalar, (-point[0] % P, point[1], point[2], -point[3] % P)
    out = _NEUTRAL
    while scalar:
        if scalar & 1:
            out = _plus(out, point)
        point, scalar = _plus(point, point), scalar >> 1
    return out


def _affine(point: Point) -> tuple[int, int]:
    inverse = pow(point[2], -1, P)
    return point[0] * inverse % P, point[1] * inverse % P


def _with_y(y: int, odd: bool) -> Point:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and odd):
        raise QueryError("not a point of the curve")
    x = P - x if x & 1 != odd else x
    return x, y, 1, x * y % P


def _lift(public_key: bytes) -> Point:
    """The Edwards point with even x whose u is this X25519 key."""
    u = int.from_bytes(public_key, "little") % (1 << 255)
    if u >= P or u == P - 1:
        raise QueryError("not a canonical X25519 key")
    return _with_y((u - 1) * pow(u + 1, -1, P) % P, odd=False)


def _u_of(point: Point) -> int:
    y = _affine(point)[1]
    return (1 + y) * pow(1 - y, -1, P) % P


def _compress(point: Point) -> bytes:
    x, y = _affine(point)
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(data: bytes) -> Point:
    y = int.from_bytes(data, "little")
    odd, y = bool(y >> 255), y & ((1 << 255) - 1)
    if y >= P:
        raise QueryError("not a point of the curve")
    return _with_y(y, odd)


def _generator() -> Point:
    return _with_y(4 * pow(5, -1, P) % P, odd=False)
