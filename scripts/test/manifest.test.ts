import { expect, it } from 'vitest';
import { entryPoints } from '../lib/manifest.ts';

it('entryPoints lists the package and its subpaths, without its package.json', () => {
  const exports = { '.': {}, './receiver': {}, './package.json': './package.json' };
  expect(entryPoints({ name: '@mcp-events/client', exports })).toEqual([
    '@mcp-events/client',
    '@mcp-events/client/receiver',
  ]);
});
