"""From the graph to the loop IR: roots, groups, levels, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import lcm, prod

from ...graph.graph import ALIAS, Graph, Node, derived
from ...graph.kinds import Contraction, Host, Leaf, Scatter, Section
from .arrange import arrange
from .bands import Bands, band_width, in_bands
from .border import clear
from .cookbook import Cookbook, placed
from .groups import Group, Grouping, assign_levels, at_own_element, in_own_row, read_again
from .ir import (
    Accum,
    Axis,
    Buffer,
    Call,
    Const,
    Expr,
    HostCall,
    Index,
    Nest,
    Phase,
    Program,
    Scratch,
    Store,
    Window,
    conjunction,
)  # fmt: skip
from .layout import row_major, with_ones, without_ones
from .memory import Lifetime, aligned_size, place
from .recipe import Evaluator, Recipe, make, result, visited
from .reduce import least
from .roots import base, find_roots, is_leaf, is_number
from .scratch import NEAR, chunk_size, fitting_rows, in_blocks
from .slices import in_slices, lie_along, slice_of, sliced
from .vocabulary import as_expr, as_index, bounds

Pass = tuple[int, Axis]  # a level, and the rows of one of its phases

ARENA = 0  # slot of the arena in the table of pointers


@dataclass(frozen=True)
class Lowered:
    """A program and where its memory comes from.

    Attributes:
        program: the loop IR.
        slots: the node behind each slot of the pointer table after the arena's: state and
            arguments to read (state may be written), constants, outputs to write.
        arena: bytes of scratch memory, to be aligned to 64.
        taps: where in the arena the graph's taps are after a run.
    """

    program: Program
    slots: tuple[Node, ...]
    arena: int
    taps: tuple[Window, ...]


def lower(graph: Graph) -> Lowered:
    """Return the loop IR of a graph of primitive ops."""
    return _Lowering(graph).run()


class _Lowering:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.layouts = arrange(_with_own_results(graph))
        self.settled = self.graph.settled()
        self.first = 0  # level after those that are settled
        self.aside: set[int] = set()  # ids of roots that are only looked at
        self.roots = self._find_roots()
        self.stored = {n.id for n in self.roots}
        self.grouping = Grouping()
        self.in_place: dict[int, Node] = {}  # id of a root -> state it overwrites
        self.commits: list[tuple[Node, Node]] = []  # state, root to copy into it at the end
        self.watched: set[int] = set()  # ids of roots that are stored for those aside
        self.buffers: dict[int, Buffer] = {}
        self.slots: list[Node] = []
        self.chunks: dict[Pass, int] = {}  # rows of a chunk
        self.passing: dict[Pass, list[tuple[Node, Lifetime]]] = {}  # bytes of a row

    def run(self) -> Lowered:
        book = Cookbook(self.stored, self.layouts)
        for root in self.roots:
            settled = root.id in self.settled
            self.grouping.add(book.recipe(root), root.id in self.aside, settled)
        on_host = [g for g in self.grouping.groups if g.on_host]
        for state, value in self.graph.updates:
            self._update(state, value, on_host)
        self.first = assign_levels(self.grouping, self.in_place)
        self.bands = self._find_bands()
        self._slot_buffers()
        self._passes()
        arena = self._arena_buffers()
        taps = tuple(Window(self.buffers[n.id], n.type.shape) for n in self.graph.taps)
        return Lowered(self._program(), tuple(self.slots), arena, taps)

    def _find_roots(self) -> list[Node]:
        """The roots of the graph without taps, and behind them those of the taps alone."""
        without = replace(self.graph, taps=())
        wanted = self.layouts.wanted
        roots = find_roots(without, wanted, self.settled)
        if self.graph.taps:
            inner = {n.id for n in without.nodes()}
            stored = frozenset(n.id for n in roots)  # there to be read
            every = find_roots(self.graph, wanted | stored, self.settled)
            besides = [n for n in every if n.id not in inner]
            self.aside = {n.id for n in besides}
            roots += besides
        return roots

    def _evaluator(self) -> Evaluator:
        return Evaluator(self.stored, self.layouts, self._buffer)

    def _buffer(self, node: Node) -> Buffer:
        return self.buffers.get(node.id) or self._in_arena(node, 0)

    def _in_arena(self, node: Node, offset: int, scratch: Scratch | None = None) -> Buffer:
        size = self.layouts.of(node).size
        return Buffer(f"v{node.id}", node.type.dtype, size, ARENA, offset, scratch)

    def _bytes(self, node: Node) -> int:
        return self.layouts.of(node).size * node.type.dtype.bytes

    def _find_bands(self) -> Bands:
        kept = {n.id for n in (*self.graph.results, *self.graph.taps)} | self.layouts.wishes.keys()
        layout_of = {n.id: self.layouts.of(n) for n in self.roots}
        return Bands(self.grouping.sorted(), kept, layout_of)

    # State ----------------------------------------------------------------------------

    def _update(self, state: Node, value: Node, on_host: Sequence[Group]) -> None:
        """Let ``value`` overwrite ``state`` in place if everybody who reads the old value can
        do so before; otherwise it is copied there at the end.

        Calls of the host, which may raise, come before every change of state.
        """
        writer = self.grouping.of[value.id]
        readers = self.grouping.readers(state)
        before = [g for g in on_host if g not in readers] + readers
        for group in before:
            if group is writer:
                old = [r for r in group.reads if r.source is state]
                if not all(at_own_element(r, group.axes) for r in old) or group.alone:
                    self.commits.append((state, value))
                    return
            elif self.grouping.depends(group, on=writer):
                self.commits.append((state, value))
                return
        self.in_place[value.id] = state
        for group in before:
            if group is not writer:
                self.grouping.order(group, writer)

    # Memory ---------------------------------------------------------------------------

    def _slot_buffers(self) -> None:
        on_host = {
            base(i).id for n in self.roots if isinstance(n.op.kernel, Host) for i in n.inputs
        }
        for node in self.graph.nodes():
            if is_leaf(node) and (node.id in on_host or not is_number(node)):
                self._add_slot(node, node.name or node.op.name)
        for node in (*self.graph.inputs, *self.graph.state):
            if node.id not in self.buffers:
                self._add_slot(node, node.name or node.op.name)
        for k, node in enumerate(self.graph.outputs):
            self._add_slot(node, f"output{k}")
        for root, state in self.in_place.items():
            self.buffers[root] = self.buffers[state.id]

    def _add_slot(self, node: Node, name: str) -> None:
        self.slots.append(node)
        slot = len(self.slots)
        self.buffers[node.id] = Buffer(name, node.type.dtype, node.type.size, slot)

    def _passes(self) -> None:
        """Find the size of the chunks of each pass, and the values that only it knows.

        Sizes decide how sums are split, so groups that stand aside do not count for them; but what
        these read stays in memory for a chunk all the same.
        """
        passes: dict[Pass, list[Group]] = {}
        for group in self.grouping.sorted():
            if group.rows is not None:
                passes.setdefault((group.level, group.rows), []).append(group)
        for (level, rows), groups in passes.items():
            counted = [g for g in groups if not g.aside]
            gathers = any(map(self._gathers, counted))
            blocks = any(len(g.axes) < 3 for g in counted)
            tile = lcm(*(g.tile for g in groups))
            wide = any(len(g.axes) < 3 and read_again(g, rows) > NEAR for g in counted)
            size = chunk_size(rows.extent, gathers, blocks, tile, wide)
            if size < rows.extent:
                if values := self._made_and_used_up(groups, rows, aside=False):
                    common = max(map(_common_bytes, counted))
                    _, row = place([lifetime for _, lifetime in values])
                    size = fitting_rows(size, row, common, tile)
                self.passing[level, rows] = self._made_and_used_up(groups, rows, aside=True)
            self.chunks[level, rows] = size

    def _made_and_used_up(
        self, groups: Sequence[Group], rows: Axis, aside: bool
    ) -> list[tuple[Node, Lifetime]]:
        """The values that no group but those of a pass needs, and the bytes of a row of each.

        Args:
            aside: whether groups that stand aside need anything.
        """
        return [
            (m.root, Lifetime(self._bytes(m.root) // rows.extent, k, last))
            for k, g in enumerate(groups)
            for m in g.members
            if g.members[0].rows == rows
            and (last := self._last_of_pass(m.root, groups, aside)) is not None
        ]

    def _last_of_pass(self, root: Node, groups: Sequence[Group], aside: bool) -> int | None:
        """The number of the last group of a pass to read a value that no other group reads."""
        readers = [g for g in self._readers(root) if aside or not g.aside]
        kept = root.id in self.buffers or any(value is root for _, value in self.commits)
        kept = kept or not self.layouts.of(root).in_rows
        if kept or not readers or not all(g in groups for g in readers):
            return None
        return max(groups.index(g) for g in readers)

    def _readers(self, root: Node) -> list[Group]:
        """The groups that read a stored value: others than its own, and loops that gather in it."""
        own = self.grouping.of[root.id]
        readers = [g for g in self.grouping.readers(root) if g is not own]
        gathers = own.scatters or (root is own.members[0].root and self._slice(own))
        return [*readers, own] if gathers else readers

    def _arena_buffers(self) -> int:
        """Place the remaining roots in the arena; those nobody else reads need no memory."""
        found: list[list[tuple[Node, int, Scratch | None]]] = []
        lifetimes = []
        taps = {n.id for n in self.graph.taps}
        final = max((g.level for g in self.grouping.groups), default=0) + 1
        for (level, rows), values in self.passing.items():
            chunk = self.chunks[level, rows]
            chunks = -(-rows.extent // chunk)
            offsets, lying, size = in_blocks([v for _, v in values], chunk, chunks)
            roots = [node for node, _ in values]
            found.append(list(zip(roots, offsets, lying, strict=True)))
            lifetimes.append(Lifetime(size, level, level))
        passing = {node.id for together in found for node, _, _ in together}
        for group in self.grouping.groups:
            for root in (recipe.root for recipe in group.members):
                if root.id in self.buffers or root.id in taps:
                    continue
                others = [g for g in self._readers(root) if g is not group]
                if not group.aside and all(g.aside for g in others):
                    self.watched.add(root.id)
                if root.id in passing:
                    continue
                last = max(self._last_reads(root, final), default=None)
                if last is not None:
                    found.append([(root, 0, None)])
                    lifetimes.append(Lifetime(self._bytes(root), group.level, last))
        starts, size = place(lifetimes)
        for tap in self.graph.taps:  # they stay
            found.append([(tap, 0, None)])
            starts.append(size)
            size += aligned_size(tap.type.bytes)
        for start, together in zip(starts, found, strict=True):
            for node, offset, scratch in together:
                self.buffers[node.id] = self._in_arena(node, start + offset, scratch)
        return size

    def _last_reads(self, root: Node, final: int) -> Iterator[int]:
        """Levels at which the stored value is read; the last one where a later run reads it."""
        readers = self._readers(root)
        yield from (g.level for g in readers)
        if self.grouping.of[root.id].settled and not all(g.settled for g in readers):
            yield final
        if any(value is root for _, value in self.commits):
            yield final

    # Loops ----------------------------------------------------------------------------

    def _program(self) -> Program:
        levels: dict[int, dict[Axis | None, list[Nest]]] = {}
        calls: list[HostCall] = []
        for group in self.grouping.sorted():
            if group.on_host:
                levels.setdefault(group.level, {})
                calls += self._host_calls(group)
                continue
            nests = self._scatter(group) if group.scatters else self._nests(group)
            loops = [*self._borders(group), *((group.rows, nest) for nest in nests)]
            by_rows = levels.setdefault(group.level, {})
            for rows, nest in loops:
                by_rows.setdefault(rows, []).append(_labelled(nest, group.members))
        program = [
            tuple(
                Phase(tuple(nests), rows, self.chunks[level, rows] if rows else 1)
                for rows, nests in phases.items()
            )
            for level, phases in sorted(levels.items())
        ]
        if self.commits:
            program.append((Phase(tuple(self._commit(s, v) for s, v in self.commits)),))
        settled = sum(level < self.first for level in levels)
        return Program(tuple(program), tuple(self.buffers.values()), tuple(calls), settled)

    def _host_calls(self, group: Group) -> Iterator[HostCall]:
        """The call that computes a root, unless nobody reads it."""
        root = group.members[0].root
        if root.id in self.buffers:
            arguments = [Window(self.buffers[base(i).id], i.type.shape) for i in root.inputs]
            result = Window(self.buffers[root.id], root.type.shape)
            yield HostCall(self.layouts.called[root.id], tuple(arguments), result, group.level)

    def _borders(self, group: Group) -> Iterator[tuple[Axis | None, Nest]]:
        """The loops that clear borders, and the rows they share with others."""
        for member in group.members:
            layout = self.layouts.of(member.root)
            if layout.bordered and member.root.id in self.buffers:
                yield from clear(self.buffers[member.root.id], layout, group)

    def _slice(self, group: Group) -> int:
        """Terms of a slice where the group's sum gathers in memory; else 0."""
        first = group.members[0]
        product = isinstance(first.root.op.kernel, Contraction) and first.root.type.dtype.is_float
        if not product or first.accum is None or first.root.id in self.in_place:
            return 0
        size = slice_of(group.axes, group.over, first.outside, first.accum.expr)
        if size and self.bands.of(group) is not None:
            along = any(lie_along(group.over[0], first.accum.expr))
            return 0 if along else band_width(group.over[0].extent)
        return size

    def _gathers(self, group: Group) -> bool:
        """Whether many slices gather in memory: each chunk then reads all of a factor."""
        size, terms = self._slice(group), prod(a.extent for a in group.over)
        return size > 0 and (group.members[0].outside > 0 or 4 * size <= terms)

    def _nests(self, group: Group) -> list[Nest]:
        root = group.members[0].root
        wish = self.layouts.wishes.get(root.id)
        if wish and wish.sections:
            places = (without_ones(root.type.shape, s.places) for s in wish.sections)
            sections = (replace(s, places=p) for s, p in zip(wish.sections, places, strict=True))
            return [self._section(group, section) for section in sections]
        nest, size, half = self._nest(group), self._slice(group), self.bands.of(group)
        if not size:
            return [nest] if half is None else list(in_bands(nest, half))
        layout = self.layouts.of(root)
        where = layout.position(layout.at())
        if half is not None:
            cut = partial(in_bands, half=half, summed=True)
        else:
            cut = partial(in_slices, size=size, outside=group.members[0].outside)
        return sliced(nest, cut, self.buffers[root.id], where)

    def _nest(self, group: Group) -> Nest:
        stores: list[Store] = []
        accums: list[Accum] = []
        computed: dict[int, tuple[Index, Expr]] = {}
        for recipe in group.members:
            root, layout = recipe.root, self.layouts.of(recipe.root)
            accum, element = placed(recipe, self._buffer, computed)
            where = layout.position(layout.at())
            computed[root.id] = where, element
            accums += [] if accum is None else [accum]
            if root.id in self.buffers:
                aside = root.id in self.watched
                stores.append(Store(self.buffers[root.id], where, element, aside=aside))
        spans = group.members[0].spans
        loops = group.axes, tuple(stores), group.over, tuple(accums)
        return Nest(*loops, tiles=group.tiles, spans=spans)

    def _section(self, group: Group, section: Section) -> Nest:
        """The loops over a section of the results, which has a recipe of its own."""
        evaluator = self._evaluator()
        recipes, stores = [], []
        for member in group.members:
            recipe = make(member.root, evaluator, section)
            layout = self.layouts.of(member.root)
            at = with_ones(member.root.type.shape, layout.at("i", section.places))
            evaluator.known[member.root.id, at] = result(recipe)
            recipes.append(recipe)
            if member.root.id in self.buffers:
                where = layout.position(layout.at("i", section.places))
                aside = member.root.id in self.watched
                target = self.buffers[member.root.id]
                stores.append(Store(target, where, result(recipe), aside=aside))
        over = next((r.over for r in recipes if r.over), ())
        accums = tuple(r.accum for r in recipes if r.accum is not None)
        spans = recipes[0].spans
        return Nest(recipes[0].axes, tuple(stores), over, accums, tiles=group.tiles, spans=spans)

    def _scatter(self, group: Group) -> Iterator[Nest]:
        """Copy the tensor, then combine the source elements with it, one after another."""
        root = group.members[0].root
        kernel = root.op.kernel
        assert isinstance(kernel, Scatter)
        target = self.buffers[root.id]
        shape = root.type.shape
        recipe = make(root, self._evaluator())
        layout = row_major(shape)
        where = layout.position(layout.at())
        yield Nest(recipe.axes, (Store(target, where, result(recipe)),))
        evaluator = self._evaluator()
        given = root.inputs[2]
        axes, at = visited(given.type.shape, "i")
        read, types = evaluator.readers(root)[1], tuple(i.type for i in root.inputs)
        places = kernel.target(evaluator.b, at, read, types=types, **root.params)
        index = [as_index(i) for i in places]
        inside = conjunction(
            *[
                as_expr(test)
                for i, n in zip(index, shape, strict=True)
                if bounds(i) is None
                for test in (evaluator.b.ge(i, Index()), evaluator.b.lt(i, Index(constant=n)))
            ]
        )
        value = as_expr(evaluator.value(given, at))
        place = layout.position(without_ones(shape, index))
        if inside is not None:  # an index outside leaves the first element as it is
            nothing = Const(0 if kernel.combine == "add" else least(value.dtype), value.dtype)
            value = Call("where", (inside, value, nothing), value.dtype)
            number = as_expr(place)
            place = as_index(Call("where", (inside, number, Const(0, number.dtype)), number.dtype))
        store = Store(target, place, value, kernel.combine)
        yield Nest(axes, (store,))

    def _commit(self, state: Node, value: Node) -> Nest:
        layout = row_major(state.type.shape)
        axes, at = visited(state.type.shape, "i")
        load = as_expr(self._evaluator().value(value, at))
        store = Store(self.buffers[state.id], layout.position(layout.at()), load)
        return Nest(axes, (store,), label="copy", layer=state.name, source=value.source)


def _with_own_results(graph: Graph) -> Graph:
    """Give every result a node of its own, so that each can have memory of its own.

    outputs (x, x), update s ← x    -->    outputs (alias x, alias x), update s ← x
    """
    taken: set[int] = set()

    def own(node: Node) -> Node:
        if node.id in taken or isinstance(node.op.kernel, Leaf):
            node = derived(node, ALIAS, (node,), {}, node.type)
        taken.add(node.id)
        return node

    updates = tuple((state, own(value)) for state, value in graph.updates)
    outputs = tuple(own(n) for n in graph.outputs)
    result = Graph(graph.inputs, graph.state, outputs, updates)
    taken |= {n.id for n in result.nodes()}
    return replace(result, taps=tuple(own(n) for n in graph.taps))


def _common_bytes(group: Group) -> int:
    """Bytes that a group reads for every row."""
    sources = {r.source.id: r.source for r in group.reads if not in_own_row(r, group)}
    return sum(n.type.bytes for n in sources.values())


def _labelled(nest: Nest, members: Sequence[Recipe]) -> Nest:
    """Let the nest tell what it computes, for which layer, and from which line."""
    label = nest.label or " + ".join(m.root.op.name for m in members)
    layer = next((m.root.path for m in members if m.root.path), "")
    return replace(nest, label=label, layer=layer, source=members[0].root.source)
