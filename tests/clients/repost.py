"""Loses the answer of every send_sms once; the client library then posts the call again by itself."""

import http.client
import os
import ssl
import xmlrpc.client

context = ssl.create_default_context(cafile=os.environ["SMSGATE_CA"])
posts = 0


class Lossy(xmlrpc.client.SafeTransport):
    def send_request(self, *arguments):
        global posts
        connection = super().send_request(*arguments)
        posts += 1
        if posts % 2:
            connection.getresponse().read()
            connection.close()
            raise http.client.RemoteDisconnected("the answer got lost")
        return connection


gateway = xmlrpc.client.ServerProxy(os.environ["SMSGATE_URL"], transport=Lossy(context=context))
ids = {gateway.send_sms("tok-send", "", "+491701234567", f"text {number}", False) for number in range(50)}
assert len(ids) == 50 and posts == 100, (len(ids), posts)
