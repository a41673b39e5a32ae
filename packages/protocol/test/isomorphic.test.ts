import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../src/', import.meta.url));
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));

/** All that the package may import from outside; each of them runs in browsers and workers too. */
const allowedPackages = new Set(['zod', 'canonicalize', '@noble/hashes/hmac.js', '@noble/hashes/sha2.js']);

describe('the package runs everywhere', () => {
  it.each(files)('%s imports only its own files and the allowed packages', (path) => {
    const text = readFileSync(join(source, path), 'utf8');
    const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
    const foreign = specifiers.filter((specifier) => !specifier.startsWith('.') && !allowedPackages.has(specifier));
    expect(foreign).toEqual([]);
    expect(text).not.toMatch(/\b(?:Buffer|process|require|global|setImmediate)\b(?=[.([])/);
  });

  it('loads and works where the globals of Node.js are missing', { timeout: 60_000 }, () => {
    // What compiles and loads the sources runs in the same thread as they do in later versions, and keeps the globals.
    const program = `
      const LOADERS = ['/node_modules/tsx/', '/node_modules/esbuild/', 'node:'];
      let looking = false;
      for (const name of ['Buffer', 'process', 'global', 'setImmediate', 'clearImmediate']) {
        const real = globalThis[name];
        const get = () => {
          if (looking) return real;
          looking = true;
          const caller = new Error().stack.split('\\n')[2] ?? '';
          looking = false;
          return LOADERS.some((loader) => caller.includes(loader)) ? real : undefined;
        };
        Object.defineProperty(globalThis, name, { configurable: true, get });
      }
      const protocol = await import('@mcp-events/protocol');
      console.log(JSON.stringify([
        typeof process,
        protocol.deriveSubscriptionId({ namespace: 'n', name: 'a' }).length,
        protocol.pollParamsSchema.parse({ name: 'a' }),
        protocol.compareSchemas('input', { properties: { a: {} } }, {}).length,
        protocol.signWebhook(protocol.decodeWebhookSecret(protocol.createWebhookSecret()), { id: 'm', timestampSeconds: 1, body: '{}' }).length,
      ]));
    `;
    const flags = ['--conditions=@mcp-events/source', '--import', 'tsx', '--input-type=module', '--eval', program];
    const output = execFileSync(process.execPath, flags, { cwd: source, encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual(['undefined', 36, { name: 'a', arguments: {}, cursor: null }, 1, 47]);
  });
});
