"""Clients of the API as people write them, until they are ended. Each says its failures and how many calls it made.

`fresh` makes a connection for each call, as does `bad`, whose token opens nothing; the others keep theirs.
"""

import itertools
import os
import ssl
import sys
import time
import xmlrpc.client

kind, numbers = sys.argv[1], sys.argv[2:]
token = os.environ["SMSGATE_TOKEN"]
context = ssl.create_default_context(cafile=os.environ["SMSGATE_CA"])


def connect():
    return xmlrpc.client.ServerProxy(os.environ["SMSGATE_URL"], context=context)


def fresh(turn, _):
    number = numbers[turn % len(numbers)]
    with connect() as gateway:
        calls = [
            lambda: gateway.get_health_state(token),
            lambda: gateway.get_sms(token, number),
            lambda: gateway.get_stats(token),
            gateway.ping,
        ]
        calls[turn % len(calls)]()
    time.sleep(2)


def get_sms(turn, gateway):
    messages = gateway.get_sms(token, numbers[turn % len(numbers)])
    assert isinstance(messages, list)
    time.sleep(1)


last = ""


def wait_sms(_, gateway):
    global last
    for message in gateway.wait_sms(token, "", 20, last):
        last = message["sms_id"]


def stats(_, gateway):
    level, _ = gateway.get_health_state(token)
    assert level in ("OK", "WARNING", "CRITICAL"), level
    assert len(gateway.get_stats(token)[1]) == len(numbers)
    time.sleep(5)


def bad(turn, _):
    # The daemon ends a connection that is idle for 15 s, over which Python's client fails where both are one machine.
    try:
        with connect() as gateway:
            gateway.get_stats(f"{turn:032x}")
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == 401, fault
    else:
        raise AssertionError("it was let in")
    time.sleep(20)


act = {act.__name__: act for act in (fresh, get_sms, wait_sms, stats, bad)}[kind]
gateway = connect()
print("calls 0", flush=True)
for turn in itertools.count():
    try:
        act(turn, gateway)
    except Exception as error:  # whatever it is, somebody has to hear of it
        print(f"{kind} call {turn}: {type(error).__name__}: {error}", flush=True)
        time.sleep(1)
    print(f"calls {turn + 1}", flush=True)
