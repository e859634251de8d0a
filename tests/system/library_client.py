"""A program that uses libmyelin through ctypes; library_test.py runs it."""
import ctypes
import os
import sys
import threading

from cluster import BIN, Cluster, noise

OK, INVALID, NOT_FOUND, CONFLICT = 0, 1, 9, 10


class Blob(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_char_p), ("size", ctypes.c_size_t),
                ("note", ctypes.c_char_p), ("note_size", ctypes.c_size_t)]


class Listed(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("size", ctypes.c_uint64),
                ("note", ctypes.c_void_p), ("note_size", ctypes.c_size_t)]


class Server(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("address", ctypes.c_char_p), ("is_key", ctypes.c_int),
                ("is_well", ctypes.c_int), ("time_ms", ctypes.c_uint64), ("trouble", ctypes.c_char_p)]


class Access(ctypes.Structure):
    _fields_ = [("server", ctypes.c_char_p), ("sequence", ctypes.c_uint64),
                ("time_ms", ctypes.c_uint64), ("user", ctypes.c_char_p), ("action", ctypes.c_char_p),
                ("owner", ctypes.c_char_p), ("id", ctypes.c_char_p), ("recipient", ctypes.c_char_p),
                ("outcome", ctypes.c_char_p)]


FOUND = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Listed))
TAKE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t)
SERVER_FOUND = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Server))
ACCESS_FOUND = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Access))
LINE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)


class Session:
    """One user's session of the library, and what is held of it."""

    def __init__(self, library, cluster, user):
        self.myelin, self.handle = library, ctypes.c_void_p()
        os.environ["MYELIN_HOME"] = str(cluster.home)
        secret = cluster.passphrase.read_bytes().strip()
        assert library.myelin_open(str(cluster.system).encode(), user.encode(), secret, len(secret),
                                   ctypes.byref(self.handle)) == OK, self.error()

    def error(self):
        return self.myelin.myelin_error_text().decode()

    def hold(self, image, owner=None):
        held = ctypes.c_void_p()
        assert self.myelin.myelin_hold(self.handle, image.encode(), owner and owner.encode(),
                                        ctypes.byref(held)) == OK, self.error()
        return held

    def put(self, held, contents, note=b""):
        blobs = (Blob * len(contents))(*[Blob(n.encode(), d, len(d), note, len(note))
                                         for n, d in contents.items()])
        return self.myelin.myelin_hold_put(held, None, blobs, len(contents))

    def list(self, held):
        found = {}

        def take(_, blob):
            b = blob.contents
            found[b.name.decode()] = (b.size, ctypes.string_at(b.note, b.note_size))
        assert self.myelin.myelin_hold_list(held, FOUND(take), None) == OK, self.error()
        return found

    def read(self, held, names):
        got = {}

        def take(_, index, data, size):
            got[names[index]] = ctypes.string_at(data, size)
            return OK
        array = (ctypes.c_char_p * len(names))(*[n.encode() for n in names])
        code = self.myelin.myelin_hold_read(held, array, len(names), TAKE(take), None)
        return got if code == OK else code


def load():
    library = ctypes.CDLL(str(BIN.parent / "lib" / "libmyelin.so"))
    library.myelin_error_text.restype = ctypes.c_char_p
    assert library.myelin_start() == OK
    return library


def openings(cluster, user):
    return sum(e["action"] == "open" for e in cluster.must("audit", "--json", user=user).json())


def objects_from_memory(library, cluster):
    alice = Session(library, cluster, "alice")
    held = alice.hold("study")
    big, small = noise(3_000_000, "big"), noise(70_000, "small")
    assert alice.read(held, ["big"]) == NOT_FOUND
    assert alice.put(held, {"big": big, "small": small}, note=b"a header") == OK, alice.error()
    assert alice.list(held) == {"big": (len(big), b"a header"), "small": (len(small), b"a header")}
    assert alice.read(held, ["small", "big"]) == {"big": big, "small": small}
    assert openings(cluster, "alice") == 0, "an own new image is not opened to be read"

    more = {f"object {i}": noise(50_000 + i, str(i)) for i in range(8)}
    codes = []
    threads = [threading.Thread(target=lambda n=n, d=d: codes.append(alice.put(held, {n: d})))
               for n, d in more.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [OK] * len(more), alice.error()
    assert alice.read(held, list(more)) == more
    assert alice.put(held, {"small": small}) == CONFLICT
    assert alice.put(held, {"noted": small}, note=b"x" * 8193) == INVALID
    assert alice.put(held, {"../up": small}) == INVALID

    # What the command line sees is the same.
    assert cluster.get("alice", "study")["object 3"] == more["object 3"]

    # A recipient holds it open too, and may not add.
    assert library.myelin_forward(alice.handle, b"study", (ctypes.c_char_p * 1)(b"bob"), 1) == OK
    bob = Session(library, cluster, "bob")
    theirs = bob.hold("study", "alice")
    assert bob.list(theirs)["big"] == (len(big), b"a header")
    assert bob.read(theirs, ["object 5"]) == {"object 5": more["object 5"]}
    assert bob.read(theirs, ["object 6"]) == {"object 6": more["object 6"]}
    assert openings(cluster, "bob") == 5, "one opening, an entry at each key server"
    assert bob.put(theirs, {"mine": small}) == INVALID

    # After a removal the hold finds out by itself, and makes the image anew.
    cluster.must("rm", "study", user="alice")
    assert alice.put(held, {"after": small}) == OK, alice.error()
    assert alice.list(held) == {"after": (len(small), b"")}
    for session, hold in ((alice, held), (bob, theirs)):
        library.myelin_release(hold)
        library.myelin_close(session.handle)


def the_system(library, cluster):
    alice = Session(library, cluster, "alice")
    servers, users, entries = {}, [], []
    assert library.myelin_status(alice.handle, SERVER_FOUND(
        lambda _, s: servers.update({s.contents.name.decode(): s.contents.is_well})), None) == OK
    assert len(servers) == 11 and all(servers.values())
    assert library.myelin_users(alice.handle, LINE(lambda _, name: users.append(name.decode())), None) == OK
    assert users == ["alice", "bob"]
    assert library.myelin_audit(alice.handle, None, None, ACCESS_FOUND(
        lambda _, a: entries.append(a.contents.action)), None) == OK
    assert b"enroll" in entries

    keys = [ctypes.create_string_buffer(32) for _ in range(3)]
    for key, purpose in zip(keys, (b"map", b"map", b"spool")):
        assert library.myelin_local_key(alice.handle, purpose, key) == OK
    assert keys[0].raw == keys[1].raw != keys[2].raw
    library.myelin_close(alice.handle)


def a_false_header(library, cluster):
    """An image of one instance whose note names another patient than the file, forwarded to bob."""
    alice = Session(library, cluster, "alice")
    data = open(sys.argv[3], "rb").read()
    header = data[:data.index(b"\xe0\x7f\x10\x00") + 12]
    held = alice.hold("false")
    assert alice.put(held, {"00000000-0000-4000-8000-000000000001": data},
                     note=header.replace(b"Example^Head", b"Another^Head")) == OK, alice.error()
    assert library.myelin_forward(alice.handle, b"false", (ctypes.c_char_p * 1)(b"bob"), 1) == OK
    library.myelin_release(held)
    library.myelin_close(alice.handle)


if __name__ == "__main__":
    subjects = {"objects": objects_from_memory, "system": the_system, "false header": a_false_header}
    subjects[sys.argv[1]](load(), Cluster(sys.argv[2]))
