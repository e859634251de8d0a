"""One table of exit codes: what is wrong decides, not which command finds it. One line on stderr says what."""
import concurrent.futures

import pytest

from cluster import DENIED, INTEGRITY, LOCAL_IO, NOT_FOUND, OTHER, USAGE, Cluster

LONG = "x" * 2000

# code, command ({file}: a file that is there, {new}: a path where nothing is, {dir}: the system's folder), who
TABLE = [
    (USAGE, "frobnicate", "alice"),
    (USAGE, "", "alice"),
    (USAGE, "ls --zip", "alice"),
    (USAGE, "ls more", "alice"),
    (USAGE, "ls --json --json", "alice"),
    (USAGE, "get", "alice"),
    (USAGE, "get one --u 0", "alice"),
    (USAGE, "get one --u 99", "alice"),
    (USAGE, f"get {LONG}", "alice"),
    (USAGE, "put {file}", "alice"),
    (USAGE, "put --id x --compress zip {file}", "alice"),
    (USAGE, "put --id x --disperse blocks --copies 9 {file}", "alice"),
    (USAGE, f"put --id {LONG} {{file}}", "alice"),
    (USAGE, "forward one", "alice"),
    (USAGE, "forward one --to alice", "alice"),
    (USAGE, "revoke one", "alice"),
    (USAGE, "revoke one --from alice", "alice"),
    (USAGE, "audit --export zip", "alice"),
    (USAGE, "audit --check {new} --heads", "alice"),
    (USAGE, "shares nothing", "alice"),
    (USAGE, "shares replace", "alice"),
    (USAGE, "shares refresh --threshold 2", "alice"),
    (USAGE, "shares reshare --among key-1 --threshold 2", "alice"),
    (USAGE, "system nothing", None),
    (USAGE, "system weight storage-1 0", None),
    (USAGE, "system drain storage-1", None),
    (USAGE, "system add-storage s --address x", None),
    (USAGE, "system certify", None),
    (USAGE, "up {dir} --storage 9", None),
    (USAGE, "up {new} --storage 2 --k 3", None),
    (USAGE, "enroll dora --request {new} --renew", None),
    # names that are no names
    (USAGE, "enroll A", None),
    (USAGE, "get one --from A", "alice"),
    (USAGE, "forward one --to A", "alice"),
    (USAGE, "revoke one --from A", "alice"),
    (USAGE, "system add-storage A", None),
    (USAGE, "shares replace A", "alice"),
    # images that are not there
    (NOT_FOUND, "get nothing -o {new}", "alice"),
    (NOT_FOUND, "show nothing", "alice"),
    (NOT_FOUND, "forward nothing --to bob", "alice"),
    (NOT_FOUND, "revoke nothing --from bob", "alice"),
    (NOT_FOUND, "rm nothing", "alice"),
    (NOT_FOUND, "verify nothing", "alice"),
    (NOT_FOUND, "repair nothing", "alice"),
    (NOT_FOUND, "audit nothing", "alice"),
    (NOT_FOUND, "get one --from alice -o {new}", "bob"),
    (NOT_FOUND, "show one --from alice", "bob"),
    (NOT_FOUND, "revoke one --from bob", "alice"),
    # users that are not there
    (NOT_FOUND, "ls", "zed"),
    (NOT_FOUND, "passphrase", "zed"),
    (NOT_FOUND, "enroll zed --renew", None),
    (NOT_FOUND, "get one --from zed -o {new}", "alice"),
    (NOT_FOUND, "show one --from zed", "alice"),
    (NOT_FOUND, "audit one --from zed", "alice"),
    (NOT_FOUND, "forward one --to zed", "alice"),
    (NOT_FOUND, "revoke one --from zed", "alice"),
    (NOT_FOUND, "system renew zed {new}", None),
    # servers that are not there
    (NOT_FOUND, "shares replace key-9", "alice"),
    (NOT_FOUND, "shares reshare --among key-1 key-9", "alice"),
    (NOT_FOUND, "system drain storage-9", None),
    (NOT_FOUND, "system activate storage-9", None),
    (NOT_FOUND, "system remove storage-9", None),
    (NOT_FOUND, "system weight storage-9 5", None),
    (NOT_FOUND, "system replace storage-9 s", None),
    (NOT_FOUND, "audit --forget key-9", "alice"),
    # systems and files that are not there
    (NOT_FOUND, "ls --system {new}", "alice"),
    (NOT_FOUND, "system show --system {new}", None),
    (NOT_FOUND, "down {new}", None),
    (NOT_FOUND, "audit --check {new}", None),
    (NOT_FOUND, "audit --head {new}", "alice"),
    (NOT_FOUND, "system certify {new}", None),
    (NOT_FOUND, "enroll dora --certificate {new}", None),
    # what is the manager's
    (DENIED, "enroll dora --system {dir}/system.myelin", None),
    (DENIED, "shares refresh --all --system {dir}/system.myelin", None),
    (DENIED, "system drain storage-1 --system {dir}/system.myelin", None),
    (DENIED, "system certify {file} --system {dir}/system.myelin", None),
    # files that are not what they should be
    (INTEGRITY, "ls --system {file}", "alice"),
    (INTEGRITY, "system certify {file}", None),
    (INTEGRITY, "enroll dora --certificate {file}", None),
    (INTEGRITY, "audit --check {file}", None),
    # the disk
    (LOCAL_IO, "get one -o /proc/none/out", "alice"),
    (LOCAL_IO, "put --id x {new}", "alice"),
    # what is so already
    (OTHER, "enroll alice", None),
    (OTHER, "put --id one {file}", "alice"),
    (OTHER, "system settle", None),
    (OTHER, "system add-storage storage-1", None),
    (OTHER, "system certify {file} {file}", None),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("small"), storage=3, k=2, key=2, threshold=2).up().enroll("alice", "bob")
    cluster.put("alice", "one", cluster.make("file", 1000))
    yield cluster
    cluster.end()


def check(c, number, code, line, user):
    where = {"file": c.folder / "in" / "file", "new": c.folder / f"new-{number}", "dir": c.system}
    answer = c.run(*(word.format(**where) for word in line.split()), user=user)
    assert answer.code == code, f"{line[:80]}: exit {answer.code}, expected {code}: {answer.err}"
    lines = answer.err.splitlines()
    assert lines and lines[-1].startswith("myelin: "), f"{line[:80]}: {answer.err}"
    assert all(text.startswith("myelin: warning: ") for text in lines[:-1]), answer.err
    assert answer.out == "" or "--check" in line, f"{line[:80]}: {answer.out}"  # which reports, whatever it finds


def test_every_command_by_one_table(small):
    c = small
    before = c.must("system", "show", "--json").json()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        rows = [pool.submit(check, c, number, *row) for number, row in enumerate(TABLE)]
        for row in rows:
            row.result()
    assert c.must("system", "show", "--json").json() == before
    assert {p.name for p in c.home.glob("*.keystore*")} == {"alice.keystore", "bob.keystore"}


def test_every_command_is_in_the_table(small):
    listed = {line.split()[0] for line in small.must("--help").out.splitlines() if line.startswith("  ")}
    assert listed - {line.split()[0] for _, line, _ in TABLE if line} == {"inbox", "status"}
