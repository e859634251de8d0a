"""What is done for shares and servers rather than for images, and the mending that nobody asks for."""
import shutil
import time

from crash_client import ClientOperation
from crash_operations import Operation
from crash_world import DONE, OTHER, SLOW
from power_cut import write_tree

PATIENCE_S = 30 * SLOW  # for servers that mend or move by themselves


def until_done(w, *command, user=None, target=None, patience=PATIENCE_S):
    """The command again and again until it is done, time is up, or the server `target` is gone; its last answer."""
    deadline = time.monotonic() + patience
    while True:
        answer = w.run(*command, user=user)
        is_gone = target is not None and w.daemons[target].poll() is not None
        if answer.code == DONE or "is settled" in answer.err or is_gone or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)


def assert_settles(w):
    answer = until_done(w, "system", "settle")
    assert answer.code == DONE or "is settled" in answer.err, answer


class Reshare(Operation):
    """Another threshold. Broken off, the old shares work or the new ones; once more completes it."""
    name, target = "shares reshare", "key-1"

    def run(self, w):
        return w.run("shares", "reshare", "--threshold", "1", user="alice")

    def check(self, w, acked):
        w.assert_whole("base")
        w.must("shares", "reshare", "--threshold", "1", user="alice")
        w.stop_one("key-1")
        w.assert_whole("base")  # one is enough now
        w.start_daemon("key-1")
        w.wait_ready("key-1")


class Replace(Operation):
    """A key server that lost its disk has its share again, or lacks it and gets it by the same command."""
    name, target, keys, start = "shares replace", "key-1", 3, "shareless"

    def run(self, w):
        return w.run("shares", "replace", "key-1", user="alice")

    def check(self, w, acked):
        w.assert_whole("base")
        answer = self.run(w)
        assert answer.code == DONE or "has its share" in answer.err, answer
        w.stop_one("key-3")
        w.assert_whole("base")
        w.start_daemon("key-3")
        w.wait_ready("key-3")


class ScrubMends(Operation):
    """A server that lost files finds that by itself and makes them again, killed in between or not."""
    name, target, storage, start = "scrub's mending", "storage-1", 2, "lost"
    is_long = True

    def run(self, w):
        return until_done(w, "verify", "base", user="alice", target=self.target, patience=8 * SLOW)

    def check(self, w, acked):
        answer = until_done(w, "verify", "base", user="alice")
        assert answer.code == DONE, answer
        w.stop_one("storage-2")
        w.assert_whole("base", "bob", owner="alice")
        w.start_daemon("storage-2")
        w.wait_ready("storage-2")


class Drain(Operation):
    """All slots of one server move to the other, which fails meanwhile."""
    name, target, storage, slots = "system drain", "storage-1", 2, 1
    is_long = True

    def run(self, w):
        answer = w.run("system", "drain", "storage-2")
        if answer.code != DONE:
            return answer
        return until_done(w, "system", "settle", target=self.target, patience=20 * SLOW)

    def check(self, w, acked):
        answer = w.run("system", "drain", "storage-2")
        assert answer.code in (DONE, OTHER), answer
        assert_settles(w)
        w.must("system", "remove", "storage-2")
        assert w.daemons.pop("storage-2").wait(PATIENCE_S) == 0, w.daemon_log("storage-2")
        w.assert_whole("base", "bob", owner="alice")


def check_added(w, acked):
    """The new server can be started, takes its slots, and is known once."""
    answer = w.run("system", "add-storage", "storage-2")
    assert answer.code in ((OTHER,) if acked else (DONE, OTHER)), answer
    w.must("system", "publish")
    w.arguments["storage-2"] = [word.replace("storage-1", "storage-2") for word in w.arguments["storage-1"]]
    w.start_daemon("storage-2")
    w.wait_ready("storage-2")
    assert_settles(w)
    w.assert_whole("base", "bob", owner="alice")


class AddStorage(Operation):
    """A server hears of another one: it works by the old description or by the new one."""
    name, target = "system add-storage", "storage-1"
    is_long = True

    def run(self, w):
        return w.run("system", "add-storage", "storage-2")

    def prepare_check(self, w, acked):
        check_added(w, acked)  # it may have slots of images already

    def check(self, w, acked):
        w.must("system", "status")


class AddStorageAt(ClientOperation):
    """The manager's program dies over it: the same command makes it whole, and no server knows more than he."""
    name = "system add-storage: manager"
    is_long = True
    parts = ("manager", "config", "system.myelin")  # of the folder, where the servers' stores lie too

    def root(self, w):
        return w.system

    def command(self, w):
        return w.command("system", "add-storage", "storage-2")

    def replace(self, w, tree):
        """Only what is the manager's own lost its power."""
        copy = w.folder / "after the cut"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        write_tree(tree, copy)
        for part in self.parts:
            path = w.system / part
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            if (copy / part).is_dir():
                shutil.copytree(copy / part, path)
            elif (copy / part).exists():
                shutil.copy2(copy / part, path)

    def check(self, w, acked):
        check_added(w, acked)
        w.assert_no_temporaries(w.system / "manager", w.system / "config")


CARE_OPERATIONS = [Reshare(), Replace(), ScrubMends(), AddStorage(), Drain()]
CARE_CLIENT_OPERATIONS = [AddStorageAt()]
