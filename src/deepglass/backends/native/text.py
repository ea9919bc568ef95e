"""Writing LLVM IR as text: values, and one instruction per method.

A `Value` is scalar (``lanes`` 1) or a vector. The methods of `Writer` append to
``writer.lines``, which the evaluator points at the place where an instruction belongs.
No fast-math flag is ever set: the bits of every result are defined by the text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...graph.types import DTYPES, DType, bool_, convert, int16, int32, int64, uint8

Number = float | int | bool

_ELEMENTS = {
    "bool": "i1",
    "uint8": "i8",
    "int8": "i8",
    "uint16": "i16",
    "int16": "i16",
    "uint32": "i32",
    "int32": "i32",
    "uint64": "i64",
    "int64": "i64",
    "float16": "i16",
    "bfloat16": "i16",
    "float32": "float",
    "float64": "double",
}
_INTEGERS = {1: uint8, 2: int16, 4: int32, 8: int64}


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """An SSA name or a constant.

    Attributes:
        known: the numbers in the lanes when they are constants of an integer type, so that
            conditions on them can be decided while emitting.
    """

    text: str
    dtype: DType
    lanes: int = 1
    known: tuple[int, ...] | None = None

    @property
    def type(self) -> str:
        return type_text(self.dtype, self.lanes)

    def __str__(self) -> str:
        return f"{self.type} {self.text}"


@cache
def type_text(dtype: DType, lanes: int = 1) -> str:
    """The LLVM type of a register."""
    element = _ELEMENTS[dtype.name]
    return element if lanes == 1 else f"<{lanes} x {element}>"


@cache
def memory_text(dtype: DType, lanes: int = 1) -> str:
    """The LLVM type of a value in memory, where a bool takes a byte."""
    return type_text(uint8 if dtype is bool_ else dtype, lanes)


@cache
def suffix(dtype: DType, lanes: int = 1) -> str:
    """The ending of an overloaded intrinsic's name: `f32`, `v16f32`, `i64`, ..."""
    letter = "f" if dtype.is_float and not dtype.is_half else "i"
    bits = 1 if dtype is bool_ else 8 * dtype.bytes
    return f"{letter}{bits}" if lanes == 1 else f"v{lanes}{letter}{bits}"


def number_text(value: Number, dtype: DType) -> str:
    """A constant of ``dtype`` as LLVM spells it; floats as the bits of their double, halves as
    their own."""
    if dtype.is_half:
        return str(_half_bits(str(float(value)), dtype.name))
    if dtype.is_float:
        return f"0x{_bits(str(float(value)), dtype.name):016X}"
    return str(int(value))


@cache
def _bits(number: str, dtype: str) -> int:
    """The bits of a number rounded to ``dtype``, as a double. (0.0 and -0.0 would be one key.)"""
    with np.errstate(over="ignore"):
        exact = float(np.dtype(dtype).type(number))
    bits: int = struct.unpack("<Q", struct.pack("<d", exact))[0]
    return bits


@cache
def _half_bits(number: str, dtype: str) -> int:
    half = convert(np.array(float(number)), DTYPES[dtype])
    return int(half.view(np.int16))


def constant(value: Number, dtype: DType, lanes: int = 1) -> Value:
    """The number in every lane."""
    value = bool(value) if dtype is bool_ else value
    text = number_text(value, dtype)
    if lanes > 1:
        text = f"splat ({type_text(dtype)} {text})"
    return Value(text, dtype, lanes, None if dtype.is_float else (int(value),) * lanes)


def constants(values: Sequence[int], dtype: DType) -> Value:
    """One integer per lane."""
    known = tuple(map(int, values))
    if known.count(known[0]) == len(known):
        return constant(known[0], dtype, len(known))
    return Value(_lanes_text(known, type_text(dtype)), dtype, len(known), known)


@cache
def _lanes_text(values: tuple[int, ...], element: str) -> str:
    return "<" + ", ".join(f"{element} {v}" for v in values) + ">"


class Writer:
    """Appends instructions to ``lines`` and hands out names.

    An instruction whose text is in ``seen`` is not written again: its first result is
    returned. Instructions that read memory which may change are written with ``fresh``.

    Attributes:
        converts_float16: the CPU has instructions from and to float16.
        functions: definitions of the functions that the instructions call, by name.
    """

    def __init__(self, converts_float16: bool = False) -> None:
        self.converts_float16 = converts_float16
        self.lines: list[Any] = []
        self.seen: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        self._names = 0

    def name(self, stem: str = "v") -> str:
        self._names += 1
        return f"%{stem}{self._names}"

    def emit(self, instruction: str, dtype: DType, lanes: int = 1, fresh: bool = False) -> Value:
        """Append an instruction that yields a value."""
        return Value(self.pointer(instruction, fresh), dtype, lanes)

    def pointer(self, instruction: str, fresh: bool = False) -> str:
        """Append an instruction that yields a pointer, or bits; return the name of the result."""
        name = self.seen.get(instruction)
        if name is None or fresh:
            name = self.name()
            self.lines.append(f"  {name} = {instruction}")
            if not fresh:
                self.seen[instruction] = name
        return name

    # arithmetic

    def binary(self, opcode: str, a: Value, b: Value) -> Value:
        return self.emit(f"{opcode} {a}, {b.text}", a.dtype, a.lanes)

    def intrinsic(self, name: str, *args: Value) -> Value:
        """Call ``llvm.name`` with arguments and result of one type."""
        a = args[0]
        call = f"call {a.type} @llvm.{name}.{suffix(a.dtype, a.lanes)}"
        return self.emit(f"{call}({', '.join(map(str, args))})", a.dtype, a.lanes)

    def call(self, name: str, rule: Callable[..., Value], *args: Value) -> Value:
        """Call a function of the module that does what ``rule(writer, *args)`` writes.

        A long rule thus stands in the code once, and may have branches.
        """
        a = args[0]
        name = f"{name}_{suffix(a.dtype, a.lanes)}"
        if name not in self.functions:
            inner = Writer(self.converts_float16)
            inner.lines.append("entry:")
            own = [Value(f"%x{k}", x.dtype, x.lanes) for k, x in enumerate(args)]
            result = rule(inner, *own)
            head = f"define internal {a.type} @{name}({', '.join(map(str, own))}) noinline #0 {{"
            body = [head, *inner.lines, f"  ret {result}", "}", ""]
            self.functions[name] = "\n".join(body)
        return self.emit(f"call {a.type} @{name}({', '.join(map(str, args))})", a.dtype, a.lanes)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        return self.intrinsic("fma", a, b, c)

    def negate(self, a: Value) -> Value:
        if a.dtype.is_float:
            return self.emit(f"fneg {a}", a.dtype, a.lanes)
        return self.binary("sub", constant(0, a.dtype, a.lanes), a)

    def compare(self, predicate: str, a: Value, b: Value) -> Value:
        """``predicate`` is LLVM's, `icmp slt` or `fcmp olt` for example."""
        return self.emit(f"{predicate} {a}, {b.text}", bool_, a.lanes)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """``condition`` may be scalar where the choices are vectors."""
        return self.emit(f"select {condition}, {a}, {b}", a.dtype, a.lanes)

    def convert(self, opcode: str, a: Value, dtype: DType) -> Value:
        return self.emit(f"{opcode} {a} to {type_text(dtype, a.lanes)}", dtype, a.lanes)

    def bits(self, a: Value, dtype: DType) -> Value:
        """The same bits as another type of the same width."""
        return self.convert("bitcast", a, dtype)

    # lanes

    def splat(self, a: Value, lanes: int) -> Value:
        """The scalar in every lane."""
        if lanes == a.lanes:
            return a
        if a.known is not None:
            return constant(a.known[0], a.dtype, lanes)
        if not a.text.startswith("%"):
            return Value(f"splat ({a})", a.dtype, lanes)
        wide = type_text(a.dtype, lanes)
        one = self.emit(f"insertelement {wide} poison, {a}, i64 0", a.dtype, lanes)
        return self.emit(
            f"shufflevector {one}, {wide} poison, <{lanes} x i32> zeroinitializer", a.dtype, lanes
        )

    def shuffle(self, a: Value, b: Value | None, order: Sequence[int]) -> Value:
        """Lanes ``order`` of the concatenation of ``a`` and ``b``; -1 leaves a lane undefined."""
        second = b.text if b is not None else "poison"
        lanes = ", ".join("i32 poison" if i < 0 else f"i32 {i}" for i in order)
        mask = f"<{len(order)} x i32> <{lanes}>"
        return self.emit(f"shufflevector {a}, {a.type} {second}, {mask}", a.dtype, len(order))

    def extract(self, a: Value, lane: int) -> Value:
        if a.lanes == 1:
            return a
        return self.emit(f"extractelement {a}, i64 {lane}", a.dtype)

    def some_lanes(self, condition: Value, lanes: Sequence[int]) -> Value:
        """A condition in the lanes that are 1, and false in the others.

        It is made of the bits of one integer: of masks that LLVM 22 knows to leave out half of a
        vector that takes two registers, it makes loads that read that half, or none at all.
        """
        kind = f"i{len(lanes)}"
        spread = self.pointer(f"sext {condition} to {kind}")
        bits = sum(bit << lane for lane, bit in enumerate(lanes))
        chosen = self.pointer(f"and {kind} {spread}, {bits}")
        return self.emit(f"bitcast {kind} {chosen} to <{len(lanes)} x i1>", bool_, len(lanes))

    def any_lane(self, mask: Value) -> Value:
        """Whether any lane of a mask is set."""
        name = f"@llvm.vector.reduce.or.{suffix(bool_, mask.lanes)}"
        return self.emit(f"call i1 {name}({mask})", bool_)

    # memory

    def load(
        self,
        pointer: str,
        dtype: DType,
        lanes: int = 1,
        mask: Value | None = None,
        other: Number = 0,
        fresh: bool = False,
    ) -> Value:
        """Load consecutive elements; lanes outside ``mask`` become ``other`` and read nothing."""
        kind, align = memory_text(dtype, lanes), dtype.bytes
        stored = uint8 if dtype is bool_ else dtype
        if mask is None:
            raw = self.emit(f"load {kind}, ptr {pointer}, align {align}", stored, lanes, fresh)
        else:
            call = f"call {kind} @llvm.masked.load.{suffix(stored, lanes)}.p0"
            rest = constant(other, stored, lanes)
            text = f"{call}(ptr align {align} {pointer}, {mask}, {rest})"
            raw = self.emit(text, stored, lanes, fresh)
        return self._from_memory(raw, dtype)

    def gather(
        self, pointers: str, dtype: DType, mask: Value, other: Number = 0, fresh: bool = False
    ) -> Value:
        """Load one element from each of a vector of pointers."""
        lanes = mask.lanes
        stored = uint8 if dtype is bool_ else dtype
        name = f"@llvm.masked.gather.{suffix(stored, lanes)}.v{lanes}p0"
        call = f"call {memory_text(dtype, lanes)} {name}"
        where = f"<{lanes} x ptr> align {dtype.bytes} {pointers}"
        rest = constant(other, stored, lanes)
        raw = self.emit(f"{call}({where}, {mask}, {rest})", stored, lanes, fresh)
        return self._from_memory(raw, dtype)

    def store(self, a: Value, pointer: str, mask: Value | None = None) -> None:
        """Store consecutive elements, those in ``mask`` only.

        A single lane is stored as a scalar: LLVM 22 narrows a masked store of one truncated
        element to a scalar store, and forgets the truncation.
        """
        raw, align = self._to_memory(a), a.dtype.bytes
        if mask is not None and mask.known is not None and sum(mask.known) == 1:
            lane = mask.known.index(1)
            element = memory_text(a.dtype)
            if lane:
                pointer = self.pointer(f"getelementptr {element}, ptr {pointer}, i64 {lane}")
            raw, mask = self.extract(raw, lane), None
        if mask is None:
            self.lines.append(f"  store {raw}, ptr {pointer}, align {align}")
        else:
            call = f"call void @llvm.masked.store.{suffix(raw.dtype, raw.lanes)}.p0"
            self.lines.append(f"  {call}({raw}, ptr align {align} {pointer}, {mask})")

    def ask(self, pointer: str, written: bool = False) -> None:
        """Have a line of memory brought near, to be read soon, or to be ``written`` too."""
        how = f"i32 {int(written)}, i32 3, i32 1"
        self.lines.append(f"  call void @llvm.prefetch.p0(ptr {pointer}, {how})")

    def scatter(self, a: Value, pointers: str, mask: Value) -> None:
        """Store one element to each of a vector of pointers."""
        raw, lanes = self._to_memory(a), a.lanes
        call = f"call void @llvm.masked.scatter.{suffix(raw.dtype, lanes)}.v{lanes}p0"
        where = f"<{lanes} x ptr> align {a.dtype.bytes} {pointers}"
        self.lines.append(f"  {call}({raw}, {where}, {mask})")

    def _from_memory(self, raw: Value, dtype: DType) -> Value:
        if dtype is not bool_:
            return raw
        return self.compare("icmp ne", raw, constant(0, uint8, raw.lanes))

    def _to_memory(self, a: Value) -> Value:
        return self.convert("zext", a, uint8) if a.dtype is bool_ else a


def integer_like(dtype: DType) -> DType:
    """The signed integer type as wide as ``dtype``."""
    return _INTEGERS[dtype.bytes]


def unsigned(dtype: DType) -> bool:
    return dtype.kind in ("bool", "unsigned")
