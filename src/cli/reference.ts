import { parseReference } from '../oci/reference.ts';
import { CommandFailure } from './failure.ts';

/**
 * Splits `repository[:tag]` or `repository@digest` as the user wrote it, checked. An empty text gives empty parts.
 * @throws CommandFailure in docker's words.
 */
export function splitReference(text: string): { repository: string; tag: string; digest: string } {
  if (text === '') return { repository: '', tag: '', digest: '' };
  checkReference(text);
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? '' : text.slice(at + 1);
  const colon = named.lastIndexOf(':');
  // A colon before a slash belongs to the registry's port.
  if (colon < 0 || named.indexOf('/', colon) >= 0) return { repository: named, tag: '', digest };
  return { repository: named.slice(0, colon), tag: named.slice(colon + 1), digest };
}

/** @throws CommandFailure when `text` is no reference of an image. */
export function checkReference(text: string): void {
  try {
    parseReference(text);
  } catch (error) {
    throw new CommandFailure((error as Error).message);
  }
}
