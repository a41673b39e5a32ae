/** A failure that the schedule brings about: that it is reported is as it should be. */
export class SimulatedFault extends Error {}

/** What is no error, and was thrown all the same. */
const marked = new WeakSet();

/** Says of something else that it is a failure which the schedule brings about. */
export function asFault<T extends object>(thrown: T): T {
  marked.add(thrown);
  return thrown;
}

/** Thrown where nobody expects it: it cannot even be put into a sentence. */
export const FAULT_SYMBOL: unique symbol = Symbol('a simulated fault');

/** Whether an error is such a failure, or was made of one: whoever tells it in words of its own names it as the cause. */
export function comesOfFault(error: unknown): boolean {
  let current = error;
  while (!isFault(current)) {
    if (!(current instanceof Error)) return false;
    current = current.cause;
  }
  return true;
}

function isFault(value: unknown): boolean {
  // Those that are marked may not even bear to be looked at.
  if (typeof value === 'object' && value !== null && marked.has(value)) return true;
  return value === FAULT_SYMBOL || value instanceof SimulatedFault;
}

/** What was thrown, for people, whatever it is. */
export function describeThrown(thrown: unknown): string {
  try {
    return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  } catch {
    return `something that cannot be read${isFault(thrown) ? ', which is a simulated fault' : ''}`;
  }
}
