"""`brevdue queue …` with Brevdue running."""

import re
import time
import unittest

from support.case import EndToEnd, for_each_backend, free_port, text
from support.sink import Sink
from support.waiting import wait_for


class QueueCommands(EndToEnd):
    def three_deferred(self, backend="iouring"):
        """A server whose next hop is away, and the ids of what it could not send."""
        self.port = free_port()
        server = self.server(backend=backend,
                             settings={"delivery.relay_host": f"127.0.0.1:{self.port}"}).start()
        ids = [self.send(server, text("x" * 900), "first@origin.test", ["a@one.test", "b@two.test"]),
               self.send(server, reverse_path="second@origin.test", to=["c@two.test"]),
               self.send(server, reverse_path="", to=["d@three.test"])]
        server.wait_until_deferred(3)
        return server, ids

    def sink_is_back(self):
        sink = Sink(port=self.port)
        self.addCleanup(sink.close)
        return sink

    def change(self, server, *words, text=None, code=0, says=None):
        done = server.queue(*words, text=text)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        if says is not None:
            self.assertEqual(done.stdout, says)
        return done

    def by_id(self, server):
        return {entry["queue_id"]: entry for entry in server.entries()}

    def wait_for_names(self, server, wanted):
        wait_for(lambda: {key: entry["queue_name"] for key, entry in self.by_id(server).items()} == wanted,
                 lambda: f"{wanted}:\n{server.queue('list').stdout}")

    def test_list_is_that_of_mailq(self):
        server, ids = self.three_deferred()
        self.change(server, "hold", ids[1], says="1 message held\n")
        lines = self.change(server, "list").stdout.splitlines()
        self.assertEqual(lines[0], "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------")
        day = time.strftime("%a %b ")
        self.assertRegex(lines[1], rf"^{ids[0]} +\d{{3,5}} {day}[ \d]\d \d\d:\d\d:\d\d first@origin\.test$")
        self.assertRegex(lines[2], r"^ +\(.*Connection refused.*\)$")
        self.assertEqual(lines[3], " " * 47 + "a@one.test")
        self.assertEqual(lines[4], " " * 47 + "b@two.test")
        self.assertEqual(lines[5], "")
        self.assertRegex(lines[6], rf"^{ids[1]}! +\d+ .* second@origin\.test$")
        self.assertRegex("\n".join(lines), rf"(?m)^{ids[2]} .* MAILER-DAEMON$")
        self.assertRegex(lines[-1], r"^-- \d+ Kbytes in 3 Requests\.$")

    def test_list_json_has_the_members_of_postqueue(self):
        server, ids = self.three_deferred()
        entries = server.entries()
        self.assertEqual([entry["queue_id"] for entry in entries], ids)
        entry = entries[0]
        for member, kind in {"queue_name": str, "queue_id": str, "arrival_time": int, "message_size": int,
                             "forced_expire": bool, "sender": str, "recipients": list}.items():
            self.assertIsInstance(entry[member], kind)
        self.assertEqual([recipient["address"] for recipient in entry["recipients"]],
                         ["a@one.test", "b@two.test"])
        self.assertIn("Connection refused", entry["recipients"][0]["delay_reason"])
        self.assertAlmostEqual(entry["arrival_time"], time.time(), delta=120)
        self.assertEqual([entry["sender"] for entry in entries],
                         ["first@origin.test", "second@origin.test", "MAILER-DAEMON"])

    def test_an_active_message_is_marked(self):
        stages = []

        def answer(stage, argument):
            stages.append(stage)
            if stage == "dot":
                wait_for(lambda: "listed" in stages, "the listing")
            return None

        server = self.server(self.sink(answer)).start()
        queue_id = self.send(server)
        wait_for(lambda: "dot" in stages, "the delivery")
        self.assertEqual([entry["queue_name"] for entry in server.entries()], ["active"])
        self.assertIn(queue_id + "*", server.queue("list").stdout)
        stages.append("listed")
        server.wait_until_empty()

    def test_show_has_envelope_and_content(self):
        server, ids = self.three_deferred()
        shown = self.change(server, "show", ids[0]).stdout
        for line in (f"queue id:     {ids[0]}", "reverse-path: <first@origin.test>", "attempts:     1"):
            self.assertIn(line + "\n", shown)
        self.assertRegex(shown, r"(?m)^recipient:    <b@two\.test> \(.*refused")
        self.assertIn("\nReceived: from client.test", shown)
        self.assertIn("x" * 900, shown)

    @for_each_backend
    def test_hold_is_kept_over_a_restart_and_ended_by_release(self, backend):
        server, ids = self.three_deferred(backend)
        self.change(server, "hold", ids[0], ids[2], says="2 messages held\n")
        self.assertEqual(server.stop(), 0)
        server.start()
        wanted = {ids[0]: "hold", ids[1]: "deferred", ids[2]: "hold"}
        self.assertEqual({key: entry["queue_name"] for key, entry in self.by_id(server).items()}, wanted)
        sink = self.sink_is_back()
        self.change(server, "flush")
        sink.wait_for(1)
        self.wait_for_names(server, {ids[0]: "hold", ids[2]: "hold"})
        self.change(server, "release", ids[0], says="1 message released\n")
        sink.wait_for(2)
        self.wait_for_names(server, {ids[2]: "hold"})
        self.change(server, "release", "--all", says="1 message released\n")
        sink.wait_for(3)
        server.wait_until_empty()

    def test_retry_is_for_one_and_flush_for_a_destination(self):
        server, ids = self.three_deferred()
        sink = self.sink_is_back()
        self.change(server, "retry", ids[1], says="1 message scheduled\n")
        sink.wait_for(1)
        self.wait_for_names(server, {ids[0]: "deferred", ids[2]: "deferred"})
        self.change(server, "flush", "three.test", says="1 message scheduled\n")
        sink.wait_for(2)
        self.wait_for_names(server, {ids[0]: "deferred"})
        self.change(server, "flush", "elsewhere.test", says="0 messages scheduled\n")
        self.change(server, "flush", says="1 message scheduled\n")
        server.wait_until_empty()
        self.assertEqual([message.recipients[0] for message in sink.messages],
                         ["c@two.test", "d@three.test", "a@one.test"])

    @for_each_backend
    def test_delete_is_silent_and_durable(self, backend):
        server, ids = self.three_deferred(backend)
        self.change(server, "delete", ids[0], says="1 message deleted\n")
        self.assertEqual(sorted(self.by_id(server)), sorted(ids[1:]))
        server.wait_for_log(f"{ids[0]}: removed by the operator")
        server.kill_all()
        server.start()
        self.assertEqual(sorted(self.by_id(server)), sorted(ids[1:]))
        self.change(server, "delete", "--all", says="2 messages deleted\n")
        self.assertEqual(server.queue("list").stdout, "Mail queue is empty\n")

    def test_bounce_tells_the_sender_and_only_once(self):
        server, ids = self.three_deferred()
        self.change(server, "bounce", ids[0], says="1 message bounced\n")
        self.assertNotIn(ids[0], self.by_id(server))
        self.change(server, "bounce", ids[2], says="1 message bounced\n")  # null reverse-path: nobody to tell
        self.change(server, "delete", ids[1])
        sink = self.sink_is_back()
        self.change(server, "flush")
        server.wait_until_empty()
        self.assertEqual([(message.reverse_path, message.recipients) for message in sink.messages],
                         [("", ["first@origin.test"])])
        report = self.parse(sink.messages[0].content)
        self.assertEqual(report.get_content_type(), "multipart/report")
        blocks = report.get_payload(1).get_payload()
        self.assertEqual([block["Final-Recipient"] for block in blocks[1:]],
                         ["rfc822; a@one.test", "rfc822; b@two.test"])
        self.assertEqual({block["Action"] for block in blocks[1:]}, {"failed"})

    def test_messages_are_chosen_by_sender_destination_and_standard_input(self):
        server, ids = self.three_deferred()
        self.change(server, "hold", "--destination", "two.test", says="2 messages held\n")
        self.wait_for_names(server, {ids[0]: "hold", ids[1]: "hold", ids[2]: "deferred"})
        self.change(server, "release", "--sender", "second@origin.test", says="1 message released\n")
        self.change(server, "hold", "--sender", "<>", says="1 message held\n")
        listing = server.queue("list").stdout
        picked = "\n".join(re.findall(r"(?m)^(\w+!.*)$", listing))  # whole lines, marks and all
        self.change(server, "delete", "-", text=picked + "\n\n", says="2 messages deleted\n")
        self.assertEqual(list(self.by_id(server)), [ids[1]])

    def test_stats_count_what_was_committed(self):
        server, ids = self.three_deferred()

        def stats():
            return {name: int(number) for name, number in
                    map(str.split, self.change(server, "stats").stdout.splitlines())}

        # Each was enqueued and deferred; the list shows that a moment before it is durable.
        wait_for(lambda: stats()["changes"] == 6, "six changes")
        self.assertEqual(list(stats()), ["queued", "commits", "enqueued", "changes", "last_commit_us"])
        self.assertEqual((stats()["queued"], stats()["enqueued"]), (3, 3))
        self.assertIn(stats()["commits"], range(3, 7))  # the messages came one after the other
        server.stop()
        self.change(server, "stats", code=75)

    def test_exit_codes(self):
        server, ids = self.three_deferred()
        self.change(server, "delete", ids[0])
        self.change(server, "hold", ids[0], code=1, says="0 messages held\n")
        self.change(server, "show", ids[0], code=1)
        self.change(server, "hold", "--sender", "nobody@origin.test", code=1, says="0 messages held\n")
        self.assertIn("no queue id", self.change(server, "hold", "no!", code=64).stderr)
        self.assertIn("--all", self.change(server, "hold", code=64).stderr)
        self.change(server, "show", code=64)
        self.change(server, "list", "--nonsense", code=64)
        self.change(server, "juggle", code=64)
        server.config.write_text("nonsense = 1\n")
        self.change(server, "list", code=78)


if __name__ == "__main__":
    unittest.main()
