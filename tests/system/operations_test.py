"""docs/OPERATIONS.md is true: its metrics are those of the daemons, its commands work."""
import http.client
import pathlib
import re
import ssl
import subprocess


DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "OPERATIONS.md"


def fetch(cluster, server, path, config=None):
    """A GET with a server's own certificate, as OPERATIONS.md has an operator do it."""
    config = config or cluster.system / "config" / server
    status = cluster.must("status", "--json", user="alice").json()
    address = next(s["address"] for s in status["servers"] if s["name"] == server)
    context = ssl.create_default_context(cafile=cluster.system / "manager" / "ca.crt.pem")
    context.load_cert_chain(config / "certificate.pem", config / "key.pem")
    context.check_hostname = False  # the address is no name; the system's CA vouches
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    connection.close()
    return text


def documented(heading):
    """The metrics of one table, in the document's order."""
    section = DOCUMENT.read_text().split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    return set(re.findall(r"^\| `(myelin_\w+)` \|", section, re.M))


def test_every_metric_is_documented_and_is_there(shared):
    shared.put("alice", "one", shared.make("one", 4000))
    shared.get("alice", "one")
    both = documented("Metrics of both daemons")
    for server, heading in (("storage-2", "Metrics of a storage server"), ("key-2", "Metrics of a key server")):
        text = fetch(shared, server, "/metrics")
        typed = set(re.findall(r"^# TYPE (\S+) \w+$", text, re.M))
        helped = set(re.findall(r"^# HELP (\S+) .+$", text, re.M))
        assert typed == helped
        assert typed == both | documented(heading), server
        values = {re.match(r"\w+", line).group() for line in text.splitlines() if not line.startswith("#")}
        for name in values:
            assert name in typed or re.sub(r"_(sum|count)$", "", name) in typed, name
    assert fetch(shared, "key-1", "/healthz") == "ok\n"


def test_a_certificate_is_renewed(shared):
    """The document's command; the server then serves with the new one."""
    config = shared.system / "config" / "key-3"
    old = (config / "certificate.pem").read_bytes()
    renewed = shared.folder / "certificate.pem"
    line = re.search(r"^    myelin (system renew key-3 )certificate.pem$", DOCUMENT.read_text(), re.M).group(1)
    shared.must(*line.split(), renewed)
    assert renewed.read_bytes() != old
    shared.kill("key-3")
    (config / "certificate.pem").write_bytes(renewed.read_bytes())
    shared.up()
    status = shared.must("status", "--json", user="alice").json()
    assert next(s for s in status["servers"] if s["name"] == "key-3")["well"]
    shared.kill("key-1", "key-2")  # so that it is needed
    shared.get("alice", "one")
    shared.up()


def test_a_user_renews(shared):
    """With one key server down, which is named and gets the certificate when the command is run again."""
    shared.put("carol", "carol's", shared.make("hers", 3000))
    issued, keystore = shared.system / "manager/issued/carol.pem", shared.home / "carol.keystore"
    before = issued.read_bytes(), keystore.read_bytes()
    shared.kill("key-2")
    answer = shared.must("enroll", "carol", "--renew")
    assert "key-2" in answer.err and "key-1" not in answer.err
    shared.up()
    first = issued.read_bytes(), keystore.read_bytes()
    assert first[0] != before[0] and first[1] != before[1]
    answer = shared.must("enroll", "carol", "--renew")
    assert answer.err == ""
    assert {p.name for p in shared.home.glob("carol.*")} == {"carol.keystore"}
    shared.get("carol", "carol's")
    shared.must("forward", "one", "--to", "carol", user="alice")
    shared.get("carol", "one", owner="alice")
    entries = shared.must("audit", "--json", user="carol").json()
    renewals = [e["server"] for e in entries if e["action"] == "renew" and e["outcome"] == "ok"]
    assert sorted(set(renewals)) == [f"key-{j}" for j in range(1, 6)] and renewals.count("key-2") == 1
    assert not list(shared.home.glob("zoe*"))
    assert "myelin enroll zoe" in shared.must("enroll", "zoe", "--renew", code=3).err
    shared.passphrase.rename(shared.folder / "right")
    shared.passphrase.write_text("wrong\n")
    try:
        after = keystore.read_bytes()
        shared.must("enroll", "carol", "--renew", code=4)
        assert keystore.read_bytes() == after
    finally:
        (shared.folder / "right").rename(shared.passphrase)


def test_the_archive_takes_all_but_the_newest_segment(tmp_path):
    """The document's line for it, with more than nine segments and other files beside them."""
    line = re.search(r"^    cd STORE && (ls -v .*)$", DOCUMENT.read_text(), re.M).group(1)
    store, archive = tmp_path / "store", tmp_path / "archive"
    store.mkdir()
    archive.mkdir()
    names = ["access.log", *(f"access.log.{i}" for i in range(1, 13))]
    others = ["access.log.cut-7", "access.log.3.cut-70", "lock"]
    for name in names + others:
        (store / name).write_text(name)
    subprocess.run(line.replace("ARCHIVE", str(archive)), shell=True, cwd=store, check=True)
    assert {p.name for p in archive.iterdir()} == set(names[:-1])
    assert {p.name for p in store.iterdir()} == {names[-1], *others}


def test_every_command_in_the_documents_is_one(shared):
    """`myelin WORD ...` in code of the documents names a command that there is, and what follows
    `shares` and `system` stands in their help."""
    known = set(re.findall(r"^  ([a-z]+)  ", shared.must("--help").out, re.M))
    assert "audit" in known
    parts = {name: shared.must(name, "--help").out for name in ("shares", "system")}
    root = DOCUMENT.parents[1]
    for path in [root / "README.md", *sorted(root.glob("docs/*.md"))]:
        for command, part in re.findall(r"(?:`|^    )myelin (?:--user \w+ )?([a-z]+)\b(?: ([a-z-]+)\b)?",
                                        path.read_text(), re.M):
            assert command in known, f"{path.name}: myelin {command}"
            if part and command in parts:
                assert re.search(rf"\b{part}\b", parts[command]), f"{path.name}: myelin {command} {part}"
