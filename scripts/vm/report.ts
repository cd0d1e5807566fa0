/** What the tests in the virtual machine tell the host: lines that begin with `@`. Everything else is output to be shown. */
import type { TestRun } from '../run-tests.ts';

export type Message =
  | { readonly kind: 'phase'; readonly name: string }
  | { readonly kind: 'run'; readonly entry: string; readonly seconds: number; readonly run: TestRun }
  | { readonly kind: 'note'; readonly text: string }
  /** All entries of the list have been run. */
  | { readonly kind: 'done' };

/** As one line. */
export function writeMessage(message: Message): string {
  return `@${JSON.stringify(message)}`;
}

/** The message in a line, or undefined for other output. Throws for a damaged one: its result must not be lost. */
export function readMessage(line: string): Message | undefined {
  return line.startsWith('@{') ? (JSON.parse(line.slice(1)) as Message) : undefined;
}
