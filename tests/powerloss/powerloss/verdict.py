"""Compares what clients and next hop were told before a cut with what is there after it."""

import collections
import datetime
from dataclasses import dataclass, field

from durability.accounts import REMOVED, Books, CLIENT_KEY, CLIENT_OUTCOME, CLIENT_QUEUE_ID
from durability.accounts import CLIENT_RECIPIENTS, CLIENT_TIME
from durability.accounts import SINK_KEY, SINK_RECIPIENT, SINK_TIME, SINK_VERDICT
from durability.traffic import REFUSED, notice_address

# What takes a message away happens after its time is taken: a little later in the record.
SLACK = 2000  # microseconds
FAULTS = ("lost", "altered", "ghosts", "resurrected", "twice", "damaged", "unrecovered")
# Nobody can tell a file that was never finished from a damaged one: such are set aside.
SETS_UNFINISHED_ASIDE = ("maildir",)


@dataclass
class Cut:
    event: int
    next_time: int  # of the first event that did not happen, microseconds
    kind: str
    unflushed: int
    found: list = field(default_factory=list)
    damage: list = field(default_factory=list)
    failure: tuple = ()  # (mount or recovery, why)
    repaired: bool = False  # the file system, before it could be mounted

    def text(self):
        return f"{self.event} {self.kind}"


@dataclass
class Found:
    queue_id: str
    key: str
    verdict: str
    reverse_path: str
    recipients: dict  # address: status

    @classmethod
    def of(cls, fields):
        recipients = dict(pair.rsplit("=", 1) for pair in fields[4].split(",") if pair)
        return cls(*fields[:4], recipients)


class Told:
    """What the books of one recording say, each with its time in microseconds."""

    def __init__(self, folder):
        self.accepted = []  # (time, key, recipients, queue id), by time
        self.attempted = {}  # key: recipients
        self.notices = set()
        for fields in Books.lines(folder / "client.book"):
            recipients = fields[CLIENT_RECIPIENTS].split(",")
            self.attempted[fields[CLIENT_KEY]] = recipients
            self.notices |= {notice_address(r) for r in recipients if r.startswith(REFUSED)}
            if fields[CLIENT_OUTCOME] == "accepted":
                self.accepted.append((int(fields[CLIENT_TIME]), fields[CLIENT_KEY], recipients,
                                      fields[CLIENT_QUEUE_ID]))
        self.accepted.sort()
        self.arrived = {}  # (key, recipient): first time
        self.reported = {}  # address of a DSN: first time
        for fields in Books.lines(folder / "sink.book"):
            time = int(fields[SINK_TIME])
            if fields[SINK_VERDICT] == "foreign":
                self.reported.setdefault(fields[SINK_RECIPIENT], time)
            else:
                self.arrived.setdefault((fields[SINK_KEY], fields[SINK_RECIPIENT]), time)
        self.removed = {}  # queue id: when its removal was logged
        with open(folder / "brevdue.log", encoding="utf-8", errors="replace") as log:
            for line in log:
                found = REMOVED.match(line)
                if found:
                    moment = datetime.datetime.fromisoformat(found.group(1))
                    self.removed.setdefault(found.group(2), round(moment.timestamp() * 1e6))


class Judge:
    """Counts over all cuts of one recording; the first faults in words."""

    def __init__(self, backend, told):
        self.told = told
        self.takes_damage = backend in SETS_UNFINISHED_ASIDE
        self.counts = collections.Counter(dict.fromkeys(FAULTS, 0))
        self.words = []

    def fault(self, kind, cut, text):
        self.counts[kind] += 1
        if len(self.words) < 200:
            self.words.append(f"{cut.text()}: {kind}: {text}")

    def judge(self, cut):
        self.counts["cuts"] += 1
        self.counts["repaired"] += cut.repaired
        if cut.failure:
            if cut.failure[0] == "recovery":
                self.fault("unrecovered", cut, cut.failure[1])
            else:
                self.counts["unmountable"] += 1
                self.words.append(f"{cut.text()}: {cut.failure[1]}")
            return
        by_key, notices = self._sort(cut)
        for time, key, recipients, queue_id in self.told.accepted:
            if time >= cut.next_time:
                break
            self._judge_accepted(cut, key, recipients, queue_id, by_key.get(key), notices)
        self.counts["found"] += len(cut.found)
        self.counts["set_aside"] += len(cut.damage)
        if not self.takes_damage:
            for text in cut.damage:
                self.fault("damaged", cut, text)

    def _sort(self, cut):
        """{key: message}, and the addresses of the DSNs that are queued."""
        by_key, notices = {}, set()
        for message in cut.found:
            if message.verdict != "whole":
                self.fault("altered", cut, f"{message.queue_id} {message.key} {message.verdict}")
            if self.told.removed.get(message.queue_id, cut.next_time) + SLACK < cut.next_time:
                self.fault("resurrected", cut, f"{message.queue_id} {message.key} was removed")
            if message.key:
                if message.key in by_key:
                    self.fault("twice", cut, message.key)
                by_key[message.key] = message
                if self.told.attempted.get(message.key) != list(message.recipients):
                    self.fault("ghosts", cut,
                               f"{message.queue_id} {message.key} as it was never sent")
            else:
                notices |= set(message.recipients)
                if message.reverse_path or not set(message.recipients) <= self.told.notices:
                    self.fault("ghosts", cut, f"{message.queue_id} to {list(message.recipients)}")
        return by_key, notices

    def _judge_accepted(self, cut, key, recipients, queue_id, message, notices):
        had_to_be_there = False
        for recipient in recipients:
            limit = cut.next_time + SLACK
            if self.told.arrived.get((key, recipient), limit) < limit:
                continue
            if recipient.startswith(REFUSED):
                address = notice_address(recipient)
                if address in notices or self.told.reported.get(address, limit) < limit:
                    continue
            had_to_be_there = True
            if message is None:
                self.fault("lost", cut, f"{key} ({queue_id}) to {recipient}")
            elif message.recipients.get(recipient) not in ("pending", "deferred"):
                self.fault("lost", cut, f"{key} ({queue_id}) to {recipient}: is "
                                        f"{message.recipients.get(recipient)}, and did not arrive")
        self.counts["checked"] += had_to_be_there
