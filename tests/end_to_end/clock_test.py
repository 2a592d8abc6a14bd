"""A clock that jumps by a year, forward or back: nothing expires unseen, nothing freezes, no id comes twice."""

import os
import re
import unittest
from pathlib import Path

from support.case import EndToEnd, for_each_backend, free_port, text
from support.sink import Sink

YEAR = 365 * 86400
# Of the package libfaketime, or wherever BREVDUE_FAKETIME says.
LIBRARIES = (os.environ.get("BREVDUE_FAKETIME", ""), "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
             "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1")


class Clock(EndToEnd):
    def faked(self, backend="iouring", **settings):
        """A server whose wall clock follows self.jump()."""
        found = [path for path in LIBRARIES if path and Path(path).exists()]
        if not found:
            self.skipTest("needs the package libfaketime")
        directory = self.directory()
        self.offset = directory / "offset"
        self.jump(0)
        self.port = free_port()
        server = self.server(backend=backend, directory=directory, settings={
            "delivery.relay_host": f"127.0.0.1:{self.port}", "retry.delay_min": "1s", "retry.delay_max": "2s",
            **settings})
        server.environment.update(LD_PRELOAD=found[0], FAKETIME_TIMESTAMP_FILE=str(self.offset),
                                  FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
        return server.start()

    def jump(self, seconds):
        fresh = self.offset.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.chmod(0o644)
        fresh.replace(self.offset)

    def year_of(self, server):
        return re.findall(r"(?m)^(\d{4})-", server.log())[-1]

    def next_hop(self):
        sink = Sink(port=self.port)
        self.addCleanup(sink.close)
        return sink

    @for_each_backend
    def test_mail_that_waits_is_sent_after_a_jump(self, backend):
        for seconds in (YEAR, -YEAR):
            with self.subTest(seconds=seconds):
                server = self.faked(backend)
                before = self.send(server)
                server.wait_until_deferred()
                year = self.year_of(server)
                self.jump(seconds)
                after = self.send(server, text(subject="after the jump"))
                self.assertNotEqual(before, after)
                self.assertNotEqual(self.year_of(server), year)
                sink = self.next_hop()
                server.queue("flush")
                sink.wait_for(2)
                server.wait_until_empty()
                self.assertEqual({message.reverse_path for message in sink.messages}, {"sender@origin.test"})

    @for_each_backend
    def test_a_jump_while_it_is_stopped(self, backend):
        for seconds in (YEAR, -YEAR):
            with self.subTest(seconds=seconds):
                server = self.faked(backend)
                ids = {self.send(server)}
                server.wait_until_deferred()
                server.stop()
                self.jump(seconds)
                sink = self.next_hop()
                server.start()
                # By itself: what the disk says is clamped to the longest pause from now.
                sink.wait_for(1)
                server.wait_until_empty()
                self.assertEqual(sink.messages[0].reverse_path, "sender@origin.test")
                for number in range(5):
                    ids.add(self.send(server, text(subject=f"n {number}")))
                self.assertEqual(len(ids), 6)

    def test_a_jump_expires_nothing(self):
        server = self.faked(**{"retry.delay_min": "1h", "retry.delay_max": "2h"})
        queue_id = self.send(server)
        server.wait_until_deferred()
        self.jump(YEAR)
        server.queue("retry", queue_id)
        server.wait_for_log(rf"(?m)^2\d+-.*{queue_id}: to=.*status=deferred", count=2)
        entry = server.wait_until_deferred()[0]
        self.assertEqual(entry["attempts"], 2)
        sink = self.next_hop()
        server.queue("flush")
        server.wait_until_empty()
        self.assertEqual([message.recipients for message in sink.messages], [["someone@next.test"]])
        self.assertNotIn("expired", server.log())


if __name__ == "__main__":
    unittest.main()
