"""The verdict: brevdue-books over both books, and beside it what it does not know, the DSNs.

A recipient refused for good by the sink does not arrive; its message's sender gets a DSN instead,
at an address of its own. So each (message, recipient) with a 250 has arrived, or its DSN has. And what
Brevdue has logged as removed was removed durably: after a cut it may not come again.
"""

import bisect
import collections
import datetime
import json
import re
import subprocess

from .traffic import REFUSED, notice_address

# Fields of the books, see bench/load/README.md.
CLIENT_TIME, CLIENT_KEY, CLIENT_OUTCOME, CLIENT_QUEUE_ID, CLIENT_RECIPIENTS = 0, 1, 4, 7, 8
SINK_TIME, SINK_KEY, SINK_VERDICT, SINK_RECIPIENT = 0, 1, 4, 7
FAULTS = ("lost", "altered", "duplicates", "unexplained", "ghosts", "dsn_duplicates", "dsn_ghosts",
          "dsn_and_arrived", "resurrected")
REMOVED = re.compile(r"(\S+) \S+ brevdue/qmgr\[\d+\]: (\w+): removed$")


class Cuts:
    """Outages, from just before a cut until nothing runs any more: (begin, end) in microseconds.

    What arrives in one may come again, for nobody could note its result. brevdue-books knows moments
    only: each outage is one every millisecond.
    """

    def __init__(self, outages, window_ms):
        self.outages = sorted(outages)
        self.begins = [begin for begin, _ in self.outages]
        self.times = sorted(time for begin, end in outages
                            for time in (*range(begin, end, 1000), end))
        self.window = window_ms * 1000

    def within_one(self, time):
        at = bisect.bisect_right(self.begins, time)
        return at > 0 and time <= self.outages[at - 1][1]

    def begun_between(self, first, second):
        at = bisect.bisect_left(self.begins, first)
        return at < len(self.begins) and self.begins[at] <= second

    def distance(self, first, second):
        """From an arrival to the first cut after it, if that is before the second arrival."""
        at = bisect.bisect_left(self.times, first)
        if at == len(self.times) or self.times[at] > second:
            return None
        return self.times[at] - first

    def between(self, first, second):
        return self.distance(first, second) is not None

    def explain(self, first, second):
        distance = self.distance(first, second)
        return distance is not None and distance <= self.window


class Books:
    """Both books, read once."""

    def __init__(self, folder):
        self.notices = {}  # the DSN's address: (key, recipient, time of the 250 or None)
        self.accepted = {}  # (key, recipient): queue id
        self.accepted_messages = 0
        self.arrived = collections.defaultdict(list)
        self.reported = collections.defaultdict(list)
        for fields in self.lines(folder / "client.book"):
            self._take_client(fields)
        for fields in self.lines(folder / "sink.book"):
            time = int(fields[SINK_TIME])
            if fields[SINK_VERDICT] == "foreign":
                self.reported[fields[SINK_RECIPIENT]].append(time)
            else:
                self.arrived[fields[SINK_KEY], fields[SINK_RECIPIENT]].append(time)

    @staticmethod
    def lines(path):
        if path.exists():
            with open(path, encoding="utf-8") as file:
                for line in file:
                    yield line.rstrip("\n").split("\t")

    def _take_client(self, fields):
        accepted = fields[CLIENT_OUTCOME] == "accepted"
        self.accepted_messages += accepted
        for recipient in fields[CLIENT_RECIPIENTS].split(","):
            if accepted:
                self.accepted[fields[CLIENT_KEY], recipient] = fields[CLIENT_QUEUE_ID]
            if recipient.startswith(REFUSED):
                self.notices[notice_address(recipient)] = (
                    fields[CLIENT_KEY], recipient, int(fields[CLIENT_TIME]) if accepted else None)


def _judge_notices(books, cuts, result, words):
    elsewhere = []
    for address, times in books.reported.items():
        known = books.notices.get(address)
        if known is None:
            result["dsn_ghosts"] += 1
            words.append(f"DSN to {address}, who sent nothing that was refused")
            continue
        key, recipient, accepted = known
        elsewhere.append(f"{key} {recipient}")
        # What a batch adds is durable no later than what it removes: a cut may leave the DSN and
        # forget the failure. The next attempt then makes a second DSN or, once faults are off,
        # succeeds. When the failure happened is in no book: the cut comes after the message.
        times.sort()
        for first, second in zip(times, times[1:]):
            if not accepted or cuts.between(accepted, second):
                result["dsn_duplicates_explained"] += 1
            else:
                result["dsn_duplicates"] += 1
                words.append(f"second DSN about {key} {recipient} at {second}, first at {first}")
        for arrival in books.arrived.get((key, recipient), ()):
            if not accepted or cuts.between(accepted, arrival):
                result["dsn_duplicates_explained"] += 1
            else:
                result["dsn_and_arrived"] += 1
                words.append(f"{key} {recipient} arrived at {arrival}, reported failed at {times[0]}")
    result["dsns"] = len(books.reported)
    return elsewhere


def _removals(log, cuts):
    """{queue id: when Brevdue first logged that it is gone, in microseconds}.

    Not what it logged in an outage: an XFS that was shut down calls fsync of a directory a success.
    """
    removals = {}
    if log.exists():
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                found = REMOVED.match(line)
                if found and found.group(2) not in removals:
                    moment = datetime.datetime.fromisoformat(found.group(1))
                    time = round(moment.timestamp() * 1e6)
                    if not cuts.within_one(time):
                        removals[found.group(2)] = time
    return removals


def _judge_removals(books, cuts, removals, result, words):
    for (key, recipient), queue_id in books.accepted.items():
        times = books.arrived.get((key, recipient), ())
        gone = removals.get(queue_id)
        if gone is not None and any(cuts.begun_between(gone, time) for time in times):
            result["resurrected"] += 1
            words.append(f"{key} {recipient} ({queue_id}) was removed at {gone}, and came again")


def _widest(books, cuts):
    """How long before a cut the earliest arrival lay that came again after it, milliseconds."""
    widest = 0
    for pair, times in books.arrived.items():
        if len(times) > 1 and pair in books.accepted:
            times.sort()
            for first, second in zip(times, times[1:]):
                distance = cuts.distance(first, second)
                if distance is not None:
                    widest = max(widest, distance)
    return round(widest / 1000, 1)


def compare(program, folder, outages, window_ms):
    """Counts and, in words, the first faults. `sound` says whether there are none."""
    books = Books(folder)
    cuts = Cuts(outages, window_ms)
    result = dict.fromkeys(FAULTS, 0) | {"dsn_duplicates_explained": 0}
    words = []
    elsewhere = _judge_notices(books, cuts, result, words)
    _judge_removals(books, cuts, _removals(folder / "brevdue.log", cuts), result, words)
    (folder / "elsewhere").write_text("".join(line + "\n" for line in elsewhere))
    (folder / "cuts").write_text("".join(f"{time}\n" for time in cuts.times))
    # DSNs have been judged here: brevdue-books gets what has a key.
    with open(folder / "sink.keyed", "w", encoding="utf-8") as keyed:
        keyed.writelines("\t".join(fields) + "\n" for fields in Books.lines(folder / "sink.book")
                         if fields[SINK_VERDICT] != "foreign")
    command = [program, "--client", folder / "client.book", "--sink", folder / "sink.keyed",
               "--elsewhere", folder / "elsewhere", "--cuts", folder / "cuts",
               "--cut-window", window_ms, "--json"]
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"brevdue-books: exit {done.returncode}: {done.stderr.strip()}")
    told = json.loads(done.stdout.splitlines()[-1])
    result |= {name: told[name] for name in told if name not in ("sound", "foreign")}
    words += [line for line in done.stderr.splitlines() + done.stdout.splitlines()[:-1] if line]
    result["accepted_messages"] = books.accepted_messages
    result["widest_window_ms"] = _widest(books, cuts)
    result["sound"] = not any(result[name] for name in FAULTS)
    if told["sound"] != (not any(told[name] for name in FAULTS if name in told)):
        raise RuntimeError("brevdue-books and this script count differently")
    return result, words
