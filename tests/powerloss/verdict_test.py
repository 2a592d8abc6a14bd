"""The verdict over cuts made up here: each fault must be seen, what a cut allows must not be."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "durability")]

from powerloss.verdict import FAULTS, Cut, Found, Judge, Told  # noqa: E402

KEY = "000000000001-00000000-1f4"
OTHER = "000000000001-00000001-1f4"
PLAIN = "r0.c0m0n0@d0.load.test"
REFUSED = "r2.c0m1n1@d0.load.test"
NOTICE = "back.c0m1n1@load.test"
SECOND = 1_000_000
BEGUN = 1_790_000_000 * SECOND


def sent(at, key, recipients, outcome="accepted"):
    return "\t".join((str(BEGUN + at), key, "500", "0000abcd", outcome, "dot", "250",
                      "0id" + key[-5:-4], ",".join(recipients), "-"))


def came(at, key, recipient):
    return "\t".join((str(BEGUN + at), key, "500", "0000abcd", "ok", "answered", "1", recipient))


def dsn(at, address):
    return "\t".join((str(BEGUN + at), "-", "900", "00000000", "foreign", "answered", "0", address))


def found(key, recipients, status="pending", verdict="whole", queue_id="0id0"):
    return Found(queue_id, key, verdict, "back@load.test" if key else "",
                 dict.fromkeys(recipients, status))


class Verdict(unittest.TestCase):
    def counts(self, client, sink=(), there=(), at=5 * SECOND, damage=(), log="", backend="iouring",
               failure=()):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "client.book").write_text("".join(line + "\n" for line in client))
            (folder / "sink.book").write_text("".join(line + "\n" for line in sink))
            (folder / "brevdue.log").write_text(log)
            judge = Judge(backend, Told(folder))
        judge.judge(Cut(7, BEGUN + at, "drop", 0, list(there), list(damage), failure))
        return {name: judge.counts[name] for name in FAULTS if judge.counts[name]}

    def test_what_is_there_is_good(self):
        self.assertEqual(self.counts([sent(1, KEY, [PLAIN])], there=[found(KEY, [PLAIN])]), {})

    def test_acknowledged_before_and_not_there_is_lost(self):
        self.assertEqual(self.counts([sent(1, KEY, [PLAIN])]), {"lost": 1})

    def test_acknowledged_after_the_cut_may_be_missing(self):
        self.assertEqual(self.counts([sent(6 * SECOND, KEY, [PLAIN])]), {})

    def test_delivered_before_may_be_gone_delivered_after_may_not(self):
        client = [sent(1, KEY, [PLAIN])]
        self.assertEqual(self.counts(client, [came(2 * SECOND, KEY, PLAIN)]), {})
        self.assertEqual(self.counts(client, [came(6 * SECOND, KEY, PLAIN)]), {"lost": 1})

    def test_marked_as_relayed_but_never_arrived_is_lost(self):
        there = [found(KEY, [PLAIN], "relayed")]
        self.assertEqual(self.counts([sent(1, KEY, [PLAIN])], there=there), {"lost": 1})

    def test_a_refused_recipient_is_there_or_its_notice_is(self):
        client = [sent(1, KEY, [REFUSED])]
        notice = found("", [NOTICE])
        self.assertEqual(self.counts(client), {"lost": 1})
        self.assertEqual(self.counts(client, there=[found(KEY, [REFUSED])]), {})
        self.assertEqual(self.counts(client, there=[found(KEY, [REFUSED], "failed")]), {"lost": 1})
        self.assertEqual(self.counts(client, there=[notice]), {})
        self.assertEqual(self.counts(client, [dsn(2 * SECOND, NOTICE)]), {})
        self.assertEqual(self.counts(client, [dsn(6 * SECOND, NOTICE)]), {"lost": 1})

    def test_altered_content_is_seen_also_without_an_answer(self):
        there = [found(KEY, [PLAIN], verdict="altered")]
        self.assertEqual(self.counts([sent(1, KEY, [PLAIN])], there=there), {"altered": 1})
        self.assertEqual(self.counts([sent(1, KEY, [PLAIN], "unknown")], there=there),
                         {"altered": 1})

    def test_without_an_answer_it_may_be_there(self):
        client = [sent(1, KEY, [PLAIN], "unknown")]
        self.assertEqual(self.counts(client, there=[found(KEY, [PLAIN])]), {})
        self.assertEqual(self.counts(client), {})

    def test_never_sent_sent_to_another_or_there_twice(self):
        client = [sent(1, KEY, [PLAIN])]
        good = found(KEY, [PLAIN])
        self.assertEqual(self.counts(client, there=[good, found(OTHER, [PLAIN])]), {"ghosts": 1})
        self.assertEqual(self.counts(client, there=[good, found("", [NOTICE])]), {"ghosts": 1})
        self.assertEqual(self.counts(client, there=[found(KEY, [PLAIN, REFUSED])]), {"ghosts": 1})
        self.assertEqual(self.counts(client, there=[good, good]), {"twice": 1})

    def test_removed_and_there_again(self):
        log = "2026-09-21T13:46:42+00:00 mx brevdue/qmgr[1]: 0id0: removed\n"
        client = [sent(1, KEY, [PLAIN])]
        sink = [came(SECOND, KEY, PLAIN)]
        there = [found(KEY, [PLAIN])]
        moment = 1_789_998_402 * SECOND - BEGUN
        self.assertEqual(self.counts(client, sink, there, log=log), {"resurrected": 1})
        self.assertEqual(self.counts(client, sink, there, at=moment, log=log), {})

    def test_damage_counts_where_a_cut_cannot_make_it(self):
        self.assertEqual(self.counts([], damage=["segment 1: torn"]), {"damaged": 1})
        self.assertEqual(self.counts([], damage=["0id0: cut short"], backend="maildir"), {})

    def test_a_recovery_that_fails_is_a_fault(self):
        self.assertEqual(self.counts([], failure=("recovery", "signal 6")), {"unrecovered": 1})


if __name__ == "__main__":
    unittest.main()
