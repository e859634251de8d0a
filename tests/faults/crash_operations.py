"""What is done while a server fails, and what must hold afterwards."""
from crash_world import DONE, NOT_FOUND, OTHER


class Operation:
    """`name`, the server `target` that fails, run() and check(); `acked`: the command said done. `storage`, `slots`
    and `keys`: how many storage servers the system has, slots an image, and key servers, of which two open;
    `start`: the state that it begins from."""
    storage, slots, keys, start = 1, None, 2, "start"
    is_long = False

    def run(self, w):
        raise NotImplementedError

    def prepare_check(self, w, acked):
        """What has to be done before anything can be looked at."""

    def check(self, w, acked):
        raise NotImplementedError


def either(got, *possible):
    assert got in possible, f"neither what was before nor what was asked for: {got and sorted(got)}"


class Put(Operation):
    """A new image: whole or not there, and not there only where nobody said done."""
    target = "storage-1"

    def __init__(self, name, files, *options):
        self.name, self.sizes, self.options = name, files, options

    def files(self, w):
        return [w.make(f"{self.name}-{i}.bin", size) for i, size in enumerate(self.sizes)]

    def run(self, w):
        return w.run("put", "--id", "new", *self.options, *self.files(w), user="alice")

    def check(self, w, acked):
        want = {p.name: p.read_bytes() for p in self.files(w)}
        got = w.get_or_not("new", want=want)
        assert got or not acked, "an acknowledged put is gone"
        assert ("new" in w.listed()) == bool(got)
        if not got:  # its prepared half may stand in the way of another for half a minute, no longer
            assert self.run(w).code in (DONE, OTHER, 5)


class PutMore(Operation):
    """More objects for an image that is there."""
    name, target = "put to an image", "storage-1"

    def run(self, w):
        return w.run("put", "--id", "shown", w.make("more.bin", 50_000), user="alice")

    def check(self, w, acked):
        before = w.contents("shown")
        after = before | {"more.bin": w.make("more.bin", 50_000).read_bytes()}
        either(w.get_or_not("shown"), after, *([] if acked else [before]))
        either(w.get_or_not("shown", "carol", "alice"), after, *([] if acked else [before]))


class Remove(Operation):
    name, target = "rm", "storage-1"

    def run(self, w):
        return w.run("rm", "shown", user="alice")

    def check(self, w, acked):
        got = w.get_or_not("shown", want=w.contents("shown"))
        assert not (acked and got), "a removed image is there again"
        answer = w.run("rm", "shown", user="alice")
        assert answer.code in (DONE, NOT_FOUND), answer
        assert w.get_or_not("shown") is None and w.get_or_not("shown", "carol", "alice") is None
        assert "shown" not in w.listed()
        w.must("put", "--id", "shown", *w.images["shown"], user="alice")
        w.assert_whole("shown")


class RemoveObject(Operation):
    """One object of an image that stays: deleted for good once that was said, and its space free; the other as ever."""
    name, target = "rm of an object", "storage-1"

    def run(self, w):
        return w.run("rm", "shown", "--object", "shown.bin", user="alice")

    def slices(self, w):
        return sum(p.stat().st_size for p in w.store(self.target).glob("images/*/*/*.slices"))

    def check(self, w, acked):
        before = w.contents("shown")
        after = {"also.bin": before["also.bin"]}
        full = self.slices(w)
        got = w.get_or_not("shown")
        either(got, after, *([] if acked else [before]))
        either(w.get_or_not("shown", "carol", "alice"), got)
        assert self.run(w).code == DONE
        assert w.get_or_not("shown") == after and w.get_or_not("shown", "carol", "alice") == after
        freed = full - self.slices(w)
        assert freed > 7000 if got == before else freed == 0, f"{freed} bytes are free"
        w.must("verify", user="alice")


class Forward(Operation):
    name, target = "forward", "storage-1"

    def run(self, w):
        return w.run("forward", "old", "--to", "bob", user="alice")

    def check(self, w, acked):
        got = w.get_or_not("old", "bob", "alice", want=w.contents("old"))
        assert got or not acked, "an acknowledged forward is gone"
        w.must("forward", "old", "--to", "bob", user="alice")
        w.assert_whole("old", "bob", owner="alice")


class Revoke(Operation):
    name = "revoke"

    def __init__(self, target):
        self.target = target
        self.name = "revoke" if target.startswith("storage") else "revoke at a key server"

    def run(self, w):
        return w.run("revoke", "shown", "--from", "carol", user="alice")

    def check(self, w, acked):
        got = w.get_or_not("shown", "carol", "alice", want=w.contents("shown"))
        assert not (acked and got), "a revoked recipient reads"
        w.must("revoke", "shown", "--from", "carol", user="alice")
        assert w.get_or_not("shown", "carol", "alice") is None
        w.must("forward", "shown", "--to", "carol", user="alice")
        w.assert_whole("shown", "carol", owner="alice")


class Enroll(Operation):
    name, target = "enroll", "key-1"

    def run(self, w):
        return w.run("enroll", "dave", user="dave")

    def check(self, w, acked):
        answer = w.run("enroll", "dave", user="dave")
        either(answer.code, OTHER if acked else DONE, OTHER)  # once more: completes it, or "is enrolled"
        w.put("dave", "his", *w.images["old"])
        assert w.get("dave", "his") == w.contents("old")


class Open(Operation):
    """An opening that was answered is in the log of the key server, whatever happened to it then."""
    name, target = "get", "key-1"

    def run(self, w):
        out = w.folder / "out" / "opened"
        answer = w.run("get", "old", "-o", out, user="alice")
        if answer.code == DONE:
            for path in out.iterdir():
                path.unlink()
            out.rmdir()
        return answer

    def check(self, w, acked):
        entries = w.must("audit", "old", "--json", user="alice").json()
        at = [e for e in entries if e["server"] == self.target and e["action"] == "open"]
        assert at or not acked, f"an opening without its entry: {entries}"


class Rotate(Operation):
    """A new segment of the access log, and an opening that goes there: nothing of the log is lost or damaged."""
    name, target = "rotation of the log", "key-1"

    def run(self, w):
        w.hang_up(self.target)
        return Open.run(self, w)

    def check(self, w, acked):
        Open.check(self, w, acked)
        w.must("audit", "--check", w.store(self.target))
        assert "access-log-damaged" not in w.daemon_log(self.target)


class Refresh(Operation):
    name, target = "shares refresh", "key-1"

    def run(self, w):
        return w.run("shares", "refresh", user="alice")

    def check(self, w, acked):
        w.assert_whole("base")
        w.must("shares", "refresh", user="alice")
        w.assert_whole("base")
        w.assert_whole("base", "bob", owner="alice")


class Repair(Operation):
    """What was made again is good without the server that it was made from; killed at any point, `repair` once
    more completes it."""
    name, target, storage, start = "repair", "storage-1", 2, "lost"

    def run(self, w):
        return w.run("repair", "base", user="alice")

    def check(self, w, acked):
        if not acked:
            w.must("repair", "base", user="alice")
        w.stop_one("storage-2")
        w.assert_whole("base")
        w.assert_whole("base", "bob", owner="alice")
        w.start_daemon("storage-2")
        w.wait_ready("storage-2")


OPERATIONS = [
    Put("put", [60_000, 5000]),
    Put("put of many objects", [2000] * 6),
    Put("put, blocks", [60_000], "--disperse", "blocks"),
    PutMore(),
    Forward(),
    Revoke("storage-1"),
    Remove(),
    RemoveObject(),
    Repair(),
    Enroll(),
    Open(),
    Rotate(),
    Revoke("key-1"),
    Refresh(),
]
