"""A full disk: 452 before the content is sent, deliveries go on, and all is well once there is room."""

import errno
import os
import smtplib
import unittest

from support.case import EndToEnd, for_each_backend, text
from support.file_systems import MIB, small_ext4, small_tmpfs
from support.waiting import wait_for


class FullDisk(EndToEnd):
    def fill(self, server):
        """Sends until the answer to DATA is 452; the number that was accepted."""
        accepted = 0
        content = text("f" * 78 + "\r\n" + ("y" * 78 + "\r\n") * 1200)
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            client.ehlo("client.test")
            while accepted < 5000:
                code, reply = client.mail("sender@origin.test", [f"SIZE={len(content)}"])
                if code == 250:
                    client.rcpt("someone@next.test")
                    code, reply = client.docmd("DATA")
                if code == 354:
                    client.send(content + b".\r\n")
                    code, reply = client.getreply()
                if code == 250:
                    accepted += 1
                    continue
                self.assertEqual((code, reply[:5]), (452, b"4.3.1"), reply)
                return accepted
        self.fail("the disk never fills")

    def check(self, backend, directory, spool):
        sink = self.sink(lambda stage, argument: "450 4.2.1 later" if stage == "rcpt" else None)
        settings = {"queue.path": str(spool / "spool"), "queue.content_cache": 0}
        server = self.server(sink, backend, settings, directory=directory).start()
        accepted = self.fill(server)
        self.assertGreater(accepted, 10)
        self.assertGreater(len(server.roles()), 2)
        # Settlements and discards have room that was kept for them.
        sink.answer = lambda stage, argument: None

        def left():  # what was under way at one flush is left for the next
            server.queue("flush")
            return len(sink.messages) >= accepted and not server.entries()
        wait_for(left, lambda: f"all of it to leave: {len(sink.messages)} of {accepted}\n{server.log()[-5000:]}", 60)
        self.assertEqual(len(sink.messages), accepted)

        def takes_mail():
            with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
                client.ehlo("client.test")
                if client.mail("sender@origin.test")[0] != 250:
                    client.rset()
                    return False
                client.rcpt("someone@next.test")
                if client.docmd("DATA")[0] != 354:
                    return False
                client.send(text() + b".\r\n")
                return client.getreply()[0] == 250
        wait_for(takes_mail, lambda: "mail to be taken again\n" + server.log()[-5000:])
        sink.wait_for(accepted + 1)
        server.wait_until_empty()
        self.assertEqual(server.stop(), 0)
        self.assertNotIn("was killed", server.log())

    @for_each_backend
    def test_a_small_tmpfs(self, backend):
        self.check(backend, *small_tmpfs(self, 100))

    @for_each_backend
    def test_a_small_ext4(self, backend):
        self.check(backend, *small_ext4(self, 128))

    @for_each_backend
    def test_room_that_somebody_else_takes_and_gives_back(self, backend):
        directory, spool = small_tmpfs(self, 140)
        sink = self.sink()
        server = self.server(sink, backend, {"queue.path": str(spool / "spool"), "queue.reserve": "16MiB"},
                             directory=directory).start()
        self.send(server)
        other = spool / "other"
        self.take_all_but_a_little(other)
        accepted = self.fill(server)
        server.wait_until_empty()  # from here on the store is idle
        other.unlink()
        wait_for(lambda: self.accepts(server), lambda: "mail to be taken again\n" + server.log()[-5000:])
        server.wait_until_empty()
        self.assertEqual(len(sink.messages), 1 + accepted + 1)

    def take_all_but_a_little(self, path):
        with open(path, "wb") as file:
            size = 0
            try:
                while True:
                    os.posix_fallocate(file.fileno(), size, MIB)
                    size += MIB
            except OSError as full:
                self.assertEqual(full.errno, errno.ENOSPC)
            file.truncate(max(0, size - 2 * MIB))


if __name__ == "__main__":
    unittest.main()
