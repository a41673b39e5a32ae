import type { JsonSchema } from '@mcp-events/protocol';
import { isJsonObject } from '@mcp-events/protocol';
import { schemaMistake } from '@mcp-events/protocol/options';
import type { ValidateFunction } from 'ajv';
import { answeredAtOnce, isPromise } from '../maybePromise.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { snapshotPayload } from '../occurrence/payload.ts';
import { compileJson, MAX_MATCHED_LENGTH } from './jsonValidator.ts';
import { allowsObjects, withoutApproximations } from './schemaForms.ts';
import { describeErrors, describeLibraryIssues, SchemaViolation } from './violations.ts';

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

/** A schema ready for use: its published form, and a check of values against it. */
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

export interface CompileOptions {
  /** For messages, such as `the payload schema of event type "x"`. */
  readonly what: string;
  /** Whether values come from anybody. */
  readonly isUntrusted: boolean;
}

/**
 * Compiles a schema. Throws a `TypeError` for anything that is not usable JSON Schema 2020-12 (or draft-07 where it says
 * so), for references that lead outside the schema (LIST-05), and for schemas that no object satisfies.
 */
export function compileSchema(schema: SchemaInput, options: CompileOptions): CompiledSchema {
  const { what } = options;
  // A copy of what can be written: what is published is what is checked, whatever becomes of the author's object.
  const json = snapshotPayload(toJsonSchema(schema, what), what).data;
  const validateJson = compileJson(json, what, options);
  if (!allowsObjects(json, json))
    throw new TypeError(`${what} allows no object, but arguments and payloads are objects`);
  const library = isSchemaObject(schema) ? schema['~standard'] : undefined;
  const accepts = library === undefined ? undefined : acceptedByLibrary(library.validate, json, options);
  const validate = (value: unknown): void => {
    if (validateJson(value)) return;
    const errors = validateJson.errors ?? [];
    if (accepts?.(value) !== true) throw new SchemaViolation(describeErrors(errors));
  };
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

/**
 * Whether the author's library takes a value that JSON Schema refuses: some of what authors write can only be described
 * roughly, such as a pattern with flags, a length in UTF-16 units or a URL. Types, members and lists of values count as
 * described. Made when it is needed first, which for most schemas is never.
 */
function acceptedByLibrary(
  validate: (value: unknown) => unknown,
  json: JsonSchema,
  options: CompileOptions,
): (value: unknown) => boolean {
  let isOfForm: ValidateFunction | undefined;
  return (value) => {
    // What its bound refuses is not for another pattern, either.
    if (options.isUntrusted && hasLongText(value)) return false;
    isOfForm ??= compileJson(withoutApproximations(json), options.what, options);
    if (!isOfForm(value)) return false;
    try {
      const result = answeredAtOnce(validate(value));
      return !isPromise(result) && isJsonObject(result) && result['issues'] === undefined;
    } catch {
      return false;
    }
  };
}

function hasLongText(value: unknown): boolean {
  if (typeof value === 'string') return value.length > MAX_MATCHED_LENGTH;
  return typeof value === 'object' && value !== null && Object.values(value).some(hasLongText);
}

function isSchemaObject(schema: SchemaInput): schema is SchemaObject {
  return typeof (schema as Partial<SchemaObject>)['~standard'] === 'object';
}

function toJsonSchema(schema: SchemaInput, what: string): JsonSchema {
  const mistake = schemaMistake(schema);
  if (mistake !== undefined) throw new TypeError(`${what} must be a schema, ${mistake}`);
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
  try {
    return toJson({ target: 'draft-2020-12' });
  } catch (error) {
    throw new TypeError(
      `${what} cannot be written as JSON Schema: ${(error as Error).message}. Events are JSON: use what JSON has, such as ` +
        'z.iso.datetime() for a date',
      { cause: error },
    );
  }
}

function parsedBy(result: unknown, value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (!isJsonObject(result)) return value;
  const issues = result['issues'];
  if (Array.isArray(issues)) throw new SchemaViolation(describeLibraryIssues(issues));
  const output = result['value'];
  return isJsonObject(output) ? output : value;
}
