// Every number behind one weight, as explain/explainer.py computes it with the engine.

import { Network, softmax, unpack } from "./network.js";
import { updateLines } from "./update.js";

/** (x / divisor - mean) / std, rounded to float32 after each step as the engine does. */
export function prepare(raw, scale, channels) {
  if (!scale) return Float64Array.from(raw);
  const area = raw.length / channels;
  const { fround } = Math;
  const constants = scale.mean.map((mean, c) => {
    const std = fround(scale.std[c]);
    return [fround(1 / fround(std * fround(scale.divisor))), fround(fround(mean) / std)];
  });
  return Float64Array.from(raw, (v, i) => {
    const [factor, shift] = constants[Math.floor(i / area)];
    return fround(fround(fround(v) * factor) - shift);
  });
}

/** The network of a report, its recorded batch and its optimizer. */
export class Live {
  constructor(spec) {
    this.spec = spec;
    const { shape, values } = unpack(spec.inputs);
    [this.count, ...this.shape] = shape;
    this.network = new Network(spec.layers, this.shape);
    const each = values.length / this.count;
    this.raw = Array.from({ length: this.count }, (_, s) => values.slice(s * each, (s + 1) * each));
    this.inputs = this.raw.map((raw) => this.prepared(raw));
    this.state = {};
    for (const [name, state] of Object.entries(spec.optimizer.state))
      this.state[name] = Object.fromEntries(
        Object.entries(state).map(([key, v]) => [key, typeof v === "number" ? v : unpack(v).values]));
    this.kept = null;
  }

  prepared(raw) {
    return prepare(raw, this.spec.scale, this.shape[0]);
  }

  outputs(x) {
    return this.network.run(x).at(-1);
  }

  /** All parameters: {name, shape, values, layer}. */
  parameters() {
    return this.network.layers.flatMap((layer, number) =>
      layer.parameters.map((own) => ({
        name: layer.path ? `${layer.path}.${own}` : own,
        own,
        number,
        layer,
        ...layer.arrays[own],
      })));
  }

  /** Input and delta of a layer for every sample of the batch. */
  passes(number) {
    if (this.kept?.number !== number) {
      const samples = this.inputs.map((x, s) => {
        const values = this.network.run(x);
        const deltas = this.network.back(values, Float64Array.from(this.spec.deltas[s]), number);
        return { input: values[number], output: values[number + 1], delta: deltas[number] };
      });
      this.kept = { number, samples };
    }
    return this.kept.samples;
  }

  /** The numbers behind weight `k` of a parameter, for a sample of the batch. */
  explain(name, k, sample) {
    const { own, number, layer, values: weights } = this.parameters().find((p) => p.name === name);
    const passes = this.passes(number);
    const uses = passes.map(({ input, delta }) =>
      layer.factors(input, own, k).map(([p, factor]) => ({ p, factor, delta: delta[p] })));
    const bySample = uses.map((list) => list.reduce((sum, u) => sum + u.factor * u.delta, 0));
    const gradient = bySample.reduce((a, b) => a + b, 0);
    const position = strongest(uses[sample]) ?? layer.home(own, k);
    const { input, output, delta } = passes[sample];
    const terms = layer.terms(input, position);
    return {
      weight: weights[k],
      position,
      output: output[position],
      terms,
      uses,
      bySample,
      gradient,
      delta: delta[position],
      paths: this.paths(number, sample, position),
      clipping: this.spec.clipping,
      lines: this.lines(name, k, weights[k], gradient * this.spec.clipping),
    };
  }

  /** The delta of an output unfolded over the next layer with weights; else from the loss. */
  paths(number, sample, position) {
    const { layers } = this.network;
    const next = layers.findIndex((layer, l) => l > number && layer.parameters.length);
    const values = this.network.run(this.inputs[sample]);
    if (next < 0) {
      const truth = this.spec.targets[sample][0];
      const probability = softmax(values.at(-1))[position];
      const expected = (probability - (position === truth)) / this.count;
      const delta = this.spec.deltas[sample][position];
      const fits = number === layers.length - 1 && this.spec.loss_kind === "cross_entropy" &&
        Math.abs(expected - delta) <= 1e-7 + 1e-4 * Math.abs(delta);
      return { loss: true, probability: fits ? probability : null, truth: Number(position === truth) };
    }
    const slopes = this.network.slopes(values, number, position, next);
    const deltas = this.network.back(values, Float64Array.from(this.spec.deltas[sample]), next)[next];
    return { layer: layers[next].path, slopes, deltas };
  }

  lines(name, k, weight, gradient) {
    const { kind, settings } = this.spec.optimizer;
    const state = Object.fromEntries(
      Object.entries(this.state[name]).map(([key, v]) => [key, typeof v === "number" ? v : v[k]]));
    return updateLines(kind, settings, state, weight, gradient);
  }
}

/** The output in which a weight counts most. */
function strongest(uses) {
  for (const size of [(u) => Math.abs(u.factor * u.delta), (u) => Math.abs(u.factor)]) {
    const best = uses.reduce((a, b) => (size(b) > size(a) ? b : a), uses[0]);
    if (best && size(best) > 0) return best.p;
  }
  return null;
}
