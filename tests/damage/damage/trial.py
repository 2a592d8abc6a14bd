"""One damaged copy of a spool: started, delivered, and judged."""

import random
import re
import shutil
import smtplib
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.server import Brevdue
from support.sink import Sink

from .changes import Effects, apply, choose
from .fill import write_copy
from .quarantine import Reports

PATIENCE = 30
CANARY = "canary@origin.test"
PAGE = 4096  # of LMDB


@dataclass
class Verdict:
    """Counts, and faults in words. A fault is anything that must not be."""
    changes: int = 0
    effective: int = 0   # changes of bytes that mean something
    touched: int = 0     # messages with a changed byte in their record or content
    detected: int = 0    # of them, those not relayed and reported
    unharmed: int = 0    # of them, those relayed as they were: their state was hit, or nothing
    untouched: int = 0
    delivered: int = 0   # of the untouched
    repeated: int = 0    # recipients who got it again, since the note of it was hit
    returned: int = 0    # messages that were gone and came back
    beside: int = 0      # untouched, lost with the page of LMDB that they share, and named
    rebuilt: int = 0     # starts that had to build the store anew
    faults: list = field(default_factory=list)

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Trial:
    def __init__(self, spool, directory, seed, number, count):
        self.spool = spool
        self.directory = Path(directory) / f"{spool.backend}-{number}"
        rng = random.Random(f"{seed} {spool.backend} {number}")
        self.changes = choose(spool.map, rng, count) if count else []
        self.verdict = Verdict(changes=len(self.changes))
        self.name = f"{spool.backend} run {number}"

    def fault(self, what):
        self.verdict.faults.append(f"{self.name}: {what}")

    def run(self):
        """The verdict; what a fault was found in stays, all else is removed."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        write_copy(self.spool, self.directory / "spool")
        apply(self.directory / "spool", self.changes)
        (self.directory / "changes").write_text("".join(f"{change}\n" for change in self.changes))
        self.effects = Effects(self.spool.map, self.spool.files, self.directory / "spool", self.changes)
        self.verdict.effective = len(self.effects.regions)
        sink = Sink()
        self.server = Brevdue(self.directory, self.spool.backend, {"delivery.relay_host": sink.address})
        try:
            self.verified = self.server.queue("verify")
            (self.directory / "verify").write_text(self.verified.stdout + self.verified.stderr)
            if self.start():
                self.deliver(sink)
                if self.server.stop() != 0:
                    self.fault("did not stop in order")
        finally:
            self.server.close()
            sink.close()
        self.judge(sink.messages)
        if not self.verdict.faults:
            shutil.rmtree(self.directory)
        return self.verdict

    def start(self):
        try:
            self.server.start()
        except AssertionError:
            lines = [line for line in self.server.log().splitlines() if "error" in line]
            self.fault(f"does not start: {lines[-1] if lines else 'without a word'}")
            return False
        return self.until(lambda: "recovery has ended" in self.server.log(), "the end of recovery")

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                self.fault(f"waited in vain for {what}")
                return False
            time.sleep(0.02)
        return True

    def takes_mail(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.server.port, timeout=30) as client:
                client.sendmail(CANARY, ["canary@next.test"], b"Subject: canary\r\n\r\nNew mail.\r\n")
        except (OSError, smtplib.SMTPException):
            return False
        return True

    def deliver(self, sink):
        self.until(self.takes_mail, "new mail to be taken")
        self.server.queue("flush")

        def is_quiet():
            entries = self.server.entries()
            if any(entry["queue_name"] == "deferred" for entry in entries):
                self.server.queue("flush")
            return all(entry["queue_name"] == "hold" for entry in entries)

        awaited = {one.key for one in self.spool.live if one.queue_id not in self.effects.touched}

        def is_there():
            return awaited | {CANARY} <= {message.reverse_path for message in sink.messages}
        deadline = time.monotonic() + 2
        while not is_there() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.until(is_quiet, "a queue with nothing but what is held")

    def judge(self, arrived):
        log = self.server.log()
        for line in re.findall(r"(?m)^.*(?:Sanitizer|runtime error:|[Aa]ssertion|killed by|signal 6|signal 11).*$", log):
            self.fault(f"crash: {line}")
        copies = {}
        for message in arrived:
            if message.reverse_path == CANARY:
                continue
            known = self.spool.messages.get(message.reverse_path)
            if known is None:
                self.fault(f"a message that never was: from <{message.reverse_path}>")
            elif message.content != known.content:
                self.fault(f"altered: {known.queue_id}")
            elif not set(message.recipients) <= set(known.recipients):
                self.fault(f"other recipients: {known.queue_id} {message.recipients}")
            else:
                for recipient in message.recipients:
                    at = (known.key, recipient)
                    copies[at] = copies.get(at, 0) + 1
        if self.server.port and not any(message.reverse_path == CANARY for message in arrived):
            self.fault("new mail is not relayed")
        reports = Reports(self.spool.backend, log, self.server.spool)
        self.verdict.rebuilt += int(reports.rebuilt)
        for message in self.spool.messages.values():
            self.judge_message(message, copies, reports)

    def is_beside(self, message, reports):
        """What FORMAT.md of the LMDB backend leaves open: a page of a tree that is hit may cost a record
        in it, or the content that only that record leads to; the log names the message."""
        pages = set()
        for region in self.spool.map.regions:
            if message.queue_id in region.ids and region.file == "lmdb/data.mdb":
                pages.update(range(region.start // PAGE, (region.end - 1) // PAGE + 1))
        hit = {region.start // PAGE for region in self.effects.regions if region.file == "lmdb/data.mdb"}
        blobs = {"blob node", "blob list", "overflow header", "leaf page", "branch page", "meta page"}
        return message.queue_id in reports.text and bool(pages & hit or blobs & self.effects.structure)

    def judge_message(self, message, copies, reports):
        verdict = self.verdict
        touched = self.effects.touched.get(message.queue_id, set())
        counts = [copies.get((message.key, recipient), 0) for recipient in message.recipients]
        again = sum(count for recipient, count in zip(message.recipients, counts)
                    if recipient not in message.awaited)
        twice = sum(max(0, count - 1) for recipient, count in zip(message.recipients, counts)
                    if recipient in message.awaited)
        if twice:
            self.fault(f"relayed twice in one run: {message.queue_id}")
        if again and not self.effects.regions:
            self.fault(f"relayed again without damage: {message.queue_id}")
        if not message.awaited:
            verdict.returned += bool(again)
            return
        verdict.repeated += again
        missing = [recipient for recipient, count in zip(message.recipients, counts)
                   if recipient in message.awaited and count == 0]
        if not touched:
            verdict.untouched += 1
            verdict.delivered += not missing
            if missing and self.spool.backend == "lmdb" and self.is_beside(message, reports):
                verdict.beside += 1
            elif missing:
                self.fault(f"lost, though untouched: {message.queue_id}")
            return
        verdict.touched += 1
        if not missing:
            verdict.unharmed += 1
            if touched & {"envelope", "content"} and self.verified.returncode != 65:
                self.fault(f"relayed, and verify says nothing: {message.queue_id} {sorted(touched)}")
            return
        places = [region for region in self.effects.regions if message.queue_id in region.ids]
        if reports.names(message.queue_id, places):
            verdict.detected += 1
        else:
            self.fault(f"gone without a word: {message.queue_id} ({', '.join(sorted(touched))})")
        if self.verified.returncode != 65:
            self.fault(f"verify ended with {self.verified.returncode}, and {message.queue_id} is damaged")
