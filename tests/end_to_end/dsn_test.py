"""DSNs: who is told what, in the form that a program can read."""

import re
import time
import unittest

from support.case import EndToEnd, for_each_backend, free_port, text
from support.sink import Sink
from support.waiting import wait_for

SENDER = "sender@origin.test"
DSN_EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES", "DSN")


def answer_by_name(stage, argument):
    """bad…@ is refused, later…@ is put off, everything else is taken."""
    if stage == "rcpt" and argument.startswith("bad"):
        return "550 5.1.1 <%s>: no such user" % argument
    if stage == "rcpt" and argument.startswith("later"):
        return "450 4.2.1 busy"
    return None


class Dsn(EndToEnd):
    def report(self, message):
        """The per-message block and those of the recipients."""
        parsed = self.parse(message.content)
        self.assertEqual(parsed.defects, [])
        self.assertEqual(parsed.get_content_type(), "multipart/report")
        self.assertEqual(parsed.get_param("report-type"), "delivery-status")
        self.assertEqual([part.get_content_type() for part in parsed.iter_parts()][:2],
                         ["text/plain", "message/delivery-status"])
        blocks = parsed.get_payload(1).get_payload()
        return blocks[0], blocks[1:]

    @for_each_backend
    def test_a_refused_recipient_is_reported_through_the_relay(self, backend):
        sink = self.sink(answer_by_name)
        server = self.server(sink, backend).start()
        queue_id = self.send(server, text(subject="lost letter", to="bad@next.test"), to=["bad@next.test"])
        message = sink.wait_for(1)[0]
        server.wait_until_empty()
        self.assertEqual((message.reverse_path, message.recipients), ("", [SENDER]))
        parsed = self.parse(message.content)
        self.assertEqual(parsed["To"], SENDER)
        self.assertIn("MAILER-DAEMON@mx.relay.test", parsed["From"])
        self.assertTrue(parsed["Message-ID"])
        self.assertTrue(parsed["Date"].datetime)
        self.assertIn(parsed["Auto-Submitted"], ("auto-replied", "auto-generated"))
        head, recipients = self.report(message)
        self.assertEqual(head["Reporting-MTA"], "dns; mx.relay.test")
        self.assertEqual(len(recipients), 1)
        only = recipients[0]
        self.assertEqual(only["Final-Recipient"], "rfc822; bad@next.test")
        self.assertEqual(only["Action"], "failed")
        self.assertEqual(only["Status"], "5.1.1")
        self.assertEqual(re.sub(r"\s+", " ", only["Diagnostic-Code"]),
                         "smtp; 550 5.1.1 <bad@next.test>: no such user")
        returned = parsed.get_payload(2)
        self.assertIn(returned.get_content_type(), ("message/rfc822", "text/rfc822-headers"))
        self.assertIn("lost letter", returned.as_string())
        self.assertIn("bad@next.test", parsed.get_payload(0).get_content())
        server.wait_for_log(rf"smtp\[\d+\]: {queue_id}: to=<bad@next\.test>.*dsn=5\.1\.1, status=bounced")
        server.wait_for_log(rf"bounce\[\d+\]: {queue_id}: sender non-delivery notification: \w+$")

    @for_each_backend
    def test_a_mix_of_replies_in_one_message(self, backend):
        sink = self.sink(answer_by_name)
        server = self.server(sink, backend).start()
        self.send(server, to=["good@next.test", "later@next.test", "bad1@next.test", "bad2@next.test"])
        sink.wait_for(2)
        entry = server.wait_until_deferred()[0]
        self.assertEqual([one["address"] for one in entry["recipients"]], ["later@next.test"])
        by_sender = {message.reverse_path: message for message in sink.messages}
        self.assertEqual(by_sender[SENDER].recipients, ["good@next.test"])
        _, recipients = self.report(by_sender[""])
        self.assertEqual([one["Final-Recipient"] for one in recipients],
                         ["rfc822; bad1@next.test", "rfc822; bad2@next.test"])
        self.assertEqual({one["Action"] for one in recipients}, {"failed"})
        sink.answer = lambda stage, argument: None
        server.queue("flush")
        server.wait_until_empty()
        self.assertEqual([message.recipients for message in sink.messages if message.reverse_path],
                         [["good@next.test"], ["later@next.test"]])

    def test_refused_at_the_final_dot(self):
        sink = self.sink(lambda stage, argument:
                         "554 5.6.0 not this" if stage == "dot" and "a@next.test" in argument else None)
        server = self.server(sink).start()
        self.send(server, to=["a@next.test", "b@next.test"])
        message = sink.wait_for(1)[0]
        _, recipients = self.report(message)
        self.assertEqual([(one["Final-Recipient"], one["Status"]) for one in recipients],
                         [("rfc822; a@next.test", "5.6.0"), ("rfc822; b@next.test", "5.6.0")])
        server.wait_until_empty()

    def test_nobody_is_told_about_mail_with_the_null_reverse_path(self):
        sink = self.sink(answer_by_name)
        server = self.server(sink).start()
        self.send(server, reverse_path="", to=["bad@next.test"])
        server.wait_until_empty()
        # A DSN that is refused is mail with the null reverse-path, too.
        self.send(server, reverse_path="bad.sender@origin.test", to=["bad@next.test"])
        server.wait_for_log(r": removed$", count=3)
        server.wait_until_empty()
        self.assertEqual(sink.messages, [])
        self.assertEqual(len(re.findall("non-delivery notification", server.log())), 1)

    def test_notify_decides(self):
        sink = self.sink(answer_by_name)
        server = self.server(sink).start()
        for number, (recipient, notify) in enumerate((("bad@next.test", "NEVER"), ("bad@next.test", "SUCCESS"),
                                                      ("good@next.test", "FAILURE"))):
            self.send(server, to=[recipient], rcpt_options=[f"NOTIFY={notify}"])
            server.wait_for_log(": removed$", count=number + 1)
        server.wait_until_empty()
        self.assertEqual([message.recipients for message in sink.messages], [["good@next.test"]])
        self.send(server, to=["bad@next.test"], mail_options=["RET=HDRS", "ENVID=QQ314159"],
                  rcpt_options=["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;first+2Bone@elsewhere.test"])
        message = sink.wait_for(2)[1]
        head, recipients = self.report(message)
        self.assertEqual(head["Original-Envelope-Id"], "QQ314159")
        self.assertEqual(recipients[0]["Original-Recipient"].replace(" ", ""),
                         "rfc822;first+one@elsewhere.test")
        self.assertEqual(self.parse(message.content).get_payload(2).get_content_type(), "text/rfc822-headers")

    def test_success_is_reported_by_us_only_if_the_next_hop_cannot(self):
        sink = self.sink()
        server = self.server(sink).start()
        self.send(server, rcpt_options=["NOTIFY=SUCCESS"])
        sink.wait_for(2)
        _, recipients = self.report([message for message in sink.messages if not message.reverse_path][0])
        self.assertEqual((recipients[0]["Action"], recipients[0]["Status"][:2]), ("relayed", "2."))
        server.wait_until_empty()
        sink.extensions = DSN_EXTENSIONS
        self.send(server, rcpt_options=["NOTIFY=SUCCESS"], mail_options=["RET=FULL", "ENVID=abc"])
        message = sink.wait_for(3)[2]
        server.wait_until_empty()
        self.assertIn("NOTIFY=SUCCESS", message.recipient_parameters[0])
        self.assertIn("RET=FULL", message.parameters)
        self.assertIn("ENVID=abc", message.parameters)
        self.assertEqual(len(sink.messages), 3)

    def slow_retries(self, **settings):
        self.port = free_port()
        return {"delivery.relay_host": f"127.0.0.1:{self.port}", "retry.delay_min": "1s", "retry.delay_max": "1s",
                "retry.jitter": 0.0, **settings}

    def reports_after(self, server, pattern):
        """The DSNs that leave once the next hop is there, after the log has the pattern."""
        server.wait_for_log(pattern)
        sink = Sink(port=self.port)
        self.addCleanup(sink.close)
        server.queue("flush")
        server.wait_until_empty()
        return [message for message in sink.messages if not message.reverse_path], sink

    @for_each_backend
    def test_what_is_tried_for_too_long_is_returned(self, backend):
        settings = self.slow_retries(**{"retry.expire_after": "1s"})
        server = self.server(backend=backend, settings=settings).start()
        queue_id = self.send(server)
        reports, sink = self.reports_after(
            server, rf"qmgr\[\d+\]: {queue_id}: to=<someone@next\.test>.*dsn=4\.4\.7, status=expired, "
            "returned to sender")
        self.assertEqual(len(sink.messages), 1)
        _, recipients = self.report(reports[0])
        self.assertEqual((recipients[0]["Action"], recipients[0]["Status"]), ("failed", "4.4.7"))
        self.assertIn("Connection refused", self.parse(reports[0].content).as_string().replace("\r\n ", " "))

    def attempts(self, server, queue_id):
        return [entry["attempts"] for entry in server.entries() if entry["queue_id"] == queue_id][0]

    def test_a_delay_is_told_once(self):
        settings = self.slow_retries(**{"retry.delay_notice_after": "1s"})
        server = self.server(settings=settings).start()
        queue_id = self.send(server)
        server.wait_for_log(rf"{queue_id}: sender delay notification")
        before = self.attempts(server, queue_id)
        for attempt in range(1, 4):
            server.queue("retry", queue_id)
            wait_for(lambda: self.attempts(server, queue_id) >= before + attempt, "another attempt")
        reports, sink = self.reports_after(server, "delay notification")
        self.assertEqual(len(reports), 1)
        _, recipients = self.report(reports[0])
        self.assertEqual((recipients[0]["Action"], recipients[0]["Status"][0]), ("delayed", "4"))
        until = self.parse(b"Date: " + recipients[0]["Will-Retry-Until"].encode() + b"\r\n\r\n")["Date"].datetime
        self.assertAlmostEqual(until.timestamp(), time.time() + 5 * 86400, delta=600)
        self.assertEqual(len(sink.messages), 2)
        self.assertEqual(len(re.findall("delay notification", server.log())), 1)


if __name__ == "__main__":
    unittest.main()
