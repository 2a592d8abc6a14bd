"""The queue of a Brevdue that does not run: read under the lock, changed by nobody."""

import unittest

from support.case import EndToEnd, for_each_backend, free_port, text


class StoppedQueue(EndToEnd):
    def two_deferred(self, backend):
        server = self.server(backend=backend,
                             settings={"delivery.relay_host": f"127.0.0.1:{free_port()}"}).start()
        large = text("y" * 80 + "\r\n" + ("z" * 78 + "\r\n") * 4000)
        ids = [self.send(server, to=["a@one.test", "b@two.test"]), self.send(server, large)]
        server.wait_until_deferred(2)
        return server, ids

    @for_each_backend
    def test_list_and_show_say_that_it_is_stopped_and_read_the_spool(self, backend):
        server, ids = self.two_deferred(backend)
        running = [server.queue("list"), server.queue("list", "--json"),
                   *(server.queue("show", queue_id) for queue_id in ids)]
        self.assertEqual(server.stop(), 0)
        stopped = [server.queue("list"), server.queue("list", "--json"),
                   *(server.queue("show", queue_id) for queue_id in ids)]
        for before, after in zip(running, stopped):
            self.assertEqual((before.returncode, after.returncode), (0, 0), after.stderr)
            self.assertEqual(after.stdout, before.stdout)
            self.assertIn("Brevdue is not running", after.stderr)
            self.assertIn(str(server.spool), after.stderr)
        self.assertEqual(server.queue("show", ids[0][:-1] + "B").returncode, 1)

    @for_each_backend
    def test_after_kill_too(self, backend):
        server, ids = self.two_deferred(backend)
        server.kill_all()
        self.assertEqual([entry["queue_id"] for entry in server.entries()], ids)
        self.assertIn("not running", server.queue("list").stderr)

    @for_each_backend
    def test_reading_changes_nothing(self, backend):
        server, _ = self.two_deferred(backend)
        server.stop()

        def contents():
            return {path: path.read_bytes() for path in server.spool.rglob("*")
                    if path.is_file() and path.name not in ("lock", "lock.mdb")}
        before = contents()
        self.assertEqual(server.queue("list").returncode, 0)
        self.assertEqual(before.keys(), contents().keys())
        self.assertEqual(before, contents())
        server.start()
        self.assertEqual(len(server.entries()), 2)

    def test_changes_need_a_running_brevdue(self):
        server, ids = self.two_deferred("iouring")
        server.stop()
        for words in (("hold", ids[0]), ("release", "--all"), ("retry", ids[0]), ("delete", "--all"),
                      ("bounce", ids[0]), ("flush",)):
            done = server.queue(*words)
            self.assertEqual(done.returncode, 75, words)
            self.assertIn("Brevdue is not running", done.stderr)
        self.assertEqual(len(server.entries()), 2)

    def test_a_spool_that_does_not_exist(self):
        server = self.server()
        done = server.queue("list")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(server.spool), done.stderr)
        self.assertFalse(server.spool.exists())

    def test_a_spool_of_somebody_else(self):
        stranger = self.as_stranger()
        server, _ = self.two_deferred("iouring")
        running = server.command("queue", "list", prefix=stranger)
        self.assertEqual(running.returncode, 77, running.stderr)
        server.stop()
        stopped = server.command("queue", "list", prefix=stranger)
        self.assertEqual(stopped.returncode, 77, stopped.stderr)
        for done in (running, stopped):
            self.assertEqual(done.stdout, "")
            self.assertIn("ermission", done.stderr)


if __name__ == "__main__":
    unittest.main()
