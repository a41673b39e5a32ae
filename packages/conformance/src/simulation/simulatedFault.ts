/** A failure that the schedule brings about: that it is reported is as it should be. */
export class SimulatedFault extends Error {}

/** Whether an error is such a failure, or was made of one: whoever tells it in words of its own names it as the cause. */
export function comesOfFault(error: unknown): boolean {
  let current = error;
  while (current instanceof Error && !(current instanceof SimulatedFault)) current = current.cause;
  return current instanceof SimulatedFault;
}
