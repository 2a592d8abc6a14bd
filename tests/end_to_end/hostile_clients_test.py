"""Clients that send garbage, flood, stall or vanish, while a good one is served."""

import os
import random
import re
import smtplib
import socket
import threading
import unittest

from support.case import EndToEnd, text
from support.processes import memory
from support.waiting import wait_for

MIB = 1 << 20


class HostileClients(EndToEnd):
    def setUp(self):
        self.relay = self.sink()
        settings = {"smtpd.timeout": "2s", "smtpd.content_timeout": "2s", "smtpd.sessions_max": 100,
                    "smtpd.sessions_per_client_max": 40, "smtpd.message_size_limit": "1MiB"}
        self.tested = self.server(self.relay, settings=settings).start()
        self.pids = set(wait_for(lambda: self.tested.roles() if len(self.tested.roles()) == 3 else None, "three roles"))

    def connect(self, source="127.0.0.1"):
        connection = socket.create_connection(("127.0.0.1", self.tested.port), 30, (source, 0))
        self.addCleanup(connection.close)
        return connection

    def greeted(self, name):
        """A connection that has said EHLO."""
        connection = self.connect()
        self.assertTrue(connection.recv(4096).startswith(b"220 "))
        connection.sendall(b"EHLO " + name + b"\r\n")
        self.assertTrue(connection.recv(4096).startswith(b"250-"))
        return connection

    def in_content(self):
        """A connection that has been asked for its content."""
        connection = self.greeted(b"content.test")
        connection.sendall(b"MAIL FROM:<a@origin.test>\r\nRCPT TO:<b@next.test>\r\nDATA\r\n")
        said = b""
        while b"354 " not in said:
            said += connection.recv(4096)
        return connection

    def send_all(self, connection, data):
        """Until it is sent, or the server had enough."""
        try:
            connection.sendall(data)
        except OSError:
            pass

    def read_to_end(self, connection):
        said = b""
        try:
            while piece := connection.recv(65536):
                said += piece
        except ConnectionResetError:
            pass
        return said

    def assert_service(self):
        """A good client is served, and no process had to be replaced."""
        before = len(self.relay.messages)
        with smtplib.SMTP("127.0.0.1", self.tested.port, timeout=30, source_address=("127.0.0.9", 0)) as client:
            client.sendmail("good@origin.test", ["someone@next.test"], text())
        self.relay.wait_for(before + 1)
        self.assertEqual(set(self.tested.roles()), self.pids, self.tested.log()[-5000:])

    def test_garbage(self):
        random.seed(2526)
        for size in (1, 10, 1000, 100_000, 3_000_000):
            for kind in (lambda: random.randbytes(size), lambda: b"\0" * size, lambda: b"\r" * size,
                         lambda: b"\n" * size, lambda: b"EHLO " + b"a" * size, lambda: b"\r\n" * size):
                connection = self.connect()
                self.send_all(connection, kind())
                try:
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                self.read_to_end(connection)
                connection.close()
        self.assert_service()
        for line in self.tested.log().splitlines():
            self.assertRegex(line, r"^20\d\d-\S+ mx\.relay\.test brevdue/\w+\[\d+\]: [ -~]*$")

    def test_a_flood_of_commands(self):
        connection = self.greeted(b"flood.test")
        reader = threading.Thread(target=self.read_to_end, args=(connection,), daemon=True)
        reader.start()
        self.send_all(connection, b"NOOP\r\n" * 2_000_000)
        self.assert_service()
        reader.join(30)
        self.assertFalse(reader.is_alive(), "the flood was never cut off")

    def test_a_client_that_does_not_read_its_replies(self):
        connection = self.greeted(b"deaf.test")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1)
        self.send_all(connection, b"HELP\r\n" * 1_000_000)
        self.assert_service()
        self.tested.wait_for_log(r"(timeout|too many|lost connection|improper).* from unknown\[127\.0\.0\.1\]")
        self.assertLess(max(memory(pid) for pid in self.pids), 300 * MIB)

    def test_content_without_an_end(self):
        connection = self.in_content()
        for piece in (b"x" * 65536, (b"y" * 900 + b"\r\n") * 70):
            for _ in range(100):
                self.send_all(connection, piece)
        self.assert_service()
        self.assertLess(max(memory(pid) for pid in self.pids), 300 * MIB)
        connection.close()
        self.tested.wait_until_empty()

    def test_clients_that_vanish_in_content(self):
        for size in (1, 1000, 200_000):
            connection = self.in_content()
            connection.sendall(b"z" * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * (size // 72))
            connection.close()
        self.tested.wait_for_log(r"lost connection after .* from unknown\[127\.0\.0\.1\]", 3)
        self.assert_service()
        self.tested.wait_until_empty()
        self.assertEqual(len(self.relay.messages), 1)

    def test_slow_clients_are_cut_off_and_bounded(self):
        slow = [self.connect() for _ in range(20)] + [self.greeted(b"slow.test") for _ in range(20)]
        for connection in slow[20:]:
            connection.sendall(b"MAIL FROM:<a@orig")
        one_more = self.connect()
        self.assertRegex(one_more.recv(4096), rb"^421 4\.")
        self.assert_service()  # from another address
        for connection in slow:
            connection.settimeout(30)
            self.assertIn(b"421 4.4.2", self.read_to_end(connection))
        self.assert_service()

    def test_slow_content_is_cut_off(self):
        connection = self.in_content()
        connection.sendall(b"Subject: one line and no more\r\n")
        self.assertIn(b"421 4.4.2", self.read_to_end(connection))
        self.assertEqual(self.tested.entries(), [])

    def test_more_connections_than_there_are_sessions(self):
        sources = [f"127.0.1.{n}" for n in range(1, 6)]
        crowd = [self.connect(source) for source in sources for _ in range(30)]
        greetings = [connection.recv(4096)[:3] for connection in crowd]
        self.assertEqual(greetings.count(b"220"), 100)
        self.assertEqual(greetings.count(b"421"), 50)
        for connection in crowd:
            connection.close()
        wait_for(lambda: self.tested.greets(), "room again")
        self.assert_service()

    def test_resets(self):
        for begin in (self.connect, lambda: self.greeted(b"reset.test"), self.in_content):
            for _ in range(20):
                connection = begin()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
        self.assert_service()

    def test_strangers_at_the_control_socket(self):
        control = str(self.tested.directory / "control")
        for junk in (b"", b"\0", b"\xff" * 100, b"GET / HTTP/1.0\r\n\r\n", os.urandom(10_000),
                     b"\xff\xff\xff\x7f\x01\x00"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(control)
                self.send_all(connection, junk)
                try:
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                self.read_to_end(connection)
        self.assertEqual(self.tested.entries(), [])
        self.assert_service()
        self.assertNotRegex(self.tested.log(), re.compile("assert", re.IGNORECASE))


if __name__ == "__main__":
    unittest.main()
