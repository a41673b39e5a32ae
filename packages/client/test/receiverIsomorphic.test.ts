import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../src/receiver/', import.meta.url));
const files = readdirSync(source).filter((path) => path !== 'fileInboxStore.ts');

describe('the receiver runs wherever the Fetch API is', () => {
  it.each(files)(
    '%s needs only its neighbours, the clock, the errors, what calls the application, and the protocol',
    (path) => {
      const text = readFileSync(join(source, path), 'utf8');
      const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
      const allowed = /^(?:\.\/(?!file)\w+\.ts|\.\.\/(?:call|clock|errors)\.ts|@mcp-events\/protocol(?:\/options)?)$/;
      expect(specifiers.filter((specifier) => !allowed.test(specifier))).toEqual([]);
      expect(text).not.toMatch(/\b(?:Buffer|process|require|global|setImmediate)\b(?=[.([])/);
    },
  );
});
