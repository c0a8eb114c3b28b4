"""Values of Python and structs of C: a dataclass is the one description of both."""

import ctypes
import dataclasses
import functools
import re
import typing
from enum import IntEnum
from typing import Annotated, Any, Dict, Type, TypeVar, Union

U16 = Annotated[int, ctypes.c_uint16]
U32 = Annotated[int, ctypes.c_uint32]
U64 = Annotated[int, ctypes.c_uint64]
I32 = Annotated[int, ctypes.c_int32]
I64 = Annotated[int, ctypes.c_int64]

Value = TypeVar("Value")


class Text(ctypes.Structure):
    """``nbwss_str``. It keeps alive what it was made from, and so does every struct that it is put into."""

    _fields_ = [("ptr", ctypes.c_void_p), ("len", ctypes.c_size_t)]

    @classmethod
    def of(cls, value: Union[str, bytes]) -> "Text":
        data = value.encode() if isinstance(value, str) else value
        return cls(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data))

    def bytes(self) -> bytes:
        return ctypes.string_at(self.ptr, self.len) if self.ptr else b""

    def __str__(self) -> str:
        return self.bytes().decode()


def exact(c_type: Any, number: int) -> int:
    """The number, if it fits: ctypes would cut off what does not."""
    if c_type(number).value != number:
        raise OverflowError(f"{number} is out of bounds")
    return number


@functools.lru_cache(maxsize=None)
def layout(kind: type) -> Type[ctypes.Structure]:
    """The struct for a dataclass: for ``EndpointInfo`` it is ``nbwss_endpoint_info``."""
    name = re.sub("(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    fields = [("struct_size", ctypes.c_size_t)]
    fields += [(field, _c_type(hint)) for field, hint in _hints(kind).items()]
    return type(f"nbwss_{name}", (ctypes.Structure,), {"_fields_": fields})


def empty(kind: type) -> Any:
    """A struct for the library to fill in."""
    struct: Any = layout(kind)()
    struct.struct_size = ctypes.sizeof(struct)
    return struct


def to_c(value: Any) -> Any:
    """The struct that says what a value says."""
    struct = empty(type(value))
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if isinstance(part, str):
            setattr(struct, field.name, Text.of(part))
        elif dataclasses.is_dataclass(part):
            setattr(struct, field.name, ctypes.pointer(to_c(part)))
        elif part is not None:
            setattr(struct, field.name, part)
            # ctypes would cut off what does not fit.
            if getattr(struct, field.name) != part:
                raise OverflowError(f"{field.name} is out of bounds: {part}")
    return struct


def from_c(kind: Type[Value], struct: Any) -> Value:
    """The value that says what a struct says. Its texts are copies."""
    hints: Dict[str, Any] = _hints(kind)  # type: ignore[arg-type]
    return kind(**{field: _from_c(hint, getattr(struct, field)) for field, hint in hints.items()})


@functools.lru_cache(maxsize=None)
def _hints(kind: type) -> Dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _c_type(hint: Any) -> Any:
    if typing.get_origin(hint) is Annotated:
        return typing.get_args(hint)[1]
    if typing.get_origin(hint) is Union:
        return ctypes.POINTER(layout(typing.get_args(hint)[0]))
    if issubclass(hint, IntEnum):
        return ctypes.c_int32
    return {str: Text, bool: ctypes.c_bool}[hint]


def _from_c(hint: Any, part: Any) -> Any:
    if hint is str:
        return str(part)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return hint(part)
    return part
