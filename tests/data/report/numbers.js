// What the page computes of each network and each weight.
result = cases.map(({ spec, chosen }) => {
  const own = new Live(spec);
  const explained = chosen.map(([name, k, sample]) => {
    const e = own.explain(name, k, sample);
    const { slopes, deltas, probability } = e.paths;
    return {
      position: e.position, output: e.output, delta: e.delta, gradient: e.gradient,
      bySample: e.bySample, lines: e.lines, probability: probability ?? null,
      terms: e.terms.map((t) => t.value * t.input),
      paths: slopes ? Array.from(slopes, (s, p) => s * deltas[p]) : null,
    };
  });
  return { outputs: own.inputs.map((x) => Array.from(own.outputs(x))), explained };
});
