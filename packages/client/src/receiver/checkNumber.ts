/** What a number of an option may be. */
interface Bounds {
  min: number;
  /** Whether infinity is a choice: for a bound that is not wanted. Default false. */
  infinity?: boolean;
}

/**
 * The value of an option that is a number.
 *
 * @throws RangeError if it is none, or out of bounds: NaN would make every comparison with it false, and a limit none
 */
export function checkNumber(name: string, value: number, { min, infinity = false }: Bounds): number {
  if (typeof value === 'number' && value >= min && (infinity || Number.isFinite(value))) return value;
  const kind = infinity ? 'a number or Infinity' : 'a finite number';
  throw new RangeError(`${name} must be ${kind}, at least ${min}; got ${String(value)}`);
}
