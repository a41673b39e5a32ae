import fc from 'fast-check';

/**
 * Properties begin with the same seed in every run, so that the gate says the same of the same commit. Other inputs are
 * searched with `PROPERTY_SEED=random npx vitest run FILE`; a failure prints the seed that repeats it.
 */
const given = process.env['PROPERTY_SEED'];
if (given !== 'random') {
  const seed = Number(given ?? 1);
  if (!Number.isSafeInteger(seed)) throw new TypeError(`PROPERTY_SEED is a whole number or "random", not "${given}"`);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}
