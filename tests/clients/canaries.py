"""Pushes words that no log may repeat through calls that succeed, fail, and cannot be read."""

import os
import ssl
import xmlrpc.client

context = ssl.create_default_context(cafile=os.environ["SMSGATE_CA"])
gateway = xmlrpc.client.ServerProxy(os.environ["SMSGATE_URL"], context=context)
gateway.send_sms("tok-send", "+4911", "+491701234567", "canary text", False)
for method, arguments in (
    ("get_stats", ("canary-a",)),
    ("get_stats", ("canary-" + "x" * 80,)),
    ("get_stats", (["canary-b"],)),
    ("get_stats", ("canary\0",)),
    ("canary", ("canary-c",)),
    ("send_sms", ("canary-d", "", "canary-e", "canary-f")),
    ("send_ussd", ("tok-ussd", "canary", "*canary#")),
):
    try:
        getattr(gateway, method)(*arguments)
    except xmlrpc.client.Fault:
        continue
    raise SystemExit(f"no fault from {method}{arguments}")
