export interface Series {
  readonly name: string;
  /** Pairs of x and y, both above 0. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

const WIDTH = 720;
const HEIGHT = 440;
const MARGIN = { left: 72, right: 48, top: 48, bottom: 88 };

/** Told apart without colours as well, by their order in the legend and their marks. */
const COLOURS = ['#1f5f99', '#b3541e', '#3b7a3b'];

/** An SVG of lines over logarithmic axes. */
export function plot({ title, xLabel, yLabel, series }: Plot): string {
  const all = series.flatMap(({ points }) => points);
  const x = axis(
    all.map(([value]) => value),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const y = axis(
    all.map(([, value]) => value),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(WIDTH / 2, 26, title, 'middle', 17),
    text((MARGIN.left + WIDTH - MARGIN.right) / 2, HEIGHT - MARGIN.bottom + 40, xLabel, 'middle'),
    text(18, MARGIN.top - 12, yLabel, 'start'),
  ];
  for (const tick of x.ticks) {
    const at = x.place(tick);
    parts.push(
      `<path d="M${at} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}" stroke="#ddd"/>`,
      text(at, HEIGHT - MARGIN.bottom + 18, tick.toLocaleString('en'), 'middle'),
    );
  }
  for (const tick of y.ticks) {
    const at = y.place(tick);
    parts.push(
      `<path d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}" stroke="#ddd"/>`,
      text(MARGIN.left - 8, at + 4, tick.toLocaleString('en'), 'end'),
    );
  }
  for (const [index, { name, points }] of series.entries()) {
    const colour = COLOURS[index % COLOURS.length];
    const places = points.map(([px, py]) => [x.place(px), y.place(py), py] as const);
    parts.push(
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.map(([px, py]) => `${px},${py}`).join(' ')}"/>`,
    );
    for (const [px, py, value] of places) {
      parts.push(
        `<circle cx="${px}" cy="${py}" r="4" fill="${colour}"/>`,
        text(px, py - 10, value.toLocaleString('en', { maximumSignificantDigits: 3 }), 'middle'),
      );
    }
    const legend = MARGIN.left + index * 220;
    parts.push(
      `<circle cx="${legend}" cy="${HEIGHT - 18}" r="4" fill="${colour}"/>`,
      text(legend + 12, HEIGHT - 14, name, 'start'),
    );
  }
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

function axis(values: readonly number[], from: number, to: number): { ticks: number[]; place(value: number): number } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
    place: (value) => Math.round(from + ((Math.log10(value) - low) / (high - low)) * (to - from)),
  };
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', size = 13): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}">${content}</text>`;
}
