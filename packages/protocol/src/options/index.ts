/**
 * Checks of what applications pass in, for the packages of this project: one kind of error (`TypeError`) and one form of
 * sentence at every entry. Not part of the wire, and no interface to build on.
 */
export {
  anything,
  bool,
  type Check,
  type Checks,
  checkMembers,
  count,
  func,
  having,
  numberOf,
  object,
  oneOf,
  text,
  textOrNull,
} from './checks.ts';
export { nearestOf, refuseMisspelt, refuseUnknown } from './knownMembers.ts';
export { type NumberBounds, readNumber, readNumbers, readTyped } from './numbers.ts';
export { schemaMistake } from './schemaMistakes.ts';
export { tell } from './tell.ts';
export { isPromise, wrongValue } from './wrongValue.ts';
