"""The shared library: found, held against the version of this package, and its C functions declared."""

import ctypes
import os
import threading
from ctypes import CFUNCTYPE, POINTER, c_bool, c_char, c_char_p, c_int32, c_int64, c_size_t, c_ssize_t
from ctypes import c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List, Optional, Union

from . import values
from ._layout import Text, layout
from .enums import Status

VERSION = "0.1.0"


class Error(Exception):
    """A call of the library that was not done: ``status`` for programs, the text for people. Holds no secret."""

    def __init__(self, status: Status, words: str) -> None:
        super().__init__(words)
        self.status = status


class Header(ctypes.Structure):
    """``nbwss_header``."""

    _fields_ = [("name", Text), ("value", Text)]


class CResponse(ctypes.Structure):
    """``nbwss_response``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("status_code", c_int32),
        ("headers", POINTER(Header)),
        ("header_count", c_size_t),
        ("body", Text),
    ]


# Every handle is an opaque pointer.
HANDLE = c_void_p
USER_DATA = c_void_p


def _at(kind: type) -> Any:
    """A place for this value."""
    return POINTER(layout(kind))


RequestFunction = CFUNCTYPE(None, HANDLE, USER_DATA)
DeliveryFunction = CFUNCTYPE(None, _at(values.Delivery), USER_DATA)
EventFunction = CFUNCTYPE(None, _at(values.Event), USER_DATA)
LogFunction = CFUNCTYPE(None, _at(values.Log), USER_DATA)
AuditFunction = CFUNCTYPE(None, _at(values.Audit), USER_DATA)
CancelFunction = CFUNCTYPE(None, HANDLE, USER_DATA)
DialFunction = CFUNCTYPE(c_int32, _at(values.Dial), POINTER(c_ssize_t), USER_DATA)
StoreKeyFunction = CFUNCTYPE(c_int32, POINTER(c_uint8), USER_DATA)
Destructor = CFUNCTYPE(None, USER_DATA)

# What a KeyboardInterrupt in a callback becomes: it cannot pass through C, so the C call that ran it raises it.
interrupts: List[KeyboardInterrupt] = []


OUT_HANDLE = POINTER(HANDLE)
OUT_TEXT = POINTER(Text)
OUT_SIZE = POINTER(c_size_t)
OUT_SEQUENCE = POINTER(c_uint64)
TLS = _at(values.Tls)
JOB = _at(values.Job)

# The functions that return a status, with their arguments.
FUNCTIONS: Dict[str, List[Any]] = {
    "nbwss_check_compat_version": [c_uint32, c_uint32, c_uint32],
    "nbwss_options_new": [OUT_HANDLE],
    "nbwss_options_set_n": [HANDLE, Text, Text],
    "nbwss_options_set_int_n": [HANDLE, Text, c_int64],
    "nbwss_options_set_bool_n": [HANDLE, Text, c_bool],
    "nbwss_options_load_file_n": [HANDLE, Text, OUT_TEXT],
    "nbwss_options_on_request": [HANDLE, RequestFunction, USER_DATA, Destructor],
    "nbwss_options_on_delivery": [HANDLE, DeliveryFunction, USER_DATA, Destructor],
    "nbwss_options_on_event": [HANDLE, EventFunction, USER_DATA, Destructor],
    "nbwss_options_on_log": [HANDLE, LogFunction, USER_DATA, Destructor],
    "nbwss_options_on_audit": [HANDLE, AuditFunction, USER_DATA, Destructor],
    "nbwss_options_on_cancel": [HANDLE, CancelFunction, USER_DATA, Destructor],
    "nbwss_options_on_dial": [HANDLE, DialFunction, USER_DATA, Destructor],
    "nbwss_options_on_store_key": [HANDLE, StoreKeyFunction, USER_DATA, Destructor],
    "nbwss_options_set_store_key": [HANDLE, POINTER(c_uint8), c_size_t],
    "nbwss_options_free": [HANDLE],
    "nbwss_connector_new": [HANDLE, OUT_HANDLE],
    "nbwss_connector_start": [HANDLE],
    "nbwss_connector_stop": [HANDLE],
    "nbwss_connector_drain": [HANDLE, c_uint32, _at(values.Drained)],
    "nbwss_connector_stats": [HANDLE, _at(values.Stats)],
    "nbwss_connector_health": [HANDLE, _at(values.Health)],
    "nbwss_connector_wait": [HANDLE, c_uint32],
    "nbwss_connector_poll_fd": [HANDLE, POINTER(c_ssize_t)],
    "nbwss_connector_poll": [HANDLE, c_uint32, OUT_SIZE],
    "nbwss_connector_destroy": [HANDLE],
    "nbwss_connector_set_policy_n": [HANDLE, Text],
    "nbwss_group_start_n": [HANDLE, Text],
    "nbwss_group_stop_n": [HANDLE, Text],
    "nbwss_group_stats_n": [HANDLE, Text, _at(values.GroupCounts)],
    "nbwss_group_forget_n": [HANDLE, Text],
    "nbwss_endpoint_add": [HANDLE, _at(values.Endpoint)],
    "nbwss_endpoint_add_json_n": [HANDLE, Text],
    "nbwss_endpoint_add_file_n": [HANDLE, Text],
    "nbwss_endpoint_add_url_n": [HANDLE, Text],
    "nbwss_endpoint_remove_n": [HANDLE, Text],
    "nbwss_endpoint_activate_n": [HANDLE, Text],
    "nbwss_endpoint_deactivate_n": [HANDLE, Text],
    "nbwss_endpoint_set_token_n": [HANDLE, Text, Text],
    "nbwss_endpoint_set_tls_n": [HANDLE, Text, TLS],
    "nbwss_endpoint_set_priority_n": [HANDLE, Text, c_int32],
    "nbwss_endpoint_reconnect_n": [HANDLE, Text],
    "nbwss_endpoint_get_n": [HANDLE, Text, OUT_HANDLE],
    "nbwss_endpoint_list": [HANDLE, OUT_HANDLE],
    "nbwss_endpoints_read_json_n": [Text, OUT_HANDLE],
    "nbwss_endpoints_read_file_n": [Text, OUT_HANDLE],
    "nbwss_endpoints_fetch_n": [HANDLE, Text, OUT_HANDLE],
    "nbwss_endpoints_add": [HANDLE, HANDLE, TLS],
    "nbwss_endpoints_count": [HANDLE, OUT_SIZE],
    "nbwss_endpoints_get": [HANDLE, c_size_t, _at(values.EndpointInfo)],
    "nbwss_endpoints_token": [HANDLE, c_size_t, POINTER(c_char), c_size_t, OUT_SIZE],
    "nbwss_endpoints_free": [HANDLE],
    "nbwss_endpoint_validate_n": [HANDLE, Text, TLS, OUT_HANDLE],
    "nbwss_endpoint_diagnose_n": [HANDLE, Text, c_bool, OUT_HANDLE],
    "nbwss_inspection_get_result": [HANDLE, _at(values.InspectionResult)],
    "nbwss_inspection_certificate_count": [HANDLE, OUT_SIZE],
    "nbwss_inspection_certificate": [HANDLE, c_size_t, _at(values.Certificate)],
    "nbwss_inspection_step_count": [HANDLE, OUT_SIZE],
    "nbwss_inspection_step": [HANDLE, c_size_t, _at(values.Step)],
    "nbwss_inspection_text": [HANDLE, OUT_TEXT],
    "nbwss_inspection_free": [HANDLE],
    "nbwss_notify_job": [HANDLE, JOB, OUT_SEQUENCE],
    "nbwss_job_queued": [HANDLE, JOB, OUT_SEQUENCE],
    "nbwss_job_active": [HANDLE, JOB, OUT_SEQUENCE],
    "nbwss_job_done": [HANDLE, JOB, c_int64, OUT_SEQUENCE],
    "nbwss_notify_image": [HANDLE, _at(values.Image), OUT_SEQUENCE],
    "nbwss_notify_json_n": [HANDLE, Text, OUT_SEQUENCE],
    "nbwss_request_id": [HANDLE, OUT_TEXT],
    "nbwss_request_host_name": [HANDLE, OUT_TEXT],
    "nbwss_request_group_id": [HANDLE, OUT_TEXT],
    "nbwss_request_method": [HANDLE, OUT_TEXT],
    "nbwss_request_uri": [HANDLE, OUT_TEXT],
    "nbwss_request_body": [HANDLE, OUT_TEXT],
    "nbwss_request_header_n": [HANDLE, Text, OUT_TEXT],
    "nbwss_request_header_count": [HANDLE, OUT_SIZE],
    "nbwss_request_header_at": [HANDLE, c_size_t, POINTER(Header)],
    "nbwss_request_is_wanted": [HANDLE, POINTER(c_bool)],
    "nbwss_request_respond": [HANDLE, POINTER(CResponse)],
    "nbwss_request_fail_n": [HANDLE, c_int32, Text],
}

_loading = threading.Lock()
_loaded: Optional[ctypes.CDLL] = None


def load(path: Union[str, "os.PathLike[str]", None] = None) -> ctypes.CDLL:
    """Loads the library: once, from this path, or else where the loader finds it. Without this call it is loaded when
    it is first needed. Gives its C functions, for what the package does not wrap."""
    global _loaded
    with _loading:
        if _loaded is None:
            _loaded = _open(f"libnbwss.so.{VERSION.split('.')[0]}" if path is None else os.fspath(path))
        elif path is not None:
            raise RuntimeError("libnbwss is loaded already")
        return _loaded


def library() -> ctypes.CDLL:
    return _loaded or load()


def _open(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    library.nbwss_version.argtypes, library.nbwss_version.restype = [], c_char_p
    library.nbwss_status_name.argtypes, library.nbwss_status_name.restype = [c_int32], c_char_p
    library.nbwss_last_error.argtypes, library.nbwss_last_error.restype = [], Text

    def check(status: int, _function: Any, _arguments: Any) -> None:
        if interrupts:
            raise interrupts.pop()
        if status != Status.OK:
            name = library.nbwss_status_name(status).decode()
            raise Error(Status(status), f"{name}: {library.nbwss_last_error()}")

    def declare(name: str) -> None:
        function = getattr(library, name)
        function.argtypes, function.restype, function.errcheck = FUNCTIONS[name], c_int32, check

    # First whether it fits: one that does not may lack functions.
    declare("nbwss_check_compat_version")
    library.nbwss_check_compat_version(*map(int, VERSION.split(".")))
    for name in FUNCTIONS:
        declare(name)
    return library


def version() -> str:
    """The library's version."""
    text: bytes = library().nbwss_version()
    return text.decode()
