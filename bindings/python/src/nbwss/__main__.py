"""For the operator: the endpoints in the database of a service that is not running, and the way to them."""

import argparse
import dataclasses
import getpass
import json
import sys
from enum import IntEnum
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

from . import Connector, Endpoints, Error, Inspection, Setting, Tls, load

# Those that only look at what they are given.
WITHOUT_STORE = ("read", "validate")


def show_all(endpoints: Endpoints) -> None:
    """As JSON, without tokens."""

    def plain(value: object) -> object:
        return value.name if isinstance(value, IntEnum) else value

    infos = [{key: plain(value) for key, value in dataclasses.asdict(info).items()} for info in endpoints]
    print(json.dumps(infos, indent=2))


def show_inspection(inspection: Inspection) -> bool:
    print(inspection.text, end="")
    return inspection.result.ok and inspection.result.trusted


def read(_connector: Connector, arguments: argparse.Namespace) -> None:
    show_all(Endpoints.read_file(arguments.file))


def validate(connector: Connector, arguments: argparse.Namespace) -> bool:
    return show_inspection(connector.endpoint_validate(arguments.url, _tls(arguments)))


def show_list(connector: Connector, _arguments: argparse.Namespace) -> None:
    show_all(connector.endpoint_list())


def add(connector: Connector, arguments: argparse.Namespace) -> None:
    connector.endpoints_add(Endpoints.read_file(arguments.file), _tls(arguments))


def diagnose(connector: Connector, arguments: argparse.Namespace) -> bool:
    return show_inspection(connector.endpoint_diagnose(arguments.host, arguments.connect))


def token(connector: Connector, arguments: argparse.Namespace) -> None:
    with connector.endpoint_list() as endpoints:
        connector.endpoint_get(arguments.host)  # says so where there is none
        hosts = [info.host_name.lower() for info in endpoints]
        print(endpoints.token(hosts.index(arguments.host.lower())))


def set_token(connector: Connector, arguments: argparse.Namespace) -> None:
    terminal = sys.stdin.isatty()
    new = getpass.getpass("token: ") if terminal else sys.stdin.readline().rstrip("\r\n")
    connector.endpoint_set_token(arguments.host, new)


def remove(connector: Connector, arguments: argparse.Namespace) -> None:
    connector.endpoint_remove(arguments.host)


def activate(connector: Connector, arguments: argparse.Namespace) -> None:
    connector.endpoint_activate(arguments.host)


def deactivate(connector: Connector, arguments: argparse.Namespace) -> None:
    connector.endpoint_deactivate(arguments.host)


def _tls(arguments: argparse.Namespace) -> Tls:
    return Tls(pin=arguments.pin, ca_file=arguments.trust)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nbwss", description=__doc__)
    parser.add_argument("--library", metavar="FILE", help="the shared library, if the loader does not find it")
    parser.add_argument("--store", metavar="FILE", help="the database of endpoints (endpoint.store.path)")
    parser.add_argument("--key", metavar="FILE", type=Path, help="the 32 bytes that its tokens are encrypted with")
    parser.add_argument("--ca", metavar="FILE", help="certificate authorities to trust (tls.caFile)")
    parser.add_argument("--proxy", metavar="URL", help="the proxy to dial through (proxy.url)")
    parser.add_argument("--properties", metavar="FILE", help="a file of settings, such as nbwss.properties")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[..., Optional[bool]], argument: str, words: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=words, description=words)
        made.set_defaults(name=name, run=run)
        if argument:
            made.add_argument(argument)
        return made

    command("read", read, "file", "show the endpoint details in a file, without tokens")
    judged = command("validate", validate, "url", "show the certificates of a wss:// URL")
    command("list", show_list, "", "show all endpoints, without tokens")
    added = command("add", add, "file", "add the endpoints in a file")
    command("remove", remove, "host", "remove an endpoint")
    command("activate", activate, "host", "have an endpoint connected")
    command("deactivate", deactivate, "host", "have an endpoint not connected")
    command("token", token, "host", "show the token of an endpoint")
    command("set-token", set_token, "host", "give an endpoint the token on standard input")
    diagnosed = command("diagnose", diagnose, "host", "try a connection step by step")
    diagnosed.add_argument("--connect", action="store_true", help="to the end: send the token")
    for choosing in (judged, added):
        choosing.add_argument("--pin", default="", help="what it must be: spki: or certificate: and a SHA-256")
        choosing.add_argument("--trust", metavar="FILE", default="", help="certificate authorities for this endpoint")
    return parser


def main(words: Optional[Sequence[str]] = None) -> int:
    commands = parser()
    arguments = commands.parse_args(words)
    if arguments.store is None and arguments.properties is None and arguments.name not in WITHOUT_STORE:
        commands.error(f"{arguments.name} needs --store, or --properties with endpoint.store.path")
    settings: Dict[str, Setting] = {}
    for option, setting in (("store", "endpoint.store.path"), ("ca", "tls.caFile"), ("proxy", "proxy.url")):
        if getattr(arguments, option) is not None:
            settings[setting] = getattr(arguments, option)
    try:
        if arguments.library is not None:
            load(arguments.library)
        key = arguments.key.read_bytes() if arguments.key is not None else None
        with Connector(settings, properties=arguments.properties, store_key=key) as connector:
            for line in connector.unknown_settings:
                print(f"nbwss: {arguments.properties}: unknown setting in {line}", file=sys.stderr)
            return 1 if arguments.run(connector, arguments) is False else 0
    except (Error, OSError) as error:
        print(f"nbwss: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
