import { isJsonObject } from '@mcp-events/protocol';
import { nearestOf } from '@mcp-events/protocol/options';
import type { JsonSchema } from '@mcp-events/protocol';
import { Ajv } from 'ajv';
import type { ErrorObject, Options, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';

const DRAFT_2020_12 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;

/**
 * Longest text that is held against a pattern or a format where anybody may send it, in UTF-16 units. The time some of
 * them take grows with the square of the length; within this it is a few milliseconds.
 */
export const MAX_MATCHED_LENGTH = 4_096;

/** How exactly a number has to be a multiple, in decimals of the quotient: 19.99 is one of 0.01, whatever floats say. */
const MULTIPLE_OF_DECIMALS = 6;

export interface JsonValidatorOptions {
  /** Whether values come from anybody, so that the time of a check needs a bound of its own. */
  readonly isUntrusted: boolean;
}

/**
 * Compiles JSON Schema 2020-12, or draft-07 where it says so. Throws a `TypeError` naming `what` for anything that is
 * not usable, and for references that lead outside the schema: nothing is ever fetched (LIST-05).
 */
export function compileJson(json: JsonSchema, what: string, { isUntrusted }: JsonValidatorOptions): ValidateFunction {
  const dialect = json['$schema'];
  const is2020 = dialect === undefined || (typeof dialect === 'string' && DRAFT_2020_12.test(dialect));
  if (!is2020 && !(typeof dialect === 'string' && DRAFT_07.test(dialect))) {
    throw new TypeError(`${what} names the JSON Schema dialect ${JSON.stringify(dialect)}; use 2020-12 or draft-07`);
  }
  // A copy of its own per schema: two types may use the same $id for different schemas. The judge checks the schema;
  // compiling the schema of schemas again each time would cost most of a definition.
  const options: Options = {
    ...silent,
    allErrors: false,
    validateFormats: true,
    validateSchema: false,
    multipleOfPrecision: MULTIPLE_OF_DECIMALS,
    code: { regExp: Object.assign(isUntrusted ? boundedPattern : readPattern, { code: 'pattern' }) },
  };
  const judge = is2020 ? draft2020() : draft07();
  const ajv = is2020 ? new Ajv2020(options) : new Ajv(options);
  addFormats(ajv, isUntrusted);
  try {
    if (judge.validateSchema(json) !== true) {
      throw new Error(unknownType(json, judge.errors ?? []) ?? judge.errorsText(judge.errors));
    }
    return ajv.compile(json);
  } catch (error) {
    throw new TypeError(`${what} is not usable as JSON Schema: ${(error as Error).message}`, { cause: error });
  }
}

const TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'];

/** The mistake that is made most, in words; `undefined` for others. */
function unknownType(json: JsonSchema, errors: readonly ErrorObject[]): string | undefined {
  const wrong = errors.find(({ instancePath }) => /\/type(?:\/\d+)?$/.test(instancePath));
  if (wrong === undefined) return undefined;
  const names = wrong.instancePath.split('/').slice(1);
  let value: unknown = json;
  for (const name of names)
    value = (value as Record<string, unknown>)[name.replaceAll('~1', '/').replaceAll('~0', '~')];
  const given: unknown = Array.isArray(value) ? value.find((each) => !TYPES.includes(each as string)) : value;
  if (typeof given !== 'string' || TYPES.includes(given)) return undefined;
  const nearest = nearestOf(given, TYPES);
  const hint = nearest === undefined ? `; there are ${TYPES.join(', ')}` : `; did you mean ${JSON.stringify(nearest)}?`;
  return `${JSON.stringify(given.slice(0, 64))} is no type of JSON Schema${hint} (${wrong.instancePath})`;
}

/** Whatever ajv would write to the console is no problem, or is thrown. */
const silent: Options = { strict: false, logger: false };

/** Made when first needed and kept: they hold nothing but the schema of schemas of their dialect. */
const draft2020 = once(() => new Ajv2020(silent));
const draft07 = once(() => new Ajv(silent));

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** A pattern that is tested for. Its text names it: what ajv generates for one is used again for the same text. */
interface Test {
  test(text: string): boolean;
  toString(): string;
}

/** A pattern as its author meant it: the stricter mode is for `\p{...}`, and refuses escapes such as `\-`. */
function readPattern(pattern: string): Test {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return new RegExp(pattern);
  }
}

function boundedPattern(pattern: string): Test {
  return bounded(readPattern(pattern));
}

function bounded(pattern: Test): Test {
  return {
    test: (text) => text.length <= MAX_MATCHED_LENGTH && pattern.test(text),
    toString: () => String(pattern),
  };
}

function addFormats(ajv: Ajv, isUntrusted: boolean): void {
  (ajvFormats as unknown as (target: unknown) => void)(ajv);
  // The one that comes along takes time with the square of the length, and refuses hosts that exist.
  ajv.addFormat('url', isUrl);
  if (!isUntrusted) return;
  for (const [name, format] of Object.entries(ajv.formats)) {
    const test = testOf(format);
    if (test === undefined) continue;
    const check = bounded(test);
    ajv.addFormat(name, (text: string) => check.test(text));
  }
}

/** `undefined` for formats of numbers, and for those that are only a name. */
function testOf(format: unknown): Test | undefined {
  if (format instanceof RegExp) return format;
  if (typeof format === 'function') return { test: format as (text: string) => boolean };
  if (!isJsonObject(format) || format['type'] === 'number') return undefined;
  return testOf(format['validate']);
}

function isUrl(text: string): boolean {
  return /^(?:https?|ftp):\/\/\S+$/i.test(text) && URL.canParse(text);
}
