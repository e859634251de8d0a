"""The access log of the real key servers: checked offline, against what clients have seen, over
rotation, crashes and an archive; exported to an audit repository."""
import base64
import json
import pathlib
import random
import re
import shutil
import signal
import struct
import threading
import time

import pytest
from lxml import etree

from cluster import DONE, INTEGRITY, NOT_FOUND, USAGE, Cluster, flip

ODD_ID = "scan \"7\" <&'> \u00e9\u202e"
STUDY = "1.2.840.99999.7"


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A small system with some history in its logs; alice and bob have folders of their own."""
    cluster = Cluster(tmp_path_factory.mktemp("audit"), storage=3, k=2, key=3, threshold=2)
    cluster.up().enroll("alice", "bob")
    cluster.put("alice", STUDY, cluster.make("a.dcm", 5000))
    cluster.put("alice", ODD_ID, cluster.make("b.bin", 5000))
    other = cluster.folder / "bobs-home"
    other.mkdir(mode=0o700)
    (cluster.home / "bob.keystore").rename(other / "bob.keystore")
    cluster.bobs_home = other
    cluster.must("forward", STUDY, "--to", "bob", user="alice")
    cluster.get("alice", STUDY)
    cluster.get("alice", ODD_ID)
    yield cluster
    cluster.end()


def as_bob(cluster, *args, code=DONE):
    """A command of bob's, who shares no folder with alice."""
    home, cluster.home = cluster.home, cluster.bobs_home
    try:
        return cluster.must(*args, user="bob", code=code)
    finally:
        cluster.home = home


def restart(cluster, *servers):
    cluster.up()
    for server in servers:
        assert (cluster.system / "run" / f"{server}.pid").exists()


def rotate(cluster, server):
    """Tells the server until it has rotated, which takes an entry since the last time."""
    before = len(segments(cluster.store(server)))
    deadline = time.monotonic() + 30
    while len(segments(cluster.store(server))) == before:
        assert time.monotonic() < deadline, "no new segment"
        cluster.signal(signal.SIGHUP, server)
        time.sleep(0.01)


def segments(folder):
    names = [p for p in pathlib.Path(folder).iterdir() if re.fullmatch(r"access\.log(\.\d+)?", p.name)]
    return sorted(names, key=lambda p: int(p.suffix[1:]) if p.suffix != ".log" else 0)


def heads_file(cluster):
    return next(cluster.home.glob("*.heads"))


def records(data):
    """Where each record of a segment begins, and where the last one ends."""
    at = 8 if data[:8] == b"MYELINAL" else 80
    places = [at]
    while at < len(data):
        at += 4 + struct.unpack(">I", data[at:at + 4])[0]
        places.append(at)
    assert at == len(data)
    return places


def check(cluster, *args, code=DONE, head=None):
    extra = ["--head", head, "--server", "key-2"] if head else []
    return cluster.must("audit", "--check", *args, *extra, code=code)


# ---------------------------------------------------------------- offline

def test_a_log_is_checked_without_a_system(clinic):
    answer = check(clinic, clinic.store("key-2"), head=heads_file(clinic))
    assert "all hold" in answer.out and "the head given: holds" in answer.out
    alone = clinic.folder / "alone"
    alone.mkdir()
    shutil.copy(clinic.store("key-2") / "access.log", alone / "copy")
    entries = clinic.must("audit", "--check", "--json", alone / "copy").json()
    assert entries["holds"] and entries["after"] == 0 and entries["last"] == entries["entries"]
    hash_ = entries["last_hash"]
    check(clinic, alone / "copy", head=None)
    clinic.must("audit", "--check", alone / "copy", "--head", f"{entries['last']}:{hash_}")
    wrong = hash_[:-1] + ("0" if hash_[-1] != "0" else "1")
    answer = clinic.must("audit", "--check", alone / "copy", "--head", f"{entries['last']}:abc", code=3)
    assert "64 hexadecimal" in answer.err
    answer = clinic.must("audit", "--check", alone / "copy", "--head", f"{entries['last']}:{wrong}", code=INTEGRITY)
    assert "not the one that the head names" in answer.err
    clinic.must("audit", "--check", code=USAGE)
    clinic.must("audit", "--check", alone / "missing", code=NOT_FOUND)
    clinic.must("audit", "--check", "--heads", code=USAGE)


def test_each_cut_and_edit_is_named_with_its_place(clinic):
    whole = (clinic.store("key-2") / "access.log").read_bytes()
    places = records(whole)
    log = clinic.folder / "edited.log"
    head = heads_file(clinic)
    for entry, (start, end) in enumerate(zip(places, places[1:]), 1):
        log.write_bytes(whole[:start])
        answer = check(clinic, log, head=head, code=INTEGRITY)
        assert f"offset {start}: entry {entry}: the log ends here" in answer.err
        if start > 8:
            check(clinic, log)  # without a head, whole entries cut off do not show
        log.write_bytes(whole[:(start + end) // 2])
        answer = check(clinic, log, code=INTEGRITY)
        assert f"{log}: offset {start}: entry {entry}: " in answer.err
        log.write_bytes(whole)
        flip(log, (start + end) // 2)
        answer = check(clinic, log, code=INTEGRITY)
        assert f"{log}: offset {start}: entry {entry}: " in answer.err
    one, two, three = places[:3]
    end = places[3]
    for altered in (whole[:one] + whole[two:],                                        # deleted
                    whole[:two] + whole[one:two] + whole[two:],                       # twice
                    whole[:one] + whole[two:three] + whole[one:two] + whole[three:]): # swapped
        log.write_bytes(altered)
        assert "offset" in check(clinic, log, code=INTEGRITY).err
    log.write_bytes(whole[:two] + whole[two:three].replace(b"ok", b"no") + whole[three:end])
    assert "hash differs" in check(clinic, log, code=INTEGRITY).err


# ---------------------------------------------------------------- heads

def test_heads_are_kept_printed_and_signed(clinic):
    clinic.get("alice", STUDY)
    heads = clinic.must("audit", "--heads", "--json").json()
    assert {h["server"] for h in heads} >= {"key-1", "key-2"}
    for head in heads:
        assert head["sequence"] > 0 and len(head["hash"]) == 64
        assert head["server"].encode() in base64.b64decode(head["signed"])
    lines = clinic.must("audit", "--heads").out.splitlines()
    assert len(lines) == len(heads) and f"{heads[0]['sequence']}:{heads[0]['hash']}" in "\n".join(lines)
    forged = clinic.folder / "forged.heads"
    data = bytearray(heads_file(clinic).read_bytes())
    data[data.index(b"key-2") + 16] ^= 1  # in the hash
    forged.write_bytes(data)
    clinic.must("audit", "--check", clinic.store("key-2"), "--head", forged, "--server", "key-2", code=INTEGRITY)
    heads_file(clinic).write_bytes(data)  # on her own disk it does not count, which she is told
    out = clinic.folder / "with-forged-heads"
    answer = clinic.must("get", STUDY, "-o", out, user="alice")
    assert "key-2: what it showed of its access log before does not count" in answer.err
    clinic.must("audit", "--forget", "key-2")
    forged.write_bytes(b"no heads")
    shutil.copy(forged, heads_file(clinic))
    answer = clinic.must("audit", user="alice")
    assert "cannot be read" in answer.err
    assert len(clinic.must("audit", "--heads", "--json").json()) == 3 and "cannot" not in clinic.must("audit", user="alice").err
    clinic.must("audit", "--head", forged, user="alice", code=INTEGRITY)


def test_a_rollback_is_seen_by_who_saw_a_later_head(clinic):
    """An old backup of one key server's store: the clients that saw more know, at once, and for
    ever after; others know once they are given the heads of those."""
    backup = clinic.folder / "backup"
    shutil.copytree(clinic.store("key-2"), backup)
    for _ in range(2):
        clinic.get("alice", STUDY)
    seen = clinic.folder / "seen.heads"
    shutil.copy(heads_file(clinic), seen)
    clinic.must("audit", user="alice")
    clinic.kill("key-2")
    now = clinic.folder / "now"
    clinic.store("key-2").rename(now)
    shutil.copytree(backup, clinic.store("key-2"))
    restart(clinic, "key-2")
    answer = clinic.must("audit", user="alice", code=INTEGRITY)
    assert "key-2: its access log: ends with entry" in answer.err and "entries are gone" in answer.err
    assert "key-1" not in answer.err and "key-3" not in answer.err
    as_bob(clinic, "audit")  # he has seen nothing later
    answer = as_bob(clinic, "audit", "--head", seen, code=INTEGRITY)
    assert "key-2: its access log" in answer.err
    # Openings go on, and say it.
    answer = clinic.must("get", STUDY, "-o", clinic.folder / "rolled-back", user="alice")
    assert "key-2: its access log ends with entry" in answer.err
    for _ in range(4):  # until it is longer than what was seen
        as_bob(clinic, "get", STUDY, "--from", "alice", "-o", clinic.folder / f"bob-{time.monotonic_ns()}")
    answer = clinic.must("audit", user="alice", code=INTEGRITY)
    assert "key-2: its access log: has an entry" in answer.err
    assert check(clinic, clinic.store("key-2"), code=DONE)  # the chain alone is whole
    assert "not the one" in check(clinic, clinic.store("key-2"), head=seen, code=INTEGRITY).err
    # The operator finds the right store again; alice need do nothing.
    clinic.kill("key-2")
    shutil.rmtree(clinic.store("key-2"))
    now.rename(clinic.store("key-2"))
    restart(clinic, "key-2")
    clinic.must("audit", user="alice")
    # Bob saw the false past: he is told, and may forget it.
    assert "key-2" in as_bob(clinic, "audit", code=INTEGRITY).err
    as_bob(clinic, "audit", "--forget", "key-2")
    as_bob(clinic, "audit")
    as_bob(clinic, "audit", "--forget", "key-2")
    as_bob(clinic, "audit", "--forget", "key-9", code=NOT_FOUND)


# ---------------------------------------------------------------- rotation

def test_rotation_and_an_archive(clinic):
    store, archive = clinic.store("key-2"), clinic.folder / "archive"
    archive.mkdir()
    for _ in range(2):
        clinic.get("alice", STUDY)
        rotate(clinic, "key-2")
    shutil.copy(heads_file(clinic), clinic.folder / "before.heads")
    clinic.get("alice", STUDY)
    check(clinic, store, head=heads_file(clinic))
    taken = segments(store)[:-1]
    assert len(taken) >= 2
    for segment in taken:
        segment.rename(archive / segment.name)
    clinic.must("audit", user="alice")  # while it runs
    clinic.kill("key-2")
    before = clinic.log("key-2").count("access-log-damaged")
    restart(clinic, "key-2")
    assert clinic.log("key-2").count("access-log-damaged") == before
    clinic.get("alice", STUDY)
    clinic.must("audit", user="alice")
    answer = clinic.must("audit", "--head", clinic.folder / "before.heads", user="alice")
    assert "key-1" not in answer.err  # key-2's is at the anchor, or archived: no alarm
    rest = clinic.must("audit", "--check", "--json", store).json()
    assert rest["holds"] and rest["after"] > 0
    both = clinic.must("audit", "--check", "--json", archive, store).json()
    assert both["holds"] and both["after"] == 0 and both["last"] == rest["last"]
    check(clinic, archive, store, head=heads_file(clinic))
    clinic.must("audit", "--check", store, "--head", "1:" + "0" * 64, code=NOT_FOUND)
    (archive / taken[1].name).unlink()
    answer = check(clinic, archive, store, code=INTEGRITY)
    assert "before it are missing" in answer.err


def test_rotation_under_load_and_sigkill(clinic):
    """Openings all the while; a key server is told to rotate again and again, and killed amid it."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    draw = random.Random(seed)
    stop = threading.Event()
    failures = []

    def open_on():
        while not stop.is_set():
            answer = clinic.run("get", STUDY, "-o", clinic.folder / f"load-{time.monotonic_ns()}", user="alice")
            if answer.code != DONE or "access log" in answer.err:
                failures.append(answer)

    thread = threading.Thread(target=open_on)
    thread.start()
    try:
        for _ in range(3):
            rotate(clinic, "key-3")
            for _ in range(8):
                clinic.signal(signal.SIGHUP, "key-3")
                time.sleep(draw.random() * 0.05)
            clinic.signal(signal.SIGHUP, "key-3")
            time.sleep(draw.random() * 0.004)
            clinic.kill("key-3")
            restart(clinic, "key-3")
    finally:
        stop.set()
        thread.join()
    assert not failures, failures[0]
    clinic.get("alice", STUDY)
    assert "access-log-damaged" not in clinic.log("key-3")
    assert len(segments(clinic.store("key-3"))) > 3
    assert not list(clinic.store("key-3").glob("access.log*.tmp"))
    clinic.must("audit", "--check", clinic.store("key-3"), "--head", heads_file(clinic), "--server", "key-3")
    clinic.must("audit", user="alice")


# ---------------------------------------------------------------- export

SD_NAME = r"[!#-<>-\\^-~]{1,32}"
PARAM = rf'{SD_NAME}="(?:[^"\\\]]|\\["\\\]])*"'
SYSLOG = re.compile(
    rf"<(?P<pri>\d{{1,3}})>1 (?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{{1,6}})?Z)"
    rf" (?P<host>[!-~]{{1,255}}) (?P<app>[!-~]{{1,48}}) (?P<proc>[!-~]{{1,128}}) (?P<id>[!-~]{{1,32}})"
    rf" (?P<data>(?:\[{SD_NAME}(?: {PARAM})*\])+) (?P<message>[ -~]+)")
SCHEMA = etree.RelaxNG(etree.parse(str(pathlib.Path(__file__).with_name("dicom_audit.rng"))))


def parse_syslog(text):
    assert text.endswith("\n")
    messages = []
    for line in text[:-1].split("\n"):
        parts = SYSLOG.fullmatch(line)
        assert parts, line
        assert parts["pri"] in ("84", "85") and parts["app"] == "myelin-keyd" and parts["id"] == "DICOM+RFC3881"
        assert len(line.encode()) < 32768
        tree = etree.fromstring(parts["message"].encode())
        SCHEMA.assertValid(tree)
        assert tree.find("EventIdentification").get("EventDateTime") == parts["time"]
        messages.append((parts, tree))
    return messages


def code(tree):
    return tree.find("EventIdentification/EventID").get("csd-code")


def object_of(tree):
    return tree.find("ParticipantObjectIdentification")


def test_export_to_an_audit_repository(clinic):
    clinic.must("forward", ODD_ID, "--to", "bob", "--recover-key", user="alice")
    clinic.must("revoke", ODD_ID, "--from", "bob", user="alice")
    as_bob(clinic, "get", STUDY, "--from", "alice", "-o", clinic.folder / "export")
    messages = parse_syslog(clinic.must("audit", "--export", "syslog", user="alice").out)
    assert {code(tree) for _, tree in messages} == {"110102", "110103", "110113"}
    ids = {object_of(tree).get("ParticipantObjectID") for _, tree in messages}
    assert {STUDY, ODD_ID, "alice"} <= ids
    for _, tree in messages:
        if object_of(tree).get("ParticipantObjectID") == STUDY:
            kind = object_of(tree).find("ParticipantObjectIDTypeCode")
            assert (kind.get("csd-code"), kind.get("codeSystemName")) == ("110180", "DCM")
    forwards = [tree for _, tree in messages if code(tree) == "110102"]
    roles = {p.get("UserID"): p.find("RoleIDCode").get("csd-code") for p in forwards[0].iter("ActiveParticipant")}
    assert roles["alice"] == "110153" and roles["bob"] == "110152"

    table = clinic.must("audit", "--json", user="alice").json()
    lines = [json.loads(line) for line in clinic.must("audit", "--export", "json", user="alice").out.splitlines()]
    key = lambda entry: (entry["server"], entry["sequence"])
    same = {key(e): (e["user"], e["action"], e["id"], e["outcome"]) for e in table}
    for line in lines:
        assert same[key(line)] == (line["user"], line["action"], line["id"], line["outcome"])
    assert len(lines) == len(table)
    one = clinic.must("audit", STUDY, "--export", "json", user="alice").out.splitlines()
    assert one and all(json.loads(line)["id"] == STUDY for line in one)


def test_export_offline_with_refusals(clinic):
    as_bob(clinic, "get", ODD_ID, "--from", "alice", "-o", clinic.folder / "no", code=NOT_FOUND)
    store = clinic.store("key-1")
    messages = parse_syslog(clinic.must("audit", "--check", store, "--server", "key-1", "--export", "syslog").out)
    entries = clinic.must("audit", "--check", "--json", store).json()["entries"]
    assert len(messages) == entries
    assert [p["data"] for p, _ in messages] == [f'[meta sequenceId="{i + 1}"]' for i in range(entries)]
    lines = clinic.must("audit", "--check", store, "--server", "key-1", "--export", "json").out.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == list(range(1, entries + 1))
    for (parts, tree), line in zip(messages, map(json.loads, lines)):
        assert parts["host"] == line["server"] == "key-1"
        refused = line["outcome"] != "ok"
        assert (parts["pri"] == "84") == refused
        assert tree.find("EventIdentification").get("EventOutcomeIndicator") == str(line["outcome_indicator"])
    clinic.must("audit", "--check", store, "--export", "syslog", code=USAGE)
    clinic.must("audit", "--export", "xml", user="alice", code=USAGE)
    clinic.must("audit", "--export", "json", "--json", user="alice", code=USAGE)
