"""Which values are stored, and which are computed where they are used.

Everything that is not a root melts into the loops of its users. A value becomes a root when
it is a result of the program, when it takes a reduction to find it, when its users want it in
another order than it can be computed in, or when computing it again costs more than reading
it back.

What has to wait, such as the slope of an activation for its gradient, is stored instead of what
it is computed from where that makes fewer values, or as many and less work.
"""

from __future__ import annotations

from math import prod

from ...graph.cost import cost, guarded
from ...graph.graph import CONSTANT, Graph, Node, ancestors
from ...graph.kinds import (
    After,
    Contraction,
    Elementwise,
    Host,
    Leaf,
    Pull,
    Reduction,
    Scatter,
    View,
)

ANCHORS = (Reduction, Contraction, Scatter, Host)
WORTH_STORING = 16  # cost above which a value with several users is stored
WORTH_SHARING = 8  # cost above which a value summed over the batch is stored
WORTH_HOISTING = 2  # cost above which a value that is spread over many is stored
LONGEST = 16  # steps that melt into one expression at most


def is_leaf(node: Node) -> bool:
    """Whether the value is given: an argument, state, or a constant."""
    return isinstance(node.op.kernel, Leaf)


def is_number(node: Node) -> bool:
    """Whether the node is a constant of one element, which is written into the code."""
    return node.op is CONSTANT and node.data is not None and node.data.size == 1


def base(node: Node) -> Node:
    """Return what a chain of views looks at."""
    while isinstance(node.op.kernel, View):
        node = node.inputs[0]
    return node


def same_without_ones(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes differ in axes of length 1 only, so that indices map one to one."""
    return [n for n in a if n != 1] == [n for n in b if n != 1]


def keeps_axes(view: Node) -> bool:
    """Whether a view differs from its source in axes of length 1 only."""
    return same_without_ones(view.inputs[0].type.shape, view.type.shape)


def find_roots(
    graph: Graph, wanted: frozenset[int] = frozenset(), settled: frozenset[int] = frozenset()
) -> list[Node]:
    """Return the nodes to store, inputs first, those whose ids are ``wanted`` among them.

    Args:
        settled: ids of nodes that need not be computed anew in each run.
    """
    nodes = graph.nodes()
    results = {n.id for n in graph.results}
    roots = {n.id for n in graph.results if not is_leaf(n)} | wanted
    roots |= {n.id for n in nodes if isinstance(n.op.kernel, ANCHORS)}
    users: dict[int, list[Node]] = {}
    for node in nodes:
        for i in set(node.inputs):
            users.setdefault(i.id, []).append(node)
    for node in nodes:
        if isinstance(node.op.kernel, ANCHORS):
            roots.add(_end_of_chain(node, users, roots).id)
    costs: dict[int, float] = {}
    steps: dict[int, int] = {}
    for node in nodes:
        _store_inputs(node, costs, roots)
        if node.id not in settled:
            _store_settled(node, settled, costs, roots)
        costs[node.id] = _cost(node, costs, roots)
        steps[node.id] = 1 + max((steps[i.id] for i in node.inputs), default=0)
        if steps[node.id] > LONGEST and isinstance(node.op.kernel, Elementwise):
            roots.add(node.id)
        if _worth_storing(node, users.get(node.id, []), costs, roots):
            roots.add(node.id)
        if len(node.inputs) == 2 and isinstance(node.op.kernel, Elementwise):
            for early, late in (node.inputs, node.inputs[::-1]):
                fewest = 1 if costs[early.id] > WORTH_STORING else 2
                if costs[early.id] >= WORTH_SHARING and fewest <= len(
                    _kept_for(early, late, users, roots, results)
                ):
                    roots.add(early.id)
        if node.id in roots:
            costs[node.id], steps[node.id] = 0, 0
    return [n for n in nodes if n.id in roots]


def _end_of_chain(node: Node, users: dict[int, list[Node]], roots: set[int]) -> Node:
    """Follow ``node`` through elementwise steps that nobody else sees: the bias, the
    activation. The end of the chain is what is worth keeping in memory."""
    end = node
    while len(following := users.get(node.id, [])) == 1:
        source, node = node, following[0]
        if isinstance(node.op.kernel, Elementwise):
            end = node
        elif not isinstance(node.op.kernel, View) or not same_without_ones(
            source.type.shape, node.type.shape
        ):
            break
        if node.id in roots:
            break
    return end


def _kept_for(
    early: Node, late: Node, users: dict[int, list[Node]], roots: set[int], results: set[int]
) -> list[Node]:
    """The values that would be kept for ``early`` alone until ``late`` is there, which depends on
    them all; none where others need some of them."""
    if (
        len(users[early.id]) > 1
        or early.id in roots
        or not isinstance(early.op.kernel, Elementwise)
    ):
        return []
    melted = ancestors([early], lambda n: n.id not in roots)
    kept = [n for n in melted if n.id in roots]
    if any(n.id in results or n.type.size < early.type.size for n in kept):
        return []
    inside = {n.id for n in melted if n.id not in roots}
    first = min((n.id for n in kept), default=0)  # what a node depends on is older
    before = {n.id for n in ancestors([late], lambda n: n.id > first)}
    alone = all(
        n.id in before and all(u.id in inside or u.id in before for u in users[n.id]) for n in kept
    )
    return kept if alone else []


def _store_inputs(node: Node, costs: dict[int, float], roots: set[int]) -> None:
    """Store inputs that ``node`` reads in an order of its own."""
    if isinstance(node.op.kernel, View):
        if not keeps_axes(node):
            _store(base(node.inputs[0]), roots)
    elif isinstance(node.op.kernel, Host):
        for source in node.inputs:
            _store(base(source), roots)
    elif isinstance(node.op.kernel, After) and _reads_memory(node.inputs[0]):
        _store(base(node.inputs[0]), roots)
    elif isinstance(node.op.kernel, Contraction):
        for source in node.inputs:
            _store(_moved(source, roots), roots)
    elif isinstance(node.op.kernel, Reduction):
        source = node.inputs[0]
        if 0 in node.params["dim"] and costs[source.id] >= WORTH_SHARING:
            _store(source, roots)  # found by many threads, then summed by one
    elif isinstance(node.op.kernel, Pull) and node.op.kernel.reuse is not None:
        types = tuple(i.type for i in node.inputs)
        if node.op.kernel.reuse(types, **node.params) > 1:
            _store(_moved(node.inputs[0], roots), roots)
    elif isinstance(node.op.kernel, Pull) and guarded(node):
        for source in node.inputs:
            if 2 * source.type.size <= node.type.size and costs[source.id] >= WORTH_SHARING:
                _store(source, roots)  # most lanes would compute it in vain


def _store_settled(
    node: Node, settled: frozenset[int], costs: dict[int, float], roots: set[int]
) -> None:
    """Store what ``node`` reads and need not be computed anew."""
    for source in node.inputs:
        found = _moved(source, roots)
        if source.id in settled and costs[found.id] >= WORTH_HOISTING and _reads_memory(found):
            _store(found, roots)


def _moved(node: Node, roots: set[int]) -> Node:
    """Return what a chain of views and single-input movements takes its elements from."""
    while _moves(node) and node.id not in roots:
        if isinstance(node.op.kernel, Pull) and node.op.kernel.reuse is not None:
            break  # it computes
        node = node.inputs[0]
    return node


def _moves(node: Node) -> bool:
    moves = isinstance(node.op.kernel, (View, Pull)) and len(node.inputs) == 1
    return moves or isinstance(node.op.kernel, After)


def _store(node: Node, roots: set[int]) -> None:
    if not is_leaf(node) and not isinstance(node.op.kernel, View):
        roots.add(node.id)


def _cost(node: Node, costs: dict[int, float], roots: set[int]) -> float:
    """About how many simple operations one element takes, inlined producers included."""
    if is_leaf(node) or node.id in roots:
        return 0
    inputs = node.inputs[:1] if isinstance(node.op.kernel, After) else node.inputs
    return cost(node) + sum(costs[i.id] for i in inputs)


def _worth_storing(node: Node, users: list[Node], costs: dict[int, float], roots: set[int]) -> bool:
    if is_leaf(node) or node.id in roots or isinstance(node.op.kernel, View):
        return False
    if not _reads_memory(node):
        return False  # made of counters and numbers: random masks are made again, not stored
    spread = any(u.type.size >= 8 * node.type.size and not _per_row(node, u) for u in users)
    if spread and costs[node.id] >= WORTH_HOISTING:
        return True
    grown = isinstance(node.op.kernel, Pull) and all(
        node.type.size > i.type.size for i in node.inputs
    )
    return len(users) > 1 and costs[node.id] > WORTH_STORING and not grown


def _per_row(node: Node, spread: Node) -> bool:
    """Whether one value serves one row only: it is found once, outside the row's loop."""
    shape, wide = node.type.shape, spread.type.shape
    if len(shape) != len(wide) or node.type.size == 1:
        return False
    tail = len(shape)
    while tail and shape[tail - 1] == 1:
        tail -= 1
    return shape[:tail] == wide[:tail] and prod(wide[tail:]) >= 8


def _reads_memory(node: Node) -> bool:
    """Whether anything but single numbers is loaded to compute the value."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        n = stack.pop()
        if n.id in seen:
            continue
        seen.add(n.id)
        if n.type.size > 1 and (is_leaf(n) or isinstance(n.op.kernel, ANCHORS)):
            return True
        stack.extend(n.inputs)
    return node.type.size == 1
