export { openSqliteStorage } from './openSqliteStorage.ts';
export type { SqliteStorage, SqliteStorageOptions } from './openSqliteStorage.ts';
export { StorageError } from './storageError.ts';
export type { StorageErrorCode } from './storageError.ts';
