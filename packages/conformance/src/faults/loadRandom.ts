import { createHash } from 'node:crypto';
import { Random } from '../simulation/random.ts';

/**
 * Numbers for one part of the load: the same for the same run, process, life of that process and part, so that a seed brings the
 * same emits, pauses and answers again. When they happen is still the machine's decision.
 */
export function loadRandom(seed: number, ...part: readonly (string | number)[]): Random {
  const hash = createHash('sha256')
    .update(JSON.stringify([seed, ...part]))
    .digest();
  return new Random(hash.readUIntBE(0, 6));
}
