"""What a run says: a line while it works, a table when it is done."""

import shutil
import sys
import threading
import time


def duration(seconds):
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02} min"
    return f"{seconds // 3600}:{seconds // 60 % 60:02} h"


def show(out, text, terminal):
    """A line of progress, on a terminal over the last one."""
    if terminal:
        width = shutil.get_terminal_size().columns - 1
        out.write("\r\x1b[K" + text[:width])
    else:
        out.write(text + "\n")
    out.flush()


class Progress:
    """One line, written over on a terminal and every ten seconds elsewhere."""

    def __init__(self, plans, out=sys.stderr):
        self.out = out
        self.wanted = sum(plan.cycles for plan in plans)
        self.parts = len(plans)
        self.ended = 0
        self.done = {}
        self.acknowledged = {}
        self.begun = time.monotonic()
        self.printed = 0.0
        self.lock = threading.Lock()

    def __call__(self, plan, cycle, acknowledged, queued=None):
        with self.lock:
            self.done[plan.name] = cycle
            self.acknowledged[plan.name] = acknowledged
            now = time.monotonic()
            terminal = self.out.isatty()
            if now - self.printed < (0.2 if terminal else 10):
                return
            self.printed = now
            all_done = sum(self.done.values())
            left = (self.wanted - all_done) * (now - self.begun) / max(1, all_done)
            what = f"cycle {cycle}/{plan.cycles}" if queued is None else f"draining {queued}"
            text = (f"part {min(self.ended + 1, self.parts)}/{self.parts} {plan.name}: {what}; "
                    f"{sum(self.acknowledged.values())} acknowledged; "
                    f"{duration(now - self.begun)} gone, about {duration(left)} to go")
            self._write(text, terminal)

    def _write(self, text, terminal):
        show(self.out, text, terminal)

    def part_ended(self, result, plan):
        with self.lock:
            self.ended += 1
            if self.out.isatty():
                self.out.write("\r\x1b[K")
            self.out.write(f"{plan.name}: {one_line(result)}\n")
            self.out.flush()


def one_line(result):
    return (f"{result['verdict']}; {result['cycles']} cycles, {result['accepted_messages']} messages "
            f"acknowledged, {result['lost']} lost, {result['altered']} altered, "
            f"{duplicates(result)} in {duration(result['seconds'])}")


def duplicates(result):
    allowed = result["duplicates_explained"] + result["dsn_duplicates_explained"]
    return f"{allowed} duplicates allowed, {unexplained_duplicates(result)} not"


def unexplained_duplicates(result):
    return result["duplicates"] + result["dsn_duplicates"]


def other_faults(result):
    return sum(result[name] for name in ("unexplained", "ghosts", "dsn_ghosts", "dsn_and_arrived",
                                         "resurrected"))


COLUMNS = (
    ("backend", lambda r: r["backend"]),
    ("cut by", lambda r: " ".join(filter(None, (r["mode"], r["file_system"])))),
    ("cycles", lambda r: r["cycles"]),
    ("messages", lambda r: r["accepted_messages"]),
    ("recipients", lambda r: r["accepted"]),
    ("no answer", lambda r: r["unknown"]),
    ("DSNs", lambda r: r["dsns"]),
    ("lost", lambda r: r["lost"]),
    ("altered", lambda r: r["altered"]),
    ("dup. allowed", lambda r: r["duplicates_explained"] + r["dsn_duplicates_explained"]),
    ("at most ms", lambda r: r["widest_window_ms"]),
    ("dup. not", unexplained_duplicates),
    ("other", other_faults),
    ("held", lambda r: r["held"]),
    ("time", lambda r: duration(r["seconds"])),
    ("", lambda r: r["verdict"]),
)


def table(results, columns=COLUMNS):
    """The first two columns are words, the others figures."""
    rows = [[title for title, _ in columns]]
    rows += [[str(value(result)) for _, value in columns] for result in results]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i < 2 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


LEGEND = """\
messages, recipients: with a 250. no answer: messages whose answer a cut took away; they may arrive.
dup. allowed: arrived twice, where the result of the first was not yet durable at a cut (at most so
many ms before it), where the client had no 250, or DSNs whose failure a cut made forgotten.
other: arrived though refused, never sent, reported failed, or removed before a cut."""


def faults_of(results, head, rest, most=20):
    """For each that is not good `head(result)`, its first faults, and where the rest is."""
    lines = []
    for result in results:
        if result["verdict"] == "good":
            continue
        lines.append(head(result))
        lines += ["  " + fault for fault in result["faults"][:most]]
        if len(result["faults"]) > most:
            lines.append(f"  and {len(result['faults']) - most} more in {rest}")
    return "\n".join(lines)


def fault_report(results):
    return faults_of(results, lambda result: (
        f"{result['backend']} {result['mode']} {result['file_system']}: FAULTY, seed "
        f"{result['seed']}; books, logs and spool: {result.get('evidence', '-')}"), "faults.txt there")
