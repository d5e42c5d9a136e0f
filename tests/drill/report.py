"""What a drill leaves behind: a table, JSON, JUnit XML, a page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from tests.drill.audit import CHECKS
from tests.drill.evidence import Evidence
from tests.drill.faults import KINDS, Fault
from tests.drill.figures import Recovery
from tests.drill.page import page
from tests.drill.story import story
from tests.drill.violation import Violation

MOST_SHOWN = 10
MOST_STORIES = 20


@dataclass(frozen=True, kw_only=True)
class Result:
    """A drill that is over."""

    seed: int
    orders: int
    sabotage: str | None
    plan: list[Fault]
    evidence: Evidence
    violations: list[Violation]
    counts: dict[str, int]
    recoveries: list[Recovery]
    seconds: float
    settled: float  # seconds from healing until all was quiet
    troubles: list[str] = field(default_factory=list)  # what the drill itself could not do
    noticed: list[str] = field(default_factory=list)  # of faults that nobody may notice

    @property
    def passed(self) -> bool:
        """Whether all invariants hold, every fault occurred, and none was noticed that must not."""
        return not self.violations and not self.troubles and not self.noticed

    def stories(self) -> dict[str, list[str]]:
        """The orders of the first violations, and all that is known of each."""
        named = [order for each in self.violations for order in each.orders if order]
        return {
            order: story(self.evidence, order)
            for order in list(dict.fromkeys(named))[:MOST_STORIES]
        }

    def last_line(self) -> str:
        """The verdict, for programs too."""
        faults = f"{len(self.evidence.struck)} faults of {self.kinds} kinds, seed {self.seed}"
        if self.passed:
            return f"drill: PASS {self.counts['accepted']} orders, {faults}"
        invariants = sorted({each.invariant for each in self.violations})
        broken = ", ".join(map(str, invariants)) or "none"
        orders = self.counts["orders in violations"]
        more = f", {len(self.troubles)} faults did not occur" if self.troubles else ""
        more += f", {len(self.noticed)} faults were noticed" if self.noticed else ""
        return f"drill: FAIL invariants {broken}, {orders} orders{more}, {faults}"

    @property
    def kinds(self) -> int:
        """How many kinds of fault occurred."""
        return len({struck.kind for struck in self.evidence.struck})

    def lines(self) -> list[str]:
        """What a person reads in the end."""
        occurred = Counter(struck.kind for struck in self.evidence.struck)
        lines = [f"{value:>8,}  {name}" for name, value in self.counts.items()]
        lines += ["", f"{'fault':<36}{'count':>6}{'median s':>10}{'max s':>8}"]
        lines += [
            f"{each.kind:<36}{occurred[each.kind]:>6}{each.median:>10.2f}{each.longest:>8.2f}"
            for each in self.recoveries
        ]
        lines += ["", f"quiet {self.settled:.1f} s after healing, {self.seconds:.0f} s in all"]
        lines += [f"did not occur: {trouble}" for trouble in self.troubles]
        lines += [f"noticed: {noticed}" for noticed in self.noticed]
        lines += [str(violation) for violation in self.violations[:MOST_SHOWN]]
        if len(self.violations) > MOST_SHOWN:
            lines.append(f"... and {len(self.violations) - MOST_SHOWN:,} more")
        for order, told in list(self.stories().items())[:1]:
            lines += [f"story of {order}:", *(f"  {line}" for line in told)]
        return [*lines, self.last_line()]


def write(result: Result, folder: Path) -> None:
    """Write drill.json, junit.xml and index.html."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "passed": result.passed,
        "verdict": result.last_line(),
        "seed": result.seed,
        "orders": result.orders,
        "break": result.sabotage,
        "seconds": round(result.seconds, 1),
        "settled": round(result.settled, 1),
        "counts": result.counts,
        "recoveries": result.recoveries,
        "struck": result.evidence.struck,
        "plan": result.plan,
        "troubles": result.troubles,
        "noticed": result.noticed,
        "violations": result.violations,
        "stories": result.stories(),
    }
    text = msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=1)
    (folder / "drill.json").write_bytes(text)
    ET.ElementTree(_junit(result)).write(folder / "junit.xml", "utf-8", xml_declaration=True)
    (folder / "index.html").write_text(page(result.evidence, result.lines(), result.stories()))


def _junit(result: Result) -> ET.Element:
    """One case for each check, and one for each kind of fault that was to occur."""
    suite = ET.Element("testsuite", name=f"drill seed {result.seed}", time=f"{result.seconds:.1f}")
    found = Counter(violation.invariant for violation in result.violations)
    for number in range(1, 10):
        names = [
            check.__name__ for check in CHECKS if (check.__doc__ or "").startswith(f"{number}")
        ]
        case = ET.SubElement(suite, "testcase", classname="invariant", name=f"{number} {names}")
        if found[number]:
            failure = ET.SubElement(case, "failure", message=f"{found[number]} violations")
            failure.text = "\n".join(
                str(each) for each in result.violations if each.invariant == number
            )[:20_000]
    wanted = Counter(fault.kind for fault in result.plan)
    occurred = Counter(struck.kind for struck in result.evidence.struck)
    for kind in (kind for kind in KINDS if wanted[kind]):
        case = ET.SubElement(suite, "testcase", classname="fault", name=kind)
        if occurred[kind] < wanted[kind]:
            text = f"{occurred[kind]} of {wanted[kind]} occurred"
            ET.SubElement(case, "failure", message=text)
    case = ET.SubElement(suite, "testcase", classname="fault", name="none is noticed that must not")
    if result.noticed:
        ET.SubElement(case, "failure", message="\n".join(result.noticed))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    return suite
