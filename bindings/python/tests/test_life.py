"""Ends that nobody planned: each in a process of its own, which must end as said, in time, with nothing on stderr but
what is said here. (Python's development mode, on in these processes, shows forgotten connectors and more.)"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cloud import DEADLINE, Cloud
from conftest import Run

# A connector with a session, whose callbacks are at work.
SESSION = """
import gc, os, sys, threading, time, warnings
import nbwss

library, details, ca = sys.argv[1:]
nbwss.load(library)
there, called = threading.Event(), threading.Event()

def on_event(event):
    if event.kind == nbwss.EventKind.ESTABLISHED:
        there.set()

def on_request(request):
    called.set()
    return nbwss.Response(body="from " + threading.current_thread().name)

def connect(**callbacks):
    settings = {"tls.caFile": ca, "dispatch.policy": "allow * /**", "shutdown.timeout": 500}
    connector = nbwss.Connector(settings, **callbacks)
    connector.endpoint_add_file(details)
    connector.start()
    return connector
"""


@pytest.fixture
def script(run: Run, library: Path, cloud: Cloud) -> Run:
    """Runs more of the script above, with a cloud application."""
    return lambda code, **variables: run("-c", SESSION + code, library, cloud.endpoint_file, cloud.ca_file, **variables)


def test_the_interpreter_ends_while_callbacks_come(script: Run, cloud: Cloud) -> None:
    end = script("""
connector = connect(on_event=on_event, on_delivery=lambda report: print(report.outcome.name, flush=True))
there.wait()
connector.notify_job(nbwss.Job(client_name="c", job_type="BACKUP", state="DONE", job_id=1, parent_job_id=1))
""")
    assert end.returncode == 0 and end.stdout in ("DELIVERED\n", "ABANDONED\n"), end
    assert end.stderr.count("ResourceWarning: a connector was not destroyed") == 1
    assert "Traceback" not in end.stderr
    # It was an orderly end: with a close frame.
    assert cloud.event("closed")["code"] == 1000


def test_the_interpreter_ends_while_a_callback_does_not(script: Run) -> None:
    end = script("""
def block(event):
    there.set()
    time.sleep(3600)

connector = connect(on_event=block)
there.wait()
""")
    assert end.returncode == 0 and "nobody has destroyed: NBWSS_TIMEOUT" in end.stderr, end.stderr


def test_a_connector_that_nobody_has_is_destroyed(script: Run, cloud: Cloud) -> None:
    end = script("""
connector = connect(on_event=on_event)
there.wait()
threads = len(os.listdir("/proc/self/task"))
del connector
gc.collect()
print(threads > 3, len(os.listdir("/proc/self/task")))
""")
    assert (end.returncode, end.stdout) == (0, "True 1\n"), end.stderr
    assert end.stderr.count("ResourceWarning: a connector was not destroyed") == 1
    assert cloud.event("closed")["code"] == 1000


def test_a_connector_whose_last_reference_goes_in_a_callback(script: Run) -> None:
    end = script("""
holder, gone = [], threading.Event()

class Callback:
    def __call__(self, event):
        there.wait()
        holder.clear()
    def released(self):
        gone.set()

holder.append(connect(on_event=Callback()))
there.set()
print(gone.wait(60))
""")
    assert (end.returncode, end.stdout) == (0, "True\n"), end.stderr


def test_a_child_made_by_fork_leaves_the_parents_connector_alone(script: Run, cloud: Cloud) -> None:
    end = script("""
connector = connect(on_event=on_event)
there.wait()
warnings.simplefilter("ignore")  # Python may not like it either
child = os.fork()
if child == 0:
    try:
        connector.health()
    except nbwss.Error as error:
        print(error.status.name, flush=True)
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), connector.health().groups_connected)
connector.destroy()
""")
    assert (end.returncode, end.stdout, end.stderr) == (0, "FORKED\n7 1\n", "")


def test_a_key_press_interrupts_what_waits(library: Path) -> None:
    """In drain, in poll, and in a callback that poll runs."""
    code = """
import signal, sys, nbwss
# Started in the background of a script, a process ignores the key, and so do its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
nbwss.load(sys.argv[1])
def on_event(event):
    if event.kind == nbwss.EventKind.CONNECTING:
        signal.raise_signal(signal.SIGINT)
with nbwss.Connector({"callbacks.poll": True, "outbox.keepWithoutEndpoint": True}, on_event=on_event) as connector:
    connector.notify_job(nbwss.Job(client_name="c", job_type="BACKUP", state="DONE", job_id=1, parent_job_id=1))
    for wait in (connector.drain, connector.poll):
        try:
            print("waiting", flush=True)
            wait()
        except KeyboardInterrupt:
            pass
    connector.endpoint_add(nbwss.Endpoint("h", "wss://127.0.0.1:1/", "g", "t"))
    connector.start()
    try:
        connector.poll()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-X", "dev", "-c", code, library], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        assert process.wait(DEADLINE) == 0


def test_a_library_of_another_version_is_refused(run: Run, header: Path, tmp_path: Path) -> None:
    source, other = tmp_path / "other.c", tmp_path / "other.so"
    source.write_text("""
#include <nbwss.h>
const char *nbwss_version(void) { return "9.0.0"; }
const char *nbwss_status_name(int32_t status) { return status == 18 ? "NBWSS_INCOMPATIBLE" : "?"; }
nbwss_str nbwss_last_error(void) { return nbwss_str_z("another major version"); }
nbwss_status nbwss_check_compat_version(uint32_t major, uint32_t minor, uint32_t patch) {
  (void)minor, (void)patch;
  return major == 9 ? NBWSS_OK : NBWSS_INCOMPATIBLE;
}
""")
    subprocess.run(["gcc", "-shared", "-fPIC", f"-I{header.parent}", source, "-o", other], check=True)
    end = run("-c", "import nbwss, sys; nbwss.load(sys.argv[1])", other)
    assert end.returncode == 1 and "Error: NBWSS_INCOMPATIBLE: another major version" in end.stderr, end.stderr


def test_the_loader_finds_the_library(run: Run, library: Path, tmp_path: Path) -> None:
    (tmp_path / "libnbwss.so.0").symlink_to(library)
    end = run("-c", "import nbwss; print(nbwss.version())", LD_LIBRARY_PATH=str(tmp_path))
    assert (end.stdout, end.stderr) == ("0.1.0\n", "")
    end = run("-c", "import nbwss; nbwss.version()", LD_LIBRARY_PATH="")
    assert end.returncode == 1 and "libnbwss.so.0" in end.stderr
