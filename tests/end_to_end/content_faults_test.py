"""Content that ends in the middle, grows past the limit, comes drop by drop, or finds no room on the disk."""

import resource
import selectors
import socket
import time
import unittest

from support.case import EndToEnd, for_each_backend, text
from support.content import MIB, ContentClient, being_staged, large, staged
from support.file_systems import small_tmpfs, space_left
from support.processes import memory
from support.waiting import wait_for

CLIENTS = 1000


class ContentFaults(EndToEnd):
    def start(self, backend, settings=None, **options):
        """A server, with a next hop of its own."""
        self.relay = self.sink()
        return self.server(self.relay, backend, settings, **options).start()

    def assert_nothing_left(self, server):
        wait_for(lambda: being_staged(server) == 0, "the files of content that is given up to be closed")
        self.assertEqual(staged(server), [])
        self.assertEqual(server.entries(), [])

    @for_each_backend
    def test_content_that_ends_in_the_middle(self, backend):
        server = self.start(backend)
        content = large(3 * MIB)
        for announced in ("", f" SIZE={len(content)}"):
            for end in (socket.SHUT_RDWR, socket.SHUT_WR):
                client = ContentClient(self, server)
                self.assertEqual(client.begin(announced)[:3], "354")
                client.send(content[:2 * MIB])
                wait_for(lambda: being_staged(server) == 1, "a file for the content")
                client.socket.shutdown(end)
                wait_for(lambda: being_staged(server) == 0, "the file to go")
        server.wait_for_log(r"lost connection after DATA .* from unknown\[127\.0\.0\.1\]", 4)
        self.assert_nothing_left(server)
        self.send(server, content)
        self.relay.wait_for(1)
        server.wait_until_empty()

    @for_each_backend
    def test_content_that_grows_past_the_limit(self, backend):
        server = self.start(backend, {"smtpd.message_size_limit": "1MiB"})
        client = ContentClient(self, server)
        self.assertEqual(client.begin()[:3], "354")
        content = large(2 * MIB)
        client.send(content[:MIB // 2])
        wait_for(lambda: being_staged(server) == 1, "a file for the content")
        client.send(content[MIB // 2:])
        # What is beyond the limit has no end yet, and nothing of it is kept.
        wait_for(lambda: being_staged(server) == 0, "the file to go")
        client.send(content)
        self.assertEqual(client.command(".")[:9], "552 5.3.4")
        self.assertEqual(client.command("MAIL FROM:<sender@origin.test>")[:3], "250")
        self.assertEqual(client.command("RCPT TO:<someone@next.test>")[:3], "250")
        self.assertEqual(client.command("DATA")[:3], "354")
        client.send(text())
        self.assertEqual(client.command(".")[:3], "250")
        server.wait_until_empty()
        self.assert_nothing_left(server)

    def many_in_content(self, server, announced):
        """A thousand clients from a few addresses that were all asked for their content."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2 * CLIENTS:
            self.skipTest(f"needs {2 * CLIENTS} descriptors, {hard} are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        clients = [ContentClient(self, server, f"127.0.1.{number % 10 + 1}") for number in range(CLIENTS)]
        for client in clients:
            self.assertEqual(client.begin(announced)[:3], "354")
        return clients

    def drop_by_drop(self, clients, until):
        """A byte a second from each, until the condition holds; what each of them was told at its end."""
        told = {}
        with selectors.DefaultSelector() as selector:
            for client in clients:
                client.socket.setblocking(False)
                selector.register(client.socket, selectors.EVENT_READ, client)
            drop_at = time.monotonic()
            while not until(told):
                if time.monotonic() >= drop_at:
                    drop_at += 1
                    for client in clients:
                        if client not in told:
                            self.send_drop(client)
                for key, _ in selector.select(max(0, drop_at - time.monotonic())):
                    self.hear(key.data, told, selector)
        return told

    def send_drop(self, client):
        try:
            client.socket.send(b"x")
        except OSError:
            pass  # it was cut off; what it was told is still to be read

    def hear(self, client, told, selector):
        try:
            piece = client.socket.recv(4096)
        except ConnectionResetError:
            piece = b""
        client.said += piece
        if not piece or b"\r\n" in client.said:
            selector.unregister(client.socket)
            told[client] = client.said

    @for_each_backend
    def test_a_byte_a_second_from_a_thousand_clients(self, backend):
        server = self.start(backend, {"smtpd.content_timeout": "10s", "smtpd.sessions_max": CLIENTS + 100})
        pids = set(server.roles())
        clients = self.many_in_content(server, f" SIZE={MIB}")
        # They hold what they announced of nothing: others are served beside them, with small and large content.
        sent = 0

        def others_are_served(told):
            nonlocal sent
            if sent < 10:
                self.send(server, large(2 * MIB) if sent % 5 == 0 else text())
                sent += 1
            return sent == 10
        told = self.drop_by_drop(clients, others_are_served)
        self.relay.wait_for(10)
        self.assertLess(sum(memory(pid) for pid in server.roles()), 512 * MIB)
        rest = [client for client in clients if client not in told]
        told |= self.drop_by_drop(rest, lambda told: len(told) == len(rest))
        self.assertEqual({said.split(b" mx.relay.test")[0] for said in told.values()}, {b"421 4.4.2"})
        self.assert_nothing_left(server)
        self.assertEqual(set(server.roles()), pids)

    def disk(self, backend, megabytes):
        directory, path = small_tmpfs(self, megabytes)
        settings = {"queue.path": str(path / "spool"), "queue.content_cache": 0, "queue.reserve": "16MiB",
                    "smtpd.message_size_limit": "1GiB"}
        return path, self.start(backend, settings, directory=directory)

    @for_each_backend
    def test_a_disk_that_fills_while_content_is_staged(self, backend):
        path, server = self.disk(backend, 140)
        before = space_left(path)
        client = ContentClient(self, server)
        self.assertEqual(client.begin()[:3], "354")
        content = large(4 * MIB)
        while being_staged(server) == 0:
            client.send(content)
        while being_staged(server) == 1:
            client.send(content)
            self.assertGreaterEqual(space_left(path), 15 * MIB)  # a chunk may be on its way
        # The client goes on, but what it had of the disk is free for others already.
        wait_for(lambda: space_left(path) > before - 40 * MIB, "the space to be free again")
        wait_for(lambda: self.accepts(server), lambda: "mail to be taken\n" + server.log()[-5000:])
        client.send(content)
        self.assertEqual(client.command(".")[:9], "452 4.3.1")
        self.assertEqual(client.command("QUIT")[:3], "221")
        self.relay.wait_for(1)
        server.wait_until_empty()
        self.assert_nothing_left(server)

    @for_each_backend
    def test_content_that_cannot_fit_is_refused_before_it_is_sent(self, backend):
        path, server = self.disk(backend, 200)
        left = space_left(path)
        # smtpd hears once a second what is left, and the store takes its own part first.
        wait_for(lambda: self.answer_to(server, left) == "452 4.3.1", "a refusal")
        first = ContentClient(self, server)
        self.assertEqual(first.begin(f" SIZE={40 * MIB}")[:3], "354")
        # What the first has announced is spoken for, though nothing of it was sent.
        self.assertEqual(self.answer_to(server, left - 20 * MIB), "452 4.3.1")
        first.socket.close()
        wait_for(lambda: self.answer_to(server, left - 70 * MIB)[:3] == "354", "room for it")

    def answer_to(self, server, size):
        client = ContentClient(self, server)
        answer = client.begin(f" SIZE={size}")[:9]
        client.socket.close()
        return answer

    @for_each_backend
    def test_more_clients_than_the_disk_has_room_for(self, backend):
        _, server = self.disk(backend, 160)
        content = large(8 * MIB)
        sent = content.replace(b"\r\n.", b"\r\n..")
        clients = [ContentClient(self, server) for _ in range(24)]
        for client in clients:
            self.assertEqual(client.begin()[:3], "354")
        # None has announced anything: they share what there is, and not all of it fits.
        for at in range(0, len(sent), MIB // 2):
            for client in clients:
                client.send(sent[at:at + MIB // 2])
        answers = [client.command(".")[:9] for client in clients]
        self.assertEqual(set(answers), {"250 2.0.0", "452 4.3.1"}, answers)
        accepted = answers.count("250 2.0.0")
        self.relay.wait_for(accepted)
        server.wait_until_empty()
        self.assertEqual(len(self.relay.messages), accepted)
        for message in self.relay.messages:
            self.assertTrue(message.content.endswith(content))
        wait_for(lambda: self.accepts(server), lambda: "mail to be taken\n" + server.log()[-5000:])


if __name__ == "__main__":
    unittest.main()
