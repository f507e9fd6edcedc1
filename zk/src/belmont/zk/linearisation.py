"""V6: the linearisation r(X), as a constant and a coefficient for each committed polynomial that is not opened itself.

Prover and native verifier share it. The powers of beta follow docs/protocol.md: V-a for each chunk, V-b, V-c, V-d, V-e,
V-f.
"""

from dataclasses import dataclass

from belmont.zk.field import ORDER, A, N, Point
from belmont.zk.proof import Argument
from belmont.zk.relation import Lookup, Product, Relation


@dataclass(frozen=True)
class Challenges:
    """The challenges known when zeta is."""

    rho: int
    gamma: int
    alpha: int
    beta: int


@dataclass(frozen=True)
class Linearisation:
    """r = constant + sum of coefficient times polynomial; coefficients in the order of the proof's lists."""

    constant: int
    h: list[int]
    m: list[int]
    g: list[int]
    phi: int
    u: int
    q: list[int]


def powers_before_tables(relation: Relation, chunks: int) -> int:
    """How many powers of beta V-a takes."""
    return len(relation.identities) * chunks


def linearise(
    relation: Relation, chunks: int, first: int, at: Point, proof: Argument, drawn: Challenges
) -> Linearisation:
    """The linearisation at ``at``, from the proof's claimed values."""
    beta, power = drawn.beta, 1
    constant, h = 0, []
    values = proof.columns_at_zeta
    for c in range(chunks):  # V-a
        chunk = values[c * relation.columns : (c + 1) * relation.columns]
        for identity in relation.identities:
            if isinstance(identity, Product):
                value = identity.a.at(chunk) * identity.b.at(chunk) - identity.c.at(chunk)
                constant += power * at.z_b * (value % ORDER)
            elif isinstance(identity, Lookup):
                h.append(power * at.z_b % ORDER * lookup_divisor(identity, chunk, drawn))
                constant -= power * at.z_b
            else:
                rise = chunk[identity.s] - proof.s_before[c] - identity.rise.at(chunk)
                constant += power * at.z_b % ORDER * ((at.zeta - 1) * rise % ORDER)
            power = power * beta % ORDER
    g, m = [], []
    for table in proof.tables_at_zeta:  # V-b
        g.append(power * at.z_b % ORDER * (drawn.alpha - table))
        m.append(-power * at.z_b)
        power = power * beta % ORDER
    running = power * at.z_b % ORDER  # V-c
    constant += running * proof.phi_next
    h = [(each - running) % ORDER for each in h]
    g = [(each + running) % ORDER for each in g]
    phi = -running
    power = power * beta % ORDER
    constant += power * at.z_a % ORDER * (proof.u_next - _powers_sum(values, drawn.rho))  # V-d
    u = -power * at.z_a
    power = power * beta % ORDER
    l_0, l_a = at.lagrange(0), at.lagrange(A)
    for row in (l_0, l_a):  # V-e
        phi += power * row
        power = power * beta % ORDER
    for row in (l_0, l_a):
        u += power * row
        power = power * beta % ORDER
    if relation.step is not None:
        linked = iter(proof.s_linked)
        for c in range(chunks):  # V-f
            chunk = values[c * relation.columns : (c + 1) * relation.columns]
            before = 0 if first + c == 0 else next(linked)
            rise = chunk[relation.step.s] - before - relation.step.rise.at(chunk)
            constant += power * l_0 % ORDER * (rise % ORDER)
            power = power * beta % ORDER
    z_split = pow(at.zeta, N - 1, ORDER)
    return Linearisation(
        constant % ORDER,
        h,
        [each % ORDER for each in m],
        g,
        phi % ORDER,
        u % ORDER,
        [-at.z_h % ORDER, -at.z_h * z_split % ORDER],
    )


def lookup_divisor(identity: Lookup, chunk: tuple[int, ...], drawn: Challenges) -> int:
    """alpha minus the looked-up tuple, compressed by powers of gamma."""
    value, gamma_power = 0, 1
    for part in identity.parts:
        value += gamma_power * part.at(chunk)
        gamma_power = gamma_power * drawn.gamma % ORDER
    return (drawn.alpha - value) % ORDER


def _powers_sum(values: tuple[int, ...], base: int) -> int:
    """sum of base^k values_k, by Horner."""
    found = 0
    for value in reversed(values):
        found = (found * base + value) % ORDER
    return found
