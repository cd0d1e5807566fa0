/** The list of what runs in the virtual machine: list.txt. */

export type Entry =
  | { readonly kind: 'tests'; readonly file: string; readonly pattern: string | undefined }
  | { readonly kind: 'reboot' };

/**
 * Its entries, in order. With `filter` only files whose path has it as a part; the installation, which all need, and
 * the reboot stay.
 */
export function parseList(text: string, filter: string | undefined): Entry[] {
  const entries: Entry[] = [];
  for (const line of text.split('\n')) {
    const [, file = '', pattern] = /^\s*([^\s#]+)(?:\s+(.*\S))?\s*$/.exec(line) ?? [];
    if (file === '') continue;
    if (file === 'reboot') entries.push({ kind: 'reboot' });
    else if (filter === undefined || file.includes(filter) || file.includes('/install.')) {
      entries.push({ kind: 'tests', file, pattern });
    }
  }
  // With a filter there may be nothing to restart for.
  while (filter !== undefined && entries.at(-1)?.kind === 'reboot') entries.pop();
  return entries;
}
