/** A clock whose time of day can be set; its timers run on regardless, as those of a machine do. */
export class ClockOffset {
  offsetMs = 0;

  /** A clock that is off by what this says at the moment. */
  applyTo<C extends { now(): number }>(clock: C): C {
    return { ...clock, now: () => clock.now() + this.offsetMs };
  }
}
