"""Who can do what, read from the contracts: ``python -m belmont.registry.permissions docs/who_can_do_what.md``.

1. Every external function of every contract is listed, but for those that only read: anybody can call these.
2. What refuses a call is every ``assert`` and ``raise`` that it can meet: its own, of internal functions, of modules,
   and of the other contracts that it calls. Behind each stands the rule that it cites.
3. Who can call a function follows from the refusals that are about who calls: ``WHO`` has them in words. A check of the
   sender that is not among them is an error here, so no function is listed as open to anybody by mistake.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vyper import ast as vyper_ast

from belmont.chain.compiler import contracts_directory
from belmont.registry.errors import RegistryError

WHO = {
    "NOT_MEMBER": "an active member",
    "NOT_DATA_HOLDER": "an active data holder",
    "NOT_DATA_USER": "an active data user",
    "NOT_ETHICS_BOARD": "an active member of the ethics board",
    "NOT_THE_HOLDER": "the dataset's holder",
    "NOT_THE_APPLICANT": "the data user of the study",
    "NOT_CONCERNED": "an active member of the ethics board, or the active holder of a dataset that is covered",
    "NOT_INVOLVED": "an active member of the ethics board, or the active holder of a dataset that the permit names",
    "NOT_ENROLLED": "a patient who is enrolled for the dataset",
    "NOT_THE_OWNER": "the identity's owner",
    "NOT_THE_WALLET": "the wallet itself",
    "NOT_USES_CONTRACT": "the contract `Uses`",
    "NOT_PROOFS_CONTRACT": "the contract `Proofs`",
    "NOT_RULES_CONTRACT": "the contract `Rules`",
}
ACTOR, SIGNATURE = "NOT_THE_ACTOR", "SIGNATURE_INVALID"
SIGNERS = {
    "isSigned(self._owner(": "the identity's owner",
    "self._isSigned(": "as many of the wallet's owners as its threshold",
}
"""Who signs, by how the contract asks for it. ``Relay`` asks for the actor: whoever the other contract asks for."""

INTRODUCTION = """# Who can do what

This page is made from the contracts by `make docs`: do not edit it. A test compares the two.

Anybody can read everything. What writes is listed here: who can do it, how (docs/registry.md, "Acting"), and what it
is refused with; the number behind a refusal is the rule of that contract that asks for it. A function that anybody can
call leaves nobody a choice: whether it has an effect depends on what others decided.

Every contract but `Wallet` stands behind a proxy of its own, and only `Rules` can point it to other code.
"""


class SourceUnreadable(RegistryError):
    """A source says something that this page has no words for: extend ``WHO``."""


@dataclass(frozen=True)
class Check:
    """One refusal that a call can meet."""

    contract: str
    reason: str
    rule: str
    condition: str


class Source:
    """One source file."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.name, self._lines = path.stem, text.splitlines()
        tree = vyper_ast.parse_to_ast(text)
        self.functions = {each.name: each for each in tree.get_children(vyper_ast.FunctionDef)}
        imported = {each.alias or each.name: each.name for each in tree.get_children(vyper_ast.Import)}
        kept = (each for each in tree.get_children(vyper_ast.VariableDecl) if each.is_immutable)
        self.names = {"self": self.name, **imported, **{each.target.id: _contract(each.annotation) for each in kept}}
        """What a name in this source stands for: this contract, a module, another contract."""
        self._documentation = tree.doc_string.value if tree.doc_string else ""

    @property
    def notice(self) -> str:
        found = re.search(r"@notice (.*?)(?=\n@)", self._documentation, re.DOTALL)
        return " ".join(found[1].split()) if found else ""

    def rules(self) -> list[tuple[str, str]]:
        """Number and text of each."""
        one = r"^ *(\d+)\. (.*?)(?=^ *\d+\. |\Z)"
        found = re.findall(one, self._documentation, re.MULTILINE | re.DOTALL)
        return [(number, " ".join(text.split())) for number, text in found]

    def cited(self, node: Any) -> str:
        """The rule that a statement cites at its end."""
        found = re.search(r"  # (V?\d+)$", self._lines[node.end_lineno - 1])
        return found[1] if found else ""

    def writing(self) -> Iterator[Any]:
        """The external functions that do not only read (1); what a proxy passes on is its code's."""
        for function in self.functions.values():
            decorators = {each.id for each in function.decorator_list}
            if "external" in decorators and not decorators & {"view", "pure"} and function.name != "__default__":
                yield function


class Contracts:
    """All sources of a folder."""

    def __init__(self, directory: Path) -> None:
        self._sources = {path.stem: Source(path) for path in sorted(directory.glob("*.vy"))}
        relay = self._sources["Relay"]
        self._relayed = {
            (called.name, node.func.attr): function.name
            for function in relay.writing()
            for node in function.get_descendants(vyper_ast.Call)
            if (called := self._called(relay, node)) is not None and called is not relay
        }
        """Functions that act on a signed message, by contract and name, with that of ``Relay``."""

    def page(self) -> str:
        return "\n".join([INTRODUCTION, *(self._section(its) for its in self.deployed())])

    def deployed(self) -> list[Source]:
        """Those that are not only imported."""
        return [its for name, its in self._sources.items() if name[0].isupper()]

    def checks(self, its: Source, function: Any, met: frozenset[tuple[str, str]] = frozenset()) -> Iterator[Check]:
        """Everything that can refuse a call (2), in the order of the source."""
        key = (its.name, function.name)
        if key in met:
            return
        kinds = (vyper_ast.Assert, vyper_ast.Raise, vyper_ast.Call)
        for node in sorted(function.get_descendants(kinds), key=lambda each: (each.lineno, each.col_offset)):
            if isinstance(node, vyper_ast.Assert) and node.msg is not None:
                yield Check(its.name, node.msg.value, its.cited(node), str(node.node_source_code))
            elif isinstance(node, vyper_ast.Raise):
                yield Check(its.name, node.exc.value, its.cited(node), str(node.node_source_code))
            elif isinstance(node, vyper_ast.Call) and (called := self._called(its, node)) is not None:
                for each in self.checks(called, called.functions[node.func.attr], met | {key}):
                    if called.name.islower():
                        yield replace(each, contract=its.name, rule="")
                    # Another contract asks for this one, or takes its word for who acts.
                    elif called is its or not (each.reason == ACTOR or each.reason.endswith("_CONTRACT")):
                        yield each

    def who(self, its: Source, function: Any) -> tuple[str, str]:
        """Who may call a function, and how (3). Raises ``SourceUnreadable``."""
        found = list(self.checks(its, function))
        for each in found:
            if "msg.sender" in each.condition and each.reason not in (*WHO, ACTOR):
                raise SourceUnreadable(
                    f"{each.contract} asks for a sender with {each.reason}, which WHO does not have."
                )
        persons = list(dict.fromkeys(WHO[each.reason] for each in found if each.reason in WHO))
        signed = [each.condition for each in found if each.reason == SIGNATURE]
        asked = [each.condition for each in found if each.reason == ACTOR]
        if signed:
            persons += [person for form, person in SIGNERS.items() if form in signed[0]]
            return ", who is ".join(persons), "by a signed message, which anybody sends"
        if not asked:
            return ", who is ".join(persons) or "anybody", "itself" if persons else ""
        ways = ["itself"]
        if relayed := self._relayed.get((its.name, function.name)):
            ways.append(f"by a signed message (`Relay.{relayed}`)")
        if "worksFor" in asked[0]:
            ways.append("by a delegate")
        return ", who is ".join(persons) or "everybody for themselves", ", ".join(ways)

    def _called(self, its: Source, node: Any) -> Source | None:
        """Whose function a call is of: of this contract, a module, or another contract; None for the language's own."""
        if not isinstance(node.func, vyper_ast.Attribute):
            return None
        holder = node.func.value.func if isinstance(node.func.value, vyper_ast.Call) else node.func.value
        name = its.names.get(holder.id, holder.id) if isinstance(holder, vyper_ast.Name) else ""
        found = self._sources.get(name)
        return found if found is not None and node.func.attr in found.functions else None

    def _section(self, its: Source) -> str:
        rows = [self._row(its, function) for function in its.writing()]
        table = (
            ["| function | who | how | refused with |", "|---|---|---|---|", *rows]
            if rows
            else ["Nothing here writes."]
        )
        rules = [f"{number}. {text}" for number, text in its.rules()]
        return "\n".join([f"## {its.name}", "", its.notice, "", *table, "", *rules, *([""] if rules else [])])

    def _row(self, its: Source, function: Any) -> str:
        found = list(self.checks(its, function))
        persons, way = self.who(its, function)
        parts = [_refusals([each for each in found if each.contract == its.name])]
        for other in dict.fromkeys(each.contract for each in found if each.contract != its.name):
            parts.append(f"{other}: " + _refusals([each for each in found if each.contract == other]))
        return f"| `{function.name}` | {persons} | {way} | {'; '.join(part for part in parts if part)} |"


def _refusals(found: Sequence[Check]) -> str:
    """Each reason once, with all rules that it is cited for."""
    rules: dict[str, dict[str, None]] = {}
    for each in found:
        rules.setdefault(each.reason, {}).update({each.rule: None} if each.rule else {})
    return ", ".join(" ".join([f"`{reason}`", *cited]) for reason, cited in rules.items())


def _contract(annotation: Any) -> str:
    """``Members`` of ``immutable(Members.__interface__)`` or of ``immutable(Members)``."""
    if isinstance(annotation, vyper_ast.Attribute):
        annotation = annotation.value
    return annotation.id if isinstance(annotation, vyper_ast.Name) else ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(Contracts(contracts_directory()).page(), encoding="utf-8")
