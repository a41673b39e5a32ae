import { describe, it } from 'vitest';
import { storageCases } from '../src/storage/index.ts';
import { memoryHarness, sqliteHarness } from './storageHarness.ts';

const engines = [
  { name: 'memory', durable: false, harness: memoryHarness },
  { name: 'SQLite', durable: true, harness: sqliteHarness },
];

for (const engine of engines) {
  describe(`storage in ${engine.name}`, () => {
    const cases = storageCases.filter(({ durable }) => durable !== true || engine.durable);
    it.each(cases)('$title', async ({ run }) => {
      const harness = engine.harness();
      try {
        await run(harness);
      } finally {
        await harness.dispose();
      }
    });
  });
}
