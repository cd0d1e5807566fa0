import { parseReference, type Reference, withDefaultTag } from '../../oci/reference.ts';
import { CommandFailure } from '../failure.ts';

/**
 * Reads the name of a list or of an image; `latest` without a tag.
 * @param what begins the message about a name that is none
 * @throws CommandFailure in docker's words
 */
export function manifestReference(text: string, what = ''): Reference {
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    throw new CommandFailure(`${what}${(error as Error).message}`);
  }
}
