#!/usr/bin/env python3
"""A second, independent cloud endpoint for the process tests: Python's websockets and the standard library.

It checks the token and every message, acknowledges notifications and sends the commands that it reads from
standard input: `GET|DELETE|POST|PUT|PATCH URI [JSON]`, `close [CODE]`, `quit`. What happens is told as JSON
lines on standard output, under the names that the example cloud application uses.
"""

import argparse
import asyncio
import base64
import binascii
import json
import os
import ssl
import sys
import threading
import time
import uuid

import websockets

PATH = "/nbwss"
CONTENT_TYPE = "application/vnd.netbackup+json;version=1.0"
METHODS = ("GET", "DELETE", "POST", "PUT", "PATCH")
SECRET_KEYS = ("token", "authorization", "password")
REDACTED = "[redacted]"
# A connector that was refused, or sent a close frame, is gone within this many seconds.
PATIENCE = 5
# A command without an answer by then (seconds) is a failure.
ANSWER_LIMIT = 10
# An epoch time beyond this is in milliseconds, not seconds.
LATEST_SECOND = 100_000_000_000

ENVELOPE = {"version", "id", "type", "subType", "timeStamp", "payload"}
FIELDS = {
    "JOB": {
        "scheduleType": str, "clientName": str, "status": int, "startTime": int, "state": str,
        "policyName": str, "parentJobId": int, "jobId": int, "policyType": str, "jobType": str,
    },
    "IMAGE": {
        "clientType": str, "clientName": str, "backupTime": int, "createdTime": int,
        "operationId": str, "backupId": str,
    },
}  # fmt: skip


class Wrong(Exception):
    """The connector did what it must not."""


def require(condition, why):
    if not condition:
        raise Wrong(why)


def is_a(kind, value):
    # To Python a boolean is an integer, to JSON it is not.
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def without_repeated_keys(pairs):
    keys = [key for key, _ in pairs]
    require(len(keys) == len(set(keys)), "an object has a key twice")
    return dict(pairs)


def read_message(text):
    """Checks one message and returns its envelope."""
    require(isinstance(text, str), "a binary frame where text belongs")
    try:
        message = json.loads(text, object_pairs_hook=without_repeated_keys)
    except ValueError as why:
        raise Wrong(f"not one JSON value: {why}") from None
    require(isinstance(message, dict), "not a JSON object")
    require(message.keys() == ENVELOPE, f"the envelope's keys are {sorted(message)}")
    require(message["version"] == "1.0", "version is not \"1.0\"")
    stamp = message["timeStamp"]
    require(is_a(int, stamp) and 0 <= stamp < LATEST_SECOND, "timeStamp is not whole seconds")
    for key in ("id", "type", "subType"):
        require(isinstance(message[key], str), f"{key} is not text")
    kind = (message["type"], message["subType"])
    check = CHECKS.get(kind)
    require(check, f"a connector sends no {' '.join(kind)}")
    if kind != ("COMMAND", "RESPONSE"):
        check_own_id(message["id"])
    check(message["payload"])
    return message


def check_own_id(own_id):
    try:
        canonical = str(uuid.UUID(own_id)).upper()
    except ValueError:
        canonical = None
    require(own_id == canonical, "id is not a UUID in upper case")


def check_connect(payload):
    require(isinstance(payload, dict), "the CONNECT payload is not an object")
    require(payload.keys() == {"token"}, "the CONNECT payload has other keys than token")
    require(isinstance(payload["token"], str), "token is not text")


def check_answer(payload):
    require(isinstance(payload, dict), "the RESPONSE payload is not an object")
    extra = payload.keys() - {"headers", "statusCode", "response"}
    require(not extra, f"the RESPONSE payload has unknown keys {sorted(extra)}")
    status = payload.get("statusCode")
    require(is_a(int, status) and 100 <= status <= 599, "statusCode is not 100 to 599")
    headers = payload.get("headers")
    require(isinstance(headers, dict), "headers is not an object")
    for name, value in headers.items():
        require(isinstance(value, str), f"header {name} is not text")
        require(name and name == name.lower(), f"header name {name} is not in lower case")
    body = payload.get("response", "")
    require(isinstance(body, str), "response is not text")
    if headers.get("content-transfer-encoding") == "base64":
        try:
            base64.b64decode(body, validate=True)
        except binascii.Error:
            raise Wrong("the body is not base64") from None


def check_notification(payload):
    require(isinstance(payload, list) and payload, "the NOTIFICATION payload is no filled array")
    for element in payload:
        require(isinstance(element, dict), "a NOTIFICATION element is not an object")
        keys = {"notificationType", "object", "data"}
        require(element.keys() == keys, "a NOTIFICATION element has other keys")
        require(element["notificationType"] == "INFO", "notificationType is not \"INFO\"")
        about = element["object"]
        require(about in ("JOB", "IMAGE"), "object is neither \"JOB\" nor \"IMAGE\"")
        data = element["data"]
        require(isinstance(data, list) and data, "data is no filled array")
        for entry in data:
            require(isinstance(entry, dict), f"a {about} entry is not an object")
            for key, value in entry.items():
                kind = FIELDS[about].get(key)
                require(kind is None or is_a(kind, value), f"{about} {key} has the wrong type")


CHECKS = {
    ("CONNECT", "REQUEST"): check_connect,
    ("COMMAND", "RESPONSE"): check_answer,
    ("NOTIFICATION", "REQUEST"): check_notification,
}


class Transcript:
    """JSON lines without secrets."""

    def __init__(self):
        self.start = time.monotonic()
        self.secrets = set()

    def event(self, name, **fields):
        fields = self.redact(fields)
        fields["event"] = name
        fields["at"] = round(time.monotonic() - self.start, 6)
        print(json.dumps(fields), flush=True)

    def redact(self, value):
        if isinstance(value, dict):
            return {
                key: REDACTED
                if key.lower() in SECRET_KEYS and isinstance(inner, str)
                else self.redact(inner)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.redact(inner) for inner in value]
        if isinstance(value, str):
            return self.redact_text(value)
        return value

    def redact_text(self, text):
        # A body is JSON inside a string.
        if text.startswith(("{", "[")):
            try:
                inner = json.loads(text)
            except ValueError:
                pass
            else:
                redacted = self.redact(inner)
                if redacted != inner:
                    text = json.dumps(redacted)
        for secret in self.secrets:
            text = text.replace(secret, REDACTED)
        return text


class Endpoint:
    def __init__(self, token):
        self.token = token
        self.transcript = Transcript()
        self.transcript.secrets.add(token)
        self.connections = 0
        self.sessions = []
        self.established = asyncio.Event()
        self.commands = {}
        self.seen = {}
        self.authorization = None
        self.failed = False

    def protocol_error(self, connection, why):
        self.failed = True
        self.transcript.event("protocol-error", connection=connection, why=why)

    def fail(self, why):
        self.failed = True
        self.transcript.event("failed", why=why)

    async def serve(self, socket):
        self.connections += 1
        connection = self.connections
        peer = "{}:{}".format(*socket.remote_address[:2])
        self.transcript.event("connected", connection=connection, peer=peer)
        if socket.path != PATH:
            self.protocol_error(connection, f"an upgrade request for another path than {PATH}")
            await socket.close(1008)
        try:
            if await self.connect(socket, connection):
                self.sessions.append((connection, socket))
                self.established.set()
                async for text in socket:
                    await self.message(socket, connection, text)
        except websockets.ConnectionClosed:
            pass
        finally:
            self.sessions = [other for other in self.sessions if other[0] != connection]
            if not self.sessions:
                self.established.clear()
            for answer in [c["answer"] for c in self.commands.values() if c["on"] == connection]:
                if not answer.done():
                    answer.cancel()
            self.tell_end(socket, connection)

    def tell_end(self, socket, connection):
        # 1005 and 1006 stand for "no code" and never travel.
        code = None if socket.close_code in (None, 1005, 1006) else socket.close_code
        if socket.close_rcvd is None and socket.close_sent is None:
            ended_by = "network"
        else:
            ended_by = "connector" if socket.close_rcvd_then_sent else "cloud"
        self.transcript.event(
            "closed", connection=connection, code=code, reason=socket.close_reason or "",
            by=ended_by,
        )  # fmt: skip

    async def connect(self, socket, connection):
        """True: the session is established."""
        try:
            message = read_message(await socket.recv())
            require(message["type"] == "CONNECT", f"a {message['type']} before the CONNECT")
        except Wrong as why:
            self.protocol_error(connection, str(why))
            await socket.close(1008)
            return False
        token = message["payload"]["token"]
        self.transcript.secrets.add(token)
        valid = token == self.token
        await send(socket, message["id"], "CONNECT", "RESPONSE", {"valid": valid})
        self.transcript.event("connect", connection=connection, valid=valid)
        if valid:
            return True
        try:
            await asyncio.wait_for(socket.recv(), PATIENCE)
            self.protocol_error(connection, "a message after valid:false")
        except asyncio.TimeoutError:
            self.protocol_error(connection, "the connector did not close after valid:false")
        await socket.close(1008)
        return False

    async def message(self, socket, connection, text):
        try:
            message = read_message(text)
            if message["type"] == "CONNECT":
                raise Wrong("a second CONNECT on one connection")
            if message["type"] == "COMMAND":
                self.answered(connection, message["id"], message["payload"])
            else:
                await self.notified(socket, connection, message["id"], message["payload"])
        except Wrong as why:
            self.protocol_error(connection, str(why))

    def answered(self, connection, command_id, payload):
        command = self.commands.get(command_id)
        require(command, f"a RESPONSE to {command_id!r}, an id that was never sent")
        body = payload.get("response")
        if command["uri"] == "/netbackup/login" and payload["statusCode"] < 300:
            self.take_token(body)
        self.transcript.event(
            "response", connection=connection, id=command_id, method=command["method"],
            uri=command["uri"], statusCode=payload["statusCode"], headers=payload["headers"],
            body=body, milliseconds=round((time.monotonic() - command["sent"]) * 1000, 3),
        )  # fmt: skip
        require(command["on"] == connection, "a RESPONSE on another connection than its COMMAND's")
        require(not command["answer"].done(), "a second RESPONSE to one COMMAND")
        command["answer"].set_result(None)

    def take_token(self, body):
        try:
            self.authorization = json.loads(body)["token"]
            self.transcript.secrets.add(self.authorization)
        except (TypeError, ValueError, KeyError):
            self.fail("the answer to the login holds no token")

    async def notified(self, socket, connection, own_id, payload):
        repeated = own_id in self.seen
        before = self.seen.setdefault(own_id, payload)
        require(before == payload, f"NOTIFICATION {own_id} came again with another payload")
        await send(socket, own_id, "NOTIFICATION", "RESPONSE", [])
        more = {"repeated": True} if repeated else {}
        self.transcript.event(
            "notification", connection=connection, id=own_id, payload=payload,
            acknowledged=True, **more,
        )  # fmt: skip

    async def session(self):
        """The newest session, waiting for one to be there."""
        await self.established.wait()
        return self.sessions[-1]

    async def line(self, line):
        """Carries out one typed line. False: this was the end."""
        word, _, rest = line.partition(" ")
        if word == "quit":
            return False
        if word in METHODS:
            uri, _, body = rest.strip().partition(" ")
            await self.command(word, uri, body.strip() or None)
        elif word == "close" and (rest.isdigit() or not rest):
            _, socket = await self.session()
            await socket.close(int(rest or 1000))
        elif line and not line.startswith("#"):
            self.fail(f"{word}: no such command")
        return True

    async def command(self, method, uri, body):
        connection, socket = await self.session()
        headers = {"Content-Type": CONTENT_TYPE}
        if self.authorization:
            headers["Authorization"] = self.authorization
        payload = {"uri": uri, "method": method, "headers": headers}
        if body is not None:
            payload["parameters"] = body
        command_id = str(uuid.uuid4()).upper()
        answer = asyncio.get_running_loop().create_future()
        self.commands[command_id] = {
            "on": connection, "method": method, "uri": uri, "answer": answer,
            "sent": time.monotonic(),
        }  # fmt: skip
        self.transcript.event(
            "command", connection=connection, id=command_id, method=method, uri=uri, body=body
        )
        try:
            await send(socket, command_id, "COMMAND", "REQUEST", payload)
            await asyncio.wait_for(asyncio.shield(answer), ANSWER_LIMIT)
        except asyncio.TimeoutError:
            self.fail(f"{method} {uri}: no answer within {ANSWER_LIMIT} s")
        except (asyncio.CancelledError, websockets.ConnectionClosed):
            self.fail(f"{method} {uri}: the session ended before its answer")


async def send(socket, message_id, kind, sub_kind, payload):
    message = {
        "version": "1.0", "id": message_id, "type": kind, "subType": sub_kind,
        "timeStamp": int(time.time()), "payload": payload,
    }  # fmt: skip
    await socket.send(json.dumps(message))


def typed_lines():
    """Standard input, line by line, read by a thread of its own; its end is no line."""
    lines = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.strip())

    threading.Thread(target=read, daemon=True).start()
    return lines


def save_endpoint(directory, details):
    """The file appears whole, and only its owner can read it."""
    temporary = os.path.join(directory, f".endpoint.json.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(details, file, indent=2)
    os.replace(temporary, os.path.join(directory, "endpoint.json"))


def arguments():
    parser = argparse.ArgumentParser(description="an endpoint to test a connector against")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDR:PORT")
    parser.add_argument("--cert", required=True, help="the certificate chain (PEM)")
    parser.add_argument("--key", required=True, help="its private key (PEM)")
    parser.add_argument("--token", default=uuid.uuid4().hex)
    parser.add_argument("--dir", default=".", help="where endpoint.json goes")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdigit():
        parser.error(f"--listen {options.listen}: expected ADDR:PORT")
    options.host, options.port = host.strip("[]"), int(port)
    return options


async def main():
    options = arguments()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.cert, options.key)
    endpoint = Endpoint(options.token)
    lines = typed_lines()
    server = await websockets.serve(
        endpoint.serve, options.host, options.port, ssl=tls, compression=None,
        ping_interval=None, close_timeout=PATIENCE,
    )  # fmt: skip
    async with server:
        url = f"wss://localhost:{server.sockets[0].getsockname()[1]}{PATH}"
        endpoint.transcript.event("listening", url=url)
        details = {
            "token": options.token, "priority": 1, "groupId": "cloud",
            "hostName": "cloud.example.com", "url": url,
        }  # fmt: skip
        save_endpoint(options.dir, details)
        while await endpoint.line(await lines.get()):
            pass
        for _, socket in list(endpoint.sessions):
            await socket.close(1000)
    return 1 if endpoint.failed else 0


if __name__ == "__main__":
    # Not sys.exit: the thread that reads standard input would be waited for.
    code = asyncio.run(main())
    sys.stdout.flush()
    os._exit(code)
