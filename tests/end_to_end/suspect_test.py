"""A message that ends the delivery process every time: alone, then held, and no other mail suffers."""

import os
import re
import signal
import unittest

from support.case import EndToEnd, for_each_backend, text
from support.processes import alive
from support.waiting import wait_for


class Suspect(EndToEnd):
    def deadly_sink(self):
        """Kills whatever delivery process names bad@… to it, as a bug that it meets there would."""
        self.deaths = []

        def answer(stage, argument):
            if stage == "rcpt" and argument == "bad@next.test":
                pid = self.server_under_test.roles("delivery")[0]
                self.deaths.append(self.in_flight())
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: not alive(pid), "the end of delivery")
                return "close"
            return None
        return self.sink(answer)

    def in_flight(self):
        """Active, and not just waiting for their removal to become durable."""
        sent = self.server_under_test.log()
        return {entry["queue_id"] for entry in self.server_under_test.entries()
                if entry["queue_name"] == "active" and not re.search(rf"{entry['queue_id']}: .*status=sent", sent)}

    @for_each_backend
    def test_is_tried_alone_and_held_after_three(self, backend):
        sink = self.deadly_sink()
        server = self.server_under_test = self.server(sink, backend).start()
        bad = self.send(server, text(subject="deadly"), to=["bad@next.test"])
        good = [self.send(server, text(subject=f"good {n}"), to=[f"good{n}@next.test"]) for n in range(5)]
        server.wait_for_log(rf"qmgr\[\d+\]: error: {bad}: held: delivery crashed 3 times with it; "
                            rf"see `brevdue queue show {bad}`")
        sink.wait_for(5)
        wait_for(lambda: [entry["queue_id"] for entry in server.entries()] == [bad], "only the bad one")
        self.assertEqual(len(self.deaths), 3)
        for flying in self.deaths[1:]:
            self.assertEqual(flying, {bad})  # alone once it is suspect
        self.assertEqual(server.entries()[0]["queue_name"], "hold")
        self.assertEqual(len(good), 5)
        server.stop()
        server.start()
        self.assertEqual([entry["queue_name"] for entry in server.entries()], ["hold"])
        self.send(server, to=["later@next.test"])
        sink.wait_for(6)
        sink.answer = lambda stage, argument: None
        self.assertEqual(server.queue("release", bad).returncode, 0)
        server.wait_until_empty()
        self.assertEqual(len(sink.arrived("bad@next.test")), 1)

    def test_the_count_outlives_all_processes(self):
        sink = self.deadly_sink()
        server = self.server_under_test = self.server(sink).start()
        bad = self.send(server, text(subject="deadly"), to=["bad@next.test"])
        wait_for(lambda: self.deaths, "the first death")
        server.stop()
        server.start()
        server.wait_for_log(f"{bad}: held: delivery crashed 3 times")
        self.assertLessEqual(len(self.deaths), 4)


if __name__ == "__main__":
    unittest.main()
