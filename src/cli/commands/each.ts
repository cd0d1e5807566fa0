import type { CommandContext } from '../context.ts';
import { forEachItem } from '../failure.ts';

/** Does one thing to each named object and prints the name after it worked, as most of docker's verbs do. */
export async function printEach(
  context: CommandContext,
  names: readonly string[],
  act: (name: string) => Promise<void>,
): Promise<number> {
  await forEachItem(names, async (name) => {
    await act(name);
    context.console.out(`${name}\n`);
  });
  return 0;
}

/** The path of a container in the API. */
export const containerPath = (name: string, rest = ''): string =>
  `/containers/${encodeURIComponent(name)}${rest}`;
