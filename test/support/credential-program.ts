import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes a credential helper, `docker-credential-NAME`, into a folder: it keeps each server in a file, and its
 * keychain is locked for the server `broken`.
 * @returns what it keeps, by server
 */
export function installCredentialHelper(
  folder: string,
  name: string,
): () => Record<string, { Username: string; Secret: string }> {
  const state = join(folder, `${name}.d`);
  mkdirSync(state);
  const script = `#!/bin/sh
cd '${state}' || exit 1
given=$(cat)
file() { printf %s "$1" | base64 -w0 | tr / _; }
field() { sed -n "s/.*\\"$1\\":\\"\\([^\\"]*\\)\\".*/\\1/p"; }
unknown() { echo 'credentials not found in native keychain'; exit 1; }
case $1 in
get) cat "$(file "$given")" 2>/dev/null || unknown ;;
erase) rm "$(file "$given")" 2>/dev/null || unknown ;;
store)
  server=$(printf %s "$given" | field ServerURL)
  [ "$server" = broken ] && { echo 'the keychain is locked'; exit 1; }
  printf %s "$given" > "$(file "$server")" ;;
list)
  printf {
  comma=
  for each in *; do
    [ -e "$each" ] || continue
    printf '%s"%s":"%s"' "$comma" "$(field ServerURL < "$each")" "$(field Username < "$each")"
    comma=,
  done
  printf } ;;
esac
`;
  writeFileSync(join(folder, `docker-credential-${name}`), script, { mode: 0o755 });
  return () =>
    Object.fromEntries(
      readdirSync(state).map((file) => {
        const { ServerURL, ...entry } = JSON.parse(readFileSync(join(state, file), 'utf8'));
        return [ServerURL, entry];
      }),
    );
}
