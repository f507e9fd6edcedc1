import threading
from pathlib import Path

import pytest

from belmont.vault.cid import DAG_CBOR, RAW, Cid
from belmont.vault.dag import Layout
from belmont.vault.errors import (
    LabelRefused,
    LabelUnknown,
    ObjectUnknown,
    VaultClosed,
    VaultMissing,
    WrappingKeyWrong,
)
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey

CHUNK = 256 * 1024


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17])
def test_what_is_put_is_got_with_the_default_layout(path: Path, wrapping_key: WrappingKey, size: int) -> None:
    data = bytes(i * 31 % 251 for i in range(251)) * (size // 251 + 1)
    with Vault.open(path, wrapping_key) as vault:
        assert vault.get(vault.put("ward", data[:size])) == data[:size]
        assert vault.check().plaintext_bytes == size


def test_more_chunks_than_the_fan_out_make_more_levels(path: Path, wrapping_key: WrappingKey) -> None:
    data = bytes(i % 256 for i in range(1024 + 1))
    with Vault.open(path, wrapping_key, layout=Layout(chunk_bytes=1)) as vault:
        assert vault.get(vault.put("ward", data)) == data
        assert vault.check().blocks == 1025 + 2 + 1


def test_a_vault_reads_objects_of_another_layout(path: Path, wrapping_key: WrappingKey, small: Layout) -> None:
    with Vault.open(path, wrapping_key, layout=small) as vault:
        cid = vault.put("ward", b"x" * 100)
    with Vault.open(path, wrapping_key, layout=Layout(5, 3)) as vault:
        assert vault.get(cid) == b"x" * 100
        assert vault.get(vault.put("ward", b"y" * 100)) == b"y" * 100


def test_an_object_is_named_by_a_dag_cbor_cid_of_36_bytes(vault: Vault) -> None:
    cid = vault.put("ward", b"records")
    assert (cid.codec, len(cid.binary)) == (DAG_CBOR, 36)
    assert vault.get(Cid.parse(str(cid))) == vault.get(Cid(cid.binary)) == b"records"


def test_equal_plaintexts_give_different_cids_and_share_no_block(vault: Vault) -> None:
    cids = [vault.put(label, b"same" * 100) for label in ("ward", "ward", "other")]
    assert len(set(cids)) == 3
    report = vault.check()
    assert report.ok
    assert report.blocks % 3 == 0  # as many as three objects have that share none
    assert report.objects == 3


def test_no_file_holds_plaintext_or_keys(path: Path, wrapping_key: WrappingKey, tmp_path: Path) -> None:
    with Vault.open(path, wrapping_key) as vault:
        vault.put("ward", b"a patient's record " * 1000)
        everything = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"a patient's record" not in everything
    assert wrapping_key.secret not in everything


def test_the_root_shows_no_label(vault: Vault) -> None:
    assert b"ward" not in vault._store.get(vault.put("ward-seven", b""))


def test_memoryviews_and_bytearrays_are_taken_as_their_bytes(vault: Vault) -> None:
    assert vault.get(vault.put("ward", bytearray(b"abc"))) == b"abc"
    assert vault.get(vault.put("ward", memoryview(b"abcdef")[2:5])) == b"cde"


def test_labels_and_objects_are_listed(vault: Vault) -> None:
    second, first = vault.put("b", b"1"), vault.put("a", b"2")
    third = vault.put("b", b"3")
    assert vault.labels() == ("a", "b")
    assert vault.objects("b") == (second, third)
    assert vault.objects("a") == (first,)
    with pytest.raises(LabelUnknown, match="labels"):
        vault.objects("c")


def test_everything_is_there_after_reopening(path: Path, wrapping_key: WrappingKey) -> None:
    with Vault.open(path, wrapping_key) as vault:
        cid = vault.put("ward", b"records")
    with Vault.open(path, wrapping_key.secret) as vault:
        assert vault.get(cid) == b"records"
        assert vault.labels() == ("ward",)


@pytest.mark.parametrize("label", ["", "x" * 256, "é" * 128, "a\nb", "a\0", "\ud800", "e\u0301", "a\u200b"])
def test_labels_that_could_be_mistaken_are_refused(vault: Vault, label: str) -> None:
    with pytest.raises(LabelRefused):
        vault.put(label, b"")
    assert vault.labels() == ()


@pytest.mark.parametrize("label", ["x" * 255, "é", "Diabetes 2024/v1", "集団"])
def test_other_labels_are_kept_as_they_are(vault: Vault, label: str) -> None:
    assert vault.get(vault.put(label, b"z")) == b"z"
    assert vault.labels() == (label,)


def test_an_unknown_cid_is_refused(vault: Vault) -> None:
    vault.put("ward", b"records")
    for cid in (Cid.of(DAG_CBOR, b"nowhere"), Cid.of(RAW, b"nowhere")):
        with pytest.raises(ObjectUnknown, match=str(cid)):
            vault.get(cid)


def test_a_leaf_is_no_object(vault: Vault) -> None:
    root = vault.put("ward", b"records")
    leaves = set(vault._store.cids()) - {root}
    for cid in leaves:
        with pytest.raises(ObjectUnknown):
            vault.get(cid)


def test_a_wrong_wrapping_key_is_named_and_changes_nothing(path: Path, vault: Vault) -> None:
    cid = vault.put("ward", b"records")
    wrong = WrappingKey.generate()
    with pytest.raises(WrappingKeyWrong, match=wrong.id):
        Vault.open(path, wrong)
    with pytest.raises(WrappingKeyWrong):
        Vault.open(path, b"short")
    assert vault.get(cid) == b"records"


def test_a_closed_vault_says_so(path: Path, wrapping_key: WrappingKey) -> None:
    vault = Vault.open(path, wrapping_key)
    cid = vault.put("ward", b"")
    vault.close()
    vault.close()
    for use in (lambda: vault.get(cid), lambda: vault.put("ward", b""), vault.labels, vault.check):
        with pytest.raises(VaultClosed, match="open it again"):
            use()


def test_a_missing_vault_is_made_only_if_asked(path: Path, wrapping_key: WrappingKey) -> None:
    with pytest.raises(VaultMissing):
        Vault.open(path, wrapping_key, create=False)
    assert not path.exists()
    Vault.open(path, wrapping_key).close()
    Vault.open(path, wrapping_key, create=False).close()


def test_files_are_private(path: Path, wrapping_key: WrappingKey, tmp_path: Path) -> None:
    with Vault.open(path, wrapping_key) as vault:
        vault.put("ward", b"records")
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_printing_a_vault_shows_no_key(vault: Vault, wrapping_key: WrappingKey) -> None:
    assert wrapping_key.secret.hex() not in repr(vault)
    assert wrapping_key.id in repr(vault)


def test_after_rotation_only_the_new_key_opens(path: Path, vault: Vault, wrapping_key: WrappingKey) -> None:
    cids = {label: vault.put(label, label.encode()) for label in ("a", "b")}
    with Vault.open(path, wrapping_key) as other:
        new = WrappingKey.generate()
        vault.rotate_wrapping_key(new)
        assert all(vault.get(cid) == label.encode() for label, cid in cids.items())
        assert vault.wrapping_key_id == new.id
        for use in (lambda: other.get(cids["a"]), lambda: other.put("c", b""), lambda: other.shred("a"), other.check):
            with pytest.raises(WrappingKeyWrong):
                use()
    with pytest.raises(WrappingKeyWrong):
        Vault.open(path, wrapping_key)
    with Vault.open(path, new) as reopened:
        assert reopened.check().ok
        assert reopened.labels() == ("a", "b")


def test_threads_of_one_process_take_turns(vault: Vault) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for i in range(10):
                data = f"{name} {i}".encode() * 20
                if vault.get(vault.put(name, data)) != data:
                    raise AssertionError(name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"label {i % 2} {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    report = vault.check()
    assert report.ok
    assert (report.labels, report.objects) == (4, 40)


def test_the_report_counts_what_there_is(vault: Vault) -> None:
    vault.put("a", bytes(33))
    vault.put("a", b"")
    vault.put("b", bytes(10))
    vault.shred("b")
    report = vault.check()
    assert report.ok
    assert (report.labels, report.shredded, report.objects, report.plaintext_bytes) == (1, 1, 2, 33)
    assert report.blocks == (2 + 1) + (1 + 1)
