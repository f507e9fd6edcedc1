"""What is to be seen of a bundle without running it: its files, what it imports, and lines that a board should look at.

1. Names of files are plain: what a reader sees is what a node loads, and nothing hides another.
2. Every import is the standard library's, the bundle's own, or of what every hospital has: Belmont and what it needs.
3. A line is named where code makes code, reaches behind Belmont's functions, or reads what the permit does not bind.

It reads honest code. Code that wants to hide what it does can, and then it looks like code that hides something.
"""

import ast
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from importlib import metadata, util

from belmont.lab.own.findings import Finding, Level
from belmont.lab.own.visible import is_hidden, visible

MOST_LITERAL = 1_000
"""Characters of a text within code that is no documentation."""
MOST_FILE_LINES = 2_000
_SIDE_FILES = (".py", ".toml", ".md", "LICENSE")
_READER = "docs/your_own_code.md: the board reads what runs"
_LOADER = "belmont.federated.node.bundle, 3: the bundle's own modules come first"
_PYTHON = "belmont.federated.node.bundle: a file that does not compile is no code"
_EXECUTOR = "docs/executor.md: what is held, and by what"
_MODULES = "belmont.federated.executor.root, 1: what a task can import"
_SAME = "docs/your_own_code.md: the same rows, the same answer"
_ROWS = "belmont.federated.node.data, 1 to 3: too few rows"

OURS = frozenset(
    (
        "belmont.federated.node.data",
        "belmont.federated.node.design",
        "belmont.federated.node.histograms",
        "belmont.federated.node.survival",
        "belmont.federated.evaluation.hospital",
        "belmont.federated.evaluation.layout",
        "belmont.federated.models.driven",
        "belmont.federated.models.combine",
        "belmont.federated.hashes",
        "belmont.federated.errors",
    )
)
"""Modules of Belmont that are for a study's code."""
_NAMES = {
    "belmont.federated.node.data": frozenset(("training_data", "coded_data", "smallest_cell", "EVERYBODY")),
    "belmont.federated.evaluation.hospital": frozenset(
        ("evaluated", "evaluated_codes", "evaluated_survival", "Predict", "PredictCodes")
    ),
}
"""What of these is: the rest hands out whole tables, or rows however few they are."""
_MAKES_CODE = frozenset(
    ("eval", "exec", "compile", "__import__", "importlib.import_module", "importlib.__import__", "types.FunctionType")
)
_DEEP = frozenset(
    ("globals", "vars", "locals", "builtins", "sys.modules", "sys._getframe", "inspect.stack", "inspect.currentframe")
)
_DEEP_ATTRIBUTES = frozenset(
    ("__globals__", "__code__", "__builtins__", "__subclasses__", "__class__", "__closure__", "__loader__", "__spec__")
)
_DEEP_MODULES = frozenset(
    ("ctypes", "gc", "inspect", "_thread", "pickle", "marshal", "shelve", "dill", "cloudpickle", "tracemalloc")
)
_OUTSIDE_MODULES = frozenset(
    (
        *("socket", "ssl", "http", "urllib", "ftplib", "smtplib", "requests", "httpx", "aiohttp"),
        *("subprocess", "multiprocessing", "asyncio", "concurrent"),
    )
)
_CHANCE = re.compile(
    r"random\.(?!Random$|seed$)\w+|uuid\.uuid[14]|os\.urandom|secrets\.\w+"
    r"|numpy\.random\.(?!default_rng$|Generator$|SeedSequence$|RandomState$|PCG64$|seed$)\w+"
)
_SEEDED = frozenset(
    ("numpy.random.default_rng", "numpy.random.RandomState", "random.Random", "numpy.random.SeedSequence")
)
_CLOCK = re.compile(
    r"time\.(time|monotonic|perf_counter|process_time|localtime|gmtime)(_ns)?"
    r"|datetime\.(\w+\.)?(now|today|utcnow)"
)
_ENVIRONMENT = frozenset(("os.environ", "os.getenv", "os.environb"))
_FILES = re.compile(
    r"open|io\.open|os\.open|pathlib\.Path|tempfile\.\w+"
    r"|numpy\.(load|save|savez|savetxt|loadtxt|memmap|fromfile|genfromtxt)"
)


def static_findings(files: Mapping[str, bytes], packages: Collection[str] = ()) -> list[Finding]:
    """Of a bundle's files, in their order. ``packages`` are modules that the hospitals said they have."""
    found = list(_names(files))
    for name, content in files.items():
        found += _text(name, content)
        if name.endswith(".py"):
            found += _code(name, content, _own(files), packages)
    return found


def _own(files: Mapping[str, bytes]) -> frozenset[str]:
    return frozenset(name.split("/")[0].removesuffix(".py") for name in files if name.endswith(".py"))


def _names(files: Mapping[str, bytes]) -> Iterator[Finding]:
    """Rule 1."""
    seen: dict[str, str] = {}
    for name in files:
        parts = name.split("/")
        if name.startswith(("/", "~")) or "\\" in name or ":" in name or {"", ".", ".."} & set(parts):
            what = "the name of a file leads out of the bundle"
            yield Finding(Level.UNSAFE, what, "give it a plain name", _READER, visible(name))
        if any(is_hidden(each) for each in name) or not name.isascii():
            what = "the name of a file has characters that a reader does not see, or takes for others"
            yield Finding(Level.UNSAFE, what, "take letters, digits, underscores and dots", _READER, visible(name))
        plain = unicodedata.normalize("NFKC", name).casefold()
        if plain in seen:
            what = f"two files have one name to a reader: {visible(seen[plain])} and {visible(name)}"
            yield Finding(Level.UNSAFE, what, "rename one", _READER, visible(name))
        seen[plain] = name
        if f"{name.removesuffix('.py')}/__init__.py" in files and name.endswith(".py"):
            what = f"there is a module and a package of one name: the package {visible(name)[:-3]}/ is what runs"
            yield Finding(Level.UNSAFE, what, "remove one", _LOADER, visible(name))
        if not name.endswith(_SIDE_FILES):
            what = (
                f"a file that no code can read at a hospital, where bundles are on no disk ({len(files[name]):,} bytes)"
            )
            yield Finding(Level.NOTE, what, "leave it out, or write it as Python", _READER, visible(name))
    for module in sorted(_own(files)):
        if module in sys.stdlib_module_names or (module in installed() and module not in ("tests", "test")):
            what = f"the bundle's own module {module!r} hides the installed one from its code"
            yield Finding(Level.UNSAFE, what, "rename it", _LOADER, f"{module}.py")


def _text(name: str, content: bytes) -> Iterator[Finding]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield Finding(
            Level.UNSAFE, "a file that is no text", "leave it out: nobody can read it", _READER, visible(name)
        )
        return
    for number, line in enumerate(text.split("\n"), 1):
        if any(is_hidden(each) for each in line.removesuffix("\r")):
            what = "characters that a reader does not see, or that turn the order of a line"
            yield Finding(Level.UNSAFE, what, "take them out", _READER, f"{visible(name)}:{number}")
            break
    if text.count("\n") > MOST_FILE_LINES:
        what = f"{text.count(chr(10)):,} lines in one file"
        yield Finding(Level.NOTE, what, "a board reads all of it: keep what runs short", _READER, visible(name))


def _code(name: str, content: bytes, own: frozenset[str], packages: Collection[str]) -> Iterator[Finding]:
    """Rules 2 and 3, of one module."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f"{visible(name)}:{getattr(error, 'lineno', None) or 1}"
        what = f"it does not compile: {getattr(error, 'msg', None) or error}"
        yield Finding(Level.REFUSED, what, "correct it", _PYTHON, where)
        return
    names = _Names(tree)
    documentation = _documentation(tree)
    for node in ast.walk(tree):
        where = f"{visible(name)}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(node, own, packages, where)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in documentation:
            if len(node.value) > MOST_LITERAL:
                what = f"a text of {len(node.value):,} characters within code"
                yield Finding(Level.UNSAFE, what, "what runs has to be readable: write it as code", _READER, where)
        elif isinstance(node, ast.Name | ast.Attribute):
            yield from _used(node, names, where)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _called(node, names, f"{visible(name)}:{node.lineno}")
        elif isinstance(node, ast.arg | ast.FunctionDef | ast.ClassDef | ast.Name):
            word = node.arg if isinstance(node, ast.arg) else node.id if isinstance(node, ast.Name) else node.name
            if not word.isascii():
                what = f"the name {visible(word)!r} has letters that look like others"
                yield Finding(Level.NOTE, what, "take a to z", _READER, f"{visible(name)}:{node.lineno}")


def _imports(
    node: ast.Import | ast.ImportFrom, own: frozenset[str], packages: Collection[str], where: str
) -> Iterator[Finding]:
    if isinstance(node, ast.ImportFrom) and node.level:
        return
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    for module in modules:
        top = module.split(".")[0]
        if top in own:
            continue
        if top in _DEEP_MODULES:
            what = f"it imports {top}, with which code reaches behind what it is given"
            yield Finding(Level.UNSAFE, what, "do without", _EXECUTOR, where)
        elif top in _OUTSIDE_MODULES:
            what = f"it imports {top}: there is no network and no other process at a hospital"
            yield Finding(Level.UNSAFE, what, "do without: everything comes with the message", _EXECUTOR, where)
        elif top == "belmont":
            yield from _ours(node, module, where)
        elif top in packages:
            what = f"it imports {module}, which the hospitals said they have"
            yield Finding(Level.NOTE, what, "each may have another version of it", _MODULES, where)
        elif top not in sys.stdlib_module_names and top not in installed():
            here = "" if util.find_spec(top) is None else ", though this machine does"
            what = f"it imports {module}, which hospitals do not have{here}"
            known = ", ".join(third_party())
            remedy = f"write it in NumPy, or ask each hospital to have it, and check with packages=; they have {known}"
            yield Finding(Level.REFUSED, what, remedy, _MODULES, where)
        elif top not in sys.stdlib_module_names and top not in ("numpy", "flwr"):
            what = f"it imports {module}, a third party's, which came with this Belmont"
            remedy = "each hospital may have another version of it: ask for nothing new"
            yield Finding(Level.NOTE, what, remedy, _MODULES, where)


def _ours(node: ast.Import | ast.ImportFrom, module: str, where: str) -> Iterator[Finding]:
    private = isinstance(node, ast.ImportFrom) and any(each.name.startswith("_") for each in node.names)
    deeper = isinstance(node, ast.ImportFrom) and any(f"{module}.{each.name}" in OURS for each in node.names)
    tables = module in _NAMES and any(each.name not in _NAMES[module] for each in node.names)
    if private or tables or not (module in OURS or deeper):
        what = f"it imports {module}, which is not for a study's code: it can go around the rule for too few rows"
        remedy = "use training_data, coded_data and evaluated alone"
        yield Finding(Level.UNSAFE, what, remedy, _ROWS, where)


def _used(node: ast.Name | ast.Attribute, names: "_Names", where: str) -> Iterator[Finding]:
    full = names.full(node)
    if full is None:
        return
    if full in _ENVIRONMENT:
        what = f"it reads the environment ({full}): a hospital's is empty but for a few fixed values"
        yield Finding(Level.UNSAFE, what, "take it from the configuration, which the permit binds", _EXECUTOR, where)
    elif full in _DEEP or (isinstance(node, ast.Attribute) and node.attr in _DEEP_ATTRIBUTES):
        what = f"it reaches into the interpreter ({full})"
        yield Finding(Level.UNSAFE, what, "do without: a reader cannot say what it does", _READER, where)
    elif full.startswith("belmont.") and ("._" in full or _is_whole_table(full)):
        what = f"it uses {full}, which is Belmont's own"
        yield Finding(Level.UNSAFE, what, "use training_data, coded_data and evaluated alone", _ROWS, where)


def _called(node: ast.Call, names: "_Names", where: str) -> Iterator[Finding]:
    full = names.full(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else None
    if full is None:
        return
    if full in _MAKES_CODE or (full in ("getattr", "setattr") and not _is_plain(node)):
        what = f"code that makes code ({full}): what runs is not what is read"
        yield Finding(Level.UNSAFE, what, "write out what it does", _READER, where)
    elif _CHANCE.fullmatch(full) or (full in _SEEDED and not node.args and not node.keywords):
        what = f"chance without a seed ({full})"
        remedy = "seed it by the round: numpy.random.default_rng(int(message.metadata.group_id))"
        yield Finding(Level.UNSAFE, what, remedy, _SAME, where)
    elif _CLOCK.fullmatch(full):
        what = f"it reads the clock ({full})"
        yield Finding(Level.UNSAFE, what, "an answer has to follow from rows, model and configuration", _SAME, where)
    elif _FILES.fullmatch(full):
        what = f"it opens files ({full}): there are none at a hospital but the interpreter's own"
        yield Finding(Level.UNSAFE, what, "take it from the message or the configuration", _EXECUTOR, where)


def _is_plain(call: ast.Call) -> bool:
    """Whether an attribute is named by a text that a reader sees."""
    name = call.args[1] if len(call.args) > 1 else None
    return isinstance(name, ast.Constant) and isinstance(name.value, str) and not name.value.startswith("_")


def _is_whole_table(full: str) -> bool:
    module, _, name = full.rpartition(".")
    return module in _NAMES and name not in _NAMES[module]


class _Names:
    """What names of a module stand for, as its imports say."""

    def __init__(self, tree: ast.Module) -> None:
        self._known: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._known[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self._known[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def full(self, node: ast.expr) -> str | None:
        """The dotted name of a name or an attribute; None for what is reached otherwise."""
        if isinstance(node, ast.Name):
            return self._known.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            parent = self.full(node.value)
            return f"{parent or ''}.{node.attr}"
        return None


def _documentation(tree: ast.Module) -> set[int]:
    """Of the constants that are documentation, as they stand in the tree."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


@lru_cache(maxsize=1)
def installed() -> frozenset[str]:
    """Modules of other people that every hospital has: those of what Belmont depends on, without its extras."""
    found = (module for module, names in _providers().items() if set(names) & _closure())
    return frozenset(("belmont", *found))


def third_party() -> list[str]:
    """The best known of them, as a remedy names them."""
    return [each for each in ("numpy", "flwr", "scipy", "pandas", "sklearn", "cryptography") if each in installed()]


@lru_cache(maxsize=1)
def _providers() -> dict[str, list[str]]:
    return {module: [_plain(each) for each in names] for module, names in metadata.packages_distributions().items()}


@lru_cache(maxsize=1)
def _closure() -> frozenset[str]:
    """Distributions that come with Belmont."""
    found: set[str] = set()
    waiting = ["belmont"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [_plain(re.split(r"[\[<>=!~ ;(]", each, maxsplit=1)[0]) for each in asked if "extra ==" not in each]
    return frozenset(found)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
