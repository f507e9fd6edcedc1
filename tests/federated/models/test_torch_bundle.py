"""What a study with a PyTorch module is made of: none of this needs PyTorch."""

import textwrap

import pytest

from belmont.federated.errors import BundleError, FederatedError
from belmont.federated.hashes import code_hash
from belmont.federated.models import torch_modules
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.torch_modules import MODEL_FILE, TorchNetwork, module_source, torch_bundle
from belmont.federated.node.bundle import read_bundle

SOURCE = """
from torch import nn


def build():
    return nn.Linear(3, 1)
"""


def build_here():
    from torch import nn

    return nn.Linear(3, 1)


def test_the_bundle_is_the_shipped_app_and_the_studys_file_and_nothing_else():
    files, shipped = read_bundle(torch_bundle(SOURCE)), read_bundle(shipped_bundle("torch"))
    assert files.pop(MODEL_FILE).decode() == SOURCE
    assert files == shipped


def test_the_permit_binds_the_module_and_the_same_source_gives_the_same_bytes():
    assert torch_bundle(SOURCE) == torch_bundle(SOURCE)
    other = SOURCE.replace("Linear(3, 1)", "Linear(3, 1, bias=False)")
    assert code_hash(torch_bundle(other)) != code_hash(torch_bundle(SOURCE))


def test_the_source_is_a_file_or_a_function(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(SOURCE)
    assert module_source(path) == module_source(str(path)) == SOURCE
    text = module_source(build_here)
    assert textwrap.dedent("    return nn.Linear(3, 1)") in text and text.endswith("build = build_here\n")


@pytest.mark.parametrize("text", ["x = 1", "def build(:", "class build: pass", "def other(): pass"])
def test_a_source_that_defines_no_build_is_refused(tmp_path, text):
    path = tmp_path / "model.py"
    path.write_text(text)
    with pytest.raises(BundleError):
        module_source(path)


def test_a_source_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    for missing in (tmp_path / "none.py", tmp_path, tmp_path / "binary.py", len):
        with pytest.raises(BundleError):
            module_source(missing)


def test_without_pytorch_a_study_is_told_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError(name=name)

    monkeypatch.setattr(torch_modules, "import_module", missing)
    with pytest.raises(FederatedError, match=r"pip install 'belmont\[torch\]'"):
        _ = TorchNetwork(SOURCE).parameters
