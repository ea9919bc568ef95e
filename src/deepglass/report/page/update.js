// What an optimizer does to one weight, line by line: the same lines as explain/update.py.

/** [{name, rule, value}, ...]; the last is the new value of the weight. */
export function updateLines(kind, settings, state, weight, gradient) {
  const lines = [];
  const note = (name, rule, value) => { lines.push({ name, rule, value }); return value; };
  let g = gradient, w = weight;
  const { lr, weight_decay: decay } = settings;
  if (settings.maximize) g = note("g", "−g", -g);
  if (decay && settings.decoupled_weight_decay)
    w = note("w", "w (1 − lr weight_decay)", w * (1 - lr * decay));
  else if (decay) g = note("g", "g + weight_decay w", g + decay * w);
  const step = RULES[kind](note, settings, state, g);
  note("w", "w − step", w - step);
  return lines;
}

function sgd(note, { lr, momentum, dampening, nesterov }, state, g) {
  if (!momentum) return note("step", "lr g", lr * g);
  const left = (state.step ?? 1) ? dampening : 0;
  const rule = left ? "momentum v + (1 − dampening) g" : "momentum v + g";
  const v = note("v", rule, momentum * state.momentum_buffer + (left ? (1 - left) * g : g));
  return nesterov
    ? note("step", "lr (g + momentum v)", lr * (g + momentum * v))
    : note("step", "lr v", lr * v);
}

function means(note, { betas: [beta1, beta2] }, state, g) {
  return {
    t: note("t", "t + 1", state.step + 1),
    m: note("m", "β₁ m + (1 − β₁) g", beta1 * state.exp_avg + (1 - beta1) * g),
    v: note("v", "β₂ v + (1 − β₂) g²", beta2 * state.exp_avg_sq + (1 - beta2) * g * g),
  };
}

function adam(note, settings, state, g) {
  const [beta1, beta2] = settings.betas;
  let { t, m, v } = means(note, settings, state, g);
  if (settings.amsgrad) v = note("v", "max(v, greatest v)", Math.max(v, state.max_exp_avg_sq));
  const mean = note("m̂", "m / (1 − β₁ᵗ)", m / (1 - beta1 ** t));
  const square = note("v̂", "v / (1 − β₂ᵗ)", v / (1 - beta2 ** t));
  return note("step", "lr m̂ / (√v̂ + eps)", (settings.lr * mean) / (Math.sqrt(square) + settings.eps));
}

function nadam(note, settings, state, g) {
  const [beta1, beta2] = settings.betas;
  const { t, m, v } = means(note, settings, state, g);
  const mu = (k) => beta1 * (1 - 0.5 * 0.96 ** ((t + k) * settings.momentum_decay));
  const now = note("μ", "β₁ (1 − 0.96^(t momentum_decay) / 2)", mu(0));
  const later = note("μ′", "β₁ (1 − 0.96^((t + 1) momentum_decay) / 2)", mu(1));
  const product = note("M", "M μ", state.mu_product * now);
  const mean = note("m̂", "(1 − μ) / (1 − M) g + μ′ / (1 − M μ′) m",
    ((1 - now) / (1 - product)) * g + (later / (1 - product * later)) * m);
  const square = note("v̂", "v / (1 − β₂ᵗ)", v / (1 - beta2 ** t));
  return note("step", "lr m̂ / (√v̂ + eps)", (settings.lr * mean) / (Math.sqrt(square) + settings.eps));
}

function rmsprop(note, settings, state, g) {
  const { alpha, lr, eps, momentum, centered } = settings;
  let v = note("v", "α v + (1 − α) g²", alpha * state.square_avg + (1 - alpha) * g * g);
  if (centered) {
    const m = note("m", "α m + (1 − α) g", alpha * state.grad_avg + (1 - alpha) * g);
    v = note("v", "max(v − m², 0)", Math.max(v - m * m, 0));
  }
  const direction = note("d", "g / (√v + eps)", g / (Math.sqrt(v) + eps));
  if (!momentum) return note("step", "lr d", lr * direction);
  return note("step", "lr b", lr * note("b", "momentum b + d", momentum * state.momentum_buffer + direction));
}

function adagrad(note, settings, state, g) {
  let { lr } = settings;
  if (settings.lr_decay)
    lr = note("lr", "lr / (1 + t lr_decay)", lr / (1 + state.step * settings.lr_decay));
  const total = note("s", "s + g²", state.sum + g * g);
  return note("step", "lr g / (√s + eps)", (lr * g) / (Math.sqrt(total) + settings.eps));
}

const RULES = { SGD: sgd, Adam: adam, AdamW: adam, NAdam: nadam, RMSprop: rmsprop, Adagrad: adagrad };
