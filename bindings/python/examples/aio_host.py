#!/usr/bin/env python3
"""The same for a service with an event loop: everything runs on the loop's thread, and nothing blocks it.

python aio_host.py endpoint.json ca.pem [LIBRARY]
"""

import asyncio
import json
import sys

import nbwss
from nbwss.aio import AsyncConnector, Stream


async def handle(request: nbwss.Request) -> nbwss.Response:
    await asyncio.sleep(0.01)  # a database, say
    return nbwss.Response(200, {"content-type": "application/json"}, json.dumps({"path": request.uri}))


async def show(events: "Stream[nbwss.Event]") -> None:
    """Ends with the connector."""
    async for event in events:
        print(event.kind.name, event.host_name, event.reason, flush=True)


async def main() -> None:
    details, ca_file, *library = sys.argv[1:]
    if library:
        nbwss.load(library[0])
    events: "Stream[nbwss.Event]" = Stream()
    settings = {"tls.caFile": ca_file, "dispatch.policy": "allow GET /netbackup/**"}
    async with AsyncConnector(settings, on_request=handle, on_event=events) as connector:
        showing = asyncio.create_task(show(events))
        connector.endpoint_add_file(details)
        connector.start()
        connector.job_done(nbwss.Job(client_name="client.example.com", job_type="BACKUP", job_id=144))
        await asyncio.to_thread(sys.stdin.readline)
        print(await connector.drain(timeout=10))
    await showing


if __name__ == "__main__":
    asyncio.run(main())
