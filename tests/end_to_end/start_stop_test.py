"""Starting, stopping and reloading: signals, exit codes, and what is said about them."""

import os
import pwd
import re
import signal
import smtplib
import socket
import unittest
from pathlib import Path

from support.case import EndToEnd, for_each_backend, free_port, text
from support.processes import alive, run
from support.waiting import wait_for


class Stop(EndToEnd):
    @for_each_backend
    def test_sigterm_lets_open_transactions_end(self, backend):
        sink = self.sink()
        server = self.server(sink, backend).start()
        with smtplib.SMTP("127.0.0.1", server.port, timeout=60) as idle, \
                smtplib.SMTP("127.0.0.1", server.port, timeout=60) as client:
            idle.ehlo("idle.test")
            client.ehlo("client.test")
            client.mail("sender@origin.test")
            client.rcpt("someone@next.test")
            server.process.send_signal(signal.SIGTERM)
            server.wait_for_log("stopping: sessions and deliveries under way are let end")
            self.assertEqual(idle.getreply()[0], 421)
            code, reply = client.data(text())
            self.assertEqual(code, 250, reply)
            self.assertEqual(client.getreply()[0], 421)
        self.assertEqual(server.process.wait(60), 0)
        self.assertIn("stopped", server.log())
        self.assertFalse((server.directory / "control").exists())
        # Accepted while stopping: relayed before the end, or still there.
        self.assertEqual(len(sink.messages) + len(server.entries()), 1)

    def test_a_second_sigterm_does_not_wait(self):
        server = self.server(self.sink(lambda stage, argument: "stall" if stage == "dot" else None)).start()
        self.send(server)
        wait_for(lambda: any(entry["queue_name"] == "active" for entry in server.entries()), "the delivery")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_log("stopping: ")
        server.process.send_signal(signal.SIGTERM)
        self.assertIsNotNone(server.process.wait(20))
        self.assertEqual(len(server.entries()), 1)

    def test_sigint_stops_too(self):
        server = self.server().start()
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(60), 0)


class Reload(EndToEnd):
    def size_of(self, port):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.ehlo("client.test")
            return client.esmtp_features.get("size")

    def test_new_settings_are_for_new_sessions(self):
        first, second = self.sink(), self.sink()
        server = self.server(first, settings={"smtpd.message_size_limit": "1MiB"}).start()
        self.send(server)
        first.wait_for(1)
        old = smtplib.SMTP("127.0.0.1", server.port, timeout=60)
        self.addCleanup(old.close)
        old.ehlo("client.test")
        old.mail("sender@origin.test")
        server.write_config(smtpd__message_size_limit="2MiB", delivery__relay_host=second.address)
        self.assertIn("reloaded", server.reload())
        wait_for(lambda: self.size_of(server.port) == str(2 << 20), "the new limit")
        # The transaction that was open is finished by the old process.
        self.assertEqual(old.rcpt("old.session@next.test")[0], 250)
        self.assertEqual(old.data(text())[0], 250)
        self.assertEqual(old.getreply()[0], 421)
        self.send(server)
        second.wait_for(2)
        server.wait_until_empty()
        self.assertEqual(len(first.messages), 1)
        wait_for(lambda: len(server.roles()) == 3, "the end of the old processes")

    def test_listeners_come_and_go(self):
        server = self.server(self.sink(), listen=("127.0.0.1:0",)).start()
        kept, added = server.port, free_port()
        server.listen = ["127.0.0.1:0", f"127.0.0.1:{added}"]
        server.write_config()
        server.reload()
        wait_for(lambda: self.size_of(added), "the new listener")
        self.assertTrue(self.size_of(kept))
        server.listen = [f"127.0.0.1:{added}"]
        server.write_config()
        server.reload()

        def refused():
            try:
                socket.create_connection(("127.0.0.1", kept), timeout=20).close()
                return False
            except ConnectionRefusedError:
                return True
        wait_for(refused, "the end of the old listener")
        self.assertTrue(self.size_of(added))

    def test_a_bad_config_keeps_the_old(self):
        sink = self.sink()
        server = self.server(sink).start()
        good = server.config.read_text()
        server.config.write_text(good.replace("[[listen]]", 'smtpd.tiemout = "1s"\nretry.jitter = 7\n[[listen]]', 1))
        line = good.splitlines().index("[[listen]]") + 1
        said = server.reload()
        self.assertRegex(said, rf"error: {re.escape(str(server.config))}:{line}:\d+: .*smtpd\.tiemout.*smtpd\.timeout")
        self.assertRegex(said, rf"error: {re.escape(str(server.config))}:{line + 1}:\d+: retry\.jitter: .*0\.9")
        self.assertIn("the old one stays in force", said)
        self.send(server)
        sink.wait_for(1)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen(1)
            server.listen = [f"127.0.0.1:{other.getsockname()[1]}"]
            server.write_config()
            self.assertRegex(server.reload(), "another server listens there.*the old config stays in force")
        self.send(server)
        sink.wait_for(2)

    def test_the_log_file_is_opened_anew(self):
        directory = self.directory()
        log = directory / "mail.log"
        server = self.server(self.sink(), settings={"log.target": str(log)}, directory=directory).start()
        first = self.send(server)
        server.wait_for_log(f"{first}: removed")
        log.rename(directory / "mail.log.1")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: log.exists() and "reloaded" in log.read_text(), "a new log")
        second = self.send(server)
        wait_for(lambda: f"{second}: removed" in log.read_text(), "the whole message in the new log")
        wait_for(lambda: len(server.roles()) == 3, "the end of the old processes")
        old, new = (directory / "mail.log.1").read_text(), log.read_text()
        self.assertNotIn(second, old)
        self.assertNotIn(first, new)
        for program in ("smtpd", "qmgr", "smtp"):
            self.assertRegex(new, rf"brevdue/{program}\[\d+\]: {second}: ")


class Refusals(EndToEnd):
    def refused(self, server, code, pattern):
        process = server.spawn()
        self.assertEqual(process.wait(60), code, server.log())
        self.assertRegex(server.log(this_run=True), pattern)

    @for_each_backend
    def test_a_second_master_on_the_same_spool(self, backend):
        server = self.server(self.sink(), backend).start()
        qmgr = server.roles("qmgr")[0]
        other = self.server(backend=backend, settings={"queue.path": str(server.spool)})
        self.refused(other, 75, rf"{re.escape(str(server.spool))}.*\b{qmgr}\b")
        self.send(server)
        server.wait_until_empty()
        same_socket = self.server(settings={"control.socket": server.settings["control.socket"]})
        self.refused(same_socket, 75, r"another Brevdue answers on .*control; stop it first")
        self.assertTrue(server.greets())

    def test_a_spool_of_another_backend(self):
        server = self.server(backend="maildir").start()
        server.stop()
        server.write_config(queue__backend="lmdb")
        self.refused(server, 78, r"maildir.*lmdb|lmdb.*maildir")

    @for_each_backend
    def test_a_spool_of_a_newer_format(self, backend):
        server = self.server(backend=backend).start()
        server.stop()
        stamp = server.spool / "FORMAT"
        before = stamp.read_text()
        for newer, words in ((before.replace("brevdue-spool 1", "brevdue-spool 2"), "newer Brevdue; upgrade"),
                             (re.sub(f"backend {backend} \\d+", f"backend {backend} 99", before), r"version 99\b")):
            self.assertNotEqual(newer, before)
            stamp.write_text(newer)
            self.refused(server, 78, re.escape(str(server.spool)) + ".*" + words)
            done = server.queue("list")
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertRegex(done.stderr, words)
        stamp.write_text(before)
        server.start()

    def test_a_spool_of_somebody_else(self):
        self.need_root()
        server = self.server()
        server.spool.mkdir()  # root's: qmgr may not write there
        self.refused(server, 78, re.escape(str(server.spool)) + ".*ermission")
        self.assertEqual(list(server.spool.iterdir()), [])

    def test_a_config_with_errors_prints_all(self):
        server = self.server()
        server.config.write_text('hostnaem = "x"\nsmtpd.timeout = 5\nqueue.backend = "paper"\n'
                                 '[[listen]]\naddress = "nowhere"\n')
        process = server.spawn()
        self.assertEqual(process.wait(60), 78)
        said = server.log()
        for pattern in (r":1:\d+: .*hostnaem.*hostname", r":2:\d+: smtpd\.timeout", r":3:\d+: queue\.backend.*iouring",
                        r":5:\d+: .*listen.*nowhere"):
            self.assertRegex(said, re.escape(str(server.config)) + pattern)
        missing = run([os.environ["BREVDUE_BIN"] + "/brevdue", "serve", "-c", server.directory / "none.toml"])
        self.assertEqual(missing.returncode, 78)
        self.assertIn("none.toml", missing.stderr)

    def test_an_address_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen(1)
            server = self.server(listen=(f"127.0.0.1:{other.getsockname()[1]}",))
            self.refused(server, 71, "another server listens there")


class Users(EndToEnd):
    def ids(self, pid):
        status = Path(f"/proc/{pid}/status").read_text()
        return {word: set(re.search(rf"(?m)^{word}:\t(.*)$", status)[1].split()) for word in ("Uid", "Gid", "Groups")}

    def test_root_without_the_accounts_runs_the_roles_as_nobody(self):
        self.need_root()
        server = self.server(self.sink()).start()
        nobody = pwd.getpwnam("nobody")
        for name in ("brevdue", "brevdue-smtpd", "brevdue-delivery"):
            try:
                pwd.getpwnam(name)
                self.skipTest(f"the account {name} exists")
            except KeyError:
                self.assertRegex(server.log(), rf'warning: no account "{name}"')
        for pid in server.roles():
            self.assertEqual(self.ids(pid)["Uid"], {str(nobody.pw_uid)})
            self.assertEqual(self.ids(pid)["Gid"], {str(nobody.pw_gid)})
            self.assertEqual(self.ids(pid)["Groups"] - {str(nobody.pw_gid)}, set())
        self.assertEqual(server.spool.stat().st_uid, nobody.pw_uid)
        self.assertEqual(server.spool.stat().st_mode & 0o777, 0o700)
        self.send(server)
        server.wait_until_empty()

    def test_each_role_runs_as_its_own_user(self):
        self.need_root()
        settings = {"user.qmgr": "daemon", "user.smtpd": "bin", "user.delivery": "games"}
        server = self.server(self.sink(), settings=settings).start()
        for role, name in (("qmgr", "daemon"), ("smtpd", "bin"), ("delivery", "games")):
            self.assertEqual(self.ids(server.roles(role)[0])["Uid"], {str(pwd.getpwnam(name).pw_uid)})
        self.send(server)
        server.wait_until_empty()
        self.assertEqual(server.spool.stat().st_uid, pwd.getpwnam("daemon").pw_uid)

    @for_each_backend
    def test_an_ordinary_user_needs_no_root(self, backend):
        stranger = self.as_stranger()
        directory = self.directory()
        os.chown(directory, 65533, 65533)
        sink = self.sink()
        server = self.server(sink, backend, directory=directory, prefix=stranger)
        server.start()
        self.assertNotIn("warning", server.log())
        self.assertEqual({frozenset(self.ids(pid)["Uid"]) for pid in (server.master, *server.roles())},
                         {frozenset({"65533"})})
        self.send(server)
        sink.wait_for(1)
        done = server.command("queue", "list", prefix=stranger)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.stop(), 0)

    def test_an_ordinary_user_and_a_low_port(self):
        stranger = self.as_stranger()
        directory = self.directory()
        os.chown(directory, 65533, 65533)
        if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 25:
            self.skipTest("ordinary users may bind any port here")
        server = self.server(directory=directory, prefix=stranger, listen=("127.0.0.1:25",))
        self.assertEqual(server.spawn().wait(60), 71)
        self.assertIn("below 1024", server.log())


if __name__ == "__main__":
    unittest.main()
