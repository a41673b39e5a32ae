import { isPromise } from '@mcp-events/protocol/options';
import { utf8ByteLength } from '../utf8.ts';

/** A payload as it goes on the wire, and as author code sees it again. */
export interface Payload {
  readonly data: Readonly<Record<string, unknown>>;
  readonly json: string;
  readonly byteLength: number;
}

/**
 * Takes a copy of what an author hands in, in the form JSON gives it: later changes to the author's object reach
 * nobody, and what is checked is what is sent. Throws a `TypeError` naming `what` for anything but a JSON object of at most `maxBytes`.
 */
export function snapshotPayload(data: unknown, what: string, maxBytes: number = Infinity): Payload {
  refusePromises(data, what);
  let json: string | undefined;
  try {
    json = JSON.stringify(data);
  } catch (error) {
    throw new TypeError(`${what} cannot be written as JSON: ${(error as Error).message}`, { cause: error });
  }
  if (json === undefined || !json.startsWith('{')) throw new TypeError(`${what} must be a JSON object`);
  // What a promise is written as, and little else: most payloads are not looked through.
  if (json.includes('{}')) refuseInnerPromises(data, what);
  const byteLength = utf8ByteLength(json);
  if (byteLength > maxBytes) throw new TypeError(`${what} has ${byteLength} bytes; at most ${maxBytes} are sent`);
  const copy = JSON.parse(json) as Record<string, unknown>;
  return { data: copy, json, byteLength };
}

/** JSON has `{}` for them, which many a schema takes. */
function refusePromises(data: unknown, what: string): void {
  if (typeof data !== 'object' || data === null) return;
  if (isPromise(data)) throw new TypeError(`${what} is a promise: wait for it first`);
  for (const member in data) {
    const value = (data as Record<string, unknown>)[member];
    if (!isPromise(value)) continue;
    throw new TypeError(`${JSON.stringify(member.slice(0, 64))} of ${what} is a promise: wait for it first`);
  }
}

/** The same at any depth, of what was written as JSON, so that it ends. What writes itself is not looked into. */
function refuseInnerPromises(data: unknown, what: string): void {
  const pending: [value: unknown, path: string][] = [[data, '']];
  let next: [value: unknown, path: string] | undefined;
  while ((next = pending.pop()) !== undefined) {
    const [value, path] = next;
    if (typeof value !== 'object' || value === null || 'toJSON' in value) continue;
    if (isPromise(value)) {
      throw new TypeError(`${JSON.stringify(path.slice(1, 65))} of ${what} is a promise: wait for it first`);
    }
    for (const [member, inner] of Object.entries(value)) {
      if (typeof inner === 'object') pending.push([inner, `${path}.${member}`]);
    }
  }
}

/**
 * Makes JSON unchangeable, so that author code which edits what it is given fails for its own subscription instead of
 * changing what everybody else gets (EMIT-05). Objects of a class stay as they are. Nesting of any depth.
 */
export function freezeJson<T>(json: T): T {
  const pending: unknown[] = [json];
  while (pending.length > 0) {
    const value = pending.pop();
    if (!isPlain(value) || Object.isFrozen(value)) continue;
    Object.freeze(value);
    for (const member of Object.values(value)) pending.push(member);
  }
  return json;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
