"""What a run says: a line while it works, a table when it is done."""

import shutil
import sys
import time

COLUMNS = ("changes", "effective", "touched", "detected", "unharmed", "untouched", "delivered",
           "beside", "repeated", "returned", "rebuilt")
LEGEND = """\
effective: changed regions that mean something. touched: messages with a changed byte of their own;
detected: of them, kept back and reported; unharmed: relayed as they were. untouched and delivered:
the others. beside: of them, lost with an LMDB page that was hit, and named. repeated: recipients who got theirs again; returned: messages that were gone and came
back: damage costs duplicates rather than mail. rebuilt: starts that built the store anew."""


def duration(seconds):
    return f"{int(seconds)} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02} min"


class Progress:
    """One line, written over on a terminal and every ten seconds elsewhere."""

    def __init__(self, wanted, out=sys.stderr):
        self.out = out
        self.wanted = wanted
        self.done = 0
        self.begun = time.monotonic()
        self.printed = 0.0

    def __call__(self, what, changes, faults):
        self.done += changes
        now = time.monotonic()
        terminal = self.out.isatty()
        if now - self.printed < (0.2 if terminal else 10):
            return
        self.printed = now
        left = (self.wanted - self.done) * (now - self.begun) / max(1, self.done)
        text = (f"{what}: {self.done} of {self.wanted} changes, {faults} faults; "
                f"{duration(now - self.begun)} gone, about {duration(left)} to go")
        self.write(text[:shutil.get_terminal_size().columns - 1] if terminal else text, terminal)

    def write(self, text, terminal):
        self.out.write(f"\r\x1b[K{text}" if terminal else f"{text}\n")
        self.out.flush()

    def clear(self):
        if self.out.isatty():
            self.out.write("\r\x1b[K")
            self.out.flush()


def table(results):
    lines = [["backend", "runs", *COLUMNS, "faults"]]
    for name, (runs, verdict) in results.items():
        counts = [getattr(verdict, column) for column in COLUMNS]
        lines.append([name, str(runs), *map(str, counts), str(len(verdict.faults))])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("| " + " | ".join(word.rjust(width) for word, width in zip(line, widths)) + " |"
                     for line in lines)
