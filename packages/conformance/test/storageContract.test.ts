import { describe, it } from 'vitest';
import { storageCases } from '../src/storage/index.ts';
import { memoryHarness, sqliteHarness } from './storageHarness.ts';

const engines = [
  { name: 'memory', durable: false, harness: memoryHarness },
  { name: 'SQLite', durable: true, harness: sqliteHarness },
];

for (const engine of engines) {
  describe(`storage in ${engine.name}`, () => {
    for (const { title, durable = false, run } of storageCases) {
      if (durable && !engine.durable) continue;
      it(title, async () => {
        const harness = engine.harness();
        try {
          await run(harness);
        } finally {
          await harness.dispose();
        }
      });
    }
  });
}
