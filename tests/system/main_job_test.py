"""Store, forward and retrieve over six storage and five key servers: what everything else stands on."""
import signal
import sys

from cluster import CORPORA, DENIED, NOT_FOUND, OTHER, TOO_FEW, USAGE, noise

sys.path.insert(0, str(__import__("pathlib").Path(__file__).parents[2] / "demo"))
import ct_study  # noqa: E402


def test_survives_any_n_minus_k_and_m_minus_t(make_cluster):
    c = make_cluster().enroll("alice", "bob")
    files = [c.make(f"part {i}.bin", i * 777777) for i in (1, 2, 3)]
    want = {f.name: f.read_bytes() for f in files}
    c.put("alice", "scan 1", *files)
    assert c.get("alice", "scan 1") == want
    c.must("forward", "scan 1", "--to", "bob", user="alice")
    c.kill("storage-1", "storage-3", "storage-6", "key-2", "key-5")
    assert c.get("bob", "scan 1", owner="alice") == want
    assert c.get("alice", "scan 1") == want
    c.kill("storage-2")
    c.get("bob", "scan 1", owner="alice", code=TOO_FEW)
    c.up()  # brings back who is missing, with what they had on disk
    assert c.get("bob", "scan 1", owner="alice") == want
    c.kill("key-1", "key-2", "key-3")
    answer = c.get("alice", "scan 1", code=TOO_FEW)
    assert "key-1" in answer.err


def test_a_ct_study_comes_back_as_it_was(make_cluster, tmp_path):
    c = make_cluster().enroll("alice", "bob")
    study = ct_study.write_study(CORPORA / "Cranium.inv3", tmp_path / "ct")
    want = {p.name: p.read_bytes() for p in (tmp_path / "ct").iterdir()}
    assert len(want) == 108
    answer = c.must("put", *sorted((tmp_path / "ct").iterdir()), user="alice")
    assert answer.out == study + "\n"
    stored = sum(p.stat().st_size for j in range(1, 7) for p in c.files(f"storage-{j}"))
    assert stored < 2 * sum(map(len, want.values())) / 2, "JPEG-LS should have halved it at least"
    c.must("forward", study, "--to", "bob", user="alice")
    assert c.get("bob", study, owner="alice") == want


def test_listing(shared):
    c = shared
    c.put("alice", "listed", c.make("a.bin", 1000), c.make("b.bin", 2000))
    c.must("forward", "listed", "--to", "bob", user="alice")
    assert any(i["id"] == "listed" for i in c.must("ls", "--json", user="alice").json())
    assert "listed" in c.must("ls", user="alice").out
    inbox = c.must("inbox", "--json", user="bob").json()
    assert any(i["id"] == "listed" and i["from"] == "alice" for i in inbox)
    assert c.must("inbox", "--json", user="carol").json() == []
    shown = c.must("show", "listed", "--json", user="alice").json()
    assert {o["name"] for o in shown["objects"]} == {"a.bin", "b.bin"}
    status = c.must("status", "--json", user="alice").json()
    assert len(status["servers"]) == 11
    c.get("bob", "listed", owner="alice")
    audit = c.must("audit", "listed", "--json", user="alice").json()
    assert any(e["user"] == "bob" and e["action"] == "open" for e in audit)


def test_objects_can_be_added(shared):
    c = shared
    c.put("alice", "grows", c.make("first.bin", 5000))
    c.put("alice", "grows", c.make("second.bin", 3000000))
    assert set(c.get("alice", "grows")) == {"first.bin", "second.bin"}
    answer = c.put("alice", "grows", c.make("second.bin", 10, seed=1), code=OTHER)
    assert "second.bin" in answer.err
    assert c.get("alice", "grows")["second.bin"] == noise(3000000, "second.bin/0")


def test_removal(shared):
    c = shared
    c.put("alice", "gone", c.make("g.bin", 100000))
    c.must("forward", "gone", "--to", "bob", user="alice")
    c.must("rm", "gone", user="alice")
    c.get("alice", "gone", code=NOT_FOUND)
    c.get("bob", "gone", owner="alice", code=NOT_FOUND)
    assert not any(i["id"] == "gone" for i in c.must("ls", "--json", user="alice").json())
    c.put("alice", "gone", c.make("again.bin", 10))
    assert set(c.get("alice", "gone")) == {"again.bin"}


def test_who_may_open_what(shared):
    c = shared
    c.put("alice", "private", c.make("p.bin", 100))
    c.get("bob", "private", owner="alice", code=NOT_FOUND)
    c.get("bob", "private", code=NOT_FOUND)
    c.get("alice", "an ID nobody has", code=NOT_FOUND)
    c.must("forward", "private", "--to", "nobody", user="alice", code=NOT_FOUND)
    c.must("forward", "an ID nobody has", "--to", "bob", user="alice", code=NOT_FOUND)
    c.must("forward", "private", "--to", "bob", user="alice")
    c.get("carol", "private", owner="alice", code=NOT_FOUND)
    assert set(c.get("bob", "private", owner="alice")) == {"p.bin"}
    c.must("revoke", "private", "--from", "bob", user="alice")
    answer = c.run("get", "private", "--from", "alice", "-o", c.folder / "revoked", user="bob")
    assert answer.code in (NOT_FOUND, DENIED), answer
    c.must("forward", "private", "--to", "bob", user="alice")
    assert set(c.get("bob", "private", owner="alice")) == {"p.bin"}


def test_usage(shared):
    c = shared
    c.must("put", "--id", "x", user="alice", code=USAGE)
    c.must("frobnicate", user="alice", code=USAGE)
    c.must("put", "--id", "x", "--compress", "rar", c.make("u.bin", 1), user="alice", code=USAGE)
    c.must("put", c.make("no-id.bin", 10), user="alice", code=USAGE)
    for command in ("up", "down", "enroll", "put", "get", "forward", "revoke", "ls", "inbox", "show",
                    "rm", "verify", "status", "audit"):
        assert command in c.must("--help").out
        assert "Usage" in c.must(command, "--help").out or "usage" in c.must(command, "--help").out


def test_options_stand_anywhere(shared):
    c = shared
    path = c.make("anywhere.bin", 10)
    c.must("put", path, "--id", "anywhere", "--compress", "none", "--user", "alice")
    out = c.folder / "anywhere"
    c.must("-o", out, "--user", "alice", "get", "anywhere")
    assert (out / path.name).read_bytes() == path.read_bytes()


def test_an_interrupted_put_leaves_nothing(shared):
    c = shared
    big = c.make("big.bin", 64 << 20)
    for how in (signal.SIGINT, signal.SIGKILL):
        process = c.start_until(4 << 20, "put", "--id", "cut short", big, user="alice")
        process.send_signal(how)
        process.communicate(timeout=60)
        assert process.returncode != 0, "the put was over before it was interrupted"
        c.get("alice", "cut short", code=NOT_FOUND)
    c.put("alice", "cut short", big)
    assert c.get("alice", "cut short")["big.bin"] == big.read_bytes()


def test_two_puts_of_one_id_at_once(shared):
    c = shared
    one, two = c.make("race/one/r.bin", 4000000), c.make("race/two/r.bin", 4000000, seed=1)
    for i in range(3):
        image = f"race {i}"
        racers = [c.start("put", "--id", image, p, user="alice") for p in (one, two)]
        for racer in racers:
            racer.communicate(timeout=120)
        codes = sorted(r.returncode for r in racers)
        assert codes == [0, 1], codes
        winner = one if racers[0].returncode == 0 else two
        assert c.get("alice", image) == {"r.bin": winner.read_bytes()}
