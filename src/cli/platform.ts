import { parsePlatform } from '../oci/platform.ts';
import { CommandFailure } from './failure.ts';

/**
 * A `--platform` as the image endpoints take it, in JSON; undefined when it was not given.
 * @throws CommandFailure when it is none.
 */
export function parsePlatformFlag(text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return JSON.stringify(parsePlatform(text));
  } catch (error) {
    throw new CommandFailure(`invalid platform: ${(error as Error).message}`);
  }
}
