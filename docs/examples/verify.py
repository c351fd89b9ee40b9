#!/usr/bin/env python3
"""Verifies an export of one lane in ECS, as docs/evidence.md says, and shares no code with
Sluice. It needs OpenSSL 3.

usage: verify.py NAME.pub EXPORT.ndjson
"""
import base64, calendar, hashlib, ipaddress, json, re, subprocess, sys, tempfile, time

LOG, FIRST, SECOND = "planetscale.audit", "auditable", "target"


def get(record, path):
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return "" if record is None else record


def plain(value):
    b = value.encode()
    return b"?" if len(b) > 63 or any(c <= 32 or c > 126 or c in b'\\|=^"' for c in b) else b


def plain_id(value):
    good = re.fullmatch(r"[A-Za-z0-9._:-]+", value)
    if good and (len(value) <= 40 or value.startswith("sha256:")):
        return value[:40].encode()
    return ("sha256:" + hashlib.sha256(value.encode()).hexdigest())[:40].encode()


def address(value):
    try:
        ip = ipaddress.ip_address(value)
    except ValueError:
        return b""
    return str(getattr(ip, "ipv4_mapped", None) or ip).encode()


def milliseconds(value):
    whole, _, rest = value.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1000 + int((rest + "000")[:3])


def leaf(r):
    form = "whole"
    if get(r, "event.kind") == "pipeline_error":
        form = "undecoded"
    elif get(r, LOG + ".truncated"):
        form = "shortened"
    fields = [b"sluice-leaf/v1", form.encode(), plain_id(get(r, "event.id"))]
    if form == "whole":
        fields += [
            str(milliseconds(r["@timestamp"])).encode(), plain(get(r, "event.action")), plain(get(r, LOG + ".actor.id")),
            address(get(r, "source.ip")), plain(get(r, f"{LOG}.{FIRST}.id")), plain(get(r, f"{LOG}.{SECOND}.id")),
        ]
    fields += [plain(get(r, "organization.name")), bytes.fromhex(get(r, "event.hash"))]
    return hashlib.sha256(b"\0" + b"".join(len(f).to_bytes(4, "big") + f for f in fields)).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def grow(edge, size, leaves):
    """Appends leaves to the edge of a tree."""
    for h in leaves:
        n = size
        while n & 1:
            h, n = node(edge.pop(), h), n >> 1
        edge.append(h)
        size += 1
    return edge


def root(edge):
    if not edge:
        return hashlib.sha256(b"").digest()
    h = edge[-1]
    for left in reversed(edge[:-1]):
        h = node(left, h)
    return h


def signed(note, key):
    name, _, public = key.split("+", 2)
    text, _, signatures = note.partition("\n\n")
    text = (text + "\n").encode()
    for line in signatures.splitlines():
        _, by, signature = line.split(" ")
        if by != name:
            continue
        with tempfile.NamedTemporaryFile() as t, tempfile.NamedTemporaryFile() as s, tempfile.NamedTemporaryFile() as k:
            t.write(text), s.write(base64.b64decode(signature)[4:])
            k.write(bytes.fromhex("302a300506032b6570032100") + base64.b64decode(public)[1:])
            t.flush(), s.flush(), k.flush()
            return subprocess.run(
                ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", k.name, "-rawin", "-in", t.name, "-sigfile", s.name],
                capture_output=True).returncode == 0
    return False


def parse(note):
    text = note.partition("\n\n")[0] + "\n"
    lines = text.splitlines()
    n = {"text": text, "origin": lines[0], "size": int(lines[1]), "root": base64.b64decode(lines[2]), "rejected": set()}
    assert lines[3] == "sluice-note/v1"
    for line in lines[4:]:
        word, _, value = line.partition(" ")
        if word == "rejected":
            n["rejected"].add(int(value.split(" ")[0]))
        else:
            n[word] = value
    for word in ("number", "epoch", "from"):
        n[word] = int(n[word])
    edge, tags = (base64.b64decode(n.get(word, "")) for word in ("edge", "tags"))
    n["edge"] = [edge[i : i + 32] for i in range(0, len(edge), 32)]
    n["tags"] = [tags[i : i + 8] for i in range(0, len(tags), 8)]
    return n


def main(key_file, export):
    key, notes, records, findings = open(key_file).read().strip(), {}, [], []
    for at, line in enumerate(open(export, encoding="utf-8"), 1):
        r = json.loads(line)
        if not get(r, LOG + ".note"):
            records.append((at, r))
        elif not signed(get(r, LOG + ".note"), key):
            findings.append(f"line {at}: note with a wrong signature")
        else:
            n = parse(get(r, LOG + ".note"))
            if notes.setdefault(n["number"], n)["text"] != n["text"]:
                findings.append(f"line {at}: contradiction between two notes {n['number']}")
    tags, epochs, rejected, before = {}, {}, set(), None
    for number in sorted(notes):
        n = notes[number]
        if before and before["number"] + 1 != number:
            findings.append(f"missing note before {number}")
        elif before and (n.get("previous") != hashlib.sha256(before["text"].encode()).hexdigest()
                         or n["from"] != before["size"] or root(n["edge"]) != before["root"]):
            findings.append(f"note {number} does not follow the one before it")
        for i, tag in enumerate(n["tags"]):
            tags[n["from"] + i], epochs[n["from"] + i] = tag, n["epoch"]
        rejected |= n["rejected"]
        before = n
    places, good, odd = {tag: at for at, tag in tags.items()}, {}, []
    for at, r in records:
        sequence, h = get(r, "event.sequence"), leaf(r)
        if tags.get(sequence) == h[:8]:
            good[sequence] = h
        elif sequence in tags:
            odd.append((at, r, sequence, h))
    for at, r, sequence, h in odd:
        right = places.get(h[:8])
        if right is not None and get(r, LOG + ".epoch") < epochs[right]:
            continue  # An orphan: it was delivered, and its position was not saved.
        what = "moved" if right is not None else "forged" if sequence in good else "altered"
        findings.append(f"line {at}: {what}: record {sequence}, event {get(r, 'event.id')}")
    altered = {sequence for _, _, sequence, _ in odd}
    for sequence in sorted(set(tags) - set(good) - rejected - altered):
        findings.append(f"missing: record {sequence}")
    for n in notes.values():
        leaves = [good.get(s) for s in range(n["from"], n["size"])]
        if None not in leaves and root(grow(list(n["edge"]), n["from"], leaves)) != n["root"]:
            findings.append(f"the records of note {n['number']} are not those of its root")
    print("\n".join(findings) or f"clean: {len(good)} records, {len(notes)} notes")
    return 1 if findings else 0 if notes else 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
