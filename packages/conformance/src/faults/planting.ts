import { checkHistory } from '../history/checkHistory.ts';
import type { Fact } from '../history/facts.ts';
import { PlantableHistory } from '../history/plantableHistory.ts';
import { plants } from '../history/plants.ts';
import type { ViolationKind } from '../history/verdict.ts';
import { Random } from '../simulation/random.ts';
import { readCursor } from './cursors.ts';

/** What became of the violations that were planted into a recorded history. */
export interface Planted {
  readonly kind: ViolationKind;
  /** `missed`: the checker did not find it. `no place`: this history has none for it. */
  readonly outcome: 'found' | 'missed' | 'no place';
}

/** Places tried for each kind. */
const TIMES = 2;

/** Plants a violation of each kind into a history without any, one at a time, and sees whether the checker finds it. */
export function plantAll(facts: readonly Fact[], seed: number): Planted[] {
  const random = new Random(seed);
  const history = new PlantableHistory(facts, readCursor);
  return Object.entries(plants).map(([kind, { plant }]): Planted => {
    for (let time = 0; time < TIMES; time++) {
      const planted = plant(history, random.int(0, 2 ** 31));
      if (planted === undefined) return { kind: kind as ViolationKind, outcome: 'no place' };
      const { violations } = checkHistory(planted, { readCursor });
      if (!violations.some((violation) => violation.kind === kind)) {
        return { kind: kind as ViolationKind, outcome: 'missed' };
      }
    }
    return { kind: kind as ViolationKind, outcome: 'found' };
  });
}
