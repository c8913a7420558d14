"""Reads mails with Python's email package and compares them with what was asked for.

Standard input: one JSON object a line with `raw`, `subject`, `body`, `headers` (how many) and `ids`. Prints each difference.
"""

import email
import email.policy
import json
import sys

seen = 0
for line in sys.stdin:
    case = json.loads(line)
    seen += 1
    raw = case["raw"].encode("ascii")
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    faults = []
    if b"\n" in raw.replace(b"\r\n", b"") or b"\r" in raw.replace(b"\r\n", b""):
        faults.append("bare CR or LF")
    if max(map(len, raw.split(b"\r\n"))) > 998:
        faults.append("line too long")
    if len(mail.keys()) != case["headers"] or mail.defects:
        faults.append(f"headers {mail.keys()} defects {mail.defects}")
    if mail["Subject"] != case["subject"]:
        faults.append(f"subject {mail['Subject']!r} instead of {case['subject']!r}")
    if mail["X-SMSgate-Id"].split() != case["ids"]:
        faults.append(f"ids {mail['X-SMSgate-Id']!r} instead of {case['ids']!r}")
    if mail["Content-Transfer-Encoding"] not in ("base64", "quoted-printable"):
        faults.append(f"encoding {mail['Content-Transfer-Encoding']}")
    body = mail.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n").rstrip("\n")
    if body != case["body"].rstrip("\n"):
        faults.append(f"body {body!r} instead of {case['body']!r}")
    if faults:
        print(f"case {seen}: " + "; ".join(faults)[:2000])
print(f"{seen} mails read")
