/** What every benchmark's author emits. */
export interface BenchData {
  readonly key: string;
  readonly severity: string;
  readonly sequence: string;
  readonly text: string;
}

/** The part of a payload that is not `text`, as JSON. */
const REST_BYTES = JSON.stringify(benchData(0, '')).length;

export function benchData(sequence: number, text: string): BenchData {
  const digits = String(sequence).padStart(9, '0');
  return { key: `key-${digits}`, severity: 'high', sequence: digits, text };
}

/** Text that makes a payload this many bytes long. */
export function textFor(dataBytes: number): string {
  return 'x'.repeat(dataBytes - REST_BYTES);
}

export const payloadSchema: Record<string, unknown> = {
  type: 'object',
  properties: {
    key: { type: 'string' },
    severity: { enum: ['high', 'low'] },
    sequence: { type: 'string' },
    text: { type: 'string' },
  },
  required: ['key', 'severity', 'sequence', 'text'],
};

export interface Emission {
  readonly count: number;
  /** Events between two turns of the event loop. */
  readonly burst: number;
  /** Whether a batch is emitted at once, as where each event is stored, and not one after the other. */
  readonly together?: boolean | undefined;
  /** Sequence number of the first event. */
  readonly first: number;
  readonly text: string;
  readonly emit: (data: BenchData) => Promise<unknown>;
  /** Resolves when the readers are close enough to go on; `undefined` when they are. */
  readonly pace: (emitted: number) => Promise<void> | undefined;
}

/** An author that reads its source in batches: every emit is awaited, and after each batch the event loop has a turn. */
export async function emitAll({ count, burst, together, first, text, emit, pace }: Emission): Promise<void> {
  for (let emitted = 0; emitted < count;) {
    const end = Math.min(count, emitted + burst);
    if (together === true) {
      const batch: Promise<unknown>[] = [];
      for (; emitted < end; emitted++) batch.push(emit(benchData(first + emitted, text)));
      await Promise.all(batch);
    } else for (; emitted < end; emitted++) await emit(benchData(first + emitted, text));
    await new Promise<void>((resolve) => setImmediate(resolve));
    await pace(emitted);
  }
}
