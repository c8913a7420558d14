"""A real SMTP server (aiosmtpd) that misbehaves on demand.

Prints its port on the first line. Received mails are appended to --out, one JSON object a line, each with the
commands of all connections so far. Faults come from the
file --faults, read anew at each verb, one a line: `VERB hang`, `VERB drop`, `VERB reply CODE words`, VERB being
GREETING, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA or DOT; a word `for=ADDRESS` limits RCPT, DATA and DOT faults to one
recipient. `ALL slow` answers octet by octet. `DOT lose` accepts the mail, then drops the connection
instead of saying so.
"""

import argparse
import asyncio
import json
import ssl
import sys
import time
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True)
parser.add_argument("--faults", required=True)
parser.add_argument("--security", choices=["tls", "starttls", "none"], required=True)
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--user")
parser.add_argument("--password")
args = parser.parse_args()

connections = 0
commands = {"MAIL": 0, "RCPT": 0, "DATA": 0}


def fault(verb, recipients=()):
    with open(args.faults, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if len(words) < 2 or words[0] != verb:
                continue
            only = [word[4:] for word in words if word.startswith("for=")]
            if only and only[0] not in recipients:
                continue
            return words[1], " ".join(word for word in words[2:] if not word.startswith("for="))
    return None


class Faulty(SMTP):
    async def act(self, verb, recipients=()):
        """Plays the fault of `verb`; true if the verb is dealt with."""
        found = fault(verb, recipients)
        if found is None:
            return False
        kind, words = found
        if kind == "hang":
            await asyncio.sleep(3600)
        elif kind == "drop":
            self.transport.abort()
            raise asyncio.CancelledError
        elif kind == "reply":
            await self.push(words)
            return True
        return False

    async def push(self, status):
        data = status if isinstance(status, bytes) else status.encode("utf-8")
        if fault("ALL") == ("slow", ""):
            for octet in data + b"\r\n":
                self._writer.write(bytes([octet]))
                await self._writer.drain()
                await asyncio.sleep(0.002)
            return
        await super().push(status)

    async def _handle_client(self):
        global connections
        if not self._over_ssl_again():
            connections += 1
            if await self.act("GREETING"):
                self.transport.close()
                return
        await super()._handle_client()

    def _over_ssl_again(self):
        return self._tls_protocol is not None

    async def smtp_EHLO(self, hostname):
        if not await self.act("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg):
        if not await self.act("STARTTLS"):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg):
        if not await self.act("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg):
        commands["MAIL"] += 1
        if not await self.act("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        commands["RCPT"] += 1
        if not await self.act("RCPT", [arg.split("<")[1].split(">")[0]]):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        commands["DATA"] += 1
        if not await self.act("DATA", self.envelope.rcpt_tos):
            await super().smtp_DATA(arg)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        found = fault("DOT", envelope.rcpt_tos)
        if found and found[0] == "reply":
            return found[1]
        if found and found[0] != "lose":
            await server.act("DOT", envelope.rcpt_tos)
        with open(args.out, "a", encoding="utf-8") as out:
            out.write(
                json.dumps(
                    {
                        "from": envelope.mail_from,
                        "to": envelope.rcpt_tos,
                        "raw": envelope.content.decode("latin-1"),
                        "tls": server.transport.get_extra_info("sslcontext") is not None,
                        "user": (session.auth_data.login.decode() if session.auth_data else None),
                        "connection": connections,
                        "commands": commands,
                        "at": time.time_ns() // 1000,
                    }
                )
                + "\n"
            )
        if found:
            server.transport.abort()
            raise asyncio.CancelledError
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login.decode() == args.user and data.password.decode() == args.password
    return AuthResult(success=good, auth_data=data)


async def main():
    context = None
    if args.security != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)

    def session():
        return Faulty(
            Handler(),
            hostname="mx.test",
            tls_context=context if args.security == "starttls" else None,
            require_starttls=args.security == "starttls",
            auth_required=args.user is not None,
            auth_require_tls=args.security == "starttls",
            authenticator=authenticate if args.user else None,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", 0, ssl=context if args.security == "tls" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # The test holds our standard input open: at its end, however it comes, we go too.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


warnings.simplefilter("ignore")
asyncio.run(main())
