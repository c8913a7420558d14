"""Every method of the interface through Python's own client, with the strict checks of Python 3.13."""

import datetime
import os
import ssl
import xmlrpc.client

URL = os.environ["SMSGATE_URL"]
context = ssl.create_default_context(cafile=os.environ["SMSGATE_CA"])
context.verify_flags |= ssl.VERIFY_X509_STRICT
gateway = xmlrpc.client.ServerProxy(URL, context=context)


def fault(code, text, call, *arguments):
    try:
        result = call(*arguments)
    except xmlrpc.client.Fault as error:
        assert (error.faultCode, error.faultString) == (code, text), error
    else:
        raise AssertionError(f"no fault but {result!r}")


def faults():
    fault(401, "Invalid API token.", gateway.get_stats, "bad")
    fault(400, "Invalid recipient format.", gateway.send_sms, "tok-send", "x", "0170", "text", False)
    fault(400, "Invalid sender format.", gateway.send_sms, "tok-send", "x", "+491", "text", False)
    fault(401, "Invalid API token.", gateway.send_sms, "tok-stats", "x", "y", "text", False)
    fault(400, "Unknown sms_id.", gateway.get_message, "tok-send", "nosuch")
    fault(400, "Invalid timeout: 0 to 60 seconds.", gateway.wait_sms, "tok-00", "", 61, "")
    fault(401, "Invalid API token.", gateway.get_sms, "tok-01", "+491760000000")
    fault(8001, "procedure nosuch not found", gateway.nosuch)
    fault(8001, "procedure system.nosuch not found", gateway.system.nosuch)
    fault(8002, "error", gateway.ping, 1)
    fault(8002, "error", gateway.get_stats)
    fault(8002, "error", gateway.get_stats, ["token"])


def sending():
    for flash in ((), (False,), (True,), (1,), (0,)):
        sms_id = gateway.send_sms("tok-send", "", "+49 170 / 1234567", "Grüße \U0001f600 <&>", *flash)
        assert isinstance(sms_id, str) and len(sms_id) == 36
        assert gateway.get_delivery_status("tok-send", sms_id) is False
        message = gateway.get_message("tok-send", sms_id)
        assert message["sms_id"] == sms_id and message["state"] == "queued", message
        assert message["recipient"] == "+491701234567" and message["parts"] == 0, message
        assert isinstance(message["cost"], float) and message["done_at"] == "", message
        assert message["queued_at"].endswith("Z"), message
    assert gateway.get_delivery_status("tok-send", "nosuch") is False
    assert gateway.send_sms("tok-send", "+491760000001", "+491701234567", "", False)
    assert gateway.send_sms("tok-send", "+490000", "+491701234567", "not ours", False)


def receiving():
    messages = gateway.get_sms("tok-00", "")
    assert [message["text"] for message in messages] == ["one", "two \U0001f600"], messages
    assert gateway.get_sms("tok-00", "+491760000000") == messages
    assert gateway.get_sms("tok-all", "") == messages
    assert gateway.get_sms("tok-01", "") == []
    assert gateway.get_sms("tok-00", "+4999999") == []
    first = messages[0]
    assert sorted(first) == sorted(
        "sms_id recipient text timestamp created_timestamp sender receiving_modem receiving_network flash "
        "timestamp_text created_timestamp_text parts_missing undecodable".split()
    ), sorted(first)
    when = datetime.datetime.strptime(first["created_timestamp"].value, "%Y%m%dT%H:%M:%S")
    assert abs(when.replace(tzinfo=datetime.timezone.utc) - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)
    assert datetime.datetime.fromisoformat(first["timestamp_text"]).utcoffset() == datetime.timedelta(hours=1)
    assert (first["recipient"], first["sender"], first["receiving_modem"], first["receiving_network"]) == (
        "+491760000000", "+491709999999", "00", "Vodafone.de")
    assert first["flash"] is False and first["undecodable"] is False and first["parts_missing"] == 0
    assert gateway.wait_sms("tok-00", "", 0, "") == messages
    assert gateway.wait_sms("tok-00", "", 0, first["sms_id"]) == messages[1:]
    assert gateway.wait_sms("tok-00", "", 0, messages[1]["sms_id"]) == []


def monitoring():
    assert gateway.get_health_state("tok-health") == ["OK", ""]
    ok, modems = gateway.get_stats("tok-stats")
    assert ok == "OK" and sorted(modems) == ["00", "01"]
    modem = modems["00"]
    types = dict(phone_number=str, current_network=str, current_signal=int, port=str, status=str, balance=str,
                 currency=str, sent=int, received=int, health_state_short=str, health_state_message=str,
                 init_counter=int, last_init=str, last_received=str, last_sent=str)
    for name, kind in types.items():
        assert type(modem[name]) is kind, (name, modem[name])
    assert modem["current_signal"] == -71 and modem["received"] == 2 and modem["sent"] == 0, modem
    datetime.datetime.strptime(modem["last_init"], "%Y-%m-%d %H:%M")
    datetime.datetime.strptime(modem["last_received"], "%Y-%m-%d %H:%M")
    assert modem["last_sent"] == "" and modem["balance"] == ""


def ussd():
    assert gateway.send_ussd("tok-ussd", "+491760000000", "*100#") == ["OK", "Ihr Guthaben beträgt: 12,34 EUR"]
    assert gateway.send_ussd("tok-ussd", "+491760000000", "*1#") == ["ERROR", "Failed to send USSD code: unknown code."]
    assert gateway.send_ussd("tok-ussd", "+4911", "*100#") == [
        "ERROR", "Modem could not be identified for phone number +4911."]
    fault(400, "Invalid USSD code: digits, `*`, `#` and `+` only.", gateway.send_ussd, "tok-ussd", "+491760000000",
          '*1#",15\r')
    fault(503, "Failed to send USSD code: unknown code.", gateway.ussd_open, "tok-ussd", "+491760000000", "*1#")
    fault(401, "Invalid API token.", gateway.ussd_open, "tok-sms", "+491760000000", "*1#")
    fault(400, "Invalid USSD session.", gateway.ussd_answer, "tok-ussd", "1", "1")
    fault(401, "Invalid API token.", gateway.ussd_close, "tok-stats", "1")


def introspection():
    names = gateway.system.listMethods()
    assert len(names) == 15 and "wait_sms" in names, names
    for name in names:
        assert gateway.system.methodHelp(name)
        for form in gateway.system.methodSignature(name):
            assert all(isinstance(kind, str) for kind in form)
        if name != "ping" and not name.startswith("system."):
            fault(8002, "error", getattr(gateway, name))


assert gateway.ping() == "OK"
faults()
sending()
receiving()
monitoring()
ussd()
introspection()
for path in ("/", "/RPC2", "/any/path"):
    assert xmlrpc.client.ServerProxy(URL.replace("/RPC2", path), context=context).ping() == "OK"
