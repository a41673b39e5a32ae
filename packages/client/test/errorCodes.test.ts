import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { errorCodes } from '../src/errors.ts';

it('CLIENT-19 the guide has a row for each error code, and for no other', async () => {
  const guide = await readFile(new URL('../../../docs/client-guide.md', import.meta.url), 'utf8');
  const table = guide.slice(guide.indexOf('| `code`'), guide.indexOf('A wrong option is'));
  const rows = [...table.matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\| (.+?) +\|$/gm)];
  expect(rows.map(([, code]) => code)).toEqual([...errorCodes]);
  for (const [, code, wrong, advice] of rows) expect([code, wrong, advice].every((text) => text !== '')).toBe(true);
});
