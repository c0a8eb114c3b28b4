"""The NetBackup WebSocket Service (NBWSS) protocol for backup services, over the library libnbwss.

A service dials out over ``wss://`` to cloud applications, answers the REST calls that they send, and pushes job and
image notifications until they are acknowledged::

    def handle(request: nbwss.Request) -> nbwss.Response:
        return nbwss.Response(200, {"content-type": "application/json"}, '{"data": []}')

    settings = {"tls.caFile": "ca.pem", "dispatch.policy": "allow GET /netbackup/**"}
    with nbwss.Connector(settings, on_request=handle, on_log=nbwss.to_logging) as connector:
        connector.endpoint_add_file("endpoint.json")
        connector.start()
        connector.notify_job(nbwss.Job(client_name="client.example.com", job_type="BACKUP", state="DONE", job_id=144))
        connector.drain(timeout=10)

Every name is that of the C header, which is the manual, without its prefix: ``nbwss_endpoint_add`` is
``connector.endpoint_add``, ``nbwss_connector_start`` is ``connector.start``. What differs is Python's: a call that is
not done raises ``Error``; results are values, which stay; timeouts are in seconds. ``nbwss.aio`` is for asyncio.

The library is found by the loader as ``libnbwss.so.0``, or given by ``nbwss.load(path)`` before anything else. A
process that forks must do so before it first uses it. A connector that is not destroyed is destroyed when it is
collected, or at the interpreter's end; a callback that has not returned within ``shutdown.timeout`` is left behind.
"""

from ._callbacks import to_logging
from ._library import VERSION as __version__
from ._library import Error, load, version
from ._options import Setting, StoreKey
from .connector import Connector
from .endpoints import Endpoints, Inspection
from .enums import AuditStep, Cause, ConnectionState, DeliveryOutcome, EventKind, LogLevel, Phase, Status
from .request import Request, Response
from .values import Audit, Certificate, Delivery, Dial, Drained, Endpoint, EndpointInfo, Event, GroupCounts, Health
from .values import Image, InspectionResult, Job, Log, Stats, Step, Tls

__all__ = [
    "Audit",
    "AuditStep",
    "Cause",
    "Certificate",
    "ConnectionState",
    "Connector",
    "Delivery",
    "DeliveryOutcome",
    "Dial",
    "Drained",
    "Endpoint",
    "EndpointInfo",
    "Endpoints",
    "Error",
    "Event",
    "EventKind",
    "GroupCounts",
    "Health",
    "Image",
    "Inspection",
    "InspectionResult",
    "Job",
    "Log",
    "LogLevel",
    "Phase",
    "Request",
    "Response",
    "Setting",
    "Stats",
    "Status",
    "Step",
    "StoreKey",
    "Tls",
    "__version__",
    "load",
    "to_logging",
    "version",
]
