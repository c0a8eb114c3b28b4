#!/usr/bin/env python3
"""A backup service in Python: answers REST calls, tells of a backup, and ends in order when Enter is pressed.

python host.py endpoint.json ca.pem [LIBRARY]
"""

import json
import logging
import sys
import time

import nbwss

JOBS = {"data": [{"type": "job", "id": "144", "attributes": {"state": "DONE"}}]}


def handle(request: nbwss.Request) -> nbwss.Response:
    """Runs on a thread of the library and may block. What it raises becomes a 500 and a line in the log."""
    print(request, flush=True)
    if request.uri.startswith("/netbackup/admin/jobs"):
        return nbwss.Response(200, {"content-type": "application/json"}, json.dumps(JOBS))
    return nbwss.Response(404)


def back_up(connector: nbwss.Connector) -> None:
    job = nbwss.Job(client_name="client.example.com", policy_name="daily", job_type="BACKUP", job_id=144)
    connector.job_active(job)
    now = int(time.time())
    image = nbwss.Image(
        client_name=job.client_name,
        operation_id="CREATE",
        backup_id=f"{job.client_name}_{now}",
        backup_time=now,
        created_time=now,
    )
    connector.notify_image(image)
    connector.job_done(job)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    details, ca_file, *library = sys.argv[1:]
    if library:
        nbwss.load(library[0])
    settings = {"tls.caFile": ca_file, "dispatch.policy": "allow GET /netbackup/**"}  # nothing else reaches handle
    with nbwss.Connector(settings, on_request=handle, on_delivery=print, on_log=nbwss.to_logging) as connector:
        connector.endpoint_add_file(details)
        connector.start()
        back_up(connector)
        sys.stdin.readline()
        print(connector.drain(timeout=10))


if __name__ == "__main__":
    main()
