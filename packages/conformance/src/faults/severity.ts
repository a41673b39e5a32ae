/** What subscriptions choose events by. */
export type Severity = 'high' | 'low';

export const SEVERITIES: readonly Severity[] = ['high', 'low'];
