"""The apps that ship with Belmont, as the bundles whose hash a permit names."""

from functools import lru_cache
from importlib import resources
from pathlib import Path

from belmont.federated.node.bundle import build_bundle

APPS = "apps"


@lru_cache(maxsize=16)
def shipped_bundle(name: str) -> bytes:
    """The Flower App Bundle of a shipped app, such as ``glm``. Raises BundleError where there is none."""
    with resources.as_file(resources.files("belmont.federated.models") / APPS / name) as folder:
        return build_bundle(Path(folder))
