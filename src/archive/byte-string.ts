/**
 * File names are bytes, and not all are UTF-8. Inside archives and trees we keep them as *byte strings*: each
 * character is one byte (latin1), so comparing, slicing and using them as map keys is exact and cheap.
 */
export type ByteString = string;

/** A text (UTF-16) as a byte string of its UTF-8. */
export function toByteString(text: string): ByteString {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII needs no conversion
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string as text, for people and the API; bytes that are no UTF-8 become U+FFFD. */
export function toText(name: ByteString): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII needs no conversion
  return /^[\x00-\x7f]*$/.test(name) ? name : Buffer.from(name, 'latin1').toString('utf8');
}
