import type { Random } from './random.ts';

/** What no author function of a kind may answer, by its name. Kinds that are missing have no answer that is nonsense. */
const NONSENSE: Readonly<Record<string, readonly (() => unknown)[]>> = {
  match: [() => undefined, () => null, () => 'yes', () => 1, () => Number.NaN, () => ({}), () => () => true],
  transform: [
    () => undefined,
    () => null,
    () => 'text',
    () => [],
    () => ({ severity: 5, text: 5 }),
    () => ({ severity: 1n }),
    circle,
    unreadable,
  ],
  check: [
    () => undefined,
    () => null,
    () => ({ events: null, cursor: '0' }),
    () => ({ events: [], cursor: 0 }),
    () => ({ events: [], cursor: 'x'.repeat(100_000) }),
    () => ({ events: [{ eventId: 'e', timestamp: 'now', data: {} }], cursor: '0', truncated: true }),
    () => ({ events: [], cursor: '0', nextPollMs: Number.NaN }),
  ],
};

/** An answer without sense; `undefined` for functions of which any answer is as good as another. */
export function nonsenseOf(random: Random, name: string): { readonly value: unknown } | undefined {
  const answers = NONSENSE[name];
  return answers && { value: random.pick(answers)() };
}

function circle(): unknown {
  const value: Record<string, unknown> = {};
  value['self'] = value;
  return value;
}

function unreadable(): unknown {
  return Object.defineProperty({}, 'severity', {
    enumerable: true,
    get: () => {
      throw new TypeError('this member cannot be read');
    },
  });
}
