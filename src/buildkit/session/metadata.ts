/**
 * Values as the session's metadata carries them: those with characters beyond ASCII are escaped as in a query, all of a
 * key's or none, which `KEY-encoded` says.
 */
export function encodeMetadata(
  values: Readonly<Record<string, readonly string[]>>,
): Record<string, string[]> {
  const encoded: Record<string, string[]> = {};
  for (const [key, list] of Object.entries(values)) {
    if (list.length === 0) continue;
    // A header's value has no line breaks either.
    const plain = list.every((value) => /^[\x20-\x7e]*$/.test(value));
    encoded[key] = plain ? [...list] : list.map((value) => encodeURIComponent(value).replace(/%20/g, '+'));
    if (!plain) encoded[`${key}-encoded`] = ['1'];
  }
  return encoded;
}
