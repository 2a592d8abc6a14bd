"""One mail through the real processes: content, queue and log."""

import re
import shutil
import smtplib
import unittest

from support.case import EndToEnd, for_each_backend, text
from support.processes import run


class OneMail(EndToEnd):
    @for_each_backend
    def test_arrives_unaltered_with_our_received_field_on_top(self, backend):
        sink = self.sink()
        server = self.server(sink, backend).start()
        content = text(".dot\r\n..\r\n.\r\n\r\ntrailing space \r\n" + "x" * 998, to="a@next.test")
        queue_id = self.send(server, content, to=["a@next.test", "b@other.test"])
        message = sink.wait_for(1)[0]
        server.wait_until_empty()
        self.assertEqual(server.queue("list").stdout, "Mail queue is empty\n")
        self.assertEqual(message.reverse_path, "sender@origin.test")
        self.assertEqual(sorted(message.recipients), ["a@next.test", "b@other.test"])
        self.assertTrue(message.content.endswith(content), message.content)
        received = message.content[:-len(content)].decode()
        self.assertRegex(received, r"^Received: from client\.test \((unknown )?\[127\.0\.0\.1\]\)")
        self.assertIn("by mx.relay.test", received)
        self.assertIn(f"id {queue_id}", received)
        self.assertEqual(len(re.findall("^[^ \t]", received, re.MULTILINE)), 1, received)
        self.assertEqual(len(sink.messages), 1)
        self.assertEqual(server.stop(), 0)

    def test_log_lines_are_those_of_postfix(self):
        sink = self.sink()
        server = self.server(sink).start()
        queue_id = self.send(server)
        server.wait_for_log(f"{queue_id}: removed")
        prefix = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(\+00:00|Z|[+-]\d\d:\d\d) mx\.relay\.test brevdue/"
        for pattern in (
                rf"smtpd\[\d+\]: connect from unknown\[127\.0\.0\.1\]$",
                rf"smtpd\[\d+\]: {queue_id}: client=unknown\[127\.0\.0\.1\]$",
                rf"\w+\[\d+\]: {queue_id}: message-id=<a\.test@origin\.test>$",
                rf"qmgr\[\d+\]: {queue_id}: from=<sender@origin\.test>, size=\d+, nrcpt=1 \(queue active\)$",
                rf"smtp\[\d+\]: {queue_id}: to=<someone@next\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:{sink.port}, "
                rf"delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, status=sent "
                rf"\(250 2\.0\.0 ok: queued as SINK1\)$",
                rf"qmgr\[\d+\]: {queue_id}: removed$",
                r"smtpd\[\d+\]: disconnect from unknown\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5$",
        ):
            self.assertRegex(server.log(), re.compile(prefix + pattern, re.MULTILINE))

    def test_a_stranger_is_refused_with_a_line_in_the_log(self):
        server = self.server(settings={"mynetworks": ["127.0.0.1"]}).start()
        self.be_refused(server)
        server.wait_for_log(r"smtpd\[\d+\]: NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.2\]: 554 5\.7\.1 "
                            r"<b@next\.test>: Relay access denied; from=<a@origin\.test> to=<b@next\.test> "
                            r"proto=ESMTP helo=<stranger\.test>$")
        self.assertEqual(server.entries(), [])

    def be_refused(self, server):
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60, source_address=("127.0.0.2", 0)) as client:
            client.ehlo("stranger.test")
            client.mail("a@origin.test")
            code, reply = client.rcpt("b@next.test")
        self.assertEqual(code, 554, reply)

    def count_with_pflogsumm(self, server, *options):
        """Two relayed, one bounced, one rejected; what pflogsumm makes of it."""
        self.send(server, to=["one@next.test"])
        self.send(server, to=["two@next.test"], content=text("x" * 900))
        self.send(server, to=["gone@next.test"])
        self.be_refused(server)
        server.wait_until_empty()
        server.stop()
        log = self.directory() / "mail.log"
        log.write_text(server.log())
        done = run(["pflogsumm", *options, log])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def assert_counted(self, report):
        totals = {name: int(count) for count, name in re.findall(r"^ +(\d+) +(\w+)", report, re.MULTILINE)}
        # As with Postfix, the DSN was not received from anybody, but it was delivered.
        self.assertEqual([totals[name] for name in ("received", "delivered", "bounced", "deferred", "rejected")],
                         [3, 3, 1, 0, 1], report)
        self.assertRegex(report, r"origin\.test")
        self.assertRegex(report, r"next\.test")

    def answer_gone(self, stage, argument):
        return "550 5.1.1 no such user" if stage == "rcpt" and argument.startswith("gone@") else None

    @unittest.skipUnless(shutil.which("pflogsumm"), "pflogsumm is not installed")
    def test_pflogsumm_reads_the_log(self):
        server = self.server(self.sink(self.answer_gone), settings={"mynetworks": ["127.0.0.1"]}).start()
        self.assert_counted(self.count_with_pflogsumm(server, "--syslog_name", "brevdue"))

    @unittest.skipUnless(shutil.which("pflogsumm"), "pflogsumm is not installed")
    def test_pflogsumm_reads_a_log_file_under_the_name_of_postfix(self):
        directory = self.directory()
        settings = {"mynetworks": ["127.0.0.1"], "log.ident": "postfix", "log.target": str(directory / "mail.log")}
        server = self.server(self.sink(self.answer_gone), settings=settings, directory=directory).start()
        report = self.count_with_pflogsumm(server)
        self.assert_counted(report)
        self.assertEqual(server.log_path.read_text(), "")
        self.assertNotIn("brevdue/", server.log())


if __name__ == "__main__":
    unittest.main()
