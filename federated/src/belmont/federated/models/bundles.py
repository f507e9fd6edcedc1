"""The apps that ship with Belmont, as the bundles whose hash a permit names."""

from functools import cache, lru_cache
from importlib import resources
from pathlib import Path

from belmont.federated.hashes import code_hash
from belmont.federated.node.bundle import build_bundle

APPS = "apps"


@lru_cache(maxsize=16)
def shipped_bundle(name: str) -> bytes:
    """The Flower App Bundle of a shipped app, such as ``glm``. Raises BundleError where there is none."""
    with resources.as_file(resources.files("belmont.federated.models") / APPS / name) as folder:
        return build_bundle(Path(folder))


@cache
def shipped_names() -> tuple[str, ...]:
    """The apps that come with Belmont, in the order of the alphabet."""
    with resources.as_file(resources.files("belmont.federated.models") / APPS) as folder:
        return tuple(sorted(each.name for each in folder.iterdir() if (each / "pyproject.toml").is_file()))


def shipped_name_of(hashed: bytes) -> str | None:
    """Which app of this release has this code hash; None for a researcher's own code, and for another release's."""
    return _by_hash().get(hashed)


@cache
def _by_hash() -> dict[bytes, str]:
    return {code_hash(shipped_bundle(name)): name for name in shipped_names()}
