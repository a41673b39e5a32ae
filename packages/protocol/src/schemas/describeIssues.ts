import type * as z from 'zod';

/**
 * Says in one line which members were wrong and what was expected, for the message of an InvalidParams error:
 * `maxEvents: expected number >= 1; delivery.secret: expected …`. Never repeats a received value, as it may be
 * a secret (SIG-02).
 */
export function describeIssues(error: z.core.$ZodError): string {
  return error.issues.map((issue) => `${describePath(issue.path)}${describeExpectation(issue)}`).join('; ');
}

/** Empty for the root, which needs no name. */
function describePath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '';
  const steps = path.map((step, index) => {
    if (typeof step === 'number') return `[${step}]`;
    return index === 0 ? String(step) : `.${String(step)}`;
  });
  return `${steps.join('')}: `;
}

function describeExpectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${readable(issue.expected)}`;
    case 'too_small':
      return `expected ${readable(issue.origin)} of at least ${issue.minimum}`;
    case 'too_big':
      return `expected ${readable(issue.origin)} of at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

/** zod's word for an integer is its own. */
function readable(type: string): string {
  return type === 'int' ? 'integer' : type;
}
