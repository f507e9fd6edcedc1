"""A study's code for pages: files, configuration and differences, read in memory and never run.

Bounds are those of the hospitals' nodes (``belmont.federated.node.bundle``): 10 MiB, 1,000 files, 50 MiB unpacked, no
name twice, no link, no name that leads out of the folder, and exactly the files that the bundle's list says.
"""

from belmont.federated.errors import BundleError
from belmont.federated.node.bundle import read_bundle
from belmont.identity.strict_json import loads
from belmont.lab.own.code import Code
from belmont.service.errors import Malformed


def refuse_other_bundles(content: bytes) -> None:
    """Raises Malformed for what no node would open."""
    try:
        read_bundle(content)
    except BundleError as error:
        raise Malformed(f"This is no bundle that a hospital would open: {error}.", code="BUNDLE_REFUSED") from error


def code_of(bundle: bytes, configuration: bytes | None) -> Code:
    """A bundle that was taken: ``files``, ``diff()``, ``diff_from(other, label)`` (``belmont.lab.own.code``)."""
    return Code(bundle, None if configuration is None else loads(configuration))
