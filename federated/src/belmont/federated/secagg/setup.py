"""What hospitals exchange before a round: each deals one package to each other one, and opens those dealt to it.

1. **Nothing is stored.** A hospital's mask key s, self-mask seed b and both polynomials are derived from its 32-byte
   root secret and the context, so dealing again gives the same bytes.
2. **A public part says what was dealt**: the key S = s·G, a hash of b, and a hash of every share. It is not secret:
   whoever opens the sum needs it.
3. **A package is sealed to one pair, one direction, one context, one public part**: AES-256-GCM under

       HKDF-SHA256(X25519(static key of dealer, static key of holder), info = context, dealer, holder, public part)

   with the static keys that are on chain. So only the holder opens it, and knows who dealt it. The key is for one
   plaintext only (the public part has the hash of the shares in it), so the nonce is zero, also for a dealer that
   lost its root secret and deals again.
4. **A share that is not the one the public part says is refused**, so who later releases another is found.
5. **All or nothing**: every other participant's package opens, all keys S differ, are in their one encoding and can
   be used, in a pair proof too (a dispute could not be settled otherwise); or nothing is masked.
6. **The transcript** is the hash of all public parts. It goes into every mask and into what a hospital records. A
   dealer that shows two hospitals two public parts leaves their masks unrelated: nobody can open that sum, and nothing
   of it is learned, and whoever opens sees whose transcript differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from belmont.federated.errors import PackageRefused, QueryError, SecAggError
from belmont.federated.query.masks import check_mask_keys, shared_secret
from belmont.federated.query.pair_proof import P as CURVE_PRIME
from belmont.federated.query.pair_proof import check_key
from belmont.federated.secagg.context import SECRET_BYTES, Context
from belmont.federated.secagg.sharing import WIDE_BYTES, element, split
from belmont.registry.types import DatasetId

_NONCE = bytes(12)
_SEALED_BYTES = 2 * 32 + 16


class Kind(IntEnum):
    """Of what a share is."""

    SEED = 1
    """The self-mask seed b: released for hospitals whose vector is in the sum."""
    KEY = 2
    """The mask key s: released for hospitals whose vector is not."""


@dataclass(frozen=True)
class PublicPart:
    """What a hospital says to all of what it dealt (2)."""

    key: bytes
    """S, 32 bytes."""
    seed_hash: bytes
    share_hashes: Mapping[Kind, tuple[bytes, ...]]
    """For each holder, in order."""

    def to_bytes(self) -> bytes:
        """64 + 64n bytes."""
        return b"".join((self.key, self.seed_hash, *self.share_hashes[Kind.SEED], *self.share_hashes[Kind.KEY]))

    @classmethod
    def from_bytes(cls, data: bytes, participants: int) -> "PublicPart":
        """Raises SecAggError for any other length."""
        if len(data) != public_bytes(participants):
            raise SecAggError(f"a public part for {participants} participants is {public_bytes(participants)} bytes")
        words = [data[at : at + 32] for at in range(0, len(data), 32)]
        seeds, keys = tuple(words[2 : 2 + participants]), tuple(words[2 + participants :])
        return cls(words[0], words[1], {Kind.SEED: seeds, Kind.KEY: keys})

    def digest(self, context: Context, dealer: int) -> bytes:
        return context.hash(b"public", dealer, tail=self.to_bytes())


@dataclass(frozen=True)
class Dealt:
    """All secrets of one hospital for one context, and what it says of them (1)."""

    position: int
    key: bytes
    """s, as an X25519 private key."""
    seed: bytes
    """b."""
    shares: Mapping[Kind, tuple[bytes, ...]]
    public: PublicPart

    def __repr__(self) -> str:
        return "Dealt(not shown)"


@dataclass(frozen=True)
class Joined:
    """What a hospital has once every package opened: enough to mask its vector, and to release shares afterwards."""

    context: Context
    position: int
    transcript: bytes
    """Hash of all public parts (6)."""
    key: bytes
    """Its own s."""
    seed: bytes
    """Its own b."""
    keys: tuple[bytes, ...]
    """S of each participant."""
    pair_secrets: tuple[bytes, ...]
    """X25519(s, S) with each other participant; empty at its own place."""
    held: Mapping[Kind, tuple[bytes, ...]]
    """Its share of each participant's secrets, its own too."""
    static_keys: tuple[bytes, ...] = ()
    """The keys on chain by which the packages opened."""

    def __repr__(self) -> str:
        return "Joined(not shown)"


def public_bytes(participants: int) -> int:
    """Length of a public part."""
    return 64 + 64 * participants


def public_part(context: Context, package: bytes) -> PublicPart:
    """The public part at the front of a package, for whoever carries it. Raises SecAggError if it has another length.

    It is not authenticated here: a carrier's change makes the holder refuse, and the opener's transcript differ.
    """
    count = len(context.participants)
    if len(package) != public_bytes(count) + _SEALED_BYTES:
        raise SecAggError(f"a package for {count} participants is {public_bytes(count) + _SEALED_BYTES} bytes")
    return PublicPart.from_bytes(package[: public_bytes(count)], count)


def transcript_of(context: Context, publics: Sequence[PublicPart]) -> bytes:
    """Hash of the public parts of all, in order (6)."""
    digests = (public.digest(context, position) for position, public in enumerate(publics))
    return context.hash(b"transcript", tail=b"".join(digests))


def seed_hash(context: Context, dealer: int, seed: bytes) -> bytes:
    """What commits a hospital to its self-mask seed; hiding, since the seed has 256 bits."""
    return context.hash(b"seed-hash", dealer, tail=seed)


def share_hash(context: Context, kind: Kind, dealer: int, holder: int, share: bytes) -> bytes:
    """What commits a dealer to one share. Below the threshold the others' shares are uniform, so it hides them."""
    return context.hash(b"share-hash", kind, dealer, holder, tail=share)


def deal_secrets(context: Context, dataset_id: DatasetId, root: bytes) -> Dealt:
    """All secrets of a hospital for this context, from its 32-byte root secret (1)."""
    if len(root) != SECRET_BYTES:
        raise SecAggError(f"a root secret is {SECRET_BYTES} bytes")
    position, count = context.position(dataset_id), len(context.participants)
    secrets, shares = {}, {}
    for kind in Kind:
        coefficients = [
            element(context.derive(root, b"coefficient", position, kind, power, length=WIDE_BYTES))
            for power in range(context.threshold)
        ]
        secrets[kind], shares[kind] = coefficients[0], split(coefficients, count)
    public = PublicPart(
        X25519PrivateKey.from_private_bytes(secrets[Kind.KEY]).public_key().public_bytes_raw(),
        seed_hash(context, position, secrets[Kind.SEED]),
        {
            kind: tuple(share_hash(context, kind, position, holder, each) for holder, each in enumerate(shares[kind]))
            for kind in Kind
        },
    )
    return Dealt(position, secrets[Kind.KEY], secrets[Kind.SEED], shares, public)


def deal(
    context: Context, dataset_id: DatasetId, root: bytes, private_key: X25519PrivateKey, public_keys: Sequence[bytes]
) -> dict[DatasetId, bytes]:
    """One package for each other participant; equal arguments give equal bytes.

    ``private_key`` is the hospital's static key; ``public_keys`` are those of all participants on chain, in order.
    Raises SecAggError if this dataset takes no part or a key cannot be used.
    """
    dealt = deal_secrets(context, dataset_id, root)
    return seal(context, dealt, private_key, public_keys)


def seal(
    context: Context, dealt: Dealt, private_key: X25519PrivateKey, public_keys: Sequence[bytes]
) -> dict[DatasetId, bytes]:
    """The packages of what was dealt (3). Raises SecAggError if a key on chain cannot be used."""
    _check_static(context, dealt.position, private_key, public_keys)
    packages = {}
    for holder, holder_id in enumerate(context.participants):
        if holder != dealt.position:
            shared = shared_secret(private_key, public_keys[holder], holder)
            key, associated = _seal(context, shared, dealt.position, holder, dealt.public)
            plain = dealt.shares[Kind.SEED][holder] + dealt.shares[Kind.KEY][holder]
            packages[holder_id] = dealt.public.to_bytes() + AESGCM(key).encrypt(_NONCE, plain, associated)
    return packages


def join(
    context: Context,
    dataset_id: DatasetId,
    root: bytes,
    private_key: X25519PrivateKey,
    public_keys: Sequence[bytes],
    packages: Mapping[DatasetId, bytes],
) -> Joined:
    """Open the packages that the other participants dealt to this one, by dealer.

    Raises PackageRefused, which names the dealer, for one that is missing or cannot be used, SecAggError for one of
    somebody who takes no part: then nothing may be masked (5).
    """
    own = deal_secrets(context, dataset_id, root)
    _check_static(context, own.position, private_key, public_keys)
    if set(packages) != set(context.participants) - {dataset_id}:
        for dealer_id in context.participants:
            if dealer_id != dataset_id and dealer_id not in packages:
                raise PackageRefused(dealer_id, "it is missing")
        raise SecAggError("there is a package of somebody who takes no part, or of this hospital itself")
    publics: list[PublicPart] = []
    held: dict[Kind, list[bytes]] = {kind: [] for kind in Kind}
    pair_secrets: list[bytes] = []
    mask_key = X25519PrivateKey.from_private_bytes(own.key)
    for dealer, dealer_id in enumerate(context.participants):
        if dealer == own.position:
            public, shares, pair = own.public, {kind: own.shares[kind][dealer] for kind in Kind}, b""
        else:
            shared = shared_secret(private_key, public_keys[dealer], dealer)
            public, shares = _open(context, shared, dealer, own.position, packages[dealer_id])
            _check_provable(public.key, dealer_id)
            pair = exchange(mask_key, public.key, dealer_id)
        if public.key in (each.key for each in publics):
            raise PackageRefused(dealer_id, "another participant has the same mask key")
        publics.append(public)
        pair_secrets.append(pair)
        for kind in Kind:
            held[kind].append(shares[kind])
    return Joined(
        context,
        own.position,
        transcript_of(context, publics),
        own.key,
        own.seed,
        tuple(public.key for public in publics),
        tuple(pair_secrets),
        {kind: tuple(each) for kind, each in held.items()},
        tuple(public_keys),
    )


def _check_provable(key: bytes, dealer_id: DatasetId) -> None:
    try:
        check_key(key)
    except QueryError as error:
        raise PackageRefused(dealer_id, f"its mask key cannot be used: {error}") from error


def exchange(key: X25519PrivateKey, public_key: bytes, dealer_id: DatasetId) -> bytes:
    """X25519 of mask keys. Raises PackageRefused for one of small order, or not in its one encoding."""
    if int.from_bytes(public_key, "little") >= CURVE_PRIME:
        raise PackageRefused(dealer_id, "its mask key cannot be used")
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError as error:
        raise PackageRefused(dealer_id, "its mask key cannot be used") from error


def _check_static(context: Context, position: int, private_key: X25519PrivateKey, public_keys: Sequence[bytes]) -> None:
    try:
        check_mask_keys(len(context.participants), position, private_key, public_keys)
    except QueryError as error:
        raise SecAggError(str(error)) from error


def _seal(context: Context, shared: bytes, dealer: int, holder: int, public: PublicPart) -> tuple[bytes, bytes]:
    """Key and associated data of one package (3)."""
    digest = public.digest(context, dealer)
    associated = context.info(b"package", dealer, holder, tail=digest)
    return context.derive(shared, b"package", dealer, holder, tail=digest), associated


def _open(
    context: Context, shared: bytes, dealer: int, holder: int, package: bytes
) -> tuple[PublicPart, dict[Kind, bytes]]:
    dealer_id = context.participants[dealer]
    try:
        public = public_part(context, package)
        key, associated = _seal(context, shared, dealer, holder, public)
        plain = AESGCM(key).decrypt(_NONCE, package[-_SEALED_BYTES:], associated)
    except SecAggError as error:
        raise PackageRefused(dealer_id, str(error)) from error
    except InvalidTag as error:
        raise PackageRefused(
            dealer_id, "it does not open: altered, or of another dealer, holder, round, permit or consortium"
        ) from error
    shares = {Kind.SEED: plain[:32], Kind.KEY: plain[32:]}
    for kind, share in shares.items():
        if share_hash(context, kind, dealer, holder, share) != public.share_hashes[kind][holder]:
            raise PackageRefused(dealer_id, "its share is not the one that its public part says (4)")
    return public, shares
