import { median } from './rounds.ts';
import type { Pair } from './rounds.ts';

export interface RunOptions {
  /** Measured rounds per figure. */
  readonly rounds: number;
  /** A tenth of the work, to see whether everything runs. The figures mean little. */
  readonly quick: boolean;
  /** Options for every server process. */
  readonly nodeOptions: readonly string[];
}

/** One line of the report. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** The hand-written ceiling, or whatever else the name says. */
  readonly reference: number;
  /** Median of the rounds' own ratios, ours to the reference: drift of the machine between rounds cancels out. */
  readonly ratio: number;
  /** Lowest and highest ratio of a round. */
  readonly ratioRange: readonly [number, number];
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number };
  /** Further numbers worth keeping, by name with unit. */
  readonly details?: Readonly<Record<string, number>>;
}

/** A group of figures that share their set-up; `name` is what `--only` takes. */
export interface Benchmark {
  readonly name: string;
  run(options: RunOptions): Promise<Figure[]>;
}

type Fixed = Pick<Figure, 'name' | 'unit' | 'goal' | 'details'>;

/** A figure of measured rounds. */
export function figureOf(fixed: Fixed, pairs: readonly Pair<number>[]): Figure {
  const ratios = pairs.map(({ ours, reference }) => ours / reference);
  return {
    ...fixed,
    ours: median(pairs.map((pair) => pair.ours)),
    reference: median(pairs.map((pair) => pair.reference)),
    ratio: median(ratios),
    ratioRange: [Math.min(...ratios), Math.max(...ratios)],
  };
}

/** Whether the goal is met; `undefined` where there is none. */
export function goalMet({ goal, ratio }: Figure): boolean | undefined {
  if (goal === undefined) return undefined;
  return 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost;
}
