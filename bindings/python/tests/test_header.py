"""The binding is all of the C header, and nothing that is not there."""

import ctypes
import importlib.metadata
import re
import subprocess
from enum import IntEnum
from pathlib import Path
from typing import Any, Dict, List, Type

import pytest

import nbwss
from nbwss import _library, _layout, enums, values

OPAQUE = ("nbwss_connector", "nbwss_endpoints", "nbwss_inspection", "nbwss_options", "nbwss_request")
# Those that do not return a status.
PLAIN = {"nbwss_status_name", "nbwss_last_error", "nbwss_version"}
# Request.header looks into what was copied when the request came: it may be asked after the answer, too.
UNUSED = {"nbwss_request_header_n"}
PREFIXES = {
    "nbwss_status": "NBWSS_",
    "nbwss_delivery_outcome": "NBWSS_",
    "nbwss_event_kind": "NBWSS_EVENT_",
    "nbwss_cause": "NBWSS_CAUSE_",
    "nbwss_log_level": "NBWSS_LOG_",
    "nbwss_audit_step": "NBWSS_AUDIT_",
    "nbwss_connection_state": "NBWSS_",
    "nbwss_phase": "NBWSS_PHASE_",
}
SCALARS: Dict[str, Any] = {
    "bool": ctypes.c_bool,
    "char": ctypes.c_char,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "uint8_t": ctypes.c_uint8,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "nbwss_socket": ctypes.c_ssize_t,
    "nbwss_destructor": _library.Destructor,
}


def python_name(c_name: str) -> str:
    return "".join(part.title() for part in c_name.split("_")[1:])


def enum_types() -> Dict[str, Type[IntEnum]]:
    return {name: getattr(enums, python_name(name)) for name in PREFIXES}


def structs() -> Dict[str, Any]:
    dataclasses = [kind for kind in vars(values).values() if hasattr(kind, "__dataclass_fields__")]
    all_of = {_layout.layout(kind).__name__: _layout.layout(kind) for kind in dataclasses}
    others = {"nbwss_str": _layout.Text, "nbwss_header": _library.Header, "nbwss_response": _library.CResponse}
    return {**all_of, **others}


@pytest.fixture(scope="module")
def code(header: Path) -> str:
    """The header's declarations, without comments and preprocessor, up to its inline functions."""
    text = header.read_text()
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text.split("/* Initial values. */")[0], flags=re.DOTALL)
    return re.sub(r"^#.*$", "", text.replace("\\\n", " "), flags=re.MULTILINE)


def functions(code: str) -> Dict[str, List[str]]:
    """The declared functions with the types of their arguments."""
    found = re.findall(r"^[\w *]*\b(nbwss_\w+)\(([^()]*)\);", code, flags=re.MULTILINE)
    return {name: [one.strip() for one in arguments.split(",") if one.strip() != "void"] for name, arguments in found}


def c_type(argument: str) -> Any:
    """What ctypes is to pass for an argument as the header declares it."""
    words = re.sub(r"\b(const|struct)\b|\w+$", "", argument)
    name, stars = words.replace("*", "").strip(), words.count("*")
    if name.endswith("_callback"):
        return getattr(_library, python_name(name).replace("Callback", "Function"))
    if name in OPAQUE or name == "void":
        return [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)][stars - 1]
    kind = SCALARS.get(name) or structs()[name]
    return ctypes.POINTER(kind) if stars else kind


def test_every_function_is_declared_as_the_header_has_it(code: str) -> None:
    declared = functions(code)
    assert "nbwss_connector_destroy" in declared, "the header was not understood"
    assert declared.keys() - PLAIN == _library.FUNCTIONS.keys()
    for name in _library.FUNCTIONS:
        assert _library.FUNCTIONS[name] == [c_type(argument) for argument in declared[name]], name


def test_every_function_is_used() -> None:
    package = Path(nbwss.__file__).parent
    table, _, rest = (package / "_library.py").read_text().partition("_loading = ")
    source = rest + "".join(path.read_text() for path in package.glob("*.py") if path.name != "_library.py")
    source = source.replace("nbwss_options_on_{kind}", " ".join(f"nbwss_options_on_{kind}" for kind in _kinds()))
    assert {name for name in _library.FUNCTIONS if not re.search(rf"\b{name}\b", source)} == UNUSED
    assert "nbwss_request_header_n" in table


def _kinds() -> List[str]:
    from nbwss import _callbacks

    return list(_callbacks._KINDS)


def test_layouts_and_values_are_those_of_the_c_compiler(code: str, header: Path, tmp_path: Path) -> None:
    assert set(re.findall(r"^typedef struct (\w+) {", code, flags=re.MULTILINE)) == structs().keys()
    assert set(re.findall(r"^enum (\w+)", code, flags=re.MULTILINE)) == PREFIXES.keys()
    expected: Dict[str, List[int]] = {}
    lines: List[str] = []
    for name, struct in structs().items():
        for field, _ in struct._fields_:
            place = getattr(struct, field)
            expected[f"{name}.{field}"] = [place.offset, place.size]
            lines.append(f'SHOW("{name}.{field}", offsetof({name}, {field}), sizeof(({name} *)0)->{field});')
        expected[name] = [ctypes.sizeof(struct), ctypes.alignment(struct)]
        lines.append(f'SHOW("{name}", sizeof({name}), _Alignof({name}));')
    for name, kind in enum_types().items():
        body = re.search(rf"^enum {name}\b[^{{]*{{([^}}]*)}}", code, flags=re.MULTILINE)
        assert body is not None
        members = re.findall(r"\w+(?= =)", body[1])
        assert [member[len(PREFIXES[name]) :] for member in members] == list(kind.__members__), name
        for member in members:
            expected[member] = [kind[member[len(PREFIXES[name]) :]].value, ctypes.sizeof(ctypes.c_int32)]
            lines.append(f'SHOW("{member}", {member}, sizeof({name}));')
    statements = "\n".join(lines)
    source, program = tmp_path / "layout.c", tmp_path / "layout"
    show = '#define SHOW(name, one, two) printf("%s %zu %zu\\n", name, (size_t)(one), (size_t)(two))'
    source.write_text(f"#include <nbwss.h>\n#include <stdio.h>\n{show}\nint main(void) {{\n{statements}\n}}\n")
    subprocess.run(["gcc", "-std=c11", "-Werror", f"-I{header.parent}", source, "-o", program], check=True)
    output = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    compiled = {line.split()[0]: [int(number) for number in line.split()[1:]] for line in output.splitlines()}
    assert compiled == expected


def test_struct_fields_are_all_there(code: str) -> None:
    for name, body in re.findall(r"^typedef struct (\w+) {([^}]*)}", code, flags=re.MULTILINE):
        fields = re.findall(r"(\w+);", body)
        assert [field for field, _ in structs()[name]._fields_] == fields


def test_callbacks_are_as_the_header_has_them(code: str) -> None:
    found = re.findall(r"^typedef (\w+) \(\*(nbwss_\w+)\)\(([^)]*)\);", code, flags=re.MULTILINE)
    assert len(found) == len(_kinds()) + 1
    for result, name, arguments in found:
        function = c_type(f"{name} function")
        assert function._restype_ == {"void": None, "int32_t": ctypes.c_int32}[result], name
        expected = [c_type(argument.strip()) for argument in arguments.split(",")[:-1]] + [ctypes.c_void_p]
        assert list(function._argtypes_) == expected, name


def test_there_is_one_version(header: Path) -> None:
    version = re.search(r'#define NBWSS_VERSION "(.*)"', header.read_text())
    assert version is not None
    assert nbwss.__version__ == nbwss.version() == version[1] == importlib.metadata.version("nbwss")
