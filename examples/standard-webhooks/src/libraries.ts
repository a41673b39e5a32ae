import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';

/** The published implementations. Both have the same face. */
export const libraries = { standardwebhooks: StandardWebhook, svix: SvixWebhook } as const;

/** Their names, in the order of the tables. */
export const libraryNames = Object.keys(libraries) as (keyof typeof libraries)[];

/** A POST as it came over the wire. */
export interface SignedPost {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Whether a library accepts a POST that is said to be signed with this secret. */
export function isAccepted(library: keyof typeof libraries, secret: string, { headers, body }: SignedPost): boolean {
  try {
    new libraries[library](secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}
