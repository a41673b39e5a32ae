/** Texts that tell apart what patterns of one format allow. */
interface Format {
  /** What every pattern for the whole of the format matches. One that does not says something of the author's. */
  readonly typical: readonly string[];
  /** What two patterns have to agree on: kinds of the format that an author chooses between. */
  readonly kinds: readonly string[];
}

const hex32 = '0123456789abcdef0123456789abcdef';

/**
 * Formats that schema libraries write a pattern beside, which is worded differently by each of their versions, and is
 * usually a little more exact.
 */
const formats: Readonly<Record<string, Format>> = {
  email: { typical: ['ada@example.com', 'first.last+tag@sub.example.org', "o'hara_9@example.co"], kinds: [] },
  'idn-email': { typical: ['ada@example.com'], kinds: ['ä@example.com'] },
  'date-time': {
    typical: ['2026-01-31T10:20:30Z', '2024-02-29T00:00:00Z'],
    kinds: ['2026-01-31T10:20:30.5Z', '2026-01-31T10:20:30.123Z', '2026-01-31T10:20:30+02:00', '2026-01-31T10:20:30'],
  },
  date: { typical: ['2026-01-31', '2024-02-29'], kinds: [] },
  time: { typical: ['10:20:30'], kinds: ['10:20:30.5', '10:20:30.123', '10:20:30Z', '10:20:30+02:00'] },
  duration: { typical: ['P1DT2H', 'PT5M'], kinds: ['P1W', '-P1D'] },
  uuid: {
    typical: ['9b2f7c1e-3d4a-4f6b-8c7d-0123456789ab'],
    kinds: ['c232ab00-9414-11ec-b3c8-9f6bdeced846', '018f3c6e-7b2a-7c3d-9e4f-0123456789ab'],
  },
  guid: { typical: ['9b2f7c1e-3d4a-4f6b-8c7d-0123456789ab'], kinds: ['9b2f7c1e-3d4a-0f6b-0c7d-0123456789ab'] },
  ipv4: { typical: ['192.0.2.1', '255.255.255.255'], kinds: [] },
  ipv6: { typical: ['2001:db8::1', '::1'], kinds: ['fe80::1%eth0'] },
  cidrv4: { typical: ['192.0.2.0/24'], kinds: [] },
  cidrv6: { typical: ['::/0', 'fe80::/10'], kinds: [] },
  hostname: { typical: ['example.com', 'a-b.example.org'], kinds: [] },
  base64: { typical: ['', 'TWFu', 'TWE='], kinds: [] },
  base64url: { typical: ['', 'TWFu', 'TWE'], kinds: [] },
  cuid: { typical: ['cjld2cjxh0000qzrmn831i7rn'], kinds: [] },
  cuid2: { typical: ['tz4a98xxat96iws9zmbrgj3a'], kinds: [] },
  ulid: { typical: ['01ARZ3NDEKTSV4RRFFQ69G5FAV'], kinds: [] },
  xid: { typical: ['9m4e2mr0ui3e8a215n4g'], kinds: [] },
  ksuid: { typical: ['0ujtsYcgvSTl8PAuAdqWYSMnLOv'], kinds: [] },
  nanoid: { typical: ['V1StGXR8_Z5jdHi6B-myT'], kinds: [] },
  emoji: { typical: ['😀', '👍🏽'], kinds: [] },
  e164: { typical: ['+14155552671'], kinds: [] },
  jwt: { typical: ['aGVhZA.Ym9keQ.c2ln'], kinds: [] },
  mac: { typical: ['00:1b:44:11:3a:b7'], kinds: ['00-1B-44-11-3A-B7'] },
  hex: { typical: [hex32], kinds: [] },
};

/** Say the same as the pattern beside them, and no validator knows them. */
const patternKinds: ReadonlySet<string> = new Set([
  'regex',
  'starts_with',
  'ends_with',
  'includes',
  'lowercase',
  'uppercase',
  'template_literal',
]);

/** The format a string schema has, without those that only name the kind of its pattern. */
export function formatOf(schema: Readonly<Record<string, unknown>>): unknown {
  const { format } = schema;
  return typeof format === 'string' && patternKinds.has(format) && typeof schema['pattern'] === 'string'
    ? undefined
    : format;
}

/** Whether two patterns are two wordings of one format, as far as typical texts tell. */
export function areWordingsOf(format: unknown, before: unknown, after: unknown): boolean {
  if (typeof format !== 'string' || !Object.hasOwn(formats, format)) return false;
  const { typical, kinds } = formats[format] as Format;
  const [old, now] = [read(before), read(after)];
  return (
    old !== undefined &&
    now !== undefined &&
    typical.every((text) => old.test(text) && now.test(text)) &&
    kinds.every((text) => old.test(text) === now.test(text))
  );
}

function read(pattern: unknown): RegExp | undefined {
  if (typeof pattern !== 'string') return undefined;
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}
