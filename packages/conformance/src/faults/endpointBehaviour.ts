/** How an endpoint answers a share of what is posted to it, from 0 to 1. */
export type EndpointBehaviour =
  | { readonly kind: 'status'; readonly share: number; readonly status: number }
  /** Answers properly, late. */
  | { readonly kind: 'slow'; readonly share: number; readonly delayMs: number }
  /** Never answers. */
  | { readonly kind: 'hang'; readonly share: number }
  /** Takes the message, and cuts the connection instead of answering. */
  | { readonly kind: 'loseAnswer'; readonly share: number };
