import { onTestFinished } from 'vitest';
import { createEverythingServer } from '../../src/everythingServer.ts';
import type { EverythingOptions } from '../../src/everythingServer.ts';
import { FakeClock } from '../../../../testing/fakeClock.ts';
import { RawClient } from './rawClient.ts';

export interface World {
  readonly clock: FakeClock;
  /** Acts as nobody. */
  readonly client: RawClient;
  readonly alice: RawClient;
  readonly bob: RawClient;
  /** What the server reported to its operator. */
  readonly problems: unknown[];
  /** Lets seconds pass until the promise settles: an upstream on disk is asked in its own time. */
  during<T>(awaited: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A server in this process, and callers of it. Ends with the test. */
export async function startWorld(options: Partial<EverythingOptions> = {}): Promise<World> {
  const clock = new FakeClock();
  const problems: unknown[] = [];
  const server = await createEverythingServer({
    tokens: new Map([
      ['token-of-alice', 'alice'],
      ['token-of-bob', 'bob'],
    ]),
    quota: 100,
    controls: true,
    clock,
    report: (error) => problems.push(error),
    ...options,
  });
  onTestFinished(() => server.close());
  const client = new RawClient((request) => server.fetch(request));
  return {
    clock,
    client,
    alice: client.as('token-of-alice'),
    bob: client.as('token-of-bob'),
    problems,
    during: async (awaited) => {
      const settled = awaited.then(() => true);
      while (!(await Promise.race([settled, Promise.resolve(false)]))) await clock.advance(1_000);
      return awaited;
    },
    close: () => server.close(),
  };
}
