"""Part `syncs`: writes and syncs fail under load on a real file system, and work again later.

After the first failure nothing may be acknowledged by the store that had it; clients are told 451
or 452; when the cause is gone, and the file system has lived through it, mail of every kind is
taken again within a minute, by itself; and what was acknowledged is really on the disk: the last
act is a cut of everything that is only in memory.
"""

import collections
import concurrent.futures
import datetime
import re
import time

from durability import part
from durability.accounts import FAULTS as BOOK_FAULTS
from durability.accounts import Books, CLIENT_OUTCOME, CLIENT_TIME
from durability.part import remove_good
from durability.stopping import Timeout

from .failing_media import medium_for
from .recording import SIZES

CLIENT_CODE = 6
AT_A_TIME = 4
BEFORE_SECONDS = 0.7
PATIENCE = 60  # seconds within which mail is taken again
GAVE_UP = re.compile(r"(\S+) \S+ brevdue/qmgr\[\d+\]: .*queue gives up its store")
OPEN_AGAIN = re.compile(r"(\S+) \S+ brevdue/qmgr\[\d+\]: (queue is open again|recovery has ended)")
# A 250 that was on its way when the store failed.
ON_ITS_WAY = 250_000  # microseconds
# 421: to whoever asks again and again on one connection.
ANSWERS = ("451", "452", "421")
FAULTS = ("acknowledged_by_failed", "wrong_answers", "not_recovered")


def log_time(text):
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1e6)


class FailedSync(part.Part):
    """One run: load, failure, recovery, cut, drain, comparison."""

    sizes = SIZES

    def __init__(self, plan, options, stop, number):
        super().__init__(plan, options, stop, lambda *_: None)
        self.storage = medium_for(plan.backend, number, self.folder, options.bin, plan.file_system)
        self.own = collections.Counter()

    def _measure(self):
        done = 0
        try:
            self._start(0)
            self.stop.pause(BEFORE_SECONDS)
            self._fail_and_heal()
            self._check_answers()
            self._last_cut()
            self._drain()
            done = 1
        except (part.StartFailure, Timeout) as failure:
            self.faults.append(f"{self.storage.name}: {failure}")
        return self._judge(done) | self.own

    def _fail_and_heal(self):
        begin = time.time()
        self.storage.fail(self.chance)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and not self._store_failures():
            self.stop.pause(0.02)
        self.stop.pause(self.chance.uniform(0.3, 1.5))
        self.storage.heal()
        if self.storage.is_alive():
            self._expect_mail_again()
        else:
            self.own["died"] += 1
        self.own["store_failures"] += len(self._store_failures())
        self._remember(begin, time.time())

    def _expect_mail_again(self):
        healed = time.time()
        try:
            self.stop.until(lambda: self._all_mixes_accepted_since(healed), PATIENCE, "250 again",
                            0.05)
        except Timeout:
            self.own["not_recovered"] += 1
            self.faults.append(f"{self.storage.name}: no 250 for every kind of mail within "
                               f"{PATIENCE} s; last log lines:\n{self.server.last_lines()}")
        self.own["recovery_ms"] = round((time.time() - healed) * 1000)

    def _store_failures(self):
        return GAVE_UP.findall(self.server._new_log())

    def _all_mixes_accepted_since(self, moment):
        self._check_clients()
        for _, book in self.load.clients:
            if not any(int(line[CLIENT_TIME]) > moment * 1e6 for line in Books.lines(book)
                       if line[CLIENT_OUTCOME] == "accepted"):
                return False
        return True

    def _outages_of_the_store(self):
        """[(given up, open again)] in microseconds, as qmgr logged it."""
        found, since = [], None
        for line in self.server._new_log().splitlines():
            if (gave_up := GAVE_UP.match(line)) and since is None:
                since = log_time(gave_up.group(1))
            elif (again := OPEN_AGAIN.match(line)) and since is not None:
                found.append((since, log_time(again.group(1))))
                since = None
        return found + ([(since, int(time.time() * 1e6))] if since is not None else [])

    def _check_answers(self):
        outages = self._outages_of_the_store()
        for _, book in self.load.clients:
            for line in Books.lines(book):
                moment, code = int(line[CLIENT_TIME]), line[CLIENT_CODE]
                if line[CLIENT_OUTCOME] == "accepted":
                    if any(begin + ON_ITS_WAY < moment < end for begin, end in outages):
                        self.own["acknowledged_by_failed"] += 1
                        self.faults.append(f"{self.storage.name}: 250 while the store was given up")
                elif code[:1] in "45" and code not in ANSWERS:
                    self.own["wrong_answers"] += 1
                    self.faults.append(f"{self.storage.name}: answered {code}")
                elif code[:1] in "45":
                    self.own["refused"] += 1

    def _last_cut(self):
        begin = time.time()
        self.storage.cut(0, self.chance)
        self.server.kill_all(self.chance)
        self._stop_load(server_is_dead=True)
        self.sink.settle()
        self._remember(begin, time.time())
        self.storage.restore()


def run(plan, options, stop, progress):
    begun = time.monotonic()
    counts = collections.Counter(dict.fromkeys((*BOOK_FAULTS, *FAULTS, "other_faults"), 0))
    words, evidence, slowest, done = [], [], 0, 0

    def one(number):
        stop.check()
        own = part.Plan(plan.backend, f"syncs-{number}", plan.file_system, 1, plan.seed + number)
        return own, FailedSync(own, options, stop, number).run()

    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for own, result in pool.map(one, range(plan.count)):
            done += 1
            for name in (*BOOK_FAULTS, *FAULTS, "died", "store_failures", "refused"):
                counts[name] += result.get(name, 0)
            counts["checked"] += result["accepted_messages"]
            slowest = max(slowest, result.get("recovery_ms", 0))
            if result["verdict"] == "good":
                remove_good(options.work / own.name)
            else:
                counts["until_first_fault"] = counts["until_first_fault"] or done
                counts["other_faults"] += not any(result.get(name)
                                                  for name in (*BOOK_FAULTS, *FAULTS))
                words += [f"run {own.mode}: {text}" for text in result["faults"]]
                evidence.append(result["evidence"])
            progress(plan, done, f"{counts['refused']} refused, slowest recovery {slowest} ms")
    faulty = any(counts[name] for name in (*BOOK_FAULTS, *FAULTS, "other_faults"))
    shown = {"lost": counts["lost"], "altered": counts["altered"],
             "ghosts": counts["ghosts"] + counts["dsn_ghosts"], "back": counts["resurrected"]}
    every = sum(counts[name] for name in (*BOOK_FAULTS, *FAULTS, "other_faults"))
    remark = (f"{counts['store_failures']} stores given up, {counts['refused']} refused, slowest "
              f"recovery {slowest} ms, {counts['died']} file systems died")
    return dict(counts) | shown | {"other": every - sum(shown.values()), "remark": remark,
                           "slowest_recovery_ms": slowest, "faults": words, "evidence": evidence,
                           "seconds": round(time.monotonic() - begun, 1),
                           "verdict": "FAULTY" if faulty else "good"}
