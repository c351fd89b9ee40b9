#!/usr/bin/env python3
"""Verify an export of records in the format ecs, one a line. Needs Python 3 and nothing else.

    python3 verify.py NAME.pub EXPORT...

It knows only what docs/evidence.md says: the leaf of a record, the tree of RFC 6962, the
form of a note, and the signature of a note (C2SP signed-note, Ed25519). It says which
records are missing, and which records and notes are not what was delivered. Unlike sluice
verify it reads one format, and calls everything "not as delivered" that is not in its place.
"""

import base64
import datetime
import hashlib
import ipaddress
import json
import struct
import sys

# Ed25519 (RFC 8032, section 5.1), for verification only.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(s, p):
    q = (0, 1, 1, 0)
    while s > 0:
        if s & 1:
            q = add(q, p)
        p, s = add(p, p), s >> 1
    return q


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or v * x * x % P != u or x == 0 and sign:
        raise ValueError("no point of the curve")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point(bytes([0x58]) + bytes([0x66]) * 31)


def signed_by(key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    try:
        left, right = times(s, BASE), add(point(signature[:32]), times(h, point(key)))
    except ValueError:
        return False
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def read_key(text):
    """A verifier key is name+hash+base64, and the base64 is one byte, 1, and the key."""
    name, number, data = text.strip().split("+", 2)
    data = base64.b64decode(data, validate=True)
    want = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if data[0] != 1 or len(data) != 33 or want != bytes.fromhex(number):
        raise SystemExit("this is no public key of sluice key new")
    return name, want, data[1:]


def open_note(text, keys):
    """Return the text of a note that one of the keys has signed, or None."""
    body, _, signatures = text.rpartition("\n\n")
    body += "\n"
    for line in signatures.splitlines():
        name, _, data = line.removeprefix("\u2014 ").partition(" ")
        data = base64.b64decode(data)
        for known, number, key in keys:
            if known == name and number == data[:4] and signed_by(key, body.encode(), data[4:]):
                return body
    return None


def fields(body):
    """Return what a note says: the lines of a C2SP checkpoint, and a word and a value a line."""
    lines = body.splitlines()
    note = {"origin": lines[0], "size": int(lines[1]), "root": base64.b64decode(lines[2]), "rejected": set()}
    for line in lines[4:]:
        word, _, value = line.partition(" ")
        if word == "rejected":
            note["rejected"].add(int(value.split(" ")[0]))
        else:
            note[word] = value
    tags = base64.b64decode(note.get("tags", ""))
    note["tags"] = [tags[i : i + 8] for i in range(0, len(tags), 8)]
    edge = base64.b64decode(note.get("edge", ""))
    note["edge"] = [edge[i : i + 32] for i in range(0, len(edge), 32)]
    note["from"], note["number"] = int(note["from"]), int(note["number"])
    note["hash"] = hashlib.sha256(body.encode()).hexdigest()
    return note


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(size, edge, leaves):
    """Return the root (RFC 6962, section 2.1) of the tree of that size and edge, with leaves more."""
    edge = list(edge)
    for h in leaves:
        n = size
        while n & 1:
            h, n = node(edge.pop(), h), n >> 1
        edge.append(h)
        size += 1
    if not edge:
        return hashlib.sha256(b"").digest()
    root = edge[-1]
    for left in reversed(edge[:-1]):
        root = node(left, root)
    return root


def plain(value):
    """A value of more than 63 characters, or with one that formats state in different ways, is "?"."""
    if len(value.encode()) > 63 or any(c <= " " or c > "~" or c in '\\|=^"' for c in value):
        return "?"
    return value


def plain_id(value):
    good = value and all(c.isascii() and (c.isalnum() or c in ".-_:") for c in value)
    if good and len(value) <= 40:
        return value
    if good and value.startswith("sha256:"):
        return value[:40]
    return ("sha256:" + hashlib.sha256(value.encode()).hexdigest())[:40]


def plain_address(value):
    if not value:
        return ""
    address = ipaddress.ip_address(value)
    return str(getattr(address, "ipv4_mapped", None) or address)


def leaf_of(record):
    """Return the leaf of a record: the hash of a zero byte and its facts, each with its length before it."""
    event = record["event"]
    vendor = record
    for key in event["dataset"].split("."):
        vendor = vendor[key]
    objects = [vendor[k].get("id", "") if k in vendor else "" for k in ("auditable", "target")]
    form = "whole"
    if event["kind"] == "pipeline_error":
        form = "undecoded"
    elif "truncated" in vendor:
        form = "shortened"
    facts = ["sluice-leaf/v1", form, plain_id(event["id"])]
    if form == "whole":
        at = datetime.datetime.fromisoformat(record["@timestamp"].replace("Z", "+00:00"))
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        facts += [str((at - epoch) // datetime.timedelta(milliseconds=1)), plain(event.get("action", "")),
                  plain(vendor.get("actor", {}).get("id", "")), plain_address(record.get("source", {}).get("ip", "")),
                  plain(objects[0]), plain(objects[1])]
    facts.append(plain(record.get("organization", {}).get("name", "")))
    data = b"\x00"
    for fact in [f.encode() for f in facts] + [bytes.fromhex(event["hash"])]:
        data += struct.pack(">I", len(fact)) + fact
    original = event.get("original")
    if original is not None and "original_base64" in vendor:
        original = base64.b64decode(vendor["original_base64"])
    elif original is not None:
        original = original.encode()
    whole = original is None or hashlib.sha256(original).hexdigest() == event["hash"]
    return hashlib.sha256(data).digest(), event.get("sequence"), vendor.get("note"), whole


def main(key_file, exports):
    keys = [read_key(open(key_file).read())]
    notes, records, findings = {}, [], []
    for name in exports:
        for number, line in enumerate(open(name, encoding="utf-8"), 1):
            if not line.strip():
                continue
            place = f"{name}:{number}"
            leaf, sequence, signed, whole = leaf_of(json.loads(line))
            if signed is None:
                records.append((place, leaf, sequence, whole))
                continue
            body = open_note(signed, keys)
            if body is None:
                findings.append(f"{place}: no given key has signed this note")
                continue
            note = fields(body)
            notes.setdefault(note["origin"], {})[note["number"]] = note
            if "key" in note:  # The key that signs from now on; a trusted key has signed its name.
                keys.append(read_key(note["key"]))
    if not notes:
        raise SystemExit("nothing could be verified: no note is signed by the key")

    right = {}  # (origin, sequence) to leaf
    tags = {tag for log in notes.values() for note in log.values() for tag in note["tags"]}
    where = {}
    for origin, log in notes.items():
        for note in log.values():
            for i, tag in enumerate(note["tags"]):
                where.setdefault((note["from"] + i, tag), []).append(origin)
    for place, leaf, sequence, whole in records:
        origins = where.get((sequence, leaf[:8]), [])
        if origins and whole:
            origin = next((o for o in origins if (o, sequence) not in right), origins[0])
            right[origin, sequence] = leaf
        elif leaf[:8] not in tags or not whole:  # A record may also have an older number than the one it was saved under.
            findings.append(f"{place}: this record is not as it was delivered, or no note covers it yet")

    for origin, log in notes.items():
        before = None
        for number in sorted(log):
            note = log[number]
            if before and note["number"] != before["number"] + 1:
                findings.append(f"{origin}: notes {before['number'] + 1} to {number - 1} are missing")
            elif before and (note.get("previous") != before["hash"] or root_of(note["from"], note["edge"], []) != before["root"]):
                findings.append(f"{origin}: note {number} does not continue note {number - 1}")
            leaves = [right.get((origin, s)) for s in range(note["from"], note["size"])]
            for s, leaf in enumerate(leaves, note["from"]):
                if leaf is None and s not in note["rejected"]:
                    findings.append(f"{origin}: record {s} is missing")
            if None not in leaves and root_of(note["from"], note["edge"], leaves) != note["root"]:
                findings.append(f"{origin}: the records of note {number} do not have its root")
            before = note
    for finding in findings:
        print(finding)
    print(f"{len(right)} records are as they were delivered; {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
