"""The operator's view of a mirror: status, detach, resync, attach, and starts with a side missing."""

import json
import os
import shutil
import unittest

from support.case import EndToEnd, for_each_backend, free_port, text
from support.waiting import wait_for


class Mirror(EndToEnd):
    def mirror(self, backend="iouring", sink=None, **settings):
        directory = self.directory()
        self.sides = [directory / name for name in ("one", "two")]
        chosen = {"queue.backend": "mirror", "queue.mirror.backend": backend,
                  "queue.mirror.paths": [str(side) for side in self.sides], **settings}
        if sink is None:
            chosen["delivery.relay_host"] = f"127.0.0.1:{free_port()}"
        return self.server(sink, backend, chosen, directory)

    def mirror_command(self, server, *words, expect=0):
        done = server.queue("mirror", *words)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def states(self, server):
        done = server.queue("mirror", "status", "--json")
        sides = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 0 if all(s["state"] == "current" for s in sides) else 1)
        self.assertEqual([side["path"] for side in sides], [str(side) for side in self.sides])
        return [side["state"] for side in sides]

    def leave_and_wait(self, server, side):
        """Until nothing of the side is in flight, so that it may be written anew."""
        self.mirror_command(server, "detach", str(side))

    def give_to_owner_of(self, spool, *sides):
        """Directories as an operator prepares them; qmgr may run as another user."""
        owner = spool.stat()
        for side in sides:
            side.mkdir(mode=0o700, exist_ok=True)
            for path in (side, *side.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)

    def attach(self, server, *words):
        """As an operator would, again while the side's disk has yet to answer."""
        def done():
            attached = server.queue("mirror", *words, "--wait")
            if "yet to answer" in attached.stderr:
                return None
            return attached
        attached = wait_for(done, "the side to be attached")
        self.assertEqual(attached.returncode, 0, attached.stderr)
        self.assertIn("both sides have everything", attached.stdout)

    @for_each_backend
    def test_what_is_accepted_is_on_either_side_alone(self, backend):
        server = self.mirror(backend).start()
        large = text("y" * 80 + "\r\n" + ("z" * 78 + "\r\n") * 4000)
        ids = [self.send(server), self.send(server, large)]
        server.wait_until_deferred(2)
        self.assertEqual(self.states(server), ["current", "current"])
        self.leave_and_wait(server, self.sides[1])
        self.assertEqual(self.states(server), ["current", "left"])
        ids.append(self.send(server, large))
        self.attach(server, "resync")
        self.leave_and_wait(server, self.sides[0])
        self.assertEqual(server.stop(), 0)
        shutil.rmtree(self.sides[0])
        # Reading the spool of a stopped one reads the side that has everything.
        self.assertEqual([entry["queue_id"] for entry in server.entries()], ids)
        sink = self.sink()
        server.write_config(delivery__relay_host=sink.address)
        server.start()
        self.assertEqual(self.states(server), ["left", "current"])
        server.queue("flush")
        server.wait_until_empty()
        self.assertEqual(sorted(len(message.content) > 300_000 for message in sink.messages),
                         [False, True, True])

    def test_a_restart_writes_a_stale_side_anew(self):
        server = self.mirror().start()
        self.send(server)
        self.leave_and_wait(server, self.sides[0])
        self.send(server)
        server.kill_all()
        server.start()
        wait_for(lambda: self.states(server) == ["current", "current"], "both sides current")
        self.assertRegex(server.log(), r"info: mirror: \S+/one has everything again|"
                                       r"qmgr\[\d+\]: mirror: \S+/one has everything again")
        self.assertEqual(len(server.entries()), 2)

    def test_the_side_that_was_left_does_not_start_alone(self):
        server = self.mirror().start()
        self.leave_and_wait(server, self.sides[0])
        queue_id = self.send(server)
        server.stop()
        hidden = self.sides[1].with_name("hidden")
        self.sides[1].rename(hidden)
        self.assertEqual(server.command("check").returncode, 1)
        status = self.mirror_command(server, "status", expect=1)
        self.assertIn("would not start", status.stdout)
        server.spawn()
        server.wait_for_log(r"qmgr cannot start: .*attach --force .*/one")
        server.close()
        # With its partner back it is written anew.
        hidden.rename(self.sides[1])
        server.start()
        wait_for(lambda: self.states(server) == ["current", "current"], "both sides current")
        self.assertEqual([entry["queue_id"] for entry in server.entries()], [queue_id])

    def test_the_operator_can_go_on_with_it_all_the_same(self):
        server = self.mirror().start()
        kept = self.send(server)
        self.leave_and_wait(server, self.sides[0])
        lost = self.send(server)
        self.mirror_command(server, "attach", "--force", str(self.sides[0]), expect=75)
        server.stop()
        self.mirror_command(server, "attach", "--force", str(self.sides[0]))
        server.start()
        wait_for(lambda: self.states(server) == ["current", "current"], "both sides current")
        ids = [entry["queue_id"] for entry in server.entries()]
        self.assertEqual(ids, [kept])
        self.assertNotIn(lost, ids)

    def test_a_new_disk_takes_the_place_of_one(self):
        server = self.mirror().start()
        self.send(server)
        self.leave_and_wait(server, self.sides[1])
        wait_for(lambda: "yet to answer" not in server.queue("mirror", "resync").stderr or None, "an end")
        wait_for(lambda: self.states(server) == ["current", "current"], "both sides current")
        self.leave_and_wait(server, self.sides[1])
        shutil.rmtree(self.sides[1])
        refused = wait_for(lambda: (lambda done: None if "yet to answer" in done.stderr else done)(
            server.queue("mirror", "resync")), "an answer")
        self.assertEqual(refused.returncode, 69)
        self.assertIn("mount its disk", refused.stderr)
        self.give_to_owner_of(self.sides[0], self.sides[1])
        self.attach(server, "attach", str(self.sides[1]))
        self.assertEqual(self.states(server), ["current", "current"])

    def test_a_spool_of_one_backend_becomes_a_mirror(self):
        alone = self.server(settings={"delivery.relay_host": f"127.0.0.1:{free_port()}"}).start()
        queue_id = self.send(alone)
        alone.wait_until_deferred()
        alone.stop()
        server = self.mirror()
        shutil.copytree(alone.spool, self.sides[0])
        self.give_to_owner_of(alone.spool, self.sides[0], self.sides[1])
        self.mirror_command(server, "attach", "--force", str(self.sides[0]))
        server.start()
        self.assertEqual(self.states(server), ["current", "left"])
        self.attach(server, "attach", str(self.sides[1]))
        self.assertEqual([entry["queue_id"] for entry in server.entries()], [queue_id])
        server.stop()
        # It is no spool of its own any more.
        server.write_config(queue__backend="iouring", queue__path=str(self.sides[1]))
        server.spawn()
        server.wait_for_log("is one side of a mirror")

    def test_bad_requests_change_nothing(self):
        server = self.mirror().start()
        unknown = self.mirror_command(server, "detach", "/elsewhere", expect=69)
        self.assertIn("is no side of this mirror", unknown.stderr)
        self.mirror_command(server, "attach", str(self.sides[0]), expect=69)
        self.mirror_command(server, "resync", expect=69)
        self.leave_and_wait(server, self.sides[1])
        last = self.mirror_command(server, "detach", str(self.sides[0]), expect=69)
        self.assertIn("only side that has all mail", last.stderr)
        self.assertEqual(self.states(server), ["current", "left"])
        self.send(server)

    def test_there_may_be_no_mirror(self):
        server = self.server(settings={"delivery.relay_host": f"127.0.0.1:{free_port()}"}).start()
        for words in (("status",), ("resync",), ("detach", "/a"), ("attach", "/a"),
                      ("attach", "--force", "/a")):
            done = server.queue("mirror", *words)
            self.assertNotIn(done.returncode, (0, 1), words)
            self.assertIn("there is no mirror", done.stderr)

    def one_damaged(self):
        """A server with one deferred message, damaged on the first side."""
        server = self.mirror(**{"queue.content_cache": 0}).start()
        queue_id = self.send(server, text("find me " * 40))
        server.wait_until_deferred()
        for path in (self.sides[0] / "iouring").iterdir():
            whole = path.read_bytes()
            at = whole.find(b"find me find me")
            if at >= 0:
                with open(path, "r+b") as file:
                    file.seek(at)
                    file.write(b"F")
        return server, queue_id

    def assert_whole_on_the_first(self, server, queue_id):
        self.leave_and_wait(server, self.sides[1])
        self.assertIn("find me find me", server.queue("show", queue_id).stdout)
        self.assertEqual(server.queue("verify").returncode, 0)

    def test_verify_repairs_from_the_other_side(self):
        server, queue_id = self.one_damaged()
        server.queue("verify")
        server.wait_for_log(f"mirror: {queue_id} is damaged on .*/one, and written there again from .*/two")
        self.assert_whole_on_the_first(server, queue_id)

    def test_verify_of_a_stopped_one_looks_at_both_and_a_start_repairs(self):
        server, queue_id = self.one_damaged()
        server.stop()
        stopped = server.queue("verify")
        self.assertEqual(stopped.returncode, 65, stopped.stderr)
        damaged, last = stopped.stdout.splitlines()
        self.assertRegex(damaged, f"^{self.sides[0]}: .*{queue_id}")
        self.assertIn("1 message verified", last)
        server.start()
        server.wait_for_log("recovery has ended: 1 messages")
        # What recovery set aside there is copied from the other side.
        self.assert_whole_on_the_first(server, queue_id)


if __name__ == "__main__":
    unittest.main()
