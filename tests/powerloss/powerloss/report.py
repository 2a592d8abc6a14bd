"""What a run says: a line while it works, one a part when it ends, a table at the end."""

import sys
import threading
import time

from durability import report
from durability.report import duration


class Progress:
    """One line, written over on a terminal and every ten seconds elsewhere.

    The time left comes from what parts like this one took a piece, or from all so far.
    """

    def __init__(self, plans, out=sys.stderr):
        self.out = out
        self.plans = plans
        self.ended = {}  # plan: seconds
        self.begun = time.monotonic()
        self.part_begun = self.begun
        self.printed = 0.0
        self.lock = threading.Lock()

    def _left(self, plan, done, now):
        rates = {}
        for ended, seconds in self.ended.items():
            rates.setdefault(ended.part, []).append(seconds / ended.count)
        running = (now - self.part_begun) / max(1, done)
        mean = {part: sum(known) / len(known) for part, known in rates.items()}
        left = (plan.count - done) * running
        for waiting in self.plans:
            if waiting not in self.ended and waiting != plan:
                left += waiting.count * mean.get(waiting.part, running)
        return left

    def begin(self, _plan):
        self.part_begun = time.monotonic()

    def __call__(self, plan, done, what):
        with self.lock:
            now = time.monotonic()
            terminal = self.out.isatty()
            if now - self.printed < (0.2 if terminal else 10):
                return
            self.printed = now
            text = (f"part {len(self.ended) + 1}/{len(self.plans)} {plan.name}: "
                    f"{done}/{plan.count}, {what}; {duration(now - self.begun)} gone, "
                    f"about {duration(self._left(plan, done, now))} to go")
            report.show(self.out, text, terminal)

    def end(self, plan, result):
        with self.lock:
            self.ended[plan] = result["seconds"]
            if self.out.isatty():
                self.out.write("\r\x1b[K")
            self.out.write(f"{plan.name}: {one_line(plan, result)}\n")
            self.out.flush()


def one_line(plan, result):
    more = f", {result['remark']}" if result.get("remark") else ""
    return (f"{result['verdict']}; {plan.count} done, {result['checked']} checked, "
            f"{result['lost']} lost, {result['altered']} altered, "
            f"{result['ghosts'] + result['back'] + result['other']} other faults{more} in "
            f"{duration(result['seconds'])}")


COLUMNS = (
    ("backend", lambda r: r["backend"]),
    ("part", lambda r: " ".join(filter(None, (r["part"], r["file_system"])))),
    ("count", lambda r: r["count"]),
    ("checked", lambda r: r["checked"]),
    ("lost", lambda r: r["lost"]),
    ("altered", lambda r: r["altered"]),
    ("ghosts", lambda r: r["ghosts"]),
    ("back", lambda r: r["back"]),
    ("other", lambda r: r["other"]),
    ("set aside", lambda r: r.get("set_aside", 0)),
    ("time", lambda r: duration(r["seconds"])),
    ("", lambda r: r["verdict"]),
)


def table(results):
    return report.table(results, COLUMNS)


LEGEND = """\
checked: acknowledged messages that a recovery had to show, over all cuts or faults (syncs: of all
runs). ghosts: there, but never sent so, or twice. back: there after their removal was logged.
other: damage reported, recoveries that failed, answers that were wrong. set aside: files that were
never finished, quarantined."""


def fault_report(results):
    return report.faults_of(results, lambda result: (
        f"{result['backend']} {result['part']} {result['file_system']}: FAULTY, seed "
        f"{result['seed']}; evidence: {' '.join(result['evidence']) or '-'}"), "the file of --json")
