/** Date, time and zone, in the form RFC 3339 shares with ISO 8601. */
const ISO_WITH_ZONE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$/i;

/** Wire form of a time an author gave (OCC-03). Throws a `TypeError` that names `what` when it is none. */
export function isoTimestamp(time: string | Date, what: string): string {
  if (time instanceof Date) {
    if (Number.isNaN(time.getTime())) throw new TypeError(`${what} has an invalid Date as timestamp`);
    return time.toISOString();
  }
  if (typeof time !== 'string' || !ISO_WITH_ZONE.test(time) || Number.isNaN(Date.parse(time))) {
    throw new TypeError(`${what} has the timestamp ${JSON.stringify(time)}; ISO 8601 with a zone is needed`);
  }
  return time;
}
