import { parsePlatform } from '../oci/platform.ts';
import { CommandFailure } from './failure.ts';

/**
 * A `--platform` as the image endpoints take it, in JSON; undefined when it was not given.
 * @param prefix what docker says before the reason, which its verbs do not agree on
 * @throws CommandFailure when it is none.
 */
export function parsePlatformFlag(text: string, prefix = 'invalid platform: '): string | undefined {
  if (text === '') return undefined;
  try {
    return JSON.stringify(parsePlatform(text));
  } catch (error) {
    throw new CommandFailure(`${prefix}${(error as Error).message}`);
  }
}
