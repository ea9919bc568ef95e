"""Loop IR as text: one line per step, shared parts named once.

An expression shares its parts, so writing it out in full could take a line longer than the
age of the universe; a part that is used more than once gets a name and a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from .ir import Acc, Call, Const, Expr, Index, Iota, Load, Nest

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "eq": "==",
    "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&", "or": "|", "xor": "^",
    "shl": "<<", "shr": ">>",
}  # fmt: skip


def nest_text(nest: Nest) -> str:
    """Return the loops of ``nest`` as a few lines of pseudocode."""
    results = [*[a.expr for a in nest.accums], *[s.expr for s in nest.stores]]
    names = _Names([*results, *[e for s in nest.stores for e, _ in s.index.loaded]])
    head = ", ".join(f"{a}<{a.extent}" for a in nest.axes) or "()"
    lines = [f"for {head}:  # {nest.label} {nest.layer}".rstrip()]
    if nest.over:
        lines.append(f"  over {', '.join(f'{a}<{a.extent}' for a in nest.over)}:")
        for accum in nest.accums:
            text = names.text(accum.expr)
            lines += [f"    {line}" for line in names.new_lines()]
            lines.append(f"    {accum.name} {accum.combine}= {text}")
    for store in nest.stores:
        text, at = names.text(store.expr), names.index(store.index)
        lines += [f"  {line}" for line in names.new_lines()]
        lines.append(f"  {store.buffer}[{at}] {store.combine}= {text}")
    return "\n".join(lines)


class _Names:
    """Texts of expressions, equal ones having one name."""

    def __init__(self, roots: Iterable[Expr]) -> None:
        self._number: dict[object, int] = {}
        self._of: dict[int, int] = {}
        self._keep: list[Expr] = []
        self._uses: dict[int, int] = {}
        self._named: dict[int, str] = {}
        self._pending: list[str] = []
        for root in roots:
            self._count(root)

    def _identify(self, e: Expr) -> int:
        """Return one number for all expressions of equal structure."""
        if id(e) not in self._of:
            parts = tuple(self._identify(p) for p in _parts(e))
            key = (type(e), _own(e), parts)
            self._of[id(e)] = self._number.setdefault(key, len(self._number))
            self._keep.append(e)
        return self._of[id(e)]

    def _count(self, e: Expr) -> None:
        number = self._identify(e)
        self._uses[number] = self._uses.get(number, 0) + 1
        if self._uses[number] == 1:
            for part in _parts(e):
                self._count(part)

    def text(self, e: Expr) -> str:
        number = self._identify(e)
        if number in self._named:
            return self._named[number]
        text = self._write(e)
        if self._uses.get(number, 0) > 1 and isinstance(e, (Call, Load)):
            name = self._named[number] = f"t{len(self._named)}"
            self._pending.append(f"{name} = {text}")
            return name
        return text

    def new_lines(self) -> list[str]:
        """Return the lines for names given since the last call."""
        lines, self._pending = self._pending, []
        return lines

    def index(self, index: Index) -> str:
        parts = [str(a) if c == 1 else f"{c}*{a}" for a, c in index.terms]
        parts += [self.text(e) if c == 1 else f"{c}*{self.text(e)}" for e, c in index.loaded]
        if index.constant or not parts:
            parts.append(str(index.constant))
        return " + ".join(parts)

    def _write(self, e: Expr) -> str:
        if isinstance(e, Const):
            return repr(e.value)
        if isinstance(e, Acc):
            return e.name
        if isinstance(e, Iota):
            return f"({self.index(e.index)})"
        if isinstance(e, Load):
            text = f"{e.buffer}[{self.index(e.index)}]"
            return text if e.where is None else f"({text} if {self.text(e.where)} else {e.other})"
        arguments = [self.text(a) for a in e.args]
        if e.op in _INFIX:
            return f"({arguments[0]} {_INFIX[e.op]} {arguments[1]})"
        if e.op == "where":
            return f"({arguments[1]} if {arguments[0]} else {arguments[2]})"
        return f"{e.dtype if e.op == 'cast' else e.op}({', '.join(arguments)})"


def _parts(e: Expr) -> tuple[Expr, ...]:
    if isinstance(e, Call):
        return e.args
    if isinstance(e, Load):
        return (*[p for p, _ in e.index.loaded], *([e.where] if e.where is not None else []))
    return tuple(p for p, _ in e.index.loaded) if isinstance(e, Iota) else ()


def _own(e: Expr) -> object:
    """What tells an expression apart besides its parts."""
    if isinstance(e, Call):
        return e.op, e.dtype
    if isinstance(e, Const):
        return repr(e.value), e.dtype
    if isinstance(e, Acc):
        return e.name
    factors = tuple(c for _, c in e.index.loaded)
    where = (e.index.terms, e.index.constant, factors)
    return (e.buffer, repr(e.other), where) if isinstance(e, Load) else where
