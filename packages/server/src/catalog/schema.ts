import type { JsonSchema } from '@mcp-events/protocol';
import { isJsonObject } from '@mcp-events/protocol';
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';

/**
 * A schema library's object that can describe itself as JSON Schema (Standard JSON Schema: zod 4.2 and later, ArkType,
 * Valibot through its adapter).
 */
export interface SchemaObject<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly validate: (value: unknown) => unknown;
    readonly jsonSchema?: { readonly input: (options: { target: 'draft-2020-12' }) => Record<string, unknown> };
  };
}

/** What authors may give as a schema: a schema library's object, or JSON Schema itself. */
export type SchemaInput<Input = unknown, Output = Input> = SchemaObject<Input, Output> | JsonSchema;

/** A schema ready for use: its published form, and a check of values against exactly that form. */
export interface CompiledSchema {
  readonly json: JsonSchema;
  /** Throws a {@link SchemaViolation}. */
  readonly validate: (value: unknown) => void;
  /**
   * Checks, and completes what the author's schema library would complete (defaults). A promise where the library
   * answers with one, as zod does for asynchronous schemas and for author code inside a schema that threw.
   */
  readonly parse: (value: Readonly<Record<string, unknown>>) => MaybePromise<Readonly<Record<string, unknown>>>;
}

/** A value does not satisfy its schema. The message names members, never values, so nothing secret gets into logs. */
export class SchemaViolation extends Error {
  override readonly name = 'SchemaViolation';
}

const DRAFT_2020_12 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;

/** Violations named in one message; the rest is noise. */
const MAX_NAMED_VIOLATIONS = 5;

/**
 * Compiles a schema. Throws a `TypeError` naming `what` for anything that is not usable JSON Schema 2020-12 (or
 * draft-07 where it says so), and for references that lead outside the schema: nothing is ever fetched (LIST-05).
 */
export function compileSchema(schema: SchemaInput, what: string): CompiledSchema {
  const json = toJsonSchema(schema, what);
  const validateJson = compileJson(json, what);
  const validate = (value: unknown): void => {
    if (validateJson(value)) return;
    throw new SchemaViolation(describe(validateJson.errors ?? []));
  };
  const library = isSchemaObject(schema) ? schema['~standard'] : undefined;
  return {
    json,
    validate,
    parse: (value) => {
      validate(value);
      if (library === undefined) return value;
      const result = library.validate(value);
      return isPromise(result) ? result.then((settled) => parsedBy(settled, value)) : parsedBy(result, value);
    },
  };
}

function isSchemaObject(schema: SchemaInput): schema is SchemaObject {
  return typeof (schema as Partial<SchemaObject>)['~standard'] === 'object';
}

function toJsonSchema(schema: SchemaInput, what: string): JsonSchema {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) {
    throw new TypeError(`${what} must be a schema object, not ${String(schema)}`);
  }
  if (!isSchemaObject(schema)) return schema;
  const toJson = schema['~standard'].jsonSchema?.input;
  if (toJson === undefined) {
    throw new TypeError(
      `${what} comes from a schema library that cannot describe itself as JSON Schema; pass JSON Schema`,
    );
  }
  return toJson({ target: 'draft-2020-12' });
}

function compileJson(json: JsonSchema, what: string): ValidateFunction {
  // A copy of its own per schema: two types may use the same $id for different schemas.
  const options = { strict: false, allErrors: false, validateFormats: true };
  const dialect = json['$schema'];
  const is2020 = dialect === undefined || (typeof dialect === 'string' && DRAFT_2020_12.test(dialect));
  if (!is2020 && !(typeof dialect === 'string' && DRAFT_07.test(dialect))) {
    throw new TypeError(`${what} names the JSON Schema dialect ${JSON.stringify(dialect)}; use 2020-12 or draft-07`);
  }
  const judge = is2020 ? draft2020() : draft07();
  // The judge has checked the schema; compiling the schema of schemas again each time would cost most of a definition.
  const ajv = is2020
    ? new Ajv2020({ ...options, validateSchema: false })
    : new Ajv({ ...options, validateSchema: false });
  (ajvFormats as unknown as (target: unknown) => void)(ajv);
  try {
    if (judge.validateSchema(json) !== true) throw new Error(judge.errorsText(judge.errors));
    return ajv.compile(json);
  } catch (error) {
    throw new TypeError(`${what} is not usable as JSON Schema: ${(error as Error).message}`, { cause: error });
  }
}

/** Made when first needed and kept: they hold nothing but the schema of schemas of their dialect. */
const draft2020 = once(() => new Ajv2020());
const draft07 = once(() => new Ajv());

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function parsedBy(result: unknown, value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (!isJsonObject(result)) return value;
  const issues = result['issues'];
  if (Array.isArray(issues)) {
    const messages = issues.slice(0, MAX_NAMED_VIOLATIONS).map((issue: unknown) => {
      const { path, message } = issue as { path?: readonly unknown[]; message?: string };
      const place = (path ?? []).map((part) => String(isJsonObject(part) ? part['key'] : part)).join('.');
      return `${place === '' ? 'the value' : place}: ${message ?? 'is not valid'}`;
    });
    throw new SchemaViolation(messages.join('; '));
  }
  const output = result['value'];
  return isJsonObject(output) ? output : value;
}

function describe(errors: readonly ErrorObject[]): string {
  const named = errors.slice(0, MAX_NAMED_VIOLATIONS).map(({ instancePath, message, keyword, params }) => {
    const place = instancePath === '' ? 'the value' : instancePath.slice(1).replaceAll('/', '.');
    const allowed =
      keyword === 'enum' ? `: ${JSON.stringify((params as { allowedValues: unknown }).allowedValues)}` : '';
    return `${place} ${message ?? 'is not valid'}${allowed}`;
  });
  return named.join('; ');
}
