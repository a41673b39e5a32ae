import { invalidParams } from './errors.ts';
import type { EventsError } from './errors.ts';

/**
 * Deepest nesting of `arguments`, the object itself included. Arguments select events and stay shallow; 64 levels are
 * far above any real use and far below the depth at which recursive code, here or in a schema validator, runs out of
 * stack.
 */
export const MAX_ARGUMENT_DEPTH = 64;

/**
 * Largest canonical form of `arguments`, in UTF-8 bytes. They are kept with every subscription, hashed on every poll
 * and compared on every refresh, so one caller must not be able to make them large.
 */
export const MAX_ARGUMENT_BYTES: number = 64 * 1024;

const utf8 = new TextEncoder();

/**
 * Refuses arguments that are not JSON, too deep or certainly too large. Works without recursion and stops at the byte
 * bound, so that hostile input cannot exhaust the stack and costs little more than the largest valid one.
 *
 * @throws EventsError InvalidParams
 */
export function assertBounded(args: Record<string, unknown>): void {
  const pending: { value: unknown; depth: number }[] = [{ value: args, depth: 1 }];
  // Never above the true size: one byte a value, and the text in it.
  let leastBytes = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    leastBytes += typeof value === 'string' ? value.length + 2 : 1;
    if (leastBytes > MAX_ARGUMENT_BYTES) throw tooLarge();
    if (typeof value !== 'object' || value === null) {
      assertScalar(value);
    } else if (depth > MAX_ARGUMENT_DEPTH) {
      throw invalidParams(`arguments: expected at most ${MAX_ARGUMENT_DEPTH} levels of nesting`);
    } else if (Array.isArray(value)) {
      if (value.length > MAX_ARGUMENT_BYTES) throw tooLarge();
      for (const item of value) pending.push({ value: item, depth: depth + 1 });
    } else if (Object.prototype.toString.call(value) === '[object Object]') {
      for (const [key, member] of Object.entries(value)) {
        if (member === undefined) continue; // left out of JSON
        leastBytes += key.length + 3;
        pending.push({ value: member, depth: depth + 1 });
      }
    } else {
      throw notJson();
    }
  }
}

/** @throws EventsError InvalidParams if the canonical text is above {@link MAX_ARGUMENT_BYTES} */
export function assertSize(canonicalText: string): void {
  // A UTF-16 unit takes at most three bytes, so most texts need no encoding.
  if (canonicalText.length * 3 > MAX_ARGUMENT_BYTES && utf8.encode(canonicalText).length > MAX_ARGUMENT_BYTES) {
    throw tooLarge();
  }
}

function assertScalar(value: unknown): void {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return;
  if (typeof value !== 'number') throw notJson();
  if (!Number.isFinite(value)) throw invalidParams('arguments: expected numbers within the range of a double');
}

function tooLarge(): EventsError {
  return invalidParams(`arguments: expected at most ${MAX_ARGUMENT_BYTES} bytes of canonical JSON`);
}

function notJson(): EventsError {
  return invalidParams('arguments: expected nothing but JSON values');
}
