"""The reference string is the pinned file's, and its points are what their names say."""

from pathlib import Path

import pytest

from belmont.zk import srs
from belmont.zk.curve import GENERATOR, add_all, multiply, multiply_sum, pairing_holds
from belmont.zk.errors import SetupError
from belmont.zk.evaluations import commit
from belmont.zk.field import ROOTS, N, evaluate_on_domain
from belmont.zk.srs import ReferenceString, ceremony_file, reference_string


def test_a_file_that_differs_in_one_byte_is_refused(tmp_path: Path) -> None:
    data = bytearray(ceremony_file().read_bytes())
    data[5000] ^= 1
    (tmp_path / "setup.txt").write_bytes(data)
    with pytest.raises(SetupError, match="SHA-256"):
        ReferenceString(tmp_path / "setup.txt")


def test_a_missing_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srs, "_FILE", "eth_account/no_such_file.txt")
    with pytest.raises(SetupError, match="does not exist"):
        ceremony_file()


def test_lagrange_points_are_in_natural_order() -> None:
    lagrange, powers = reference_string().lagrange, reference_string().powers(4)
    assert len(lagrange) == N
    assert add_all(lagrange) == powers[0] == GENERATOR
    for k in (1, 2, 3):
        assert multiply_sum(lagrange, [ROOTS[i * k % N] for i in range(N)]) == powers[k]


def test_both_groups_have_the_same_tau() -> None:
    string = reference_string()
    assert pairing_holds(string.powers(2)[1], GENERATOR, string.tau, string.g2)
    assert pairing_holds(string.powers(N)[N - 1], string.powers(N - 1)[N - 2], string.tau, string.g2)


def test_prefix_sums_are_the_sums_of_what_is_before() -> None:
    lagrange = reference_string().lagrange
    first, second = reference_string().prefix_sums
    assert len(first) == len(second) == N + 1
    for i in (0, 1, 7):
        assert first[i] == add_all(lagrange[:i])
        assert second[i] == add_all([multiply(point, j) for j, point in enumerate(lagrange[:i])])
    assert first[N] == GENERATOR


def test_c_kzg_commits_as_the_points_do() -> None:
    coefficients = [3, 1, 4, 1, 5]
    assert commit(evaluate_on_domain(coefficients)) == multiply_sum(reference_string().powers(5), coefficients)
