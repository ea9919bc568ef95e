// From a drawing to the pixels a network for digits expects: the same as data/drawing.py.

const SIDE = 32; // pixels of the bitmap that is divided into 8 x 8 blocks
const BODY = 20; // pixels of it that a digit is wide at most

const columnsOf = (picture) => picture[0].length;
const round = (x) => { // halves to the even neighbour, as Python does
  const whole = Math.round(x);
  return Math.abs(x % 1) === 0.5 && whole % 2 ? whole - 1 : whole;
};

/** The pixels, or null if nothing is drawn. `gray` is rows of brightness: ink on 0 as paper. */
export function fitDigit(gray, form) {
  const top = Math.max(...gray.map((row) => row.reduce((a, b) => Math.max(a, b), 0)));
  if (top < 16) return null;
  const ink = gray.map((row) => Float64Array.from(row, (v) => v / top));
  return form === "digits" ? small(ink) : centred(ink);
}

/** 8 x 8, from 0 to 1. */
function small(ink) {
  const digit = cut(upright(shrunk(cut(ink))));
  const wide = Math.min(BODY, Math.max(SIDE / 8, round((SIDE * columnsOf(digit)) / digit.length)));
  const left = Math.floor((SIDE - wide) / 2);
  const body = scaled(digit, SIDE, wide);
  const found = new Float64Array(64);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < wide; x++)
      found[Math.floor(y / 4) * 8 + Math.floor((x + left) / 4)] += body[y][x] / 16;
  return found.map(Math.fround);
}

/** 28 x 28, from 0 to 255. */
function centred(ink) {
  let digit = shrunk(cut(ink));
  const share = 20 / Math.max(digit.length, columnsOf(digit));
  digit = scaled(digit, ...[digit.length, columnsOf(digit)].map((n) => Math.max(1, round(n * share))));
  const rows = digit.map((row) => row.reduce((a, b) => a + b, 0));
  const columns = Array.from(digit[0], (_, x) => digit.reduce((sum, row) => sum + row[x], 0));
  const place = (masses) => {
    const total = masses.reduce((a, b) => a + b, 0);
    const centre = masses.reduce((sum, m, i) => sum + m * (i + 0.5), 0) / total;
    return Math.min(Math.max(round(14 - centre), 0), 28 - masses.length);
  };
  const [top, left] = [place(rows), place(columns)];
  const most = Math.max(...digit.map((row) => Math.max(...row)));
  const found = new Float64Array(784);
  digit.forEach((row, y) => row.forEach((v, x) => {
    found[(y + top) * 28 + x + left] = round((255 * v) / most);
  }));
  return found;
}

/** The smallest part that holds all strong ink. */
function cut(ink) {
  const strong = (v) => v > 0.5;
  const rows = ink.map((row) => row.some(strong));
  const columns = Array.from(ink[0], (_, x) => ink.some((row) => strong(row[x])));
  const [top, bottom] = [rows.indexOf(true), rows.lastIndexOf(true) + 1];
  const [left, right] = [columns.indexOf(true), columns.lastIndexOf(true) + 1];
  return ink.slice(top, bottom).map((row) => row.slice(left, right));
}

function shrunk(ink) {
  const share = Math.min(1, (8 * SIDE) / Math.max(ink.length, columnsOf(ink)));
  const sizes = [ink.length, columnsOf(ink)].map((n) => Math.max(1, round(n * share)));
  return share < 1 ? scaled(ink, ...sizes) : ink;
}

/** Shift the rows against each other so that columns no longer vary with rows. */
function upright(ink) {
  const height = ink.length, width = columnsOf(ink);
  let mass = 0, row = 0, column = 0;
  const each = (visit) => ink.forEach((line, y) => line.forEach((v, x) => visit(v, y, x)));
  each((v, y, x) => { mass += v; row += v * y; column += v * x; });
  row /= mass;
  column /= mass;
  let spread = 0, together = 0;
  each((v, y, x) => {
    spread += (v * (y - row) ** 2) / mass;
    together += (v * (y - row) * (x - column)) / mass;
  });
  const slant = spread ? Math.min(Math.max(together / spread, -1), 1) : 0;
  return ink.map((line, y) =>
    Float64Array.from({ length: width + 2 * height }, (_, k) => {
      const at = k - height + slant * (y - row);
      const left = Math.floor(at);
      if (at < 0 || at > width - 1) return 0;
      return left === at ? line[left] : line[left] + (at - left) * (line[left + 1] - line[left]);
    }));
}

/** Resize by linear interpolation; where it shrinks, over as many pixels as fall together. */
function scaled(picture, height, width) {
  const down = shares(picture.length, height), across = shares(columnsOf(picture), width);
  const tall = down.map((row) =>
    Float64Array.from(picture[0], (_, x) => row.reduce((sum, [i, w]) => sum + w * picture[i][x], 0)));
  return tall.map((line) =>
    Float64Array.from(across, (column) => column.reduce((sum, [i, w]) => sum + w * line[i], 0)));
}

/** For each new pixel the old ones that count, [which, how much]. */
function shares(before, after) {
  const reach = Math.max(1, before / after);
  return Array.from({ length: after }, (_, n) => {
    const centre = ((n + 0.5) * before) / after - 0.5;
    const found = [];
    for (let i = 0; i < before; i++) {
      const weight = 1 - Math.abs(i - centre) / reach;
      if (weight > 0) found.push([i, weight]);
    }
    const sum = found.reduce((total, [, w]) => total + w, 0);
    return found.map(([i, w]) => [i, w / sum]);
  });
}
