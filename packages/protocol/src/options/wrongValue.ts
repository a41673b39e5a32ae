/** What is shown of a text. */
const LONGEST_SHOWN = 64;

/** The one error of a wrong argument or option: what it is, what it may be, what was given. */
export function wrongValue(what: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${what} must be ${expected}, not ${shown(value)}`);
}

/** A value as somebody may have written it: cut to what fits a sentence, and nothing of what it holds. */
function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.slice(0, LONGEST_SHOWN));
    case 'bigint':
      return `a bigint`;
    case 'symbol':
    case 'function':
      return `a ${typeof value}`;
    case 'object':
      return value === null ? 'null' : kindOf(value);
    default:
      return String(value);
  }
}

function kindOf(value: object): string {
  if (Array.isArray(value)) return 'an array';
  if (value instanceof URL) return 'a URL';
  return isPromise(value) ? 'a promise, which has to be waited for first' : 'an object';
}

/** Of whatever copy of the class, or any that can be waited for. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && 'then' in value && typeof value.then === 'function';
}
