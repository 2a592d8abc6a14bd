"""Next hops that reset, stall, lie or never answer: their mail is deferred, all other mail leaves."""

import re
import unittest

from support.case import EndToEnd, text
from support.load import SinkProgram, send_with_books
from support.sink import CLOSE, RESET, STALL
from support.waiting import wait_for

SHORT = {"delivery.connect_timeout": "1s", "delivery.greeting_timeout": "1s", "delivery.command_timeout": "1s",
         "delivery.data_timeout": "1s", "retry.delay_min": "1h", "retry.delay_max": "1h"}


class NextHopFaults(EndToEnd):
    def answer_at(self, stage, reply):
        """`reply` to everything for bad@…; for connections and EHLO, to the first one."""
        struck = []

        def answer(now, argument):
            if now != stage:
                return None
            if stage in ("connect", "ehlo", "mail"):
                struck.append(now)
                return reply if len(struck) == 1 else None
            return reply if "bad@next.test" in argument else None
        return answer

    def check(self, stage, reply, pattern=None):
        sink = self.sink(self.answer_at(stage, reply))
        server = self.server(sink, settings=SHORT).start()
        if stage in ("connect", "ehlo", "mail"):
            first = self.send(server, to=["first@next.test"])
        else:
            first = self.send(server, to=["bad@next.test"])
        server.wait_for_log(rf"{first}: to=.*dsn=4\.\d+\.\d+, status=deferred \(" + (pattern or ""))
        for number in range(3):
            self.send(server, text(subject=f"good {number}"), to=[f"good{number}@next.test"])
        server.queue("flush")
        sink.wait_for(3)
        wait_for(lambda: not any(entry["queue_name"] == "active" for entry in server.entries()), "quiet")
        self.assertTrue({"good0@next.test", "good1@next.test", "good2@next.test"} <=
                        {recipient for message in sink.messages for recipient in message.recipients})
        self.assertEqual(len(server.roles("delivery")), 1)
        self.assertNotIn("was killed", server.log())
        self.assertNotIn("exited with", server.log())

    def test_closes(self):
        for stage in ("connect", "ehlo", "mail", "rcpt", "data", "dot"):
            with self.subTest(stage=stage):
                self.check(stage, CLOSE)

    def test_resets(self):
        for stage in ("connect", "ehlo", "mail", "rcpt", "data", "dot"):
            with self.subTest(stage=stage):
                self.check(stage, RESET)

    def test_stalls(self):
        for stage in ("connect", "ehlo", "mail", "rcpt", "data", "dot"):
            with self.subTest(stage=stage):
                self.check(stage, STALL, ".*timed out")

    def test_says_what_is_no_reply(self):
        for stage in ("connect", "ehlo", "mail", "rcpt", "data", "dot"):
            with self.subTest(stage=stage):
                self.check(stage, "\x00\xff nonsense \x07 \r\nmore")

    def test_refuses_for_now_at_every_stage(self):
        for stage in ("connect", "ehlo", "mail", "rcpt", "data", "dot"):
            with self.subTest(stage=stage):
                self.check(stage, "451 4.3.0 not now", ".*451 4.3.0 not now")

    def test_no_reply_of_a_peer_can_forge_a_line_of_the_log(self):
        sink = self.sink(self.answer_at("rcpt", "450-4.2.1 a\r\x1b[31m\r\n450 4.2.1 2026 mx brevdue/smtp[1]: forged"))
        server = self.server(sink).start()
        self.send(server, to=["bad@next.test"])
        server.wait_until_deferred()
        self.assertNotIn("\x1b", server.log())
        for line in server.log().splitlines():
            self.assertRegex(line, r"^20\d\d-\S+ mx\.relay\.test brevdue/\w+\[\d+\]: ")


class SinkThatLies(EndToEnd):
    """brevdue-sink with faults in one case of five, against a load that keeps books."""

    def check(self, *faults):
        directory = self.directory()
        sink = SinkProgram(self, directory, *faults)
        settings = {**SHORT, "delivery.relay_host": sink.address, "retry.delay_min": "1s", "retry.delay_max": "1s"}
        server = self.server(settings=settings, directory=directory).start()
        send_with_books(self, server, directory, messages=60, connections=5)
        server.wait_for_log("status=deferred")
        sink.end_faults()

        def left():
            server.queue("flush")
            return not server.entries()
        wait_for(left, lambda: f"an empty queue\n{server.queue('list').stdout}")
        sink.compare(directory, server)
        self.assertEqual(len(re.findall("was killed|exited with", server.log())), 0, server.log())

    def test_lies(self):
        self.check("--lie-at", "connect", "any", "--share", "0.1", "--lie-at", "ehlo", "any", "--share", "0.1",
                   "--lie-at", "mail", "any", "--share", "0.1", "--lie-at", "rcpt", "any", "--share", "0.1",
                   "--lie-at", "data", "any", "--share", "0.1")

    def test_resets_and_stalls(self):
        self.check("--reset-at", "body", "--share", "0.2", "--stall-at", "data", "--share", "0.1",
                   "--close-at", "rcpt", "--share", "0.2", "--reply-at", "dot", "451", "--share", "0.2")


if __name__ == "__main__":
    unittest.main()
