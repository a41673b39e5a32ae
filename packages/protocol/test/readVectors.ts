import { readFileSync } from 'node:fs';

/**
 * Reads a vector file with JSON.parse. A JSON import would not do: bundlers write it as an object literal, where a
 * member named `__proto__` is no member.
 */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}
