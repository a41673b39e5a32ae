import type { Random } from './random.ts';
import { asFault, FAULT_SYMBOL, SimulatedFault } from './simulatedFault.ts';

/** Throws, or returns a promise that rejects with, something that need not be an error. */
export function throwSomething(random: Random, message: string): Promise<never> {
  const thrown = random.pick(THINGS)(message);
  if (random.chance(0.5)) throw thrown;
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- as author code may
  return Promise.reject(thrown);
}

const THINGS: readonly ((message: string) => unknown)[] = [
  (message) => new SimulatedFault(message),
  (message) => Object.freeze(new SimulatedFault(message)),
  () => FAULT_SYMBOL,
  () => asFault(Object.create(null) as object),
  // Whoever looks at it fails.
  () =>
    asFault(
      new Proxy(
        {},
        {
          get: () => {
            throw new SimulatedFault('what was thrown cannot be read');
          },
          getPrototypeOf: () => {
            throw new SimulatedFault('what was thrown cannot be read');
          },
        },
      ),
    ),
];
