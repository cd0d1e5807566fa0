import type { Console } from './console.ts';

/** Asks on stdout and reads a line from stdin; anything but y or yes is a no. */
export async function confirm(console: Console, question: string): Promise<boolean> {
  console.out(`${question} [y/N] `);
  const decoder = new TextDecoder();
  let line = '';
  for await (const chunk of Bun.stdin.stream() as unknown as AsyncIterable<Uint8Array>) {
    line += decoder.decode(chunk, { stream: true });
    if (line.includes('\n')) break;
  }
  return /^\s*y(es)?\s*$/i.test(line.split('\n')[0] ?? '');
}
