/**
 * The URL that `text` is, or `undefined` if it is none. Not `URL.canParse`: in Node.js 20 that says no to the letters of
 * Latin-1 beyond ASCII, such as `https://bücher.example`, from the moment a process has called it a few thousand times.
 */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
