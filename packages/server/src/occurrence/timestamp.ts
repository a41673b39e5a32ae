/** Date, time and zone, in the form RFC 3339 shares with ISO 8601. */
const ISO_WITH_ZONE = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:Z|([+-])(\d{2}):?(\d{2}))$/i;

/** Longest text that is looked at: fractions of a second have no bound of their own. */
const MAX_LENGTH = 64;

const LEAP_SECOND = /(?<=T\d{2}:\d{2}:)60(?:\.\d+)?/i;

const MINUTE_MS = 60_000;

/** Wire form of a time an author gave (OCC-03). Throws a `TypeError` that names `what` when it is none. */
export function isoTimestamp(time: string | Date, what: string): string {
  if (time instanceof Date) {
    if (Number.isNaN(time.getTime())) throw new TypeError(`${what} has an invalid Date as timestamp`);
    const text = time.toISOString();
    // Years before 0 and after 9999 have another form.
    if (text.length !== '2026-01-01T00:00:00.000Z'.length) {
      throw new TypeError(`${what} has the timestamp ${text}; its year must have four digits`);
    }
    return text;
  }
  if (typeof time !== 'string' || !isTime(time)) {
    const told = typeof time === 'string' ? JSON.stringify(time.slice(0, MAX_LENGTH)) : typeof time;
    throw new TypeError(`${what} has the timestamp ${told}; ISO 8601 with a zone is needed, of a time that exists`);
  }
  return time;
}

/**
 * Milliseconds since the epoch of a time on the wire; `NaN` for what is none. A leap second counts as the end of the
 * minute: `Date` knows none.
 */
export function timestampMs(time: string): number {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? Date.parse(time.replace(LEAP_SECOND, '59.999')) : ms;
}

function isTime(text: string): boolean {
  const parts = text.length > MAX_LENGTH ? null : ISO_WITH_ZONE.exec(text);
  if (parts === null) return false;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [zoneHour, zoneMinute] = [Number(parts[8] ?? 0), Number(parts[9] ?? 0)];
  const isInRange =
    month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month) && hour <= 23 && minute <= 59 && second <= 60;
  if (!isInRange || zoneHour > 23 || zoneMinute > 59) return false;
  if (second < 60) return true;
  // Leap seconds are put in at the end of a month, at the same moment everywhere.
  const offsetMs = (zoneHour * 60 + zoneMinute) * MINUTE_MS * (parts[7] === '-' ? 1 : -1);
  const next = new Date(utcMs(year, month, day, hour, minute) + offsetMs + MINUTE_MS);
  return next.getUTCDate() === 1 && next.getUTCHours() === 0 && next.getUTCMinutes() === 0;
}

function daysOf(year: number, month: number): number {
  return new Date(utcMs(year, month + 1, 0, 0, 0)).getUTCDate();
}

/** `Date.UTC` takes years before 100 for those of the twentieth century. */
function utcMs(year: number, month: number, day: number, hour: number, minute: number): number {
  return new Date(Date.UTC(2_000, 0, 1)).setUTCFullYear(year, month - 1, day) + (hour * 60 + minute) * MINUTE_MS;
}
