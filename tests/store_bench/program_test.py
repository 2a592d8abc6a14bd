"""brevdue-store-bench: each system and workload answers in JSON that is right in itself, and leaves nothing behind."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

BUILD = sys.argv.pop()
PROGRAM = sys.argv.pop()


class Program(unittest.TestCase):
    def setUp(self):
        # Not in /tmp, which may be on a file system without direct I/O.
        folder = tempfile.TemporaryDirectory(dir=BUILD)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_with(self, *arguments):
        return subprocess.run([PROGRAM, "--directory", self.folder, "--seconds", "0.05", *arguments],
                              capture_output=True, text=True)

    def measure(self, *arguments):
        done = self.run_with(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.listdir(self.folder), [])
        return json.loads(done.stdout)

    def check(self, one, writers):
        self.assertGreater(one["messages"], 0)
        self.assertGreater(one["batches"], 0)
        self.assertLessEqual(one["messages"], one["batches"] * writers)
        self.assertGreater(one["seconds"], 0)
        self.assertLessEqual(one["p50_us"], one["p99_us"])
        self.assertLessEqual(one["p99_us"], one["max_us"])

    def test_each_backend_is_measured_under_each_workload(self):
        for system in ("iouring", "lmdb", "maildir"):
            for workload in ("intake", "growth", "relay"):
                with self.subTest(system=system, workload=workload):
                    self.check(self.measure("--system", system, "--workload", workload, "--writers", "8"), 8)

    def test_the_bare_loop_fills_its_batches(self):
        done = self.run_with("--system", "bare")
        if "io_uring" in done.stderr:
            self.skipTest("this kernel refuses io_uring")
        for depth, messages in (("1", 16), ("4", 4)):
            one = self.measure("--system", "bare", "--writers", "16", "--depth", depth)
            self.assertEqual(one["messages"], one["batches"] * messages)
            self.assertGreaterEqual(one["batch_bytes"], messages * 4096)
            self.check(one, messages)

    def test_the_measurement_ends_with_its_bytes(self):
        one = self.measure("--system", "maildir", "--seconds", "600", "--most", "1", "--size", "65536",
                           "--writers", "1", "--workload", "growth")
        self.assertEqual(one["messages"], 16)

    def test_bad_arguments_are_refused(self):
        for arguments in (("--workload", "nothing"), ("--depth", "2"), ("--writers", "0"), ("--unknown",)):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.run_with(*arguments).returncode, 64)

    def test_an_unknown_backend_is_named(self):
        done = self.run_with("--system", "tape")
        self.assertEqual(done.returncode, 1)
        self.assertIn("tape", done.stderr)


if __name__ == "__main__":
    unittest.main()
