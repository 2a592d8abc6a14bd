"""The verdict over books made up here: each fault must be seen, and what a cut allows must not be."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from durability.accounts import FAULTS, compare  # noqa: E402

BOOKS = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else None
CRC = "0000abcd"
MS = 1000


def sent(key, recipients, outcome="accepted", code="250"):
    return "\t".join(("1000", key, "500", CRC, outcome, "dot", code, "0id", ",".join(recipients), "-"))


def came(time, key, recipient, crc=CRC):
    return "\t".join((str(time), key, "500", crc, "ok", "answered", "1", recipient))


def dsn(time, address):
    return "\t".join((str(time), "-", "900", "00000000", "foreign", "answered", "0", address))


class Verdict(unittest.TestCase):
    KEYS = ("000000000001-00000000-1f4", "000000000001-00000001-1f4")
    PLAIN = "r0.c0m0n0@d0.load.test"
    REFUSED = "r2.c0m1n1@d0.load.test"
    NOTICE = "back.c0m1n1@load.test"

    def verdict(self, client, sink, cuts=(), log=""):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "client.book").write_text("".join(line + "\n" for line in client))
            (folder / "sink.book").write_text("".join(line + "\n" for line in sink))
            (folder / "brevdue.log").write_text(log)
            result, words = compare(BOOKS, folder, [(time, time + MS) for time in cuts], 500)
        faults = {name: result[name] for name in FAULTS if result[name]}
        self.assertEqual(result["sound"], not faults)
        self.assertEqual(bool(words), bool(faults))
        return faults, result

    def setUp(self):
        self.client = [sent(self.KEYS[0], [self.PLAIN]), sent(self.KEYS[1], [self.REFUSED])]
        self.sink = [came(10 * MS, self.KEYS[0], self.PLAIN), dsn(12 * MS, self.NOTICE)]

    def test_all_arrived_or_reported(self):
        faults, result = self.verdict(self.client, self.sink)
        self.assertEqual(faults, {})
        self.assertEqual((result["accepted"], result["dsns"]), (2, 1))

    def test_lost_message(self):
        self.assertEqual(self.verdict(self.client, self.sink[1:])[0], {"lost": 1})

    def test_lost_dsn(self):
        self.assertEqual(self.verdict(self.client, self.sink[:1])[0], {"lost": 1})

    def test_altered(self):
        self.sink[0] = came(10 * MS, self.KEYS[0], self.PLAIN, "00000001")
        self.assertEqual(self.verdict(self.client, self.sink)[0], {"altered": 1})

    def test_second_arrival_without_a_cut(self):
        self.sink.append(came(20 * MS, self.KEYS[0], self.PLAIN))
        self.assertEqual(self.verdict(self.client, self.sink)[0], {"duplicates": 1})

    def test_second_arrival_over_a_cut(self):
        self.sink.append(came(20 * MS, self.KEYS[0], self.PLAIN))
        faults, result = self.verdict(self.client, self.sink, [15 * MS])
        self.assertEqual(faults, {})
        self.assertEqual((result["duplicates_explained"], result["widest_window_ms"]), (1, 5.0))

    def test_removed_and_yet_again_after_a_cut(self):
        self.sink.append(came(20 * MS, self.KEYS[0], self.PLAIN))
        log = "1970-01-01T00:00:00.011000+00:00 host brevdue/qmgr[7]: 0id: removed\n"
        self.assertEqual(self.verdict(self.client[:1], self.sink[::2], [15 * MS], log)[0],
                         {"resurrected": 1})
        log = log.replace("011000", "021000")
        self.assertEqual(self.verdict(self.client[:1], self.sink[::2], [15 * MS], log)[0], {})

    def test_second_arrival_long_before_a_cut(self):
        self.sink.append(came(2000 * MS, self.KEYS[0], self.PLAIN))
        self.assertEqual(self.verdict(self.client, self.sink, [600 * MS])[0], {"duplicates": 1})

    def test_second_dsn(self):
        self.sink.append(dsn(20 * MS, self.NOTICE))
        self.assertEqual(self.verdict(self.client, self.sink)[0], {"dsn_duplicates": 1})
        self.assertEqual(self.verdict(self.client, self.sink, [15 * MS])[0], {})

    def test_dsn_that_nobody_was_owed(self):
        self.sink.append(dsn(20 * MS, "back.c0m0n0@load.test"))
        self.assertEqual(self.verdict(self.client, self.sink)[0], {"dsn_ghosts": 1})

    def test_reported_failed_and_arrived(self):
        self.sink.append(came(20 * MS, self.KEYS[1], self.REFUSED))
        self.assertEqual(self.verdict(self.client, self.sink)[0], {"dsn_and_arrived": 1})
        faults, result = self.verdict(self.client, self.sink, [11 * MS])
        self.assertEqual(faults, {})
        self.assertEqual(result["dsn_duplicates_explained"], 1)

    def test_no_answer_may_arrive_or_not(self):
        self.client[0] = sent(self.KEYS[0], [self.PLAIN], "unknown", "0")
        self.assertEqual(self.verdict(self.client, self.sink)[0], {})
        self.assertEqual(self.verdict(self.client, self.sink[1:])[0], {})

    def test_arrived_though_refused(self):
        self.client[0] = sent(self.KEYS[0], [self.PLAIN], "permfail", "550")
        self.assertEqual(self.verdict(self.client, self.sink)[0], {"unexplained": 1})


if __name__ == "__main__":
    unittest.main()
