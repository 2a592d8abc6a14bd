"""bench/store/run: the order of the cases, and verdicts over measurements that are made up here."""

import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path[:0] = [str(BENCH / "store"), str(BENCH / "smtp")]

from comparison.tables import medians  # noqa: E402
from matrix.cases import FIGURES, SEQUENTIAL, Case, Measurement, of_fio, of_program, plan, round_of  # noqa: E402
from matrix.goals import FAST, Goal, goals_for, verdicts  # noqa: E402
from matrix.report import markdown  # noqa: E402

OPTIONS = SimpleNamespace(cases=[(4096, [1, 64])], depths=[1, 4], workloads=["intake", "relay"],
                          backends=["iouring", "maildir"], repeat=3)
INTAKE = Case("iouring", "intake", 4096, 64)
BARE = Case("bare", "batches", 4096, 64)
RELAY = Case("iouring", "relay", 4096, 64)


def at(case, rate, turn=0, **figures):
    return Measurement(case, turn, rate, rate * case.size, **figures)


def judge(goal, measurements):
    return verdicts([goal], medians(measurements, lambda one: one.case, FIGURES), measurements)


class Plan(unittest.TestCase):
    def test_every_round_has_every_case_once(self):
        order, cases = plan(OPTIONS), set(round_of(OPTIONS))
        for turn in range(3):
            self.assertEqual({case for number, case in order if number == turn}, cases)
        self.assertEqual(len(order), 3 * len(cases))

    def test_rounds_begin_with_different_cases(self):
        firsts = [next(case for number, case in plan(OPTIONS) if number == turn) for turn in range(3)]
        self.assertEqual(len(set(firsts)), 3)

    def test_the_bare_loop_has_no_more_in_flight_than_writers(self):
        self.assertEqual({(case.writers, case.depth) for case in round_of(OPTIONS) if case.system == "bare"},
                         {(1, 1), (64, 1), (64, 4)})


class Figures(unittest.TestCase):
    def test_what_the_program_prints_becomes_figures_of_a_message_and_of_a_batch(self):
        one = of_program(INTAKE, 0, {"seconds": 2.0, "processor_seconds": 0.5, "messages": 1000, "batches": 20,
                                     "writes": 40, "flushes": 20, "bytes": 5_000_000, "p50_us": 10, "p99_us": 20})
        self.assertEqual((one.rate, one.messages_per_batch, one.writes_per_batch, one.flushes_per_message),
                         (500, 50, 2, 0.02))
        self.assertEqual((one.bytes_per_message, one.cpu_us_per_message, one.bandwidth), (5000, 500, 500 * 4096))

    def test_what_fio_prints_is_counted_in_messages(self):
        one = of_fio(Case("fio", "batches", 4096, 64), 0, 64,
                     {"iops": 100.5, "bw_bytes": 1, "clat_ns": {"percentile": {"50.000000": 2000, "99.000000": 9000}}})
        self.assertEqual((one.rate, one.p50_us, one.p99_us), (6432, 2, 9))


class Verdicts(unittest.TestCase):
    def test_a_share_of_the_bare_loop_is_that_of_the_medians(self):
        goal = Goal("iouring", 4096, 64, "bare", 0.70)
        rates = ((60, 100), (71, 100), (90, 100))
        measured = [at(case, rate, turn) for turn, pair in enumerate(rates) for case, rate in zip((INTAKE, BARE), pair)]
        one, = judge(goal, measured)
        self.assertTrue(one.reached)
        self.assertIn("71% of the bare loop (60% to 90% by the rounds), 70% asked for: reached", one.text)

    def test_what_is_below_is_missed(self):
        one, = judge(Goal("iouring", 4096, 64, "bare", 0.70), [at(INTAKE, 69), at(BARE, 100)])
        self.assertFalse(one.reached)
        self.assertTrue(one.text.endswith("missed"))
        one, = judge(Goal("iouring", 4096, 64, "rate", 100), [at(INTAKE, 99)])
        self.assertFalse(one.reached)

    def test_what_is_wanted_beyond_is_said_as_well(self):
        sequential = Case(SEQUENTIAL, "batches", 1 << 20, 32)
        large = Case("iouring", "intake", 65536, 64)
        one, = judge(Goal("iouring", 65536, 64, "fio", 0.45, 0.70), [at(large, 8), at(sequential, 1)])
        self.assertIn("50% of fio's sequential bandwidth", one.text)
        self.assertTrue(one.text.endswith("reached (70% wanted: missed)"))

    def requests(self, writes, flushes):
        measured = [at(RELAY, 1, messages_per_batch=64, bytes_per_message=4300, writes_per_batch=writes,
                       flushes_per_batch=flushes)]
        return judge(Goal("iouring", 4096, 64, "one-write", workload="relay"), measured)[0].reached

    def test_one_write_and_one_flush_a_batch_leave_room_for_segments_only(self):
        self.assertTrue(self.requests(2.0, 1.0))
        self.assertTrue(self.requests(2.03, 1.015))
        self.assertFalse(self.requests(2.03, 1.0))
        self.assertFalse(self.requests(3.0, 2.0))
        self.assertFalse(self.requests(1.5, 0.5))

    def test_a_goal_without_its_measurements_has_no_verdict(self):
        self.assertEqual(judge(Goal("iouring", 4096, 64, "bare", 0.70), [at(INTAKE, 69)]), [])
        self.assertEqual(judge(Goal("lmdb", 4096, 64, "rate", 1), [at(INTAKE, 69)]), [])

    def test_btrfs_has_no_goals_and_the_slow_disk_has_its_own(self):
        self.assertEqual(goals_for(None, "btrfs"), ())
        self.assertEqual(goals_for(None, "xfs"), FAST)
        self.assertNotEqual(goals_for("6.67ms", "ext4"), FAST)


class Table(unittest.TestCase):
    def test_each_case_that_was_measured_has_a_row_beside_the_bare_loop(self):
        summary = medians([at(INTAKE, 50), at(BARE, 100, p50_us=1500)], lambda one: one.case, FIGURES)
        text = markdown("above", summary, [RELAY, INTAKE, BARE], [])
        rows = [line for line in text.splitlines() if line.startswith("| 4 KiB")]
        self.assertEqual(len(rows), 2)
        self.assertIn("| 64 | batches | bare | 100 | 100 to 100 | 100% | 0 | 1.50 | - |", rows[0])
        self.assertIn("| 64 | intake | iouring | 50 | 50 to 50 | 50% |", rows[1])


if __name__ == "__main__":
    unittest.main()
