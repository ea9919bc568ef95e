"""Which roots share one set of loops, and which loops share one pass over the rows.

    group  roots with the same loops: a matrix product, the bias and activation after it and
           the update made from it; several sums over the same elements
    level  groups between two barriers; calls of the host come after the loops of their level;
           what state alone determines has levels of its own before all others

Two rules decide. A root joins the group of what it reads if it reads it only at the element
it computes itself; the value is then still in a register. And a group joins the level of
what it reads if both run over the same rows and each row reads only its own; the row is
then still in the cache of the thread that wrote it. So a whole chain of layers, row by row,
takes no barrier at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

from ...graph.graph import Node
from ...graph.kinds import Contraction, Host, Reduction, Scatter
from .ir import Axis
from .recipe import Read, Recipe
from .scratch import NEAR, chunk_size

MOST_CHAINED = 6  # roots after the first that may follow one another in one set of loops
MOST_SUMS = 8  # sums in one set of loops: each takes registers, and waits for the last
Loops = tuple[tuple[Axis, ...], tuple[Axis, ...]]  # over the results, and over what is summed

ALONE = (Scatter, Host)  # kinds whose roots share loops with no other
_WORTH_TURNING = 4  # times less to read for which threads share another axis than the first
WORTH_THREADS = 16_384  # element operations above which a group of its own is split by rows


@dataclass(eq=False)
class Group:
    """Roots computed by one set of loops.

    Attributes:
        aside: whether its roots are only there to be looked at. What they are computed from
            has loops of its own, the same as without them.
        settled: whether state alone determines its roots (see `Graph.settled`).
        after: groups that must be complete, or complete for the same row, before.
        rows: the axis shared out among threads; None for one thread. Loops may go through tiles
            of it.
        level: how many barriers come before.
    """

    members: list[Recipe]
    number: int
    aside: bool = False
    settled: bool = False
    after: set[int] = field(default_factory=set)
    rows: Axis | None = None
    level: int = 0
    _roots: set[int] = field(default_factory=set)  # ids

    def __post_init__(self) -> None:
        self._roots.update(m.root.id for m in self.members)

    def add(self, member: Recipe) -> None:
        self.members.append(member)
        self._roots.add(member.root.id)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.members[0].axes

    @property
    def over(self) -> tuple[Axis, ...]:
        return next((m.over for m in self.members if m.over), ())

    @property
    def tile(self) -> int:
        """Rows per step of the first loop, where rows are shared out."""
        return self.members[0].tile if self.rows else 1

    @property
    def tiles(self) -> Axis | None:
        """The loop that goes through tiles of rows, if one does."""
        return self.axes[0] if self.tile > 1 else None

    @property
    def work(self) -> int:
        return prod(a.extent for a in (*self.axes, *self.over)) * len(self.members)

    @property
    def alone(self) -> bool:
        """Whether its root shares loops with no other."""
        return isinstance(self.members[0].root.op.kernel, ALONE)

    @property
    def scatters(self) -> bool:
        return isinstance(self.members[0].root.op.kernel, Scatter)

    @property
    def on_host(self) -> bool:
        return isinstance(self.members[0].root.op.kernel, Host)

    @property
    def reads(self) -> Iterable[Read]:
        return (read for m in self.members for read in m.reads)

    @property
    def sums(self) -> bool:
        """Whether all its roots are sums."""
        return all(m.accum is not None for m in self.members)

    def holds(self, node: Node) -> bool:
        return node.id in self._roots


class Grouping:
    """Groups of roots, built by adding recipes in the order of the graph."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.of: dict[int, Group] = {}  # by id of the root
        self._readers: dict[int, dict[int, Group]] = {}  # by id of what is read, by number
        self._passes: dict[Loops, list[Group]] = {}  # groups of sums
        self._before: list[int] = []  # the groups each depends on, a bit for each number
        self._awaited = 0  # the groups that others depend on, likewise

    def add(self, recipe: Recipe, aside: bool = False, settled: bool = False) -> None:
        """Put ``recipe`` into a group it may join, or one of its own.

        A sum joins the earliest pass over the same elements, anything else the latest group
        whose results it uses.

        Args:
            aside, settled: see `Group`.
        """
        needed = {self.of[r.source.id].number for r in recipe.reads if r.source.id in self.of}
        loops = recipe.axes, recipe.over
        if recipe.accum is not None:
            candidates = self._passes.setdefault(loops, [])
        else:
            candidates = [self.groups[number] for number in sorted(needed, reverse=True)]
        for group in candidates:
            alike = (group.aside, group.settled) == (aside, settled)
            if alike and self._may_join(recipe, group, needed):
                group.add(recipe)
                break
        else:
            group = Group([recipe], len(self.groups), aside, settled)
            self.groups.append(group)
            self._before.append(0)
            if recipe.accum is not None:
                self._passes[loops].append(group)
        self.of[recipe.root.id] = group
        for read in recipe.reads:
            self._readers.setdefault(read.source.id, {})[group.number] = group
        for number in needed - {group.number}:
            self.order(self.groups[number], group)

    def order(self, first: Group, second: Group) -> None:
        """Have ``first`` done before ``second``."""
        second.after.add(first.number)
        grown = 1 << first.number | self._before[first.number]
        self._before[second.number] |= grown
        self._awaited |= 1 << first.number
        if self._awaited >> second.number & 1:
            for number, before in enumerate(self._before):
                if before >> second.number & 1:
                    self._before[number] = before | grown

    def readers(self, node: Node) -> list[Group]:
        """Return the groups that read ``node`` from memory."""
        return list(self._readers.get(node.id, {}).values())

    def before(self, group: Group) -> list[Group]:
        """Return the groups that must be done before ``group``."""
        return [self.groups[number] for number in group.after]

    def depends(self, group: Group, on: Group) -> bool:
        return bool(self._before[group.number] >> on.number & 1)

    def _may_join(self, recipe: Recipe, group: Group, needed: set[int]) -> bool:
        if group.alone or isinstance(recipe.root.op.kernel, ALONE):
            return False
        if recipe.axes != group.axes:
            return False
        if any(self.depends(self.groups[n], on=group) for n in needed):
            return False
        mine = [r for r in recipe.reads if group.holds(r.source)]
        if recipe.accum is not None:
            if mine or not group.sums:
                return False
            same = any(_same_loops(recipe, m) for m in group.members)
            return same and len(group.members) < MOST_SUMS and _worth_one_pass(recipe, group)
        if sum(m.accum is None for m in group.members) >= MOST_CHAINED:
            return False
        return bool(mine) and all(at_own_element(r, recipe.axes) for r in mine)

    def sorted(self) -> list[Group]:
        """Return the groups so that each comes after those it depends on."""
        return sorted(self.groups, key=lambda g: (self._before[g.number].bit_count(), g.number))

    def sorted_apart(self) -> list[Group]:
        """Return the groups as if there were none aside, in order, then those aside, in order."""

        aside = sum(1 << g.number for g in self.groups if g.aside)

        def earlier(group: Group) -> int:
            before = self._before[group.number]
            return (before if group.aside else before & ~aside).bit_count()

        return sorted(self.groups, key=lambda g: (g.aside, earlier(g), g.number))


def _worth_one_pass(recipe: Recipe, group: Group) -> bool:
    """Whether a sum may wait for the others of ``group``: what it sums is in memory meanwhile,
    which is much, unless they read the same, or little."""
    read = {r.source.id for r in group.reads}
    points = prod(a.extent for a in (*recipe.axes, *recipe.over))
    return points < WORTH_THREADS or any(r.source.id in read for r in recipe.reads)


def _same_loops(a: Recipe, b: Recipe) -> bool:
    """Whether two reductions run over the same elements, so that one pass serves both."""
    return (
        b.accum is not None
        and a.over == b.over
        and all(_keeps_one_value(m.root) for m in (a, b))
        and a.root.params["dim"] == b.root.params["dim"]
        and a.root.inputs[0].type.shape == b.root.inputs[0].type.shape
    )


def _keeps_one_value(root: Node) -> bool:
    """Whether a root is a reduction whose state is one value, and no position beside it."""
    kernel = root.op.kernel
    return isinstance(kernel, Reduction) and kernel.combine != "argmax"


def at_own_element(read: Read, axes: tuple[Axis, ...]) -> bool:
    """Whether the read is of the element that the loops over ``axes`` stand at."""
    return read.layout.axes() == axes and read.index == read.layout.at()


def in_own_row(read: Read, group: Group) -> bool:
    """Whether the read stays in the row that the loops of a group stand at."""
    first, rows = group.members[0], read.layout.rows
    same = rows is not None and first.rows is not None and rows.extent == first.rows.extent
    return same and read.row == first.row


def _shared_axis(group: Group) -> Axis | None:
    """The axis of a group's loops that threads share out: its rows, or the one along which a large
    factor lies, such as tiles of channels or the columns of a product, where each chunk of rows
    reads all of it again."""
    rows, tile = group.members[0].rows, group.members[0].tile
    if rows is not None and tile == 1 and read_again(group, rows) > NEAR:
        others = [a for a in group.axes if a != rows and _parts_a_factor(group, a)]
        best = min(others, key=lambda a: _traffic(group, a), default=rows)
        if _WORTH_TURNING * _traffic(group, best) <= _traffic(group, rows):
            return best
    return rows


def _parts_a_factor(group: Group, axis: Axis) -> bool:
    """Whether chunks of an axis read other parts of a factor: other rows of it in memory, or for a
    product of matrices other columns, of which panels are copied."""
    kernel = group.members[0].root.op.kernel
    if isinstance(kernel, Contraction) and kernel.arrange is None and len(group.axes) == 2:
        return True
    return any(_lies_along(r, axis) for r in group.reads)


def _lies_along(read: Read, axis: Axis) -> bool:
    """Whether steps of a loop are those of the outermost axis of what is read."""
    if not read.index or not read.layout.parts:
        return False
    part = read.layout.parts[0]
    along = read.index[part.axis].coefficient(axis) == part.step
    return along and part.extent == axis.extent


def _traffic(group: Group, rows: Axis) -> int:
    """Bytes that all chunks of rows together read although they read the same."""
    return -(-rows.extent // chunk_size(rows.extent)) * read_again(group, rows)


def read_again(group: Group, rows: Axis) -> int:
    """Bytes that every row reads."""
    moving = {r.source.id for r in group.reads if _moves(r, rows)}
    sources = {r.source.id: r.source for r in group.reads}
    return sum(n.type.bytes for id, n in sources.items() if id not in moving)


def _moves(read: Read, axis: Axis) -> bool:
    """Whether steps along an axis are known to read other elements."""
    known = (read.position, *(read.index or ()))
    return any(i is not None and i.coefficient(axis) != 0 for i in known)


def assign_levels(grouping: Grouping, updated: dict[int, Node]) -> int:
    """Give every group its level and its rows, and return how many levels are settled.

    The rows decide how sums are split, so those of groups that stand aside come last and leave
    all others as they are.

    Args:
        grouping: the groups.
        updated: for a root that overwrites state in place, by id, the state node.
    """
    settled = _assign(grouping, True, 0, updated)
    _assign(grouping, False, settled, updated)
    return settled


def _assign(grouping: Grouping, settled: bool, first: int, updated: dict[int, Node]) -> int:
    """Give the groups that are settled, or those that are not, levels from ``first`` on, and
    return the level after the last."""
    used: set[tuple[int, Axis]] = set()
    part = [g for g in grouping.sorted() if g.settled == settled]
    for group in (g for g in grouping.sorted_apart() if g.settled == settled):
        choices: list[Axis | None] = [None]
        if not group.alone:
            choices.append(_shared_axis(group))
        before = [g for g in grouping.before(group) if g.aside <= group.aside]
        levels = {rows: _level(group, rows, before, first, updated) for rows in choices}
        group.rows = choices[-1]
        if group.rows is not None and group.work < WORTH_THREADS:
            alone, shared = levels[None], levels[group.rows]
            if alone < shared or (alone == shared and (shared, group.rows) not in used):
                group.rows = None
        group.level = levels[group.rows]
        if group.rows is not None:
            used.add((group.level, group.rows))
    for group in part:
        group.level = _level(group, group.rows, grouping.before(group), first, updated)
    waiting: dict[int, list[Group]] = {}
    for later in grouping.groups:
        for group in grouping.before(later):
            if later.aside <= group.aside:
                waiting.setdefault(group.number, []).append(later)
    for group in reversed(part):
        _join_readers(group, waiting.get(group.number, []), updated)
    return max((g.level + 1 for g in part), default=first)


def _join_readers(group: Group, later: Sequence[Group], updated: dict[int, Node]) -> None:
    """Move a group to the pass that all who wait for it share, if there is one: then what it
    computes need not be kept until there."""
    if later and all(
        (g.settled, g.level) == (group.settled, later[0].level)
        and group.rows == g.rows is not None
        and _row_by_row(group, g, g.rows, updated)
        for g in later
    ):
        group.level = later[0].level


def _level(
    group: Group,
    rows: Axis | None,
    before: Sequence[Group],
    first: int,
    updated: dict[int, Node],
) -> int:
    level = first
    for earlier in before:
        together = (
            (group.on_host or not earlier.on_host)
            and earlier.rows == rows
            and (rows is None or _row_by_row(earlier, group, rows, updated))
        )
        level = max(level, earlier.level + (not together))
    return level


def _row_by_row(earlier: Group, later: Group, rows: Axis, updated: dict[int, Node]) -> bool:
    """Whether what makes ``later`` wait stays within rows: its reads of results of ``earlier``, and
    reads by ``earlier`` of state that ``later`` overwrites."""
    if any(group.members[0].rows != rows for group in (earlier, later)):
        return False
    overwritten = {updated[m.root.id].id for m in later.members if m.root.id in updated}
    return all(in_own_row(r, later) for r in later.reads if earlier.holds(r.source)) and all(
        in_own_row(r, earlier) for r in earlier.reads if r.source.id in overwritten
    )
