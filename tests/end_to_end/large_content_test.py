"""Large content: staged on the disk, byte for byte, in bounded memory, and nothing left behind."""

import hashlib
import smtplib
import threading
import unittest

from support.case import EndToEnd, for_each_backend, free_port, text
from support.content import MIB, large, staged
from support.processes import memory
from support.sink import Sink
from support.waiting import wait_for


class LargeContent(EndToEnd):
    def assert_arrived(self, message, content):
        self.assertEqual(len(message.content) - message.content.index(b"From: "), len(content))
        self.assertEqual(hashlib.sha256(message.content[-len(content):]).hexdigest(),
                         hashlib.sha256(content).hexdigest())

    def check(self, backend, size):
        sink = self.sink()
        server = self.server(sink, backend, {"smtpd.message_size_limit": "64MiB"}).start()
        content = large(size)
        self.send(server, content, to=["a@one.test", "b@two.test", "c@three.test"],
                  mail_options=[f"SIZE={len(content)}"])
        message = sink.wait_for(1)[0]
        self.assertEqual(message.recipients, ["a@one.test", "b@two.test", "c@three.test"])
        self.assert_arrived(message, content)
        server.wait_until_empty()
        wait_for(lambda: not staged(server), "the staged file to go")

    @for_each_backend
    def test_5_mib(self, backend):
        self.check(backend, 5 * MIB)

    @for_each_backend
    def test_40_mib(self, backend):
        self.check(backend, 40 * MIB)

    def of_size(self, size):
        line = b"x" * 70 + b"\r\n"
        content = text("")
        content += line * ((size - len(content)) // len(line) - 1)
        return content + b"y" * (size - len(content) - 2) + b"\r\n"

    @for_each_backend
    def test_around_the_size_that_is_staged(self, backend):
        """Up to 128 KiB with our Received field it is in a record, a byte more is a file; announced or not."""
        port = free_port()
        server = self.server(backend=backend, settings={"delivery.relay_host": f"127.0.0.1:{port}"}).start()
        self.send(server, self.of_size(1000))
        field = server.entries()[0]["message_size"] - 1000
        limit = 128 * 1024 - field
        contents, expected = [], []
        for size in (limit - 1, limit, limit + 1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1):
            for options in ([], [f"SIZE={size}"]):
                contents.append(self.of_size(size))
                self.assertEqual(len(contents[-1]), size)
                queue_id = self.send(server, contents[-1], mail_options=options)
                expected += [queue_id] * (size > limit)
        self.assertEqual(staged(server), sorted(expected))
        sink = Sink(port=port)
        self.addCleanup(sink.close)
        wait_for(lambda: server.queue("flush") and len(sink.messages) > len(contents), "all of it to be relayed")
        for message, content in zip(sorted(sink.messages, key=lambda one: len(one.content))[1:],
                                    sorted(contents, key=len)):
            self.assert_arrived(message, content)
        server.wait_until_empty()
        wait_for(lambda: not staged(server), "the staged files to go")

    @for_each_backend
    def test_more_than_was_announced(self, backend):
        sink = self.sink()
        server = self.server(sink, backend).start()
        content = large(3 * MIB)
        self.send(server, content, mail_options=["SIZE=1000"])
        self.assert_arrived(sink.wait_for(1)[0], content)
        server.wait_until_empty()
        wait_for(lambda: not staged(server), "the staged file to go")

    def test_a_limit_of_1_gib(self):
        server = self.server(self.sink(), settings={"smtpd.message_size_limit": "1GiB"}).start()
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            client.ehlo("client.test")
            self.assertEqual(client.esmtp_features["size"], str(1 << 30))
            code, reply = client.mail("sender@origin.test", [f"SIZE={(1 << 30) + 1}"])
            self.assertEqual((code, reply[:5]), (552, b"5.3.4"), reply)
            self.assertEqual(client.mail("sender@origin.test", [f"SIZE={1 << 30}"])[0], 250)
            client.rcpt("someone@next.test")
            self.assertEqual(client.data(text())[0], 250)  # an announcement is no promise
        server.wait_until_empty()

    @for_each_backend
    def test_survives_a_restart_and_goes_when_it_is_deleted(self, backend):
        port = free_port()
        server = self.server(backend=backend, settings={"delivery.relay_host": f"127.0.0.1:{port}"}).start()
        contents = [large(2 * MIB, seed) for seed in range(3)]
        ids = [self.send(server, content) for content in contents]
        server.wait_until_deferred(3)
        server.kill_all()
        server.start()
        self.assertEqual([entry["queue_id"] for entry in server.entries()], ids)
        self.assertEqual(len(staged(server)), 3)
        self.assertEqual(server.queue("delete", ids[1]).returncode, 0)
        wait_for(lambda: len(staged(server)) == 2, "the staged file to go")
        shown = server.queue("show", ids[2]).stdout
        self.assertIn(contents[2][-200:].decode().replace("\r\n", "\n"), shown)
        sink = Sink(port=port)
        self.addCleanup(sink.close)
        server.queue("flush")
        sink.wait_for(2)
        for message in sink.messages:
            subject = self.parse(message.content[:2000])["Subject"]
            self.assert_arrived(message, contents[int(subject.split()[1])])
        server.wait_until_empty()
        wait_for(lambda: not staged(server), "the staged files to go")

    def in_content(self, server, client, size):
        client.ehlo("client.test")
        client.mail("sender@origin.test", [f"SIZE={size}"])
        client.rcpt("someone@next.test")
        self.assertEqual(client.docmd("DATA")[0], 354)

    @for_each_backend
    def test_a_crash_in_the_middle_leaves_nothing(self, backend):
        server = self.server(self.sink(), backend).start()
        content = large(8 * MIB)
        client = smtplib.SMTP("127.0.0.1", server.port, timeout=60)
        self.addCleanup(client.close)
        self.in_content(server, client, len(content))
        client.sock.sendall(content[:6 * MIB])
        server.kill_all()
        server.start()
        server.wait_for_log("recovery has ended: 0 messages")
        wait_for(lambda: not staged(server), lambda: f"no staged files: {staged(server)}")
        self.assertEqual(server.entries(), [])
        self.send(server, content)
        server.wait_until_empty()

    def test_too_large_is_refused_before_and_after(self):
        server = self.server(self.sink(), settings={"smtpd.message_size_limit": "1MiB"}).start()
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            client.ehlo("client.test")
            self.assertEqual(client.esmtp_features["size"], str(MIB))
            code, reply = client.mail("sender@origin.test", [f"SIZE={MIB + 1}"])
            self.assertEqual((code, reply[:5]), (552, b"5.3.4"), reply)
            self.assertEqual(client.mail("sender@origin.test")[0], 250)
            client.rcpt("someone@next.test")
            code, reply = client.data(large(2 * MIB))
            self.assertEqual((code, reply[:5]), (552, b"5.3.4"), reply)
            self.assertEqual(client.mail("sender@origin.test")[0], 250)
            client.rcpt("someone@next.test")
            self.assertEqual(client.data(text())[0], 250)
        server.wait_until_empty()
        self.assertEqual(staged(server), [])

    def test_many_at_once_fit_in_little_memory(self):
        sink = self.sink()
        settings = {"queue.memory_for_content": "32MiB", "queue.content_cache": "8MiB"}
        server = self.server(sink, settings=settings)
        server.environment["ASAN_OPTIONS"] = "quarantine_size_mb=8"  # what is freed counts as used there
        server.start()
        contents = [large(8 * MIB, seed) for seed in range(2)]
        failures = []

        def one(number):
            try:
                self.send(server, contents[number % 2])
            except AssertionError as refused:
                failures.append(refused)
        clients = [threading.Thread(target=one, args=(number,)) for number in range(24)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        sink.wait_for(24)
        server.wait_until_empty()
        for pid in server.roles():
            self.assertLess(memory(pid), 150 * MIB, server.roles())
        wait_for(lambda: not staged(server), "the staged files to go")


if __name__ == "__main__":
    unittest.main()
