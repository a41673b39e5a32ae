/** Which of an event type's two schemas is meant. */
export type SchemaRole = 'input' | 'payload';

/** What happened to a part of a schema. */
export type SchemaChangeKind =
  | 'propertyAdded'
  | 'propertyRemoved'
  | 'requiredAdded'
  | 'requiredRemoved'
  | 'typeWidened'
  | 'typeNarrowed'
  | 'valuesAdded'
  | 'valuesRemoved'
  | 'constraintLoosened'
  | 'constraintTightened'
  | 'variantAdded'
  | 'variantRemoved'
  | 'keywordChanged'
  | 'notComparable';

/** One difference between two versions of a schema. */
export interface SchemaChange {
  /** JSON Pointer into the schema, following references; empty for its root. */
  path: string;
  kind: SchemaChangeKind;
  /** Whether a peer that relies on the old version could fail with the new one (LIST-06, LIST-07). */
  breaking: boolean;
  /** The change in words, for people. */
  message: string;
}
