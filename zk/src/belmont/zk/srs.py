"""The reference string: the Ethereum KZG ceremony (EIP-4844), from the file that eth-account ships.

The file is compared with its SHA-256 first, so its points need no check of their own: 4096 Lagrange points of G1 in
natural order, 65 powers of G2, 4096 powers of G1. Verifiers read only what they need of it (about a tenth of a second);
provers also load c-kzg's own tables (about three seconds, once a process).
"""

import hashlib
import threading
from collections.abc import Sequence
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from py_arkworks_bls12381 import G1Point, G2Point

from belmont.zk.curve import G1, G2, GENERATOR, IDENTITY, multiply
from belmont.zk.errors import SetupError
from belmont.zk.field import N

CEREMONY_SHA256: Final = "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7"
CEREMONY_DIGEST: Final = bytes.fromhex(CEREMONY_SHA256)
_FILE: Final = "eth_account/typed_transactions/blob_transactions/kzg_trusted_setup.txt"
_G2_POINTS: Final = 65


def ceremony_file() -> Path:
    """Where the installed file is. Raises SetupError if there is none."""
    try:
        path = Path(str(metadata.distribution("eth-account").locate_file(_FILE)))
    except metadata.PackageNotFoundError as error:
        raise SetupError("eth-account, which brings the ceremony's file, is not installed") from error
    if not path.is_file():
        raise SetupError(f"{path} does not exist")
    return path


class ReferenceString:
    """The ceremony's points, parsed when first asked for. Raises SetupError unless the file is the pinned one."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != CEREMONY_SHA256:
            raise SetupError(f"{path} has SHA-256 {found}, not {CEREMONY_SHA256}")
        self._path = path
        self._lines = data.decode("ascii").split()[2:]
        self._kzg: Any = None
        self._guard = threading.Lock()

    @cached_property
    def lagrange(self) -> Sequence[G1]:
        """[L_0] ... [L_(N-1)]."""
        return self._g1(0, N)

    @cached_property
    def tau(self) -> G2:
        """[tau] in G2."""
        return G2Point.from_compressed_bytes_unchecked(bytes.fromhex(self._lines[N + 1]))

    @cached_property
    def g2(self) -> G2:
        """The generator of G2."""
        return G2Point.from_compressed_bytes_unchecked(bytes.fromhex(self._lines[N]))

    def powers(self, count: int) -> Sequence[G1]:
        """[1], [tau], ... in G1, the first ``count`` of at most N."""
        return self._g1(N + _G2_POINTS, count)

    @cached_property
    def prefix_sums(self) -> tuple[Sequence[G1], Sequence[G1]]:
        """P1 and P2, N + 1 points each: P1[i] is the sum of [L_j] over j < i, P2[i] that of j·[L_j]."""
        first, second = [IDENTITY], [IDENTITY]
        for j, point in enumerate(self.lagrange):
            first.append(first[-1] + point)
            second.append(second[-1] + multiply(point, j))
        return first, second

    @property
    def kzg(self) -> Any:
        """c-kzg's settings. Safe for several threads."""
        with self._guard:
            if self._kzg is None:
                import ckzg

                self._kzg = ckzg.load_trusted_setup(str(self._path), 0)
            return self._kzg

    def _g1(self, start: int, count: int) -> Sequence[G1]:
        lines = self._lines[start : start + count]
        return tuple(G1Point.from_compressed_bytes_unchecked(bytes.fromhex(line)) for line in lines)


@cache
def reference_string() -> ReferenceString:
    """The ceremony, read once a process."""
    found = ReferenceString(ceremony_file())
    if found.powers(1)[0] != GENERATOR:
        raise SetupError("the ceremony's first power is not the generator")
    return found
