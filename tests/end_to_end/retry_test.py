"""Deferral and retry: a next hop that is away, and comes back."""

import re
import time
import unittest

from support.case import EndToEnd, for_each_backend, free_port, text
from support.sink import Sink
from support.waiting import wait_for


class Retry(EndToEnd):
    def server_without_next_hop(self, backend="iouring", **settings):
        port = free_port()
        chosen = {"delivery.relay_host": f"127.0.0.1:{port}", **settings}
        return self.server(backend=backend, settings=chosen), port

    def sink_at(self, port):
        sink = Sink(port=port)
        self.addCleanup(sink.close)
        return sink

    @for_each_backend
    def test_deferred_mail_survives_a_restart_and_leaves_when_the_next_hop_is_back(self, backend):
        server, port = self.server_without_next_hop(backend)
        server.start()
        before = time.time()
        queue_id = self.send(server, text(to="a@one.test"), to=["a@one.test", "b@two.test"])
        entry = server.wait_until_deferred()[0]
        server.wait_for_log(rf"{queue_id}: to=<a@one\.test>, relay=(none|127\.0\.0\.1\S*), .*dsn=4\.4\.1, "
                            r"status=deferred \(.*Connection refused.*\)$")
        self.assertEqual(entry["queue_id"], queue_id)
        self.assertEqual(entry["attempts"], 1)
        self.assertGreater(entry["next_attempt"], before + 60)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.entries(), [entry], "with Brevdue stopped")
        server.start()
        server.wait_for_log("recovery has ended: 1 messages")
        self.assertEqual(server.entries(), [entry], "after the restart")
        sink = self.sink_at(port)
        done = server.queue("flush")
        self.assertEqual((done.returncode, done.stdout), (0, "1 message scheduled\n"), done.stderr)
        message = sink.wait_for(1)[0]
        server.wait_until_empty()
        self.assertEqual(message.recipients, ["a@one.test", "b@two.test"])
        self.assertTrue(message.content.endswith(text(to="a@one.test")))

    def test_is_attempted_again_without_being_asked(self):
        server, port = self.server_without_next_hop(**{"retry.delay_min": "1s", "retry.delay_max": "1s",
                                                       "retry.jitter": 0.0})
        server.start()
        self.send(server)
        wait_for(lambda: server.entries()[0]["attempts"] >= 2, "a second attempt")
        sink = self.sink_at(port)
        sink.wait_for(1)
        server.wait_until_empty()
        self.assertEqual(len(sink.messages), 1)

    def test_the_pause_grows(self):
        server, _ = self.server_without_next_hop(**{"retry.delay_min": "1h", "retry.delay_max": "2d",
                                                    "retry.jitter": 0.0})
        server.start()
        queue_id = self.send(server)
        pauses = []
        for attempt in range(1, 5):
            wait_for(lambda: server.entries()[0]["attempts"] == attempt, f"attempt {attempt}")
            entry = server.wait_until_deferred()[0]
            pauses.append(entry["next_attempt"] - time.time())
            self.assertEqual(server.queue("retry", queue_id).returncode, 0)
        for pause, hours in zip(pauses, (1, 2, 4, 8)):
            self.assertTrue(0.95 * hours < pause / 3600 <= hours + 0.01, pauses)

    def test_only_deferred_recipients_are_tried_again(self):
        refused = {"later@next.test"}

        def answer(stage, argument):
            return "450 4.2.1 busy" if stage == "rcpt" and argument in refused else None

        sink = self.sink(answer)
        server = self.server(sink).start()
        self.send(server, to=["now@next.test", "later@next.test"])
        entry = server.wait_until_deferred()[0]
        self.assertEqual([recipient["address"] for recipient in entry["recipients"]], ["later@next.test"])
        self.assertIn("450 4.2.1 busy", entry["recipients"][0]["delay_reason"])
        server.stop()
        server.start()
        self.assertEqual(server.entries(), [entry])
        refused.clear()
        server.queue("flush")
        server.wait_until_empty()
        self.assertEqual([message.recipients for message in sink.messages],
                         [["now@next.test"], ["later@next.test"]])

    def test_a_dead_next_hop_is_not_asked_for_every_message(self):
        answers = self.sink(lambda stage, argument: "421 4.3.2 no service" if stage == "connect" else None)
        server = self.server(answers).start()
        for number in range(20):
            self.send(server, text(subject=f"number {number}"))
        # Those after the first few wait until the next hop is worth another try.
        wait_for(lambda: not any(entry["queue_name"] == "active" for entry in server.entries()), "quiet")
        entries = server.entries()
        self.assertEqual(len(entries), 20)
        self.assertEqual(entries[0]["queue_name"], "deferred")
        self.assertIn("421 4.3.2 no service", entries[0]["recipients"][0]["delay_reason"])
        self.assertLess(answers.connections, 20)
        answers.answer = lambda stage, argument: None
        server.queue("flush")
        server.wait_until_empty()
        self.assertEqual(len(answers.messages), 20)

    def test_stop_while_the_next_hop_is_slow_ends_with_the_reply(self):
        sink = self.sink()
        server = self.server(sink).start()
        arrived = []

        def answer(stage, argument):
            if stage == "dot":
                arrived.append(argument)
                wait_for(lambda: "stopping" in server.log(), "the stop")
            return None

        sink.answer = answer
        queue_id = self.send(server)
        wait_for(lambda: arrived, "the delivery")
        self.assertEqual(server.stop(), 0)
        self.assertRegex(server.log(), rf"{queue_id}: to=<someone@next\.test>.* status=sent")
        self.assertEqual(server.entries(), [])
        self.assertEqual(len(re.findall("status=sent", server.log())), 1)


if __name__ == "__main__":
    unittest.main()
