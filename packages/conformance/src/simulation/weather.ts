import type { DiskBehaviour } from './diskStorage.ts';
import type { AuthorBehaviour } from './eventSources.ts';
import type { NetworkBehaviour } from './network.ts';
import type { Random } from './random.ts';

/** What the weather decides on: how disk, network and author behave for a while. */
export interface Exposed {
  readonly disk: DiskBehaviour;
  readonly network: NetworkBehaviour;
  readonly author: AuthorBehaviour;
}

/** How often functions of the author's fail, and never answer, in bad weather: one of these. */
export interface AuthorRates {
  readonly failure: readonly number[];
  readonly hang?: readonly number[];
}

/** Lets a while of faults begin, or one without. Returns whether it is without. */
export function changeWeather(random: Random, { disk, network, author }: Exposed, rates: AuthorRates): boolean {
  const isFine = random.chance(0.4);
  Object.assign(disk, {
    writeMs: isFine ? 0 : random.pick([0, 50, 2_000]),
    readMs: isFine ? 0 : random.pick([0, 50, 2_000]),
    writeFailure: isFine ? 0 : random.pick([0, 0.2, 1]),
    readFailure: isFine ? 0 : random.pick([0, 0.2]),
  });
  Object.assign(network, {
    latencyMs: isFine ? 0 : random.pick([0, 100, 5_000]),
    loss: isFine ? 0 : random.pick([0, 0.1, 0.3]),
    refusal: isFine ? 0 : random.pick([0, 0.3, 1]),
  });
  Object.assign(author, {
    latencyMs: isFine ? 0 : random.pick([0, 100, 5_000]),
    failure: isFine ? 0 : random.pick(rates.failure),
    hang: isFine || rates.hang === undefined ? 0 : random.pick(rates.hang),
  });
  return isFine;
}

/** No faults of disk, network and author any more. */
export function clearWeather({ disk, network, author }: Exposed): void {
  Object.assign(disk, { writeMs: 0, readMs: 0, writeFailure: 0, readFailure: 0 });
  Object.assign(network, { latencyMs: 0, loss: 0, refusal: 0 });
  Object.assign(author, { latencyMs: 0, failure: 0, hang: 0 });
}

/** How far a time of day is set off, and by how much it drifts from then on. */
export function newClock(random: Random): [offsetMs: number, drift: number] {
  const jumpsMs = [0, 0, -3_600_000, -600_000, -20_000, 20_000, 600_000, 3_600_000];
  return [random.pick(jumpsMs), random.pick([0, 0, 0.01, -0.01])];
}
