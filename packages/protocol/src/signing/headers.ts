/** Names the message: the same for every attempt of one delivery (DELIV-02, DIALECT-10). */
export const WEBHOOK_ID_HEADER = 'webhook-id';

/** When this attempt was signed, in Unix seconds (SIG-04). */
export const WEBHOOK_TIMESTAMP_HEADER = 'webhook-timestamp';

/** Signatures of this attempt, separated by spaces (SIG-05). */
export const WEBHOOK_SIGNATURE_HEADER = 'webhook-signature';

/** The id of the subscription result; chooses the secret before the body is read (RECV-01). */
export const SUBSCRIPTION_ID_HEADER = 'x-mcp-subscription-id';
