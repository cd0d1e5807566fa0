import { HttpError } from './errors.ts';

/** The API versions that are spoken, as minor numbers: 1.24 to 1.51. */
export const MIN_API_VERSION = 24;
export const MAX_API_VERSION = 51;

/** `1.51`. */
export const API_VERSION = `1.${MAX_API_VERSION}`;
export const MIN_API_VERSION_TEXT = `1.${MIN_API_VERSION}`;

/**
 * The minor number of the version in a path (`1.43` gives 43).
 * Throws with status 400 and Docker's words when it is outside of what is spoken.
 */
export function parseApiVersion(text: string): number {
  const match = /^(\d{1,6})\.(\d{1,6})(?:\.\d+)*$/.exec(text);
  const major = match ? Number(match[1]) : 0;
  const minor = match ? Number(match[2]) : 0;
  if (major < 1 || (major === 1 && minor < MIN_API_VERSION)) {
    throw new HttpError(
      400,
      `client version ${text} is too old. Minimum supported API version is ${MIN_API_VERSION_TEXT}, please upgrade your client to a newer version`,
    );
  }
  if (major > 1 || minor > MAX_API_VERSION) {
    throw new HttpError(
      400,
      `client version ${text} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  }
  return minor;
}
