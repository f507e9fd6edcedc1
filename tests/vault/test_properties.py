import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from belmont.vault.cid import DAG_CBOR, Cid
from belmont.vault.dag import Layout
from belmont.vault.errors import DatasetShredded, LabelUnknown, ObjectUnknown, WrappingKeyWrong
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey

LAYOUTS = st.builds(Layout, st.integers(1, 40), st.integers(2, 5))


@st.composite
def data_around_boundaries(draw: st.DrawFn, layout: Layout) -> bytes:
    """Sizes at, just below and just above whole chunks and whole levels."""
    chunks = draw(st.sampled_from([0, 1, 2, layout.fan_out, layout.fan_out**2, layout.fan_out**2 + 1]))
    size = max(0, chunks * layout.chunk_bytes + draw(st.integers(-1, 1)))
    return (
        draw(st.binary(min_size=1, max_size=16)) * size if size < 4 else bytes(size - 4) + draw(st.binary(max_size=4))
    )


@settings(max_examples=60, deadline=None)
@given(st.data(), LAYOUTS)
def test_what_is_put_is_got_at_every_size(data: st.DataObject, layout: Layout) -> None:
    content = data.draw(data_around_boundaries(layout))
    with tempfile.TemporaryDirectory() as folder, Vault.open(Path(folder) / "v", bytes(32), layout=layout) as vault:
        vault._database.execute("PRAGMA synchronous=OFF")
        first, second = vault.put("ward", content), vault.put("ward", content)
        assert first != second
        assert vault.get(first) == vault.get(second) == content
        report = vault.check()
        assert report.ok
        assert report.plaintext_bytes == 2 * len(content)


class VaultMachine(RuleBasedStateMachine):
    """The vault against a dictionary."""

    roots = Bundle("roots")
    labels = st.sampled_from(["a", "b", "c", "d"])

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "vault.db"
        self.key = WrappingKey.generate()
        self.objects: dict[Cid, tuple[str, bytes]] = {}
        self.shredded: set[str] = set()
        self.open()

    def open(self) -> None:
        self.vault = Vault.open(self.path, self.key, layout=Layout(16, 3))
        self.vault._database.execute("PRAGMA synchronous=OFF")

    @rule(target=roots, label=labels, content=st.binary(max_size=200))
    def put(self, label: str, content: bytes) -> object:
        if label in self.shredded:
            with pytest.raises(DatasetShredded):
                self.vault.put(label, content)
            return multiple()
        cid = self.vault.put(label, content)
        assert cid not in self.objects
        self.objects[cid] = (label, content)
        return cid

    @rule(cid=roots)
    def get(self, cid: Cid) -> None:
        label, content = self.objects[cid]
        if label in self.shredded:
            with pytest.raises(DatasetShredded):
                self.vault.get(cid)
        else:
            assert self.vault.get(cid) == content

    @rule(content=st.binary(max_size=8))
    def get_unknown(self, content: bytes) -> None:
        with pytest.raises(ObjectUnknown):
            self.vault.get(Cid.of(DAG_CBOR, content))

    @rule(label=labels)
    def shred(self, label: str) -> None:
        if label in {used for used, _ in self.objects.values()}:
            self.vault.shred(label)
            self.shredded.add(label)
        else:
            with pytest.raises(LabelUnknown):
                self.vault.shred(label)

    @rule()
    def reopen(self) -> None:
        self.vault.close()
        self.open()

    @rule()
    def rotate(self) -> None:
        old, self.key = self.key, WrappingKey.generate()
        self.vault.rotate_wrapping_key(self.key)
        with pytest.raises(WrappingKeyWrong):
            Vault.open(self.path, old)

    @invariant()
    def the_lists_agree(self) -> None:
        used = {label for label, _ in self.objects.values()}
        assert set(self.vault.labels()) == used - self.shredded
        for label in used:
            assert self.vault.objects(label) == tuple(c for c, (owner, _) in self.objects.items() if owner == label)

    def teardown(self) -> None:
        report = self.vault.check()
        assert report.ok
        live = [content for label, content in self.objects.values() if label not in self.shredded]
        assert (report.objects, report.plaintext_bytes) == (len(live), sum(map(len, live)))
        self.vault.close()
        self.folder.cleanup()


TestVaultMachine = VaultMachine.TestCase
TestVaultMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
