// A network in the page: layers in a row, each with what goes forward and what comes back.
//
// Values are Float64Arrays of one sample; a shape goes with them. Each layer has
//   forward(x)        its output
//   push(x, y, t)     how the output changes when the input changes along t
//   pull(x, y, g)     the derivative by the input, from that by the output
// and, if it has weights,
//   factors(x, name, k)   [output, what weight k of `name` is multiplied with in it], ...
//   terms(x, p)           the sum behind output p: {name, k, value, input}, ...
//   home(name, k)         the first output that weight k has a part in

/** The numbers of an array as Python packed it. */
export function unpack({ type, shape, data }) {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const values = type === "u8" ? bytes : new Float32Array(bytes.buffer);
  return { shape, values: Float64Array.from(values) };
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);
const pair = (v) => (Array.isArray(v) ? v : [v, v]);

/** An activation: f, and its slope from input and output. */
const elementwise = (f, slope) => () => (shape) => ({
  shape,
  forward: (x) => x.map(f),
  push: (x, y, t) => t.map((v, i) => v * slope(x[i], y[i])),
  pull: (x, y, g) => g.map((v, i) => v * slope(x[i], y[i])),
});

const same = elementwise((x) => x, () => 1);

/** A layer that is one matrix product, seen as the list of its (output, input, weight). */
function linear({ arrays }) {
  const { weight, bias } = arrays;
  const [rows, columns] = weight.shape;
  const W = weight.values;
  const times = (x, start) =>
    Float64Array.from({ length: rows }, (_, j) => {
      let sum = start ? start.values[j] : 0;
      for (let i = 0; i < columns; i++) sum += W[j * columns + i] * x[i];
      return sum;
    });
  return () => ({
    shape: [rows],
    forward: (x) => times(x, bias),
    push: (x, y, t) => times(t),
    pull(x, y, g) {
      const back = new Float64Array(columns);
      for (let j = 0; j < rows; j++)
        for (let i = 0; i < columns; i++) back[i] += W[j * columns + i] * g[j];
      return back;
    },
    home: (name, k) => (name === "bias" ? k : Math.floor(k / columns)),
    factors: (x, name, k) =>
      name === "bias" ? [[k, 1]] : [[Math.floor(k / columns), x[k % columns]]],
    terms(x, p) {
      const terms = Array.from({ length: columns }, (_, i) => p * columns + i);
      const products = terms.map((k) => ({ name: "weight", k, value: W[k], input: x[k % columns] }));
      return bias ? [...products, { name: "bias", k: p, value: bias.values[p], input: 1 }] : products;
    },
  });
}

function conv2d({ arrays, settings }) {
  const { weight, bias } = arrays;
  const [outs, ins, high, wide] = weight.shape;
  const [down, across] = pair(settings.stride);
  const [above, before] = pair(settings.padding);
  const perGroup = outs / settings.groups;
  const W = weight.values;
  return (shape) => {
    const [, height, width] = shape;
    const rows = Math.floor((height + 2 * above - high) / down) + 1;
    const columns = Math.floor((width + 2 * before - wide) / across) + 1;
    const area = rows * columns;
    // Calls visit(output, weight, input) for every product of one output channel's weights.
    const each = (o, visit, only) => {
      const first = Math.floor(o / perGroup) * ins;
      for (let c = 0; c < ins; c++)
        for (let a = 0; a < high; a++)
          for (let b = 0; b < wide; b++) {
            const k = ((o * ins + c) * high + a) * wide + b;
            if (only !== undefined && k !== only) continue;
            for (let r = 0; r < rows; r++) {
              const y = r * down + a - above;
              if (y < 0 || y >= height) continue;
              for (let s = 0; s < columns; s++) {
                const x = s * across + b - before;
                if (x < 0 || x >= width) continue;
                visit(o * area + r * columns + s, k, ((first + c) * height + y) * width + x);
              }
            }
          }
    };
    const times = (x, start) => {
      const y = new Float64Array(outs * area);
      for (let o = 0; o < outs; o++) {
        if (start) y.fill(start.values[o], o * area, (o + 1) * area);
        each(o, (p, k, i) => { y[p] += W[k] * x[i]; });
      }
      return y;
    };
    const home = (name, k) => (name === "bias" ? k : Math.floor(k / (ins * high * wide))) * area;
    return {
      shape: [outs, rows, columns],
      forward: (x) => times(x, bias),
      push: (x, y, t) => times(t),
      pull(x, y, g) {
        const back = new Float64Array(x.length);
        for (let o = 0; o < outs; o++) each(o, (p, k, i) => { back[i] += W[k] * g[p]; });
        return back;
      },
      home,
      factors(x, name, k) {
        const start = home(name, k);
        if (name === "bias") return Array.from({ length: area }, (_, n) => [start + n, 1]);
        const found = [];
        each(start / area, (p, _, i) => found.push([p, x[i]]), k);
        return found;
      },
      terms(x, p) {
        const o = Math.floor(p / area);
        const found = [];
        each(o, (q, k, i) => {
          if (q === p) found.push({ name: "weight", k, value: W[k], input: x[i] });
        });
        if (bias) found.push({ name: "bias", k: o, value: bias.values[o], input: 1 });
        return found;
      },
    };
  };
}

/** Pooling: `windows` lists for each output the inputs under it. */
function windows(settings, [channels, height, width]) {
  const [high, wide] = pair(settings.kernel_size);
  const [down, across] = pair(settings.stride ?? settings.kernel_size);
  const [above, before] = pair(settings.padding);
  const rows = Math.floor((height + 2 * above - high) / down) + 1;
  const columns = Math.floor((width + 2 * before - wide) / across) + 1;
  const list = [];
  for (let c = 0; c < channels; c++)
    for (let r = 0; r < rows; r++)
      for (let s = 0; s < columns; s++) {
        const inside = [];
        for (let a = 0; a < high; a++)
          for (let b = 0; b < wide; b++) {
            const y = r * down + a - above, x = s * across + b - before;
            if (y >= 0 && y < height && x >= 0 && x < width)
              inside.push((c * height + y) * width + x);
          }
        list.push(inside);
      }
  return { shape: [channels, rows, columns], list, area: high * wide };
}

const maxPool2d = ({ settings }) => (shape) => {
  const found = windows(settings, shape);
  const winner = (x, inside) => inside.reduce((best, i) => (x[i] > x[best] ? i : best));
  return {
    shape: found.shape,
    forward: (x) => Float64Array.from(found.list, (inside) => x[winner(x, inside)]),
    push: (x, y, t) => Float64Array.from(found.list, (inside) => t[winner(x, inside)]),
    pull(x, y, g) {
      const back = new Float64Array(x.length);
      found.list.forEach((inside, p) => { back[winner(x, inside)] += g[p]; });
      return back;
    },
  };
};

/** The mean of some inputs per output. */
const mean = (shape, list, area) => {
  const average = (x) =>
    Float64Array.from(list, (inside) => inside.reduce((sum, i) => sum + x[i], 0) / area);
  return {
    shape,
    forward: average,
    push: (x, y, t) => average(t),
    pull(x, y, g) {
      const back = new Float64Array(x.length);
      list.forEach((inside, p) => inside.forEach((i) => { back[i] += g[p] / area; }));
      return back;
    },
  };
};

const avgPool2d = ({ settings }) => (shape) => {
  const found = windows(settings, shape);
  return mean(found.shape, found.list, found.area);
};

const adaptiveAvgPool2d = () => ([channels, height, width]) => {
  const area = height * width;
  const list = Array.from({ length: channels }, (_, c) =>
    Array.from({ length: area }, (_, i) => c * area + i));
  return mean([channels, 1, 1], list, area);
};

/** weight * (a number made from x) + bias, one weight for `area` neighbouring outputs. */
const affine = (shape, arrays, area, normal, rest) => {
  const { weight, bias } = arrays;
  const scale = (i) => (weight ? weight.values[Math.floor(i / area)] : 1);
  const shift = (i) => (bias ? bias.values[Math.floor(i / area)] : 0);
  return {
    shape,
    forward: (x) => normal(x).map((v, i) => v * scale(i) + shift(i)),
    ...rest(scale),
    home: (name, k) => k * area,
    factors(x, name, k) {
      const n = normal(x);
      return Array.from({ length: area }, (_, i) => k * area + i)
        .map((p) => [p, name === "bias" ? 1 : n[p]]);
    },
    terms(x, p) {
      const k = Math.floor(p / area);
      const product = { name: "weight", k, value: weight.values[k], input: normal(x)[p] };
      return bias ? [product, { name: "bias", k, value: bias.values[k], input: 1 }] : [product];
    },
  };
};

const batchNorm = ({ arrays, settings }) => (shape) => {
  const area = size(shape.slice(1));
  const channel = (i) => Math.floor(i / area);
  const root = arrays.running_var.values.map((v) => Math.sqrt(v + settings.eps));
  const normal = (x) => x.map((v, i) => (v - arrays.running_mean.values[channel(i)]) / root[channel(i)]);
  return affine(shape, arrays, area, normal, (scale) => {
    const times = (v) => v.map((u, i) => (u * scale(i)) / root[channel(i)]);
    return { push: (x, y, t) => times(t), pull: (x, y, g) => times(g) };
  });
};

const layerNorm = ({ arrays, settings }) => (shape) => {
  const about = (x) => {
    const average = x.reduce((a, b) => a + b, 0) / x.length;
    const spread = x.reduce((a, b) => a + (b - average) ** 2, 0) / x.length;
    return { average, root: Math.sqrt(spread + settings.eps) };
  };
  const normal = (x) => { const { average, root } = about(x); return x.map((v) => (v - average) / root); };
  // The Jacobian of the normal values is symmetric: (v - mean(v) - n mean(n v)) / root.
  const project = (x, v) => {
    const n = normal(x), { root } = about(x);
    const a = v.reduce((s, u) => s + u, 0) / v.length;
    const b = v.reduce((s, u, i) => s + u * n[i], 0) / v.length;
    return v.map((u, i) => (u - a - n[i] * b) / root);
  };
  return affine(shape, arrays, 1, normal, (scale) => ({
    push: (x, y, t) => project(x, t).map((v, i) => v * scale(i)),
    pull: (x, y, g) => project(x, g.map((v, i) => v * scale(i))),
  }));
};

export function softmax(x) {
  const top = Math.max(...x);
  const powers = x.map((v) => Math.exp(v - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

const softmaxLayer = () => (shape) => {
  const times = (x, y, v) => {
    const sum = v.reduce((s, u, i) => s + u * y[i], 0);
    return v.map((u, i) => y[i] * (u - sum));
  };
  return { shape, forward: softmax, push: times, pull: times };
};

const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** erf by its series, or by a continued fraction where that is shorter; to about 1e-15. */
function erf(x) {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a, sum = a;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
      if (n > 200) break;
    }
    return (Math.sign(x) * sum * 2) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const gauss = (x) => (1 + erf(x / Math.SQRT2)) / 2;

const LAYERS = {
  Linear: linear,
  Conv2d: conv2d,
  MaxPool2d: maxPool2d,
  AvgPool2d: avgPool2d,
  AdaptiveAvgPool2d: adaptiveAvgPool2d,
  BatchNorm1d: batchNorm,
  BatchNorm2d: batchNorm,
  LayerNorm: layerNorm,
  Flatten: () => (shape) => ({ ...same()(shape), shape: [size(shape)] }),
  Dropout: same,
  Identity: same,
  ReLU: elementwise((x) => (x > 0 ? x : 0), (x) => (x > 0 ? 1 : 0)),
  LeakyReLU: ({ settings: { negative_slope: a } }) =>
    elementwise((x) => (x > 0 ? x : a * x), (x) => (x > 0 ? 1 : a))(),
  ELU: ({ settings: { alpha } }) =>
    elementwise((x) => (x > 0 ? x : alpha * Math.expm1(x)), (x) => (x > 0 ? 1 : alpha * Math.exp(x)))(),
  GELU: elementwise(
    (x) => x * gauss(x),
    (x) => gauss(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI)),
  SiLU: elementwise((x) => x * sigmoid(x), (x) => { const s = sigmoid(x); return s * (1 + x * (1 - s)); }),
  Sigmoid: elementwise(sigmoid, (x, y) => y * (1 - y)),
  Tanh: elementwise(Math.tanh, (x, y) => 1 - y * y),
  Softmax: softmaxLayer,
};

/** The layers of a network in a row, made for inputs of `shape`. */
export class Network {
  constructor(specs, shape) {
    this.layers = [];
    for (const spec of specs) {
      const arrays = Object.fromEntries(
        Object.entries(spec.arrays).map(([name, packed]) => [name, unpack(packed)]));
      const layer = LAYERS[spec.type]({ ...spec, arrays })(shape);
      const { path, type, parameters } = spec;
      this.layers.push({ ...layer, path, type, parameters, arrays });
      shape = layer.shape;
    }
  }

  /** The input of every layer, and at the end the output of the last. */
  run(x) {
    const values = [x];
    for (const layer of this.layers) values.push(layer.forward(values.at(-1)));
    return values;
  }

  /** The derivatives by the outputs of all layers from `from` on, from that by the last. */
  back(values, delta, from = 0) {
    const deltas = [];
    deltas[this.layers.length - 1] = delta;
    for (let l = this.layers.length - 1; l > from; l--)
      deltas[l - 1] = this.layers[l].pull(values[l], values[l + 1], deltas[l]);
    return deltas;
  }

  /** How the output of layer `to` changes with output `p` of layer `from`. */
  slopes(values, from, p, to) {
    let t = new Float64Array(values[from + 1].length);
    t[p] = 1;
    for (let l = from + 1; l <= to; l++) t = this.layers[l].push(values[l], values[l + 1], t);
    return t;
  }
}
