/** The method is not POST. */
export function methodNotAllowed(allowed: string): Response {
  return answer(405, `This endpoint takes ${allowed} only.`, { allow: allowed });
}

/** Answers without content: the message is taken, or the application's business. */
export function emptyAnswer(status: 204 | 410): Response {
  return new Response(null, { status });
}

/** A post that cannot be read. `words` are for the people who run the server. */
export function badRequest(words: string): Response {
  return answer(400, words);
}

/** Not, or not provably, from the server that the secret was given to (SIG-07, SIG-09). */
export function unauthorized(words: string): Response {
  return answer(401, words);
}

/** To be sent again later (RECV-02, RECV-04). */
export function notNow(words: string): Response {
  return answer(503, words);
}

/** A fault on this side. */
export function internalFailure(): Response {
  return answer(500, 'The receiver failed.');
}

/** The body is not read to its end, so the connection cannot be used for another post. */
export function cutOff(status: 408 | 413, words: string): Response {
  return answer(status, words, { connection: 'close' });
}

function answer(status: number, words: string, headers: Record<string, string> = {}): Response {
  return new Response(`${words}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } });
}
