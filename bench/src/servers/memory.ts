export interface Memory {
  /** JavaScript heap and everything it holds outside, array buffers included. */
  readonly heldBytes: number;
  readonly rssBytes: number;
}

/** What is held after a full collection. Needs `--expose-gc`. */
export async function settledMemory(): Promise<Memory> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('start this process with --expose-gc');
  // Freed handles let go of their JavaScript objects in later turns only.
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    gc();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heldBytes: heapUsed + external, rssBytes: rss };
}
