"""Channels between living processes that break, and limits that change under them."""

import ctypes
import os
import re
import smtplib
import socket
import unittest

from support.case import EndToEnd, text
from support.waiting import wait_for

PIDFD_OPEN, PIDFD_GETFD = 434, 438
MASTER_CHANNEL = 4


def break_channels_to_qmgr(pid):
    """Shuts down the Unix sockets of another process, save the one to its master; how many."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = libc.syscall(PIDFD_OPEN, pid, 0)
    broken = 0
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            number = int(name)
            if number <= MASTER_CHANNEL or not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
            copy = libc.syscall(PIDFD_GETFD, process, number, 0)
            if copy < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            with socket.socket(fileno=copy) as one:
                if one.family == socket.AF_UNIX:
                    one.shutdown(socket.SHUT_RDWR)
                    broken += 1
    finally:
        os.close(process)
    return broken


class Channels(EndToEnd):
    def accepted(self, server, subject, size=10):
        """As any client: a 4xx or a lost connection means once more."""
        try:
            with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
                client.sendmail("sender@origin.test", "someone@next.test",
                                text(subject=subject, body=("x" * 70 + "\r\n") * (size // 72 + 1)))
            return True
        except (smtplib.SMTPException, ConnectionError):
            return False

    def test_one_that_breaks_is_replaced(self):
        self.need_root()
        sink = self.sink()
        server = self.server(sink).start()
        pids = sorted(server.roles())
        self.assertTrue(self.accepted(server, "before"))
        sink.wait_for(1)
        for expected, role in enumerate(("smtpd", "delivery", "smtpd", "delivery"), 2):
            self.assertEqual(break_channels_to_qmgr(server.roles(role)[0]), 1)
            wait_for(lambda: self.accepted(server, f"{expected}"), "a message to be accepted")
            sink.wait_for(expected)
        server.wait_until_empty()
        self.assertEqual(sorted(server.roles()), pids)  # nobody had to die for it
        self.assertEqual(len(re.findall(r"the queue is out of reach", server.log())), 2)

    def test_a_larger_limit_holds_for_the_queue_as_well(self):
        sink = self.sink()
        server = self.server(sink, settings={"smtpd.message_size_limit": "1MiB"}).start()
        server.write_config(smtpd__message_size_limit="16MiB")
        server.reload()

        def limit():
            with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
                client.ehlo("client.test")
                return client.esmtp_features.get("size")
        wait_for(lambda: limit() == str(16 << 20), "the new limit")
        self.assertTrue(self.accepted(server, "large", 8 << 20))
        self.assertTrue(self.accepted(server, "small"))
        sink.wait_for(2)
        server.wait_until_empty()

    def test_another_relay_host_takes_the_queue_along(self):
        refusing = self.sink(lambda stage, argument: "451 4.2.0 later" if stage == "rcpt" else None)
        willing = self.sink()
        server = self.server(refusing).start()
        self.assertTrue(self.accepted(server, "waits"))
        server.wait_until_deferred()
        server.write_config(delivery__relay_host=willing.address)
        server.reload()
        self.assertEqual(server.queue("flush").returncode, 0)
        willing.wait_for(1)
        server.wait_until_empty()


if __name__ == "__main__":
    unittest.main()
